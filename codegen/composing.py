"""A module expression -> Component: one module as `modules` has it, several as parts that the host's own code runs, or as
one class that holds and runs them.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from codegen import catalogue, components, construct, expressions, gating, initialising, inlining, naming, selection, style
from codegen.errors import CodegenError
from codegen.expressions import Around, Chain, Joined, Leaf, Node
from codegen.syntax import Code
from codegen.traced import Layout, Width
from codegen.types import Component, Request, Site

VARIABLES = ("y", "z", "u", "v", "w")  # for what several modules take
FACTORY = "**dd"
LAYERS = {"NCHW": "nn.Conv2d", "NCXX": "nn.Conv2d", "NCL": "nn.Conv1d", "NCDHW": "nn.Conv3d"}  # others: channels last


def resolve(request: Request, site: Site) -> Component:
    """The Component for `--module`, made for the site's width and layout.

    Raises what `expressions.parse` and `components.resolve` raise, "usage" for --arg beside a composition.
    """
    node = expressions.parse(request.module)
    if isinstance(node, Leaf) and not request.as_class:
        return initialising.started(components.resolve(_asked(request, node), site), request.init)
    made = _composed(request, node, site)
    made = gating.zero_gated(made) if request.identity and not request.combine else made
    return initialising.started(made, request.init)


def inline(request: Request, site: Site) -> Component:
    """A composition as parts that the host holds and runs by itself: `x = self.eca(self.se(x))`.

    Raises what `resolve` raises, and `inlining.refused` where the parts have to be in one class.
    """
    node = expressions.parse(request.module)
    if why := _kept_together(request, node, site):
        raise inlining.refused(why)
    _demand(request, site)
    own = not request.combine and request.identity
    writing = Writing(replace(request, identity=own), site, site.width.expr, apart=True)
    result = writing.value(node, "x")
    running = (*writing.lines, result)
    if not inlining.is_cascade(running):
        chosen, between = site.chosen is not None, selection.is_point(site.attribute)
        reasons = {
            "only the whole of it can start as the identity (--identity)": own,
            "objects that are not chosen hold an nn.Identity, whose result would be added or multiplied": chosen,
            f"its result is joined with that of {site.name}": bool(request.combine),
            f"{site.name} is a place between modules, which is found again by the sums in the code": between,
        }
        if why := next((what for what, on in reasons.items() if on), ""):
            raise inlining.refused(why)
    parts = tuple(replace(made, name=name) for name, made in writing.parts)
    return Component(
        expressions.called(request.module),
        "",
        "",
        tuple(dict.fromkeys(line for made in parts for line in made.imports)),
        "\n\n\n".join(made.code.strip("\n") for made in parts if made.code.strip()),
        tuple(dict.fromkeys(note for made in parts for note in made.notes)),
        any(made.stateful for made in parts),
        parts=parts,
        running=running,
    )


def _kept_together(request: Request, node: Node, site: Site) -> str:
    """Why the parts of a composition are in one class, "" where they need not be."""
    if request.init:
        return f"--init {request.init} is of one module"
    if request.name:
        return f"--name {request.name} is one attribute"
    if "gate" in (around.how for around in expressions.arounds(node)):
        return "the gain of gate(...) is a parameter, and no module"
    if request.combine and (request.combine not in ("add", "mul") or site.chosen is not None):
        return "what joins it with its site is a class"
    return ""


def is_composition(text: str) -> bool:
    """Whether the text composes several modules, or changes what one gives."""
    return not isinstance(expressions.parse(text), Leaf)


def needs_grid(request: Request, layout: Layout) -> bool:
    """Whether a module of the expression has to know the rows and columns of tokens there."""
    if request.layers:
        return False
    found = expressions.leaves(expressions.parse(request.module))
    return any(catalogue.needs_grid(leaf.module, layout) for leaf in found if ":" not in leaf.module)


@dataclass
class Writing:
    """A composition on its way to a class: what its `__init__` assigns, and the statements of its `forward`."""

    request: Request
    site: Site  # with the names that the class has for width and grid
    width: str
    apart: bool = False  # the parts are the host's own, and fitted into its file later
    parts: list[tuple[str, Component]] = field(default_factory=list)  # by their attributes, in the order in which they run
    lines: list[str] = field(default_factory=list)
    code: str = ""  # the classes of the modules

    def value(self, node: Node, x: str) -> str:
        """The expression for what a composition gives of `x`, a name wherever it is needed twice."""
        if isinstance(node, Leaf):
            return f"self.{self.attribute(self.component(node))}({x})"
        if isinstance(node, Chain):
            for part in node.parts:
                x = self.value(part, x if isinstance(part, Leaf) else self.named(x))
            return x
        if isinstance(node, Around):
            inner = self.operand(node.part, x, within="*" if node.how == "gate" else "+")
            if node.how == "residual":
                return f"{x} + {inner}"
            return f"{x} + self.{self.gain()}.to({x}.dtype) * {inner}"
        if node.how == "cat":
            values = ", ".join(self.value(part, x) for part in node.parts)
            dim = self.site.layout.channel_dim if self.site.layout.kind in LAYERS else -1
            return f"self.{self.projection(len(node.parts))}(torch.cat([{values}], dim={dim}))"
        return f" {node.how} ".join(self.operand(part, x, within=node.how) for part in node.parts)

    def operand(self, node: Node, x: str, *, within: str) -> str:
        """The value as an operand: a sum in brackets, inside a product a product too, as they were given."""
        text = self.value(node, x)
        last = node.parts[-1] if isinstance(node, Chain) else node
        added = isinstance(last, Around) or isinstance(last, Joined) and last.how == "+"
        return f"({text})" if added or within == "*" and isinstance(last, Joined) and last.how == "*" else text

    def named(self, x: str) -> str:
        """A name for a value: it is taken more than once."""
        if x.isidentifier():
            return x
        count = sum(" = " in line for line in self.lines)
        name = VARIABLES[count] if count < len(VARIABLES) else f"{VARIABLES[0]}{count}"
        self.lines.append(f"{name} = {x}")
        return name

    def component(self, leaf: Leaf) -> Component:
        """One module, with its class as it is called here."""
        try:
            found = components.resolve(_asked(self.request, leaf), self.site)
        except CodegenError as error:
            raise replace(error, message=f"{error.message} (column {leaf.column} of the module expression)") from None
        if self.apart:  # the host's load hook names those that have a state
            bare = ":" not in leaf.module and catalogue.entry(leaf.module).parameters == "0" and not self.request.identity
            return replace(found, stateful=found.stateful and not bare)
        fitted = naming.fitted(found, Code(self.code))
        self.code = "\n\n\n".join(text.strip("\n") for text in (self.code, fitted.code) if text.strip())
        return fitted

    def attribute(self, made: Component) -> str:
        """Assign a module in `__init__`: `self.se`, `self.se_2`; `self.lambda_` of a class Lambda."""
        usable = made.name not in naming.MODULE_NAMES and not keyword.iskeyword(made.name)
        return self.assigned(made.name if usable else f"{made.name}_", made)

    def assigned(self, wanted: str, made: Component) -> str:
        """Assign anything in `__init__` under a name that is free."""
        taken, name, number = {part for part, _ in self.parts}, wanted, 2
        while name in taken:
            name, number = f"{wanted}_{number}", number + 1
        self.parts.append((name, made))
        return name

    def gain(self) -> str:
        """`nn.Parameter(torch.zeros(1))`."""
        options = f", {self.site.host.factory}" if self.site.host.factory else ""
        return self.assigned("gain", Component("gain", "", f"nn.Parameter(torch.zeros(1{options}))"))

    def projection(self, count: int) -> str:
        """Back from several times the channels: a 1x1 convolution, or a linear layer where the channels are the last dim."""
        kind = self.site.layout.kind
        if not kind:
            what = f"cat needs to know the channel dim at {self.site.name}, and the layout there could not be measured"
            raise CodegenError("module-does-not-fit", what, "add the results (a + b), or choose another site")
        layer = LAYERS.get(kind, "nn.Linear")
        factory = f", {self.site.host.factory}" if self.site.host.factory else ""
        options = (", kernel_size=1" if layer != "nn.Linear" else "") + factory
        incoming = self.width if re.fullmatch(r"[\w.]+", self.width) else f"({self.width})"
        made = f"{layer}({count} * {incoming}, {self.width}{options})"
        return self.assigned("project", Component("project", layer, made, ("import torch", "from torch import nn")))


def _demand(request: Request, site: Site) -> None:
    """What every composition needs. Raises CodegenError("usage", "module-does-not-fit", "unknown-width")."""
    if request.arguments:
        what = "--arg is of one module, and --module composes several, or makes a class of its own of one"
        raise CodegenError("usage", what, "write it in the expression: se(reduction=8) >> eca")
    if site.leaving and site.leaving.value != site.width.value:
        what = f"{site.name} turns {site.width.value} channels into {site.leaving.value}: a composition keeps their number"
        raise CodegenError("module-does-not-fit", what, "give one class that does so: --module my.py:Class")
    if not site.width.expr:
        raise CodegenError("unknown-width", f"the width at {site.name} is not known", "give --width EXPR")


def _composed(request: Request, node: Node, site: Site) -> Component:
    _demand(request, site)
    plain = replace(request, identity=False, arguments=(), as_class="")
    width = Width("channels", site.width.value, "name", site.width.builds)
    known = site.layout.grid_expr or site.layout.grid
    layout = replace(site.layout, grid_expr="grid_size" if known else "")
    host = replace(site.host, factory=FACTORY if site.host.factory else "")
    writing = Writing(plain, replace(site, width=width, leaving=width, layout=layout, host=host), width.expr)
    result = writing.value(node, "x")
    writing.lines.append(f"return {result}")
    grid, grid_notes = catalogue.grid(site.layout) if _uses(writing, "grid_size") else ("", [])
    given = [(name, type_, text) for name, type_, text in (
        ("channels", "int", site.width.expr), ("grid_size", "tuple[int, int]", grid)
    ) if _uses(writing, name)]  # fmt: skip
    dd = _uses(writing, "dd")
    parameters = [f"{name}: {type_}" for name, type_, _ in given] + ["device=None", "dtype=None"] * dd
    passed = [text if name == "channels" else f"{name}={text}" for name, _, text in given] + [site.host.factory] * dd
    name = expressions.called(request.module, request.as_class)
    class_name = request.as_class or expressions.class_name(request.module)
    text = construct.rendered(
        "composed",
        class_name=class_name,
        expression=f"{expressions.shown(node)}, as one module.",
        parameters="".join(f", {parameter}" for parameter in parameters),
        dd=dd,
        parts=[(name, made.construct) for name, made in writing.parts],
        lines=writing.lines,
    )
    own = naming.fitted(Component(name, class_name, class_name, code=style.formatted(text)), Code(writing.code))
    return Component(
        name,
        own.class_name,
        f"{own.class_name}({', '.join(passed)})",
        tuple(dict.fromkeys([*(i for _, c in writing.parts for i in c.imports), "import torch", "from torch import nn"])),
        "\n\n\n".join(piece.strip("\n") for piece in (writing.code, own.code) if piece.strip()) + "\n",
        (*dict.fromkeys(note for _, made in writing.parts for note in made.notes), *grid_notes),
        any(made.stateful for _, made in writing.parts),
    )


def _uses(writing: Writing, name: str) -> bool:
    return any(re.search(rf"\b{name}\b", made.construct) for _, made in writing.parts)


def _asked(request: Request, leaf: Leaf) -> Request:
    """The Request for one module of the expression."""
    if not leaf.arguments:
        return replace(request, module=leaf.module)
    if request.arguments:
        raise CodegenError("usage", "arguments stand in the expression and in --arg", "give them in one of the two places")
    return replace(request, module=leaf.module, arguments=tuple(_named(leaf)))


def _named(leaf: Leaf) -> Sequence[tuple[str, str]]:
    """The arguments by their names. Raises CodegenError("unknown-argument")."""
    known = [] if ":" in leaf.module else [name for name, _ in catalogue.entry(leaf.module).arguments]
    count = sum(not name for name, _ in leaf.arguments)
    if count > len(known) or any(name == "**" for name, _ in leaf.arguments):
        what = f"{leaf.module} takes {', '.join(known) or 'its arguments by name'}, here it gets {count} by position"
        raise CodegenError("unknown-argument", what, f"name them: {leaf.module}(name=value)")
    return [(name or known[index], text) for index, (name, text) in enumerate(leaf.arguments)]
