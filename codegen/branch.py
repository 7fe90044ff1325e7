"""A module that runs beside a site, with what joins both results where that takes a class: a gate, a projection."""

from __future__ import annotations

from dataclasses import replace

from codegen import composing, construct, heads, style
from codegen.errors import CodegenError
from codegen.types import Component, Request, Site

CLASSES = {"gate": "GatedBranch", "cat": "JoinedBranch", "add": "AddedBranch", "mul": "MultipliedBranch"}
OPERATORS = {"add": "+", "mul": "*"}
EXTRA = "extra"  # the results of both are returned: an extra head
PLACEHOLDER = "NoBranch"


def operator(combine: str, site: Site) -> str:
    """The operator that joins both results in the host's own code; "" where a class around the module does it.

    Where only some objects of the host's class have a module, the others have one that leaves the site's result as it is.
    """
    return OPERATORS.get(combine, "") if site.chosen is None or site.hooked else ""


def component(request: Request, site: Site, *, inline: bool = False) -> Component:
    """What `--module` names, made for the site: see `composing.resolve`; beside a site as `around` has it.

    inline: the parts of a composition for the host's own code, see `composing.inline`.
    """
    if request.combine == EXTRA:
        return heads.component(request, site)
    if inline:
        return around(composing.inline(request, site), request, site)
    return around(composing.resolve(request, site), request, site)


def around(component: Component, request: Request, site: Site) -> Component:
    """The component as it is, or inside the class that joins it with the site; see `file/branch.py.jinja`.

    Raises CodegenError("module-does-not-fit") where the dim to join along is unknown.
    """
    if not request.combine or operator(request.combine, site):
        return component
    name, kind = CLASSES[request.combine], site.layout.kind
    width = (site.leaving or site.width).expr
    if request.combine == "cat" and not kind:
        what = f"--combine cat needs to know the channel dim at {site.name}, and the layout there could not be measured"
        raise CodegenError("module-does-not-fit", what, "choose --combine add, or another site")
    factory = site.host.factory
    code = construct.rendered(
        "branch",
        class_name=name,
        combine=request.combine,
        operator=OPERATORS.get(request.combine, ""),
        placeholder=PLACEHOLDER if site.chosen and not site.hooked else "",
        layer=composing.LAYERS.get(kind, "nn.Linear"),
        channel_dim=1 if kind in composing.LAYERS else -1,
        identity=request.identity,
        factory=bool(factory),
    )
    arguments = [component.construct]
    arguments += [width] if request.combine == "cat" else []
    arguments += [factory] if factory and request.combine in ("cat", "gate") else []
    return replace(
        component,
        class_name=name,
        construct=f"{name}({', '.join(arguments)})",
        imports=(*component.imports, "import torch", "from torch import nn"),
        code=f"{component.code.strip(chr(10))}\n\n\n{style.formatted(code)}".lstrip("\n"),
        stateful=component.stateful or request.combine in ("cat", "gate"),
        placeholder=f"{PLACEHOLDER}()" if site.chosen else "",
    )
