"""Insert a module after or before a site: on every path exactly as often as the site, on exactly its tensor."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from codegen import inlining, loops, naming, nested, reaching, style
from codegen.construct import Named
from codegen.errors import CodegenError
from codegen.inlining import Running
from codegen.landing import OPEN, Landing, above, at_edge, key, landings, tensor
from codegen.reading import Use
from codegen.syntax import Code, parents
from codegen.types import Edit, Site


@dataclass(frozen=True)
class Place:
    """What the edits of one insertion share."""

    code: Code
    cls: ast.ClassDef
    site: Site
    named: Named  # what is inserted, by its attributes in the host
    running: Running  # the text with which it runs there
    after: bool
    combine: str = ""  # beside: how its result and the site's become one

    @property
    def attribute(self) -> str:
        """The inserted module's name in the host; of several that which runs first."""
        return self.named[0][0]

    @property
    def attributes(self) -> tuple[str, ...]:
        """The names of all that is inserted."""
        return tuple(attribute for attribute, _ in self.named)


def plan(place: Place, uses: list[Use]) -> list[Edit]:
    """The edits of the class's methods. Raises CodegenError("site-not-editable") where a use cannot be edited exactly."""
    found = landings(place.code, place.cls, uses, place.site.module, place.after)
    covered = {use.node for landing in found for use in landing.uses}
    edits = [_statement(place, landing) for landing in found]
    for use in uses:
        if use.node not in covered:
            edits += _in_place(place, use)
            if not inlining.is_cascade(place.running) and {*ast.walk(use.node)} & {other.node for other in uses} - {use.node}:
                raise inlining.refused(f"{place.site.attribute} runs on what it returned, inside an expression")
    return [*edits, *(passing_by(place) if uses else ())]


def passing_by(place: Place) -> Iterator[Edit]:
    """Loops in which the host runs all its children, and would run the inserted one too."""
    _, method_of, _ = loops.surveyed(place.cls)
    for loop, method in method_of.items():
        variable = loops.over_children(loop) if isinstance(loop, ast.For) else ""
        if not isinstance(loop, ast.For) or not variable or method.name in loops.constructing(place.cls):
            continue
        if any(isinstance(n, ast.Call) and loops.runs(n, variable) for n in ast.walk(loop)):
            code, me = place.code, method.args.args[0].arg
            if len(place.named) > 1:
                raise inlining.refused(f"{method.name} runs all children of the class in a loop, one of which it is")
            inserted = f"{me}.{place.attribute}" if place.site.everywhere else f'getattr({me}, "{place.attribute}", None)'
            text = f"if {variable} is {inserted}:\n    continue"
            start = code.line_start(loop.body[0])
            yield Edit(start, start, style.block(text, code, code.indent(loop.body[0])), f"in the loop at {loop.lineno}")


def _statement(place: Place, landing: Landing) -> Edit:
    """`x = self.se(x)`, a statement of its own; `x = (self.se(x[0]), *x[1:])` where x is a tuple."""
    use, x, module = landing.uses[0], landing.variable, place.site.module
    lines = inlining.statements(place.running, use.me, x, naming.in_method(use.method))
    kind, index = ("tuple", landing.index) if place.after else (module.input_kind, module.input_index)
    if index:
        lines = nested.statements(place.running, (use.me, x), (kind, index), naming.in_method(use.method))
    return _line(place, landing.statement, _where(landing.condition, lines), landing.uses)


def _where(condition: str, lines: Iterable[str]) -> str:
    """Statements, below a condition where there is one."""
    return "\n    ".join([f"if {condition}:", *lines]) if condition else "\n".join(lines)


def _line(place: Place, statement: ast.stmt, text: str, uses: Iterable[Use]) -> Edit:
    code = place.code
    block = style.block(text, code, code.indent(statement))
    lines = ", ".join(f"{use.method.name}:{use.node.lineno}" for use in uses)
    if not place.after:
        start = code.line_start(statement)
        return Edit(start, start, block, f"before {lines}")
    return below(code, statement, text, f"after {lines}")


def below(code: Code, statement: ast.stmt, text: str, what: str) -> Edit:
    """Statements of ours below one of the file's."""
    return style.below(code, statement, style.block(text, code, code.indent(statement)), what)


def _in_place(place: Place, use: Use) -> Iterator[Edit]:
    """The call is wrapped, its argument is, or the list that is run is split."""
    if use.members is not None and not at_edge(use, place.site.attribute, place.after):
        yield from _split(place, use)
    elif place.after:
        yield from _wrap_result(place, use)
    else:
        yield from _wrap_argument(place, use)


