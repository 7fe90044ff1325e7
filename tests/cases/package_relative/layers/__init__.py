from .conv import ConvNormAct, Downsample

__all__ = ["ConvNormAct", "Downsample"]
