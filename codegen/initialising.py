"""`--init`: how the tensors of a new module start. What makes the module is passed through a function. Runs nothing."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import replace

from codegen import construct, syntax
from codegen.errors import CodegenError
from codegen.syntax import Code
from codegen.types import Component

HOST, ZERO_LAST = "host", "zero_last"
OWN = "init_of_the_host"  # stands for the function until the class is known in which the module is made
USUAL = "_init_weights"  # what such a method is called by most
LAYERS = {  # (what it says of itself, what it does to a weight)
    "kaiming": (
        "He initialisation of convolutions and linear layers, biases 0.",
        'nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")',
    ),
    "xavier": (
        "Glorot initialisation of convolutions and linear layers, biases 0.",
        "nn.init.xavier_uniform_(module.weight)",
    ),
    "trunc_normal": (
        "A truncated normal distribution for convolutions and linear layers, biases 0.",
        "nn.init.trunc_normal_(module.weight, std=0.02)",
    ),
}


def started(made: Component, how: str) -> Component:
    """The component, started in that way; "" leaves it as it is.

    SqueezeExcite(dim)  ->  SqueezeExcite(dim).apply(init_kaiming)
    """
    if how in ("", HOST):
        return replace(made, construct=f"{made.construct}.apply({OWN})") if how else made
    if how == ZERO_LAST:
        text, call = construct.rendered("init_zero_last"), f"init_zero_last({made.construct})"
    else:
        says, line = LAYERS[how]
        text, call = construct.rendered("init", how=how, says=says, line=line), f"{made.construct}.apply(init_{how})"
    code = "\n\n\n".join(piece.strip("\n") for piece in (made.code, text) if piece.strip())
    return replace(made, construct=call, imports=(*made.imports, "from torch import nn"), code=f"{code}\n")


def filled(text: str, code: Code, cls: ast.ClassDef, *, late: bool = False) -> str:
    """The statement with the class's own function in it, where it asks for that; without where it is the model that makes the
    module of a block, late. Raises CodegenError("no-init-function").
    """
    if OWN not in text:
        return text
    return text.replace(f".apply({OWN})", "") if late else text.replace(OWN, own(code, cls))


def made_late(text: str, attribute: str) -> str:
    """`module.se = module.se()` -> `module.se = module.se().apply(self._init_weights)`, still to be filled in."""
    made = f"module.{attribute}()"
    return text.replace(made, f"{made}.apply({OWN})", 1)


def own(code: Code, cls: ast.ClassDef) -> str:
    """The function that the class applies to each of its modules: `self._init_weights`.

    Raises CodegenError("no-init-function").
    """
    classes = [*_with_bases(code, cls)]
    methods = {m.name: m for each in reversed(classes) for m in each.body if isinstance(m, ast.FunctionDef)}
    known = {name for statement in code.tree.body for name in syntax.bound_names(statement)} | {"self"}
    for node in (node for each in classes for node in ast.walk(each)):
        if not (isinstance(node, ast.Call) and ast.unparse(node.func) == "self.apply" and len(node.args) == 1):
            continue
        given, plain = node.args[0], ast.unparse(node.args[0])
        if all(name.isidentifier() for name in plain.split(".")) and plain.split(".")[0] in known:
            return plain  # self._init_weights, init_fn, weights.init_fn
        if isinstance(given, ast.Call) and ast.unparse(given.func).endswith("partial") and given.args:
            inner = ast.unparse(given.args[0])  # partial(self._init_weights, needs_reset=True)
            if inner.startswith("self.") and _takes_a_module(methods.get(inner[5:])):
                return inner
    if _takes_a_module(methods.get(USUAL)):
        return f"self.{USUAL}"
    what = f"{cls.name} has no function that initialises one module, such as self.{USUAL}(module)"
    raise CodegenError("no-init-function", what, f"--init host needs one; there are also {', '.join(LAYERS)} and {ZERO_LAST}")


def _with_bases(code: Code, cls: ast.ClassDef) -> Iterator[ast.ClassDef]:
    """The class, and those of the file that it derives from."""
    yield cls
    for base in cls.bases:
        parent = syntax.find_class(code, ast.unparse(base))
        if parent is not None and parent is not cls:
            yield from _with_bases(code, parent)


def _takes_a_module(method: ast.FunctionDef | None) -> bool:
    """Whether `self.method(module)` can be called."""
    if method is None:
        return False
    arguments, decorators = method.args, {ast.unparse(each) for each in method.decorator_list}
    positional = [*arguments.posonlyargs, *arguments.args]
    least = len(positional) - len(arguments.defaults)
    given = 1 if "staticmethod" in decorators else 2
    return least <= given <= len(positional) and None not in arguments.kw_defaults and "property" not in decorators
