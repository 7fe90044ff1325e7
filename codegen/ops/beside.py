"""Run a module beside a site: on what the site receives, its result joined with what the site returns."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from codegen import branch, inlining, naming, nested, reaching, style, syntax
from codegen.errors import CodegenError
from codegen.landing import OPEN, Landing, above, landings
from codegen.ops.insert import Place, below, passing_by
from codegen.reading import Use
from codegen.types import Edit


def plan(place: Place, uses: list[Use]) -> list[Edit]:
    """The edits of the class's methods. Raises CodegenError("site-not-editable") where a use cannot be edited exactly."""
    edits: list[Edit] = []
    covered: set[ast.AST] = set()
    single = place.site.module.output_kind == "tensor"
    for landing in landings(place.code, place.cls, uses, place.site.module, after=True):
        if not single or len(landing.uses) > 1 or landing.condition:
            edits += _around(place, landing)
            covered |= {use.node for use in landing.uses}
    for use in uses:
        if use.node not in covered:
            edits += _inline(place, use)
    return [*(passing_by(place) if uses else ()), *edits]


def joined(place: Place, me: str, received: str, returned: str) -> str:
    """`y + self.se(x)`; `self.se(x, y)` where a class around the module does it."""
    if operator := branch.operator(place.combine, place.site):
        return f"{returned} {operator} {inlining.value(place.running, me, received)}"
    return f"{me}.{place.attribute}({received}, {returned})"


def kept(place: Place, name: str, method: syntax.Function) -> tuple[str, str]:
    """(a name for what the site receives, the statement that keeps it): a copy where the site changes it."""
    new = naming.free(f"{name}_in", naming.in_method(method))
    return new, f"{new} = {nested.received(place.site.module, name)}{'.clone()' * place.site.module.in_place}"


def _around(place: Place, landing: Landing) -> Iterator[Edit]:
    """The tensor is kept above the statement, and the results are joined below.

    x_in = x
    x = checkpoint(self.layer1, x) if self.checkpointing else self.layer1(x)
    x = x + self.se(x_in)
    """
    code, use, x = place.code, landing.uses[0], landing.variable
    given = {u.argument.id if isinstance(u.argument, ast.Name) else "" for u in landing.uses}
    if len(given) > 1 or given == {""}:
        raise _refused(place, use, "what the site receives has no name, or several")
    received, indent = given.pop(), code.indent(landing.statement)
    where, what = code.line_start(landing.statement), f"around {use.method.name}:{use.node.lineno}"
    if received == x.partition("[")[0] or place.site.module.in_place:
        received, keeping = kept(place, received, use.method)
        entering = landing.condition.replace("[-1]", "[0]")
        text = f"if {entering}:\n    {keeping}" if entering != landing.condition else keeping
        yield Edit(where, where, style.block(text, code, indent), what)
    else:
        received = nested.received(place.site.module, received)
    if landing.index:
        text = f"{x} = {nested.rebuilt('tuple', landing.index, x, joined(place, use.me, received, f'{x}[{landing.index}]'))}"
    else:
        text = f"{x} = {joined(place, use.me, received, x)}"
    text = f"if {landing.condition}:\n    {text}" if landing.condition else text
    yield below(code, landing.statement, text, what)


def _inline(place: Place, use: Use) -> Iterator[Edit]:
    """The call becomes a sum where it stands.

    return F.relu(self.conv(x))     ->  return F.relu(self.conv(x) + self.se(x))
    x = x + self.attn(self.norm(x)) ->  attn_in = self.norm(x)
                                        x = x + (self.attn(attn_in) + self.se(attn_in))
    """
    if use.members is not None and not use.condition:
        yield from _split(place, use)
        return
    if place.site.module.output_kind != "tensor":
        raise _refused(place, use, f"it returns a {place.site.module.output_kind}, used inside an expression")
    if use.argument is None:
        raise _refused(place, use, "the tensor among the call's arguments cannot be told")
    if use.condition:
        yield from _among(place, use, use.argument)
        return
    code, node, argument = place.code, use.node, use.argument
    what = f"beside {use.method.name}:{node.lineno}"
    received = code.segment(argument)
    if not isinstance(argument, ast.Name):
        received = naming.free(f"{place.site.attribute.strip('_') or 'site'}_in", naming.in_method(use.method))
        yield from named(place, use, received)
    changed, operator = place.site.module.in_place, branch.operator(place.combine, place.site)
    received = nested.received(place.site.module, received) + ".clone()" * changed
    if not operator:
        yield Edit(code.start(node), code.start(node), f"{use.me}.{place.attribute}({received}, ", what)
        yield Edit(code.end(node), code.end(node), ")", what)
        return
    # x = self.act(x)  ->  x = self.se(x.clone()) + self.act(x), where the site changes x
    inserted = inlining.value(place.running, use.me, received)
    before, behind = (f"{inserted} {operator} ", "") if changed else ("", f" {operator} {inserted}")
    if not isinstance(syntax.parents(use.method).get(node), OPEN):
        before, behind = f"({before}", f"{behind})"
    yield from [Edit(code.start(node), code.start(node), before, what)] if before else []
    yield from [Edit(code.end(node), code.end(node), behind, what)] if behind else []


