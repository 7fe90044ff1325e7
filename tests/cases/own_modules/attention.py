#!/usr/bin/env python
# Copyright (c) 2023 The Attention Drawer authors
# SPDX-License-Identifier: BSD-3-Clause
"""Attention modules that we use in several projects."""
import torch
import torch.nn as nn

from pooling import spread


class SpreadGate(nn.Module):
    """Channel attention from the spread of each channel."""

    def __init__(self, dim, reduction=4):
        super().__init__()
        self.squeeze = nn.Linear(dim, dim // reduction)
        self.excite = nn.Linear(dim // reduction, dim)

    def forward(self, x):
        gate = self.excite(torch.relu(self.squeeze(spread(x))))
        return x * torch.sigmoid(gate)[:, :, None, None]
