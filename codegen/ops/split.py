"""Insert a module between the elements of an nn.Sequential that a host runs as a whole: its run becomes two.

Where some method runs them one by one, the module runs behind the element that is the site.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import replace

from codegen import inlining, loops, naming, reaching, style
from codegen.errors import CodegenError
from codegen.ops import beside, insert
from codegen.ops.insert import Place
from codegen.reading import Use
from codegen.types import Edit


def plan(place: Place, uses: Sequence[Use]) -> list[Edit]:
    """The edits of every run of the list. uses: those of the list itself. Raises CodegenError("container-element")."""
    holder, _, element = place.site.attribute.rpartition(".")
    if not place.after and place.site.module.input_kind != "tensor":
        what = f"{place.site.name} receives a {place.site.module.input_kind} from the element before it in {holder}"
        raise CodegenError("container-element", what, "insert inside that element, or inside this one")
    path = f"{place.site.module.name.rpartition('.')[0]}."
    elements = [name.removeprefix(path) for name in place.site.names if name.startswith(path)]
    elements = [name for name in elements if "." not in name]
    cut = elements.index(element) + (1 if place.after else 0)
    part = _beside if place.combine else _parted
    edits: list[Edit] = []
    alone = [_of_element(place, holder, use) for use in uses]
    for use in (use for use, single in zip(uses, alone, strict=True) if single is None):
        runs_all = not use.condition and use.members is None and _listed(place, use) is not None
        if not runs_all or not use.argument:
            where = f"{place.cls.name}.{use.method.name}:{use.node.lineno} `{ast.unparse(use.node)[:60]}`"
            when = f" in every case (only where {use.condition})" if use.condition else " as a whole"
            hint = f"insert after the list itself ({holder}), or at a child of a block class"
            raise CodegenError("container-element", f"{where} does not run {holder}{when}", hint)
        edits += part(place, use, cut, len(elements))
    singles = [single for single in alone if single is not None]
    return [*edits, *((beside if place.combine else insert).plan(place, singles) if singles else ())]


def _of_element(place: Place, holder: str, use: Use) -> Use | None:
    """The use of the element where a method runs them one by one, None where it runs the list.

    for block in self.blocks: x = block(x)  ->  the site where `block is self.blocks[0]`
    """
    subject, _, edge = use.condition.partition(" is ")
    listed = f"{use.me}.{holder}"
    if use.members is not None or edge not in (f"{listed}[-1]", f"{listed}[0]"):
        return None
    return replace(use, condition=f"{subject} is {reaching.tested(place.site, use.me, loops.cut_short(place.cls))}")


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
    listed, argument = _listed(place, use), use.argument
    assert listed is not None and argument is not None
    first, rest = (f"[:{cut}]", f"[{cut}:]") if 0 < cut < length else ("", "")
    statement = next((n for n in ast.walk(use.method) if isinstance(n, ast.Assign) and n.value is use.node), None)
    target = statement.targets[0] if statement is not None and len(statement.targets) == 1 else None
    plain = len(use.call.args) == 1 or listed is not use.call.func
    if statement is not None and isinstance(target, ast.Name) and code.stands_alone(statement) and plain:
        x = target.id
        behind = inlining.statements(place.running, use.me, x, naming.in_method(use.method))
        behind += [f"{x} = {_run(use, listed, rest, x)}"] if cut < length else []
        if cut:
            yield Edit(code.end(listed), code.end(listed), first, what)
            yield style.below(code, statement, style.block("\n".join(behind), code, code.indent(statement)), what)
        else:  # in front of the first one: the argument goes through the module
            before, closing = inlining.around(place.running, use.me)
            yield Edit(code.start(argument), code.start(argument), before, what)
            yield Edit(code.end(argument), code.end(argument), closing, what)
        return
    # F.relu(self.features(x))  ->  F.relu(self.features[4:](self.se(self.features[:4](x))))
    yield Edit(code.end(listed), code.end(listed), rest, what)
    if cut == length:
        before, closing = inlining.around(place.running, use.me)
        yield Edit(code.start(use.node), code.start(use.node), before, what)
        yield Edit(code.end(use.node), code.end(use.node), closing, what)
        return
    inner = _run(use, listed, first, ast.unparse(argument)) if cut else ast.unparse(argument)
    yield Edit(code.start(argument), code.end(argument), inlining.value(place.running, use.me, inner), what)


def _listed(place: Place, use: Use) -> ast.expr | None:
    """The expression that is the list in a call that runs all of it: `self.blocks(x)`, `checkpoint_seq(self.blocks, x)`."""
    named = reaching.unparsed(reaching.holder(place.site, use.me))
    plain = f"{use.me}.{place.site.attribute.rpartition('.')[0]}"
    candidates = (n for n in (use.call.func, *use.call.args) if isinstance(n, (ast.Attribute, ast.Subscript)))
    return next((node for node in candidates if ast.unparse(node) in (named, plain)), None)


def _run(use: Use, listed: ast.expr, part: str, x: str) -> str:
    """The call with a part of the list, on another tensor: `checkpoint_seq(self.blocks[1:], x, flatten=True)`."""
    call = use.call
    func = f"{ast.unparse(call.func)}{part}" if call.func is listed else ast.unparse(call.func)
    given = {id(listed): f"{ast.unparse(listed)}{part}", id(use.argument): x}
    arguments = [given.get(id(node)) or ast.unparse(node) for node in call.args]
    arguments += [f"{k.arg}=" * bool(k.arg) + (given.get(id(k.value)) or ast.unparse(k.value)) for k in call.keywords]
    return f"{func}({', '.join(arguments)})"