def _among(place: Place, use: Use, argument: ast.expr) -> Iterator[Edit]:
    """The call is a sum where it is the site's.

    [m(x) for m in self.paths]  ->  [(m(x) + self.se(x) if m is self.paths[0] else m(x)) for m in self.paths]
    """
    code, node, what = place.code, use.node, f"beside {use.method.name}:{use.node.lineno}"
    plain = not any(isinstance(n, (ast.Call, ast.NamedExpr, ast.Await)) for n in ast.walk(argument))
    if not plain or place.site.module.in_place:
        raise _refused(place, use, "the site is run among others, inside an expression")
    received = nested.received(place.site.module, code.segment(argument))
    before, behind = joined(place, use.me, received, "\0").split("\0")
    yield Edit(code.start(node), code.start(node), f"({before}", what)
    yield Edit(code.end(node), code.end(node), f"{behind} if {use.condition} else {code.segment(node)})", what)


def _split(place: Place, use: Use) -> Iterator[Edit]:
    """The site runs by itself, between the modules before and behind it in the list.

    x = checkpoint_seq([self.layer1, self.layer2], x)  ->  x_in = x
                                                           x = checkpoint_seq([self.layer1], x)
                                                           x = x + self.se(x_in)
                                                           x = checkpoint_seq([self.layer2], x)
    """
    code, members = place.code, use.members
    statement = next((n for n in ast.walk(use.method) if isinstance(n, ast.Assign) and n.value is use.node), None)
    target = statement.targets[0] if statement is not None and len(statement.targets) == 1 else None
    if statement is None or members is None or not isinstance(target, ast.Name) or not isinstance(use.argument, ast.Name):
        raise _refused(place, use, "the list of modules runs inside a larger expression")
    if any(isinstance(e, ast.Starred) for e in members.elts) or not code.stands_alone(statement):
        raise _refused(place, use, "the list of modules has starred elements")
    if reaching.in_segments(use.call):
        raise _refused(place, use, "the list of modules runs in segments")
    if use.argument.id != target.id:
        raise _refused(place, use, "what the list receives and returns has two names")
    x, elements = target.id, members.elts
    position = [e.attr if isinstance(e, ast.Attribute) else "" for e in elements].index(place.site.attribute)
    head = code.text[code.start(statement) : code.start(elements[0])]
    tail = code.text[code.end(elements[-1]) : code.end(statement)]

    def run(part: Sequence[ast.expr]) -> list[str]:
        return [f"{head}{', '.join(code.segment(e) for e in part)}{tail}"] if part else []

    received, keeping = kept(place, x, use.method)
    lines = [*run(elements[:position]), keeping, *run([elements[position]])]
    lines += [f"{x} = {joined(place, use.me, received, x)}", *run(elements[position + 1 :])]
    between = code.newline + code.indent(statement)
    yield Edit(code.start(statement), code.end(statement), between.join(lines), f"in {use.method.name}:{use.node.lineno}")


def named(place: Place, use: Use, name: str) -> Iterator[Edit]:
    """The argument gets a name: in a statement above where nothing else runs before it, else where it stands."""
    code, argument = place.code, use.argument
    assert argument is not None
    statement = above(code, use.method, argument)
    start, end, what = code.start(argument), code.end(argument), f"in {use.method.name}:{use.node.lineno}"
    if statement is None:
        yield Edit(start, start, f"({name} := ", what)
        yield Edit(end, end, ")", what)
        return
    where = code.line_start(statement)
    yield Edit(where, where, style.block(f"{name} = {code.segment(argument)}", code, code.indent(statement)), what)
    yield Edit(start, end, name, what)


def _refused(place: Place, use: Use, why: str) -> CodegenError:
    text = " ".join(ast.unparse(use.node).split())[:60]
    return CodegenError(
        "site-not-editable",
        f"{place.cls.name}.{use.method.name}:{use.node.lineno} `{text}`: {why}",
        "choose a neighbouring site, or --after",
    )
