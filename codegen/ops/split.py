"""Insert a module between the elements of an nn.Sequential that a host runs as a whole: its run becomes two. What an earlier
edit made of it, `self.features[4:](x)`, is parted again.

Where some method runs them one by one, the module runs behind the element that is the site.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from codegen import inlining, landing, loops, naming, reaching, style
from codegen.errors import CodegenError
from codegen.ops import beside, insert
from codegen.ops.insert import Place
from codegen.reading import Use
from codegen.types import Edit


@dataclass(frozen=True)
class _Run:
    """A call that runs the list, or a part of it. listed: the expression for what it runs; at: the position of the site."""

    use: Use
    listed: ast.expr
    part: range
    length: int
    at: int

    def of(self, start: int, stop: int, x: str) -> str:
        """The call with other elements, on another tensor: `checkpoint_seq(self.blocks[1:], x, flatten=True)`."""
        call, listed = self.use.call, f"{self.base}{self.slice(start, stop)}"
        func = listed if call.func is self.listed else ast.unparse(call.func)
        given = {id(self.listed): listed, id(self.use.argument): x}
        arguments = [given.get(id(node)) or ast.unparse(node) for node in call.args]
        arguments += [f"{k.arg}=" * bool(k.arg) + (given.get(id(k.value)) or ast.unparse(k.value)) for k in call.keywords]
        return f"{func}({', '.join(arguments)})"

    def alone(self, x: str) -> str:
        """The call with the site only: `self.blocks[3](x)`."""
        plain = self.use.call.func is self.listed and len(self.use.call.args) == 1 and not self.use.call.keywords
        return f"{self.base}[{self.at}]({x})" if plain else self.of(self.at, self.at + 1, x)

    @property
    def base(self) -> str:
        """The list itself."""
        return ast.unparse(_whole(self.listed))

    def slice(self, start: int, stop: int) -> str:
        """`[:3]`, `[3:5]`, `[5:]`, "" for all."""
        if (start, stop) == (0, self.length):
            return ""
        return f"[{start or ''}:{stop if stop < self.length else ''}]"


def plan(place: Place, uses: Sequence[Use]) -> list[Edit]:
    """The edits of every run of the list. uses: those of the list itself. Raises CodegenError("container-element")."""
    holder, _, element = place.site.attribute.rpartition(".")
    if not place.after and place.site.module.input_kind != "tensor":
        what = f"{place.site.name} receives a {place.site.module.input_kind} from the element before it in {holder}"
        raise CodegenError("container-element", what, "insert inside that element, or inside this one")
    elements = reaching.elements(place.site)
    part = _beside if place.combine else _parted
    edits: list[Edit] = []
    alone = [_of_element(place, holder, use) for use in uses]
    for use in (use for use, single in zip(uses, alone, strict=True) if single is None):
        listed = _listed(place, use, len(elements)) if not use.condition and use.members is None else None
        if listed is None or not use.argument:
            where = f"{place.cls.name}.{use.method.name}:{use.node.lineno} `{ast.unparse(use.node)[:60]}`"
            when = f" in every case (only where {use.condition})" if use.condition else " as a whole"
            hint = f"insert after the list itself ({holder}), or at a child of a block class"
            raise CodegenError("container-element", f"{where} does not run {holder}{when}", hint)
        edits += part(place, _Run(use, *listed, len(elements), elements.index(element)))
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
    element = reaching.tested(place.site, use.me, loops.cut_short(place.cls))
    return replace(use, condition="" if subject == element else f"{subject} is {element}")


def _beside(place: Place, run: _Run) -> Iterator[Edit]:
    # x = self.features(x)  ->  x = self.features[:3](x)
    #                           x = self.features[3](x) + self.se(x)
    #                           x = self.features[4:](x)
    use, code, (start, stop) = run.use, place.code, (run.part.start, run.part.stop)
    statement = next((n for n in ast.walk(use.method) if isinstance(n, (ast.Assign, ast.Return)) and n.value is use.node), None)
    target = statement.targets[0] if isinstance(statement, ast.Assign) else use.argument
    if statement is None or not isinstance(target, ast.Name) or not code.stands_alone(statement):
        yield from _inside(place, run)
        return
    x, given = target.id, ast.unparse(use.argument or target)
    lines = [f"{x} = {run.of(start, run.at, given)}"] if start < run.at else []
    lines += _joined(place, run, x, x if lines else given)
    lines += [f"{x} = {run.of(run.at + 1, stop, x)}"] if run.at + 1 < stop else []
    lines += [f"return {x}"] if isinstance(statement, ast.Return) else []
    block = style.block("\n".join(lines), code, code.indent(statement)).removeprefix(code.indent(statement))
    what = f"in {use.method.name}:{use.node.lineno}"
    yield Edit(code.start(statement), code.end(statement), block.removesuffix(code.newline), what)


def _inside(place: Place, run: _Run) -> Iterator[Edit]:
    """x = x + self.drop(self.mlp(x))  ->  mlp_in = self.mlp[:2](x)
    mlp_in = self.mlp[2](mlp_in) + self.se(mlp_in)
    x = x + self.drop(self.mlp[3:](mlp_in))
    """
    use, code, (start, stop) = run.use, place.code, (run.part.start, run.part.stop)
    statement = landing.above(code, use.method, use.call)
    if statement is None:
        text = " ".join(ast.unparse(use.node).split())[:60]
        raise CodegenError(
            "site-not-editable",
            f"{place.cls.name}.{use.method.name}:{use.node.lineno} `{text}` runs the list inside an expression",
            "choose the list itself, or --after",
        )
    name = run.base.rpartition(".")[2].strip("_")
    x = naming.free(f"{name if name.isidentifier() else 'site'}_in", naming.in_method(use.method))
    given, named = ast.unparse(use.argument or use.call), isinstance(use.argument, ast.Name)
    first = given if named and start == run.at else x
    lines = [f"{x} = {run.of(start, run.at, given) if start < run.at else given}"] * (first == x)
    lines += _joined(place, run, x, first)
    what, above = f"in {use.method.name}:{use.node.lineno}", code.line_start(statement)
    yield Edit(above, above, style.block("\n".join(lines), code, code.indent(statement)), what)
    yield Edit(code.start(use.call), code.end(use.call), run.of(run.at + 1, stop, x) if run.at + 1 < stop else x, what)


def _joined(place: Place, run: _Run, x: str, given: str) -> list[str]:
    """The site on what it receives, and the module beside it: `x = self.features[3](x) + self.se(x)`."""
    received, lines = given, []
    if place.site.module.in_place:
        received, keeping = beside.kept(place, given, run.use.method)
        lines.append(keeping)
    return [*lines, f"{x} = {beside.joined(place, run.use.me, received, run.alone(given))}"]


def _parted(place: Place, run: _Run) -> Iterator[Edit]:
    # x = self.features(x)  ->  x = self.features[:4](x)
    #                           x = self.se(x)
    #                           x = self.features[4:](x)
    use, code, listed, argument = run.use, place.code, run.listed, run.use.argument
    what, (start, stop), cut = f"in {use.method.name}:{use.node.lineno}", (run.part.start, run.part.stop), run.at + place.after
    assert argument is not None
    sliced = code.end(_whole(listed)), code.end(listed)
    statement = next((n for n in ast.walk(use.method) if isinstance(n, ast.Assign) and n.value is use.node), None)
    target = statement.targets[0] if statement is not None and len(statement.targets) == 1 else None
    plain = len(use.call.args) == 1 or listed is not use.call.func
    if statement is not None and isinstance(target, ast.Name) and code.stands_alone(statement) and plain:
        x = target.id
        behind = inlining.statements(place.running, use.me, x, naming.in_method(use.method))
        behind += [f"{x} = {run.of(cut, stop, x)}"] if cut < stop else []
        if start < cut:
            yield from [Edit(*sliced, run.slice(start, cut), what)] if cut < stop else []
            yield style.below(code, statement, style.block("\n".join(behind), code, code.indent(statement)), what)
        else:  # in front of the first one: the argument goes through the module
            before, closing = inlining.around(place.running, use.me)
            yield Edit(code.start(argument), code.start(argument), before, what)
            yield Edit(code.end(argument), code.end(argument), closing, what)
        return
    # F.relu(self.features(x))  ->  F.relu(self.features[4:](self.se(self.features[:4](x))))
    if cut == stop:
        before, closing = inlining.around(place.running, use.me)
        yield Edit(code.start(use.node), code.start(use.node), before, what)
        yield Edit(code.end(use.node), code.end(use.node), closing, what)
        return
    yield from [Edit(*sliced, run.slice(cut, stop), what)] if start < cut else []
    inner = run.of(start, cut, ast.unparse(argument)) if start < cut else ast.unparse(argument)
    yield Edit(code.start(argument), code.end(argument), inlining.value(place.running, use.me, inner), what)


def _listed(place: Place, use: Use, length: int) -> tuple[ast.expr, range] | None:
    """What a call runs of the list: `self.blocks` of `self.blocks(x)` and of `checkpoint_seq(self.blocks, x)`."""
    if reaching.in_segments(use.call):
        return None
    for node in (use.call.func, *use.call.args):
        if isinstance(node, (ast.Attribute, ast.Subscript)):
            named = reaching.unparsed(reaching.holder(place.site, use.me))
            plain = f"{use.me}.{place.site.attribute.rpartition('.')[0]}"
            if part := reaching.part(node, (named, plain), length):
                return node, part
    return None


def _whole(node: ast.expr) -> ast.expr:
    """The list of which an expression is a part."""
    return node.value if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Slice) else node
