"""The layers of a head as text -> Component: "Linear(256), ReLU, Dropout(0.1), Linear(10)". Widths follow each other."""

from __future__ import annotations

import ast
import math
import re

from codegen import components, parsing, pools
from codegen.errors import CodegenError
from codegen.types import Component, Request, Site

TAKES = ("in_features", "in_channels", "num_features", "num_channels", "normalized_shape")  # the width that comes in
RESIZES = re.compile(r"(Lazy)?Conv|\w*Pool|\w*Pad\d|Upsampl|Pixel|Unf|Fold")  # layers that change the size of a map
UNKNOWN = "?"  # a width that nobody knows: of a map of any size, behind Flatten
USUAL = {"Softmax": "dim=-1", "LogSoftmax": "dim=-1"}  # arguments of layers that are named without any


def component(request: Request, site: Site) -> Component:
    """An nn.Sequential of torch's layers, whose first takes what the site takes; one layer stands by itself.

    Raises CodegenError("bad-layers", "unknown-module", "unknown-width").
    """
    if not site.width.expr:
        raise CodegenError("unknown-width", f"the width at {site.name} is not known", "give --width EXPR")
    width, made = site.width.expr, []
    vector = site.layout.kind == "NC" or len(site.module.input_shape) == 2
    positions = int(vector)  # of which each channel has a number; 0: that depends on the input
    nodes, pool = _parsed(request.layers), request.layers in pools.LAYERS.values()
    for node in pools.in_place_of(site, nodes) if pool else nodes:
        text, behind = _layer(node, width, site.host.factory)
        if UNKNOWN in (width, behind) and f"({UNKNOWN}" in text:
            what = f"what {ast.unparse(node)} takes behind Flatten depends on the size of the map"
            raise CodegenError("bad-layers", what, "put AdaptiveAvgPool2d(1) in front of Flatten")
        width, positions = _flat(node, behind, positions)
        made.append(text)
    construct = made[0] if len(made) == 1 else f"nn.Sequential({', '.join(made)})"
    own = [name for name in pools.CLASSES if any(text.startswith(f"{name}(") for text in made)]
    return Component(
        "pool" if pool else "head",
        construct.partition("(")[0].removeprefix("nn."),
        construct,
        ("from torch import nn", *(["import torch"] if own else [])),
        pools.code(own, factory=bool(site.host.factory)),
    )


def _flat(node: ast.expr, width: str, positions: int) -> tuple[str, int]:
    """(the width behind a layer, its positions): Flatten puts all positions side by side, a pool may set their number."""
    call = node if isinstance(node, ast.Call) else ast.Call(node, [], [])
    name = ast.unparse(call.func)
    if name == "Flatten" and not (call.args or call.keywords):
        if positions > 1:
            product = ast.BinOp(ast.parse(width, mode="eval").body, ast.Mult(), ast.Constant(positions))
            return ast.unparse(product), 1
        return width if positions else UNKNOWN, 1
    if size := re.fullmatch(r"Adaptive(?:Avg|Max)Pool([123])d", name):
        given = next(iter([*call.args, *(keyword.value for keyword in call.keywords)]), None)
        try:
            sizes = ast.literal_eval(given or ast.Constant(None))
            return width, math.prod(sizes if isinstance(sizes, tuple) else [sizes] * int(size[1]))
        except (ValueError, TypeError):
            return width, 0
    if name in pools.CLASSES:
        return pools.doubled(width) if pools.widens(name) else width, 1
    return width, 0 if RESIZES.match(name) else positions


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
    calls = [node for node in found if isinstance(node, ast.Call)]
    plain = [parsing.is_plain(each) for call in calls for each in (*call.args, *(keyword.value for keyword in call.keywords))]
    if not found or not all(named) or not all(plain):
        hint = 'for example --layers "Linear(256), ReLU, Dropout(0.1), Linear(10)"'
        raise CodegenError("bad-layers", f"{layers!r} is no list of layers of torch.nn", hint)
    return found


def _layer(node: ast.expr, width: str, factory: str = "") -> tuple[str, str]:
    """(the layer as an expression, the width behind it). factory: what hands on device and dtype, where the host has it."""
    call = node if isinstance(node, ast.Call) else ast.Call(node, [], [])
    name = ast.unparse(call.func)
    own = pools.CLASSES.get(name)
    parameters = [*own[1]] if own else [parameter for parameter, _ in components.constructor("torch.nn", name).parameters]
    given = [ast.unparse(argument) for argument in call.args]
    named = {keyword.arg or "": ast.unparse(keyword.value) for keyword in call.keywords}
    if parameters[:1] and parameters[0] in TAKES and parameters[0] not in named:
        given = [width, *given]
        if parameters[1:] and parameters[1] in components.OUTGOING:
            if len(given) < 2 and parameters[1] not in named:
                raise CodegenError("bad-layers", f"{name} needs its {parameters[1]}", f"for example {name}(256)")
            width = named.get(parameters[1]) or given[1]
    arguments = [*given, *(f"{key}={text}" if key else f"**{text}" for key, text in named.items())]
    arguments += [factory] if factory and "device" in parameters and not {"device", "dtype"} & named.keys() else []
    return f"{'' if own else 'nn.'}{name}({', '.join(arguments) or USUAL.get(name, '')})", width
