"""Insert a module at what goes into or out of an object whose class inherits its forward: the class gets one that runs that.

Edits nothing of the class that has the inherited one.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from codegen import branch, inlining, style, syntax
from codegen.errors import CodegenError
from codegen.ops import beside
from codegen.ops.insert import Place
from codegen.syntax import Code
from codegen.types import Edit


def plan(place: Place) -> Iterator[Edit]:
    """The new method behind `__init__`. Raises CodegenError("inherited-forward").

    def forward(self, x, mask=None):
        return self.se(super().forward(x, mask))
    """
    code, cls = place.code, place.cls
    forward = inherited(code, cls)
    if forward is None:
        raise _refused(place, f"it stands in no class of {code.name.rpartition('/')[2]} that it names as its base")
    if place.site.module.input_kind != "tensor" and not place.after:
        raise _refused(place, f"it receives a {place.site.module.input_kind}")
    if place.site.module.output_kind != "tensor" and (place.after or place.combine):
        raise _refused(place, f"it returns a {place.site.module.output_kind}")
    lines = _body(place, forward)
    returns = f" -> {ast.unparse(forward.returns)}" if forward.returns else ""
    text = "\n    ".join([f"def forward({ast.unparse(forward.args)}){returns}:", *lines])
    last = syntax.method(cls, "__init__") or cls.body[-1]
    block = code.newline + style.block(text, code, code.indent(cls.body[-1]))
    yield style.below(code, last, block, f"forward of {cls.name}")


def inherited(code: Code, cls: ast.ClassDef) -> ast.FunctionDef | None:
    """The forward that a class inherits, where a class of the same file has it."""
    for base in cls.bases:
        parent = syntax.find_class(code, ast.unparse(base))
        if parent is None or parent is cls:
            return None  # what a class of another file has comes first
        found = syntax.method(parent, "forward") or inherited(code, parent)
        if isinstance(found, ast.FunctionDef):
            return found
    return None


def _body(place: Place, forward: ast.FunctionDef) -> list[str]:
    me, taken = forward.args.args[0].arg, {n.arg for n in ast.walk(forward.args) if isinstance(n, ast.arg)}
    run = f"super().forward({', '.join(_passed(forward.args))})"
    if not (place.after or place.combine):
        return [*inlining.statements(place.running, me, _tensor(place, forward), taken), f"return {run}"]
    if place.combine:
        given = _tensor(place, forward)
        if not place.site.module.in_place:
            bare = run if not branch.operator(place.combine, place.site) or place.combine == "add" else f"({run})"
            return [f"return {beside.joined(place, me, given, bare)}"]
        kept, keeping = beside.kept(place, given, forward)
        return [keeping, f"return {beside.joined(place, me, kept, run)}"]
    if inlining.is_cascade(place.running):
        return [f"return {inlining.value(place.running, me, run)}"]
    lines, result = inlining.parted(place.running, me, "x", taken)
    return [f"x = {run}", *lines, f"return {result}"]


def _passed(args: ast.arguments) -> Iterator[str]:
    """What the method hands on: all that it was given, but for itself."""
    yield from (a.arg for a in [*args.posonlyargs, *args.args][1:])
    yield from (f"*{a.arg}" for a in [args.vararg] if a)
    yield from (f"{a.arg}={a.arg}" for a in args.kwonlyargs)
    yield from (f"**{a.arg}" for a in [args.kwarg] if a)


def _tensor(place: Place, forward: ast.FunctionDef) -> str:
    """The argument that is the tensor."""
    wanted, names = place.site.module.input_argument, [a.arg for a in [*forward.args.posonlyargs, *forward.args.args]][1:]
    name = wanted if wanted in names else names[int(wanted)] if wanted.isdigit() and int(wanted) < len(names) else ""
    if not name:
        raise _refused(place, "the tensor among its arguments cannot be told")
    return name


def _refused(place: Place, why: str) -> CodegenError:
    what = f"{place.cls.name} inherits its forward: {why}"
    return CodegenError("inherited-forward", what, "insert at a child of it, or around the module that holds it")
