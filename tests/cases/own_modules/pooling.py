"""Pooling over positions.

Copyright 2021 Jane Doe. MIT License.
"""
import torch


def spread(x):
    """(B, C, H, W) -> (B, C)"""
    mean = x.mean(dim=(2, 3), keepdim=True)
    return (x - mean).abs().mean(dim=(2, 3))


def largest(x):
    return torch.amax(x, dim=(2, 3))
