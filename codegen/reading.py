"""Read a host's class: every expression whose value is the site's output, measured ones and their twins. Changes nothing."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from codegen import flags, loops, reaching, selection
from codegen.errors import CodegenError
from codegen.syntax import Code, Function
from codegen.traced import Call
from codegen.types import Site


@dataclass(frozen=True)
class Use:
    """A call expression that runs the site; at a place between modules the sum, `x + y` or `x += y`, or the operand.

    condition: "" where it always is the site, else when it is: `blk is self.blocks[-1]`.
    argument: the expression that the site receives, None where it cannot be told.
    members: the list literal in which the site is handed over to be run in order, [self.layer1, self.layer2], or None.
    """

    node: ast.Call | ast.expr | ast.AugAssign
    method: Function
    me: str  # the name of `self` there
    condition: str = ""
    argument: ast.expr | None = None
    members: ast.List | ast.Tuple | None = None
    observed: bool = True

    @property
    def call(self) -> ast.Call:
        """The node, where the site is a module."""
        assert isinstance(self.node, ast.Call)
        return self.node


def uses(code: Code, cls: ast.ClassDef, site: Site, calls: Iterable[Call], sides: Sequence[str]) -> list[Use]:
    """Every use of the site in the class, in the order of the source. sides: where its tensor matters.

    Raises CodegenError("container-element", "inherited-forward", "hidden-call", "mixed-widths") where a measured call
    cannot be edited.
    """
    if not (site.attribute.partition(".")[0].isidentifier() or site.host.indexed or site.host.keyed):
        raise CodegenError(
            "container-element",
            f"{site.name} is an element that {cls.name} runs by its place",
            "insert after the object of that class, or into the class of the element",
        )
    reader = _Reader(code, cls, site, sides)
    reader.observe_all(calls)
    reader.leave_misfits()
    reader.read_twins()
    return sorted(reader.found.values(), key=lambda use: (use.node.lineno, use.node.col_offset))


class _Reader:
    def __init__(self, code: Code, cls: ast.ClassDef, site: Site, sides: Sequence[str]) -> None:
        self.code, self.cls, self.site, self.sides = code, cls, site, sides
        self.found: dict[ast.Call, Use] = {}
        self.children, self.cut_short = selection.children_of(site.names), loops.cut_short(cls)
        self.element = site.name.rpartition(".")[2] if site.parted else ""  # of the list that is read
        self.misfits: set[ast.Call] = set()  # they run the site on a tensor that is not the one meant
        self.by_span, self.method_of, self.loops_around = loops.surveyed(cls)

    # -- measured calls ----------------------------------------------------------------------------------------------

    def observe_all(self, calls: Iterable[Call]) -> None:
        """Take in the measured calls of the site.

        Raises CodegenError("hidden-call") where one is inside a call of other code - unless it runs only elements before the
        last (after the first): `x = self.stem[:-1](x)`.
        """
        self._refuse_strangers(calls := list(calls))
        holders = {owner: f"{owner}.{self.site.attribute}.".lstrip(".") for owner in self.site.host.instances}
        mine = [c for c in calls if c.owner in holders and f"{c.module}.".startswith(holders[c.owner])]
        mine = [c for c in mine if self.site.is_list or not self._element(c)]  # x = self.encoder.merger(x) is no encoder
        mine = [c for c in mine if not self.element or self._element(c).partition(".")[0] in ("", self.element)]
        edges: dict[str, int] = {}
        choose = max if "after" in self.sides else min
        for call in mine:
            if (position := self._position(call)) is not None:
                edges[call.owner] = choose(edges.get(call.owner, position), position)
        for call in mine:
            try:
                self.observe(call)
            except CodegenError as error:
                position = self._position(call)
                if error.name != "hidden-call" or position is None or position == edges[call.owner]:
                    raise

    def _position(self, call: Call) -> int | None:
        """Where the element that runs stands in the list that is the site; None for a call of the site itself."""
        element = self._element(call).partition(".")[0]
        listed = self.children[selection.joined(call.owner, self.site.attribute)] if element else []
        return listed.index(element) if element in listed else None

    def _refuse_strangers(self, calls: Iterable[Call]) -> None:
        """Raises CodegenError("hidden-call") where an object that was given the site runs it: no edit here reaches that."""
        names = {f"{owner}.{self.site.attribute}".lstrip(".") for owner in self.site.host.instances}
        for call in calls:
            if call.module in names and call.owner != selection.parted(call.module, self.site.attribute):
                raise CodegenError(
                    "hidden-call",
                    f"{self.site.name} is run by {call.method}:{call.span.line}, of {call.owner or 'the model'}, which holds "
                    "it too",
                    f"insert there: --class {call.method.rpartition('.')[0]}",
                )

    def observe(self, call: Call) -> None:
        """Take in one measured call of the site or of an element of it; `rest` names the element."""
        rest = self._element(call)
        node = self._node(call)
        if set(self.sides) & set(call.misfits):
            self.misfits.add(node)
            return
        self.found.setdefault(node, self._use(node, call, element=bool(rest), deep="." in rest))

    def _element(self, call: Call) -> str:
        """"" for a call of the site itself, `3` and `3.mlp` for one of an element."""
        return call.module[len(selection.joined(call.owner, self.site.attribute)) :].lstrip(".")

    def _node(self, call: Call) -> ast.Call:
        node = self.by_span.get(call.span)
        if call.file != self.site.host.file or node is None:
            raise CodegenError(
                "inherited-forward",
                f"{self.site.name} is called by {call.method} ({call.file.rsplit('/', 1)[-1]}:{call.span.line}), "
                f"outside class {self.cls.name}",
                f"edit the class that calls it: --class {call.method.split('.')[0]}",
            )
        return node

    def _use(self, node: ast.Call, call: Call, *, element: bool, deep: bool) -> Use:
        names = dict(call.names)
        holder = f"{call.owner}.{self.site.attribute}" if call.owner else self.site.attribute
        called = node.func
        if isinstance(called, ast.Attribute) and called.attr == "forward":  # self.neck.forward(x)
            called = called.value
        if self._is_end(called) or call.direct and not deep and reaching.is_named(called, names):
            return self._make(node, self._condition(called, element), node.args, node.keywords)
        for position, argument in enumerate(node.args):
            rest = reaching.handed_on(node, position)
            if self._is_site(argument) or self._is_end(argument):
                return self._make(node, "", rest, node.keywords)
            if isinstance(argument, (ast.List, ast.Tuple)) and any(map(self._is_site, argument.elts)):
                return self._make(node, "", rest, node.keywords, argument)
            if isinstance(argument, ast.Name) and names.get(argument.id) == holder:
                condition = self._condition(argument, element=False)
                return self._make(node, condition, rest, node.keywords)
            if isinstance(argument, ast.Name) and names.get(argument.id, "").rpartition(".")[0] == holder:
                return self._make(node, self._condition(argument, element=True), rest, node.keywords)
        raise CodegenError(
            "hidden-call",
            f"{call.method}:{call.span.line} runs {call.module} inside `{ast.unparse(node)[:60]}` ({call.path})",
            "insert at a place that the host's own methods call",
        )

    def _condition(self, callee: ast.expr, element: bool) -> str:
        """When a callee is the site: "" for `self.m`; `name == "m"` for getattr(self, name); else `callee is self.m`."""
        me, name = self._me(callee), self.site.attribute
        if self._is_end(callee):
            return ""
        if element:
            edge = reaching.tested(self.site, me, self.cut_short, "[-1]" if "after" in self.sides else "[0]")
            return "" if ast.unparse(callee) == edge else f"{ast.unparse(callee)} is {edge}"
        if self._is_site(callee):
            return ""
        if isinstance(callee, ast.Call) and isinstance(callee.func, ast.Name) and callee.func.id == "getattr":
            chosen = callee.args[1] if len(callee.args) > 1 else None
            if isinstance(chosen, ast.Constant) and chosen.value == name:
                return ""
            return f'{ast.unparse(chosen)} == "{name}"' if chosen is not None else ""
        if key := reaching.key(self.site, callee, me):
            return f'{key} == "{name.rpartition(".")[2]}"'
        if self.site.everywhere or "." in name:
            return f"{ast.unparse(callee)} is {reaching.tested(self.site, me, self.cut_short)}"
        # an object without the site has no such attribute
        return f'{ast.unparse(callee)} is getattr({me}, "{name}", None)'

    def _make(
        self,
        node: ast.Call,
        condition: str,
        args: list[ast.expr],
        keywords: list[ast.keyword],
        members: ast.List | ast.Tuple | None = None,
    ) -> Use:
        wanted = self.site.module.input_argument
        argument: ast.expr | None = None
        starred = wanted.isdigit() and any(isinstance(a, ast.Starred) for a in args[: int(wanted) + 1])
        if wanted.isdigit() and int(wanted) < len(args) and not starred:
            argument = args[int(wanted)]
        elif not wanted.isdigit():
            argument = next((k.value for k in keywords if k.arg == wanted), None)
        return Use(node, self.method_of[node], self._me(node), condition, argument, members)

    def leave_misfits(self) -> None:
        """Calls whose tensor has another width than in `forward` stay as they are: `self.head(x, pre_logits=True)`.

        Where a flag of the method decides, the site is meant as the flag's default has it. Raises CodegenError("mixed-widths").
        """
        for node in self.misfits & self.found.keys():
            use, usual = self.found[node], flags.usual(self.method_of[node], node)
            if not usual or use.condition:
                place = f"{self.cls.name}.{self.method_of[node].name}:{node.lineno}"
                raise CodegenError(
                    "mixed-widths",
                    f"{place} `{ast.unparse(node)[:60]}` gives {self.site.name} tensors of different widths",
                    "one module cannot fit them all: choose the modules around it",
                )
            self.found[node] = replace(use, condition=usual)

    # -- twins: calls that no run reached ------------------------------------------------------------------------------

    def read_twins(self) -> None:
        """Add the calls that look like the measured ones: in a scripting branch, behind a flag, in an unused method."""
        conditions = {
            (use.method, self._subject(use)): use.condition for use in self.found.values() if self._subject(use)
        }
        runners = {ast.unparse(u.call.func) for u in self.found.values() if not self._is_callee(u.call)}
        known = self.found.keys() | self.misfits
        for node in self.by_span.values():
            if node in known or node not in self.method_of or self.method_of[node].name in loops.constructing(self.cls):
                continue
            subject, args = self._runs(node, runners)
            if subject is None:
                continue
            method = self.method_of[node]
            if self._is_site(subject) or isinstance(subject, (ast.List, ast.Tuple)):
                members = subject if isinstance(subject, (ast.List, ast.Tuple)) else None
                twin = self._make(node, "", args, node.keywords, members)
            elif (key := (method, ast.unparse(subject))) in conditions:
                twin = self._make(node, conditions[key], args, node.keywords)
            elif self._loops_over(node, subject, self._is_site):
                twin = self._make(node, self._condition(subject, element=True), args, node.keywords)
            elif self._loops_over(node, subject, self._is_holder):
                twin = self._make(node, self._condition(subject, element=False), args, node.keywords)
            else:
                continue
            if not flags.of_another(method, node, twin.condition):
                self.found[node] = replace(twin, observed=False)

    def _subject(self, use: Use) -> str:
        """The text of the name that stood for the site: `blk` in `blk(x)` and in `checkpoint(blk, x)`."""
        return use.condition.split(" is ")[0] if " is " in use.condition else ""

    def _runs(self, node: ast.Call, runners: set[str]) -> tuple[ast.expr | None, list[ast.expr]]:
        """(what a call runs, its arguments): (blk, [x]) for `blk(x)`, `blk.forward(x)` and `checkpoint(blk, x)`."""
        function = node.func
        if isinstance(function, ast.Attribute) and function.attr == "forward":
            return function.value, node.args
        name = ast.unparse(function)
        if node.args and (name in runners or "checkpoint" in name.rpartition(".")[2]):
            first = node.args[0]
            members = isinstance(first, (ast.List, ast.Tuple))
            if not members or any(map(self._is_site, first.elts)):  # type: ignore[attr-defined]
                return first, reaching.handed_on(node)
        return function, node.args

    def _loops_over(self, node: ast.Call, subject: ast.expr, is_list: Callable[[ast.AST], bool]) -> bool:
        """Whether `subject` is the variable of a loop over the list around `node`: `for blk in self.blocks: blk(x)`."""
        return isinstance(subject, ast.Name) and any(
            loops.loop_variable(loop, is_list) == subject.id for loop in self.loops_around[node]
        )

    # -- shared ----------------------------------------------------------------------------------------------------------

    def _is_callee(self, node: ast.Call) -> bool:
        use = self.found[node]
        return (
            self._is_site(node.func)
            or use.condition.startswith(ast.unparse(node.func))
            or isinstance(node.func, ast.Call)
        )

    def _is_site(self, node: ast.AST) -> bool:
        return isinstance(node, (ast.Attribute, ast.Subscript)) and reaching.names(self.site, node, self._me(node))

    def _is_end(self, node: ast.AST) -> bool:
        """Whether it is a part of the list that is the site, the last one, or that with the element that is meant."""
        if not isinstance(node, ast.Subscript) or not isinstance(node.slice, ast.Slice) or not self._is_site(node.value):
            return False
        if not self.element:
            return reaching.is_end(node.slice, self.sides)
        elements = self.children[self.site.module.name]
        return elements.index(self.element) in reaching.part(node, [ast.unparse(node.value)], len(elements))

    def _is_holder(self, node: ast.AST) -> bool:
        """Whether it is the list that holds the site."""
        return "." in self.site.attribute and ast.unparse(node) == reaching.unparsed(reaching.holder(self.site, self._me(node)))

    def _me(self, node: ast.AST) -> str:
        method = self.method_of.get(node)
        positional = [*method.args.posonlyargs, *method.args.args] if method else []
        return positional[0].arg if positional else "self"
