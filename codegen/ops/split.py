"""Insert a module between the elements of an nn.Sequential that a host runs as a whole: its run becomes two."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from codegen import style
from codegen.errors import CodegenError
from codegen.ops import beside
from codegen.ops.insert import Place
from codegen.reading import Use
from codegen.types import Edit


def plan(place: Place, uses: Iterable[Use]) -> list[Edit]:
    """The edits of every run of the list. uses: those of the list itself. Raises CodegenError("container-element")."""
    holder, _, element = place.site.attribute.rpartition(".")
    path = f"{place.site.module.name.rpartition('.')[0]}."
    elements = [name.removeprefix(path) for name in place.site.names if name.startswith(path)]
    elements = [name for name in elements if "." not in name]
    cut = elements.index(element) + (1 if place.after else 0)
    part = _beside if place.combine else _parted
    edits: list[Edit] = []
    hint = f"insert after the list itself ({holder}), or at a child of a block class"
    for use in uses:
        runs_all = not use.condition and use.members is None and isinstance(use.call.func, (ast.Attribute, ast.Subscript))
        if not runs_all or not use.argument:
            where = f"{place.cls.name}.{use.method.name}:{use.node.lineno} `{ast.unparse(use.node)[:60]}`"
            when = f" in every case (only where {use.condition})" if use.condition else " as a whole"
            raise CodegenError("container-element", f"{where} does not run {holder}{when}: not built yet", hint)
        edits += part(place, use, cut, len(elements))
    return edits


def _beside(place: Place, use: Use, cut: int, length: int) -> Iterator[Edit]:
    # x = self.features(x)  ->  x = self.features[:3](x)
    #                           x = self.features[3](x) + self.se(x)
    #                           x = self.features[4:](x)
    code, me, func = place.code, use.me, ast.unparse(use.call.func)
    statement = next((n for n in ast.walk(use.method) if isinstance(n, (ast.Assign, ast.Return)) and n.value is use.node), None)
    target = statement.targets[0] if isinstance(statement, ast.Assign) else use.argument
    if statement is None or not isinstance(target, ast.Name) or not code.stands_alone(statement) or len(use.call.args) > 1:
        text = " ".join(ast.unparse(use.node).split())[:60]
        raise CodegenError(
            "site-not-editable",
            f"{place.cls.name}.{use.method.name}:{use.node.lineno} `{text}` runs the list inside an expression",
            "choose the list itself, or --after",
        )
    x, given = target.id, ast.unparse(use.argument or target)
    lines = [f"{x} = {func}[:{cut}]({given})"] if cut else []
    first = received = x if lines else given
    if place.site.module.in_place:
        received, keeping = beside.kept(place, first, use.method)
        lines.append(keeping)
    lines.append(f"{x} = {beside.joined(place, me, received, f'{func}[{cut}]({first})')}")
    lines += [f"{x} = {func}[{cut + 1}:]({x})"] if cut + 1 < length else []
    lines += [f"return {x}"] if isinstance(statement, ast.Return) else []
    block = style.block("\n".join(lines), code, code.indent(statement)).removeprefix(code.indent(statement))
    what = f"in {use.method.name}:{use.node.lineno}"
    yield Edit(code.start(statement), code.end(statement), block.removesuffix(code.newline), what)


def _parted(place: Place, use: Use, cut: int, length: int) -> Iterator[Edit]:
    # x = self.features(x)  ->  x = self.features[:4](x)
    #                           x = self.se(x)
    #                           x = self.features[4:](x)
    code, what = place.code, f"in {use.method.name}:{use.node.lineno}"
    inserted, func = f"{use.me}.{place.attribute}", use.call.func
    first, rest = (f"[:{cut}]", f"[{cut}:]") if 0 < cut < length else ("", "")
    statement = next((n for n in ast.walk(use.method) if isinstance(n, ast.Assign) and n.value is use.node), None)
    target = statement.targets[0] if statement is not None and len(statement.targets) == 1 else None
    argument = use.argument
    assert argument is not None
    if statement is not None and isinstance(target, ast.Name) and code.stands_alone(statement) and len(use.call.args) == 1:
        x = target.id
        behind = [f"{x} = {inserted}({x})", *([f"{x} = {ast.unparse(func)}{rest}({x})"] if cut < length else [])]
        if cut:
            yield Edit(code.end(func), code.end(func), first, what)
        else:  # in front of the first one: the argument goes through the module
            behind = []
            yield Edit(code.start(argument), code.start(argument), f"{inserted}(", what)
            yield Edit(code.end(argument), code.end(argument), ")", what)
        if behind:
            yield style.below(code, statement, style.block("\n".join(behind), code, code.indent(statement)), what)
        return
    # F.relu(self.features(x))  ->  F.relu(self.features[4:](self.se(self.features[:4](x))))
    yield Edit(code.end(func), code.end(func), rest, what)
    inner = f"{inserted}({ast.unparse(func)}{first}(" if cut else f"{inserted}("
    if cut == length:
        yield Edit(code.start(func), code.start(func), f"{inserted}(", what)
        yield Edit(code.end(use.node), code.end(use.node), ")", what)
        return
    yield Edit(code.start(argument), code.start(argument), inner, what)
    yield Edit(code.end(argument), code.end(argument), "))" if cut else ")", what)
