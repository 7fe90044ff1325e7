"""Pools that make one number of each channel of a map: what `codegen head --pool` names, and the classes that torch lacks."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from codegen import construct, style
from codegen.errors import CodegenError
from codegen.types import Site

LAYERS = {"avg": "AdaptiveAvgPool2d(1)", "max": "AdaptiveMaxPool2d(1)", "avgmax": "AvgMaxPool2d", "gem": "GeM"}
LAYERS |= {"catavgmax": "CatAvgMaxPool2d"}
CLASSES = {"GeM": ("gem", ("p", "eps", "device", "dtype")), "AvgMaxPool2d": ("avg_max", ())}  # (template, parameters)
CLASSES |= {"CatAvgMaxPool2d": ("cat_avg_max", ())}


def widens(layers: str) -> bool:
    """Whether what stands in the place of a pool gives two numbers of each channel: what takes it is made anew."""
    return layers == LAYERS["catavgmax"]


def doubled(width: str) -> str:
    """`dim * 2`, `(a + b) * 2`."""
    return ast.unparse(ast.BinOp(ast.parse(width, mode="eval").body, ast.Mult(), ast.Constant(2)))


def in_place_of(site: Site, layers: list[ast.expr]) -> list[ast.expr]:
    """The pool that stands where another stood; made flat where that returned a vector.

    Raises CodegenError("module-does-not-fit") where the site is no such pool.
    """
    received, returned = site.module.input_shape, site.module.output_shape
    vector = received[:2]
    if site.layout.kind != "NCHW" or returned not in (vector, (*vector, 1, 1)):
        what = f"{site.name} turns {received} into {returned}: no pool over all positions of a map (NCHW)"
        hint = "name the module that pools: codegen sites SOURCE shows it as NxCx1x1 or NxC; a pool that is no module cannot be"
        raise CodegenError("module-does-not-fit", what, hint)
    return [*layers, ast.Name("Flatten")] if returned == vector else layers


def code(names: Iterable[str], *, factory: bool) -> str:
    """The classes that torch does not have."""
    templates = dict.fromkeys(CLASSES[name][0] for name in names if name in CLASSES)
    return "\n\n\n".join(style.formatted(construct.rendered(name, factory=factory)).strip("\n") for name in templates)