def _wrap_result(place: Place, use: Use) -> Iterator[Edit]:
    # F.relu(self.conv(x)) -> F.relu(self.se(self.conv(x))), x + self.attn(x)[0] -> x + self.se(self.attn(x)[0])
    tested = use.condition.partition(" is ")[2].removeprefix("(").partition(" if ")[0]
    element = tested.endswith(("[-1]", "[0]")) and tested != reaching.in_host(place.site, use.me)
    chained = place.site.module.class_name == "Sequential" and place.site.module.calls  # its last one's result is its own
    element = element and not chained
    node, kind = tensor(use.node, parents(use.method), key(place.site.module)), place.site.module.output_kind
    if element or node is None or kind == "other":
        why = f"only where {use.condition}" if element else f"it returns a {kind}"
        raise _refused(place, use, f"the site's result is used inside an expression, {why}")
    code, what = place.code, f"around {use.method.name}:{use.node.lineno}"
    returned = next((n for n in ast.walk(use.method) if isinstance(n, ast.Return) and n.value is node), None)
    told_twice = not inlining.is_cascade(place.running)
    if (use.condition or told_twice) and returned is not None and code.stands_alone(returned):
        yield from _named(place, use, returned)
        return
    if told_twice and not use.condition:
        yield from _lifted(place, use, node)
        return
    # [m(x) for m in (self.p1, self.p2)] -> [(self.se(m(x)) if m is self.p1 else m(x)) for m in (self.p1, self.p2)]
    before, behind = ("(", f" if {use.condition} else {code.segment(node)})") if use.condition else ("", "")
    opening, closing = inlining.around(place.running, use.me)
    yield Edit(code.start(node), code.start(node), f"{before}{opening}", what)
    yield Edit(code.end(node), code.end(node), f"{closing}{behind}", what)


def _lifted(place: Place, use: Use, node: ast.expr) -> Iterator[Edit]:
    """The result that stands in an expression gets a name in front of it: it is needed more than once.

    x = F.relu(self.conv(x))  ->  x = self.conv(x)
                                  x = F.relu(self.se(x) + self.eca(x))
    """
    code, statement = place.code, above(place.code, use.method, node)
    if statement is None:
        raise inlining.refused("what it runs on is needed more than once, and stands where it cannot get a name first")
    name = _name(place, use, node, statement)
    lines, result = inlining.parted(place.running, use.me, name, naming.in_method(use.method))
    what, start = f"in {use.method.name}:{use.node.lineno}", code.line_start(statement)
    text = "\n".join([f"{name} = {code.segment(node)}", *lines])
    yield Edit(start, start, style.block(text, code, code.indent(statement)), what)
    bare = isinstance(parents(use.method)[node], OPEN)
    yield Edit(code.start(node), code.end(node), result if bare else f"({result})", what)


def _name(place: Place, use: Use, node: ast.expr, statement: ast.stmt) -> str:
    """What the site's result is called in front of the statement that it is a part of: as what it becomes there, or was."""
    target = statement.targets[0] if isinstance(statement, ast.Assign) and len(statement.targets) == 1 else None
    wanted = use.argument if isinstance(statement, ast.Return) else target
    inside = {*ast.walk(node)}
    others = {n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and n not in inside and n is not target}
    if isinstance(wanted, ast.Name) and wanted.id not in others:
        return wanted.id
    return naming.free(f"{place.site.attribute.strip('_') or 'site'}_out", naming.in_method(use.method))


def _named(place: Place, use: Use, returned: ast.Return) -> Iterator[Edit]:
    """The result that is returned gets a name first.

    return self.head(x, pre_logits=pre_logits)  ->  x = self.head(x, pre_logits=pre_logits)
                                                    if not pre_logits:
                                                        x = self.se(x)
                                                    return x
    return self.fc(x)                           ->  x = self.fc(x)
                                                    return self.se(x) + self.eca(x)
    """
    x, start = use.argument.id if isinstance(use.argument, ast.Name) else "x", place.code.start(returned)
    yield Edit(start, start + len("return"), f"{x} =", f"in {use.method.name}:{use.node.lineno}")
    taken = naming.in_method(use.method)
    if use.condition:
        made = [_where(use.condition, inlining.statements(place.running, use.me, x, taken)), f"return {x}"]
    else:
        lines, result = inlining.parted(place.running, use.me, x, taken)
        made = [*lines, f"return {result}"]
    yield _line(place, returned, "\n".join(made), [use])


