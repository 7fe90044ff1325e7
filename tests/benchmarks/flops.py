"""FLOPs as `codegen bench` counts them beside published ones: python tests/benchmarks/flops.py > tests/benchmarks/flops.md"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import timm
import torch
import torchvision
from test_costing import PUBLISHED, TORCHVISION, built

from codegen.worker import counting


def main() -> None:
    """Print the table."""
    print("# FLOPs beside published numbers\n\nMade by `python tests/benchmarks/flops.py`: torch's flop counter, a forward at")
    print(f"224 x 224, batch 1 (torch {torch.__version__.partition('+')[0]}, timm {timm.__version__}, torchvision "
          f"{torchvision.__version__.partition('+')[0]}). Both in 10^9 multiply-adds: half the FLOPs.\n")
    print("| model | published | where | counted | ratio |\n|---|---|---|---|---|")
    for name in TORCHVISION:
        published = torchvision.models.get_model_weights(name).DEFAULT.meta["_ops"]
        made = built(lambda name=name: torchvision.models.get_model(name), 3, 224, 224)
        row(f"torchvision:{name}", published, "torchvision's weights", made)
    for name, (published, where) in PUBLISHED.items():
        row(f"timm:{name}", published, where, built(lambda name=name: timm.create_model(name), 3, 224, 224))


def row(name: str, published: float, where: str, made: counting.Built) -> None:
    """One line of the table."""
    counted = counting.flops(made) / 2e9
    print(f"| `{name}` | {published} | {where} | {counted:.4g} | {counted / published:.4f} |")


if __name__ == "__main__":
    main()
