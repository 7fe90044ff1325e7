"""Run a module beside a layer of a class that inherits torch's nn.Sequential.forward: the class gets a forward of its own.

Edits no other method.
"""

from __future__ import annotations

from codegen import branch, inlining, reaching, style, syntax
from codegen.errors import CodegenError
from codegen.ops.insert import Place, passing_by
from codegen.types import Edit


def plan(place: Place) -> list[Edit]:
    """The forward behind `__init__`, and the loops that pass the module by. Raises CodegenError("site-not-editable").

    def forward(self, x):
        for module in self:
            if module is self[1]:
                x = module(x) + self.se(x)
            elif module is not self.se:
                x = module(x)
        return x
    """
    code, cls, site = place.code, place.cls, place.site
    if wrong := {site.module.input_kind, site.module.output_kind} - {"tensor"}:
        what = f"{site.name} receives or returns a {min(wrong)}, which {cls.name} hands on as nn.Sequential does"
        raise CodegenError("site-not-editable", what, "choose a site that takes and returns a tensor: codegen sites SOURCE")
    lines = _around(place) if site.whole else _at_layer(place)
    text = "\n    ".join(["def forward(self, x):", *lines])
    init = syntax.method(cls, "__init__") or cls.body[-1]
    block = code.newline + style.block(text, code, code.indent(cls.body[-1]))
    return [*passing_by(place), style.below(code, init, block, f"forward of {cls.name}")]


def _at_layer(place: Place) -> list[str]:
    """One layer is run with the module beside it; objects that lack the layer run as they did."""
    site, (inserted, others) = place.site, _inserted(place)
    kept = f"x{'.clone()' * site.module.in_place}"
    ran = inlining.value(place.running, "self", kept) if branch.operator(place.combine, site) else f"self.{place.attribute}"
    operator = branch.operator(place.combine, site)
    if not operator:
        joined = f"{ran}({kept}, module(x))"
    else:  # a layer that changes what it gets runs behind the module
        joined = f"{ran} {operator} module(x)" if site.module.in_place else f"module(x) {operator} {ran}"
    header, is_site = "for module in self:", f"module is {reaching.in_host(site, 'self')}"
    if not site.everywhere:
        header, is_site, others = "for name, module in self._modules.items():", f'name == "{site.attribute}"', inserted
    return [header, f"    if {is_site}:", f"        x = {joined}", f"    elif {others}:", "        x = module(x)", "return x"]


def _around(place: Place) -> list[str]:
    """All layers run, and the module beside them."""
    kept = f"x_in = x{'.clone()' * place.site.module.in_place}"
    operator = branch.operator(place.combine, place.site)
    value = f"x {operator} {inlining.value(place.running, 'self', 'x_in')}" if operator else f"self.{place.attribute}(x_in, x)"
    others = _inserted(place)[1]
    return [kept, "for module in self:", f"    if {others}:", "        x = module(x)", f"return {value}"]


def _inserted(place: Place) -> tuple[str, str]:
    """What tells the layers of the class from what was inserted: by their names, and by the layers themselves."""
    names = place.attributes
    if len(names) == 1:
        return f'name != "{names[0]}"', f"module is not self.{names[0]}"
    quoted, modules = (", ".join(f'"{name}"' for name in names), ", ".join(f"self.{name}" for name in names))
    return f"name not in ({quoted})", f"module not in ({modules})"
