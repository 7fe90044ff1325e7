"""What a site must take and return for what is asked for: tensors, and beside it of one shape. Reads no code."""

from __future__ import annotations

from codegen import nested
from codegen.errors import CodegenError
from codegen.traced import TracedModule
from codegen.types import Request


def demand_tensor(request: Request, module: TracedModule) -> None:
    """Raises CodegenError("no-tensor") where a side of the site that matters has none, or none that could be changed."""
    held = ("tensor", *nested.KINDS) if request.operation in ("before", "beside") else ("tensor",)
    for side in request.sides:
        after = side == "after"
        if not (module.output_shape if after else module.input_shape):
            what = f"{request.site} {'returns' if after else 'receives'} no tensor"
            raise CodegenError("no-tensor", what, "choose a site that does: codegen sites SOURCE")
        if not after and module.input_kind not in held:
            what = f"{request.site} receives a {module.input_kind}, not a tensor"
            raise CodegenError("no-tensor", what, "choose the modules inside it, or the one before it: codegen sites SOURCE")


def demand_shape(request: Request, module: TracedModule) -> None:
    """Raises CodegenError("module-does-not-fit") where a site changes its tensor's shape, and a module of the catalogue, which
    returns that of its own, runs beside it.
    """
    received, returned = module.input_shape, module.output_shape
    if request.operation == "beside" and received != returned and not request.layers and ":" not in request.module:
        raise CodegenError(
            "module-does-not-fit",
            f"{module.name} turns {received} into {returned}, `{request.module}` beside it returns {received}",
            "choose a site that keeps the shape, or give a class of your own that changes it likewise: --module my.py:Class",
        )