def _wrap_argument(place: Place, use: Use) -> Iterator[Edit]:
    # self.conv(x) -> self.conv(self.se(x))
    argument = use.argument
    if argument is None:
        raise _refused(place, use, "the tensor among the call's arguments cannot be told")
    code, what = place.code, f"in {use.method.name}:{use.node.lineno}"
    if place.site.module.input_kind != "tensor":
        yield from _wrap_nested(place, use, argument)
        return
    text = code.segment(argument)
    behind = ""
    if use.condition:
        if not isinstance(argument, ast.Name):
            raise _refused(place, use, f"its argument is an expression, and only where {use.condition}")
        behind = f" if {use.condition} else {text}"
    if isinstance(argument, ast.Name) and not inlining.is_cascade(place.running):
        made = inlining.value(place.running, use.me, text)  # self.conv(x) -> self.conv(self.se(x) + self.eca(x))
        yield Edit(code.start(argument), code.end(argument), f"{made}{behind}", what)
        return
    opening, closing = inlining.around(place.running, use.me)
    yield Edit(code.start(argument), code.start(argument), opening, what)
    yield Edit(code.end(argument), code.end(argument), f"{closing}{behind}", what)


def _wrap_nested(place: Place, use: Use, argument: ast.expr) -> Iterator[Edit]:
    """The tensor in what the site receives goes through the module.

    y = self.neck(feats)            ->  y = self.neck([self.se(feats[0]), *feats[1:]])
    y = self.neck([x, self.pool(x)] ->  y = self.neck([self.se(x), self.pool(x)])
    """
    code, module, what = place.code, place.site.module, f"in {use.method.name}:{use.node.lineno}"
    if use.condition and not isinstance(argument, ast.Name):
        raise _refused(place, use, f"it receives a {module.input_kind} without a name, and only where {use.condition}")
    element = nested.literal(argument, module.input_index)
    if element is not None:
        opening, closing = inlining.around(place.running, use.me)
        yield Edit(code.start(element), code.start(element), opening, what)
        yield Edit(code.end(element), code.end(element), closing, what)
        return
    where = module.input_kind, module.input_index
    if isinstance(argument, ast.Name):
        value = inlining.value(place.running, use.me, nested.element(*where, argument.id))
        behind = f" if {use.condition} else {argument.id}" if use.condition else ""
        yield Edit(code.start(argument), code.end(argument), f"{nested.rebuilt(*where, argument.id, value)}{behind}", what)
        return
    statement = above(code, use.method, argument)
    if statement is None:
        raise _refused(place, use, f"it receives a {module.input_kind} that has no name")
    taken, start = naming.in_method(use.method), code.line_start(statement)
    name = naming.free(f"{place.site.attribute.strip('_') or 'site'}_in", taken)
    lines = [f"{name} = {code.segment(argument)}", *nested.statements(place.running, (use.me, name), where, taken)]
    yield Edit(start, start, style.block("\n".join(lines), code, code.indent(statement)), what)
    yield Edit(code.start(argument), code.end(argument), name, what)


def _split(place: Place, use: Use) -> Iterator[Edit]:
    """One run of a list becomes two, with the module between them.

    x = checkpoint_seq([self.layer1, self.layer2], x)  ->  x = checkpoint_seq([self.layer1], x)
                                                           x = self.se(x)
                                                           x = checkpoint_seq([self.layer2], x)
    """
    code, members = place.code, use.members
    assert members is not None
    statement = next((n for n in ast.walk(use.method) if isinstance(n, ast.Assign) and n.value is use.node), None)
    target = statement.targets[0] if statement is not None and len(statement.targets) == 1 else None
    given = use.argument
    if (
        statement is None
        or not isinstance(target, ast.Name)
        or not isinstance(given, ast.Name)
        or given.id != target.id
    ):
        raise _refused(place, use, "the list of modules runs inside a larger expression")
    if any(isinstance(e, ast.Starred) for e in members.elts) or not code.stands_alone(statement):
        raise _refused(place, use, "the list of modules has starred elements")
    if reaching.in_segments(use.call):
        raise _refused(place, use, "the list of modules runs in segments")
    names = [e.attr if isinstance(e, ast.Attribute) else "" for e in members.elts]
    cut = names.index(place.site.attribute) + (1 if place.after else 0)
    last, next_ = members.elts[cut - 1], members.elts[cut]
    first_end, second_start = code.end(last), code.start(next_)
    head = code.text[code.start(statement) : code.start(members.elts[0])]
    tail = code.text[second_start : code.end(statement)]
    lines = inlining.statements(place.running, use.me, target.id, naming.in_method(use.method))
    between = code.newline + code.indent(statement)
    behind = between.join(["", *lines, head])
    closing = code.text[code.end(members.elts[-1]) : code.end(statement)]
    what = f"between the modules run in {use.method.name}:{use.node.lineno}"
    yield Edit(first_end, code.end(statement), f"{closing}{behind}{tail}", what)


def _refused(place: Place, use: Use, why: str) -> CodegenError:
    text = " ".join(ast.unparse(use.node).split())[:60]
    return CodegenError(
        "site-not-editable",
        f"{place.cls.name}.{use.method.name}:{use.node.lineno} `{text}`: {why}",
        "choose a neighbouring site: codegen sites SOURCE lists them",
    )
