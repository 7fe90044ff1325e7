"""The layers of a head as text -> Component: "Linear(256), ReLU, Dropout(0.1), Linear(10)". Widths follow each other."""

from __future__ import annotations

import ast

from codegen import components
from codegen.errors import CodegenError
from codegen.types import Component, Request, Site

TAKES = ("in_features", "in_channels", "num_features", "num_channels", "normalized_shape")  # the width that comes in
USUAL = {"Softmax": "dim=-1", "LogSoftmax": "dim=-1"}  # arguments of layers that are named without any


def component(request: Request, site: Site) -> Component:
    """An nn.Sequential of torch's layers, whose first takes what the site takes; one layer stands by itself.

    Raises CodegenError("bad-layers", "unknown-module", "unknown-width").
    """
    if not site.width.expr:
        raise CodegenError("unknown-width", f"the width at {site.name} is not known", "give --width EXPR")
    width, made = site.width.expr, []
    for node in _parsed(request.layers):
        text, width = _layer(node, width)
        made.append(text)
    construct = made[0] if len(made) == 1 else f"nn.Sequential({', '.join(made)})"
    return Component("head", construct.partition("(")[0].removeprefix("nn."), construct, ("from torch import nn",))


def outgoing(layers: str) -> str:
    """The width of the last layer that has one of its own, "" where none has."""
    widths = [_layer(node, "")[1] for node in _parsed(layers)]
    return next((width for width in reversed(widths) if width), "")


def _parsed(layers: str) -> list[ast.expr]:
    try:
        tree = ast.parse(f"[{layers}]", mode="eval").body
    except (SyntaxError, ValueError):
        tree = ast.List([])
    found = tree.elts if isinstance(tree, ast.List) else []
    named = [isinstance(node.func if isinstance(node, ast.Call) else node, ast.Name) for node in found]
    if not found or not all(named):
        hint = 'for example --layers "Linear(256), ReLU, Dropout(0.1), Linear(10)"'
        raise CodegenError("bad-layers", f"{layers!r} is no list of layers of torch.nn", hint)
    return found


def _layer(node: ast.expr, width: str) -> tuple[str, str]:
    """(the layer as an expression, the width behind it)."""
    call = node if isinstance(node, ast.Call) else ast.Call(node, [], [])
    name = ast.unparse(call.func)
    parameters = [parameter for parameter, _ in components.constructor("torch.nn", name).parameters]
    given = [ast.unparse(argument) for argument in call.args]
    named = {keyword.arg or "": ast.unparse(keyword.value) for keyword in call.keywords}
    if parameters[:1] and parameters[0] in TAKES and parameters[0] not in named:
        given = [width, *given]
        if parameters[1:] and parameters[1] in components.OUTGOING:
            if len(given) < 2 and parameters[1] not in named:
                raise CodegenError("bad-layers", f"{name} needs its {parameters[1]}", f"for example {name}(256)")
            width = named.get(parameters[1]) or given[1]
    arguments = [*given, *(f"{key}={text}" if key else f"**{text}" for key, text in named.items())]
    return f"nn.{name}({', '.join(arguments) or USUAL.get(name, '')})", width
