"""A model's structure as SVG: boxes in the order of calls, shapes and channels along the way, what is inserted in its place.

Text in, text out: no file is written, no model is run.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from codegen.reports import formats, templates, trees
from codegen.reports.trees import Node

ROW, GAP, PAD, INDENT = 24, 8, 7, 13  # of a box: its line, the arrow above it, the room around what is inside, one level
TREE, OUTPUT, LAYOUT, PARAMETERS, BARS, WIDTH = 424, 440, 528, 672, 690, 900  # where the columns stand
LONGEST = 100  # of a bar
TOP = 58  # below the title and the columns' names
FAMILIES = (  # of a class by its name: the first that fits
    ("attention", r"attn|attention|msa|window"),
    ("norm", r"norm"),
    ("pool", r"pool"),
    ("conv", r"conv|patchembed|stem"),
    ("linear", r"^linear|mlp|^fc|projection"),
    ("idle", r"identity|drop|flatten|stochasticdepth"),
    ("activation", r"relu|gelu|silu|swish|sigmoid|tanh|mish|^act|softmax"),
)
WORDS = {"after": "after", "before": "before", "beside": "beside", "replace": "in place of", "checkpoint": "around"}


@dataclass(frozen=True)
class Mark:
    """What a variant does at a site; `label` and `detail` are for people."""

    operation: str
    names: tuple[str, ...]  # dotted paths of the site's modules
    label: str
    detail: str = ""


@dataclass(frozen=True)
class Bar:
    """Channels as a length, the resolution as a shade; a text where one of them changes."""

    y: float
    length: float
    shade: int
    text: str


@dataclass(frozen=True)
class Box:
    """One module as it is drawn."""

    x: float
    y: float
    width: float
    height: float
    kind: str  # classes of the style sheet
    label: str
    note: str = ""  # its class
    count: str = ""  # `×12`
    site: str = ""
    output: str = ""
    layout: str = ""
    parameters: str = ""
    title: str = ""
    arrow: bool = True  # one leads to it from the box above

    @property
    def text_x(self) -> float:
        """Where the note begins, behind the label."""
        return self.x + 20 + 7.3 * len(self.label)


@dataclass
class _Sheet:
    """What is drawn so far, and how far down."""

    mark: Mark | None
    y: float = TOP
    boxes: list[Box] = field(default_factory=list)
    seen: list[tuple[float, Node]] = field(default_factory=list)  # leaves, with the middle of their line
    many: int = 1  # how many modules the box around stands for


@dataclass(frozen=True)
class Look:
    """How a picture stands: `styled` alone, else in a page that has the style; `live`: its boxes can be pressed."""

    rows: int = 0  # no more than about so many
    styled: bool = True
    live: bool = False


def svg(structure: Mapping[str, Any], title: str, mark: Mark | None = None, look: Look = Look()) -> str:
    """The picture of what `codegen sites --json` says of a model."""
    nodes = trees.tree(structure, mark.names if mark else ())
    sheet = _Sheet(mark)
    _down(sheet, trees.pruned(nodes, look.rows) if look.rows else nodes, 8, TREE)
    total = structure.get("parameters", 0)
    parts = [structure["host"], structure["input"].replace("x", "×") if re.fullmatch(r"[\dx]+", structure["input"]) else ""]
    parts += [f"{formats.count(total)} parameters"] if total else []
    shown = {box.kind.partition(" ")[2].partition(" ")[0] for box in sheet.boxes}
    legend = [family for family, _ in FAMILIES if family in shown]
    return templates.rendered(
        "picture.svg.jinja",
        title=title,
        subtitle=" · ".join(filter(None, parts)),
        boxes=sheet.boxes,
        bars=_bars([(y, node) for y, node in sheet.seen]),
        legend=legend,
        columns=(("module", 8), ("output", OUTPUT), ("layout", LAYOUT), ("channels @ resolution", BARS)),
        at={"output": OUTPUT, "layout": LAYOUT, "parameters": PARAMETERS, "bars": BARS, "row": ROW, "gap": GAP},
        width=WIDTH,
        height=sheet.y + 42,
        cut=30 if look.live else 0,  # the page has the title
        live=look.live,
        style=templates.read("picture.css") if look.styled else "",
    )


def _down(sheet: _Sheet, nodes: Sequence[Node], x: float, right: float) -> None:
    """Draw siblings one below the other."""
    for node in nodes:
        inserted = sheet.mark if node.marked else None
        if inserted and inserted.operation == "before":
            _inserted(sheet, inserted, node, x, right)
        _node(sheet, node, x, right)
        if inserted and inserted.operation not in ("before", "checkpoint"):
            _inserted(sheet, inserted, node, x, right)


def _node(sheet: _Sheet, node: Node, x: float, right: float) -> None:
    sheet.y += GAP
    top, at = sheet.y, len(sheet.boxes)
    sheet.y += ROW
    outside, sheet.many = sheet.many, len(node.names)
    if node.children:
        _down(sheet, node.children, x + INDENT, right - PAD)
        sheet.y += PAD
    elif node.called:
        sheet.seen.append((top + ROW / 2, node))
    sheet.many = outside
    box = _box(node, (x, top, right - x, sheet.y - top), sheet.mark if node.marked else None, outside)
    sheet.boxes.insert(at, box)  # behind what is inside it


def _box(node: Node, place: tuple[float, float, float, float], mark: Mark | None, outside: int) -> Box:
    facts = node.facts
    kinds = ["group" if node.children else "leaf", "point" if node.point else family(facts["class_name"])]
    kinds += [] if node.called else ["never"]
    kinds += [f"marked {mark.operation}"] if mark else []
    count = f"×{len(node.names)}" if len(node.names) != outside else ""
    room = place[2] - 28 - 7.3 * len(count)
    label = _short(node.label, int(room / 7.3))
    inside = f" · {node.hidden} inside" if node.hidden else ""
    note = _short(f"{facts['class_name'] or _between(node)}{inside}", int((room - 8 - 7.3 * len(label)) / 6.3))
    return Box(
        *place,
        " ".join(kinds),
        label,
        note,
        count,
        node.site,
        formats.size(facts["output_shape"][1:]),
        _layout(facts),
        formats.count(facts["parameters"]) if facts["parameters"] else "",
        described(node),
    )


def _inserted(sheet: _Sheet, mark: Mark, node: Node, x: float, right: float) -> None:
    sheet.y += GAP
    many = f" of each of {len(node.names)}" if len(node.names) > 1 else ""
    note = f"{WORDS.get(mark.operation, mark.operation)} {node.site}{many}"
    title = f"{mark.label} {note}" + (f"\n{mark.detail}" if mark.detail else "")
    note = _short(note, int((right - x - 44 - 7.3 * len(mark.label)) / 6.3))
    sheet.boxes.append(Box(x, sheet.y, right - x, ROW, "inserted", f"+ {mark.label}", note, parameters=" ", title=title))
    sheet.y += ROW


def family(class_name: str) -> str:
    """What a class is for, by its name: its colour."""
    return next((name for name, pattern in FAMILIES if re.search(pattern, class_name, re.IGNORECASE)), "block")


def described(node: Node) -> str:
    """What a person sees who points at a box: a line for each fact."""
    facts = node.facts
    many = f" ({len(node.names)} modules)" if len(node.names) > 1 else ""
    lines = [f"{node.site}{many}", facts["class_name"] or _between(node)]
    if facts["output_shape"]:
        kind = f" in {facts['output_kind']}" if facts["output_kind"] != "tensor" else ""
        lines.append(f"{_batched(facts['input_shape'])} → {_batched(facts['output_shape'])}{kind} {_layout(facts)}".rstrip())
    if width := facts["width"]:
        lines.append(f"width {width['expr']}" + ("" if width["kind"] == "literal" else f" = {width['value']}"))
    if facts["parameters"]:
        lines.append(f"{facts['parameters']:,} parameters" + (" each" if many else ""))
    places = [f"{call['method'].rpartition('.')[2]}:{call['line']}" for call in facts["call_sites"]]
    lines.append(f"called at {', '.join(places)}" if places and node.called else "" if node.called else "never called")
    return "\n".join(filter(None, lines))


def _between(node: Node) -> str:
    from codegen import selection

    return "one call" if selection.is_call(node.names[0]) else "between modules"


def _batched(shape: Sequence[int]) -> str:
    return f"N×{formats.size(shape[1:])}" if shape else "?"


def _layout(facts: Mapping[str, Any]) -> str:
    """`NCHW`, `NLC+1 14×14`: with one prefix token, on a grid of 14×14."""
    layout = facts["layout"]
    if not facts["output_shape"] or not layout["kind"]:
        return ""
    prefix = f"+{layout['prefix']}" if layout["prefix"] else ""
    grid = layout["grid"]
    return f"{layout['kind']}{prefix}" + (f" {formats.size(grid)}" if grid and len(facts["output_shape"]) == 3 else "")


def measured(node: Node) -> tuple[int, tuple[int, ...]] | None:
    """Channels and resolution of what a node returns; () where it has none, None where the layout is not known."""
    shape, layout = node.facts["output_shape"], node.facts["layout"]
    kind = layout["kind"]
    if len(kind) != len(shape) or "C" not in kind:
        return None
    channels = int(shape[kind.index("C")])
    space = tuple(size for dim, size in zip(kind, shape, strict=True) if dim in "DHW")
    return channels, tuple(layout["grid"]) if kind == "NLC" and layout["grid"] else space


def _bars(rows: Sequence[tuple[float, Node]]) -> list[Bar]:
    """Of the leaves: longer with more channels (logarithmic), lighter at a lower resolution."""
    known = [(y, *found) for y, node in rows if (found := measured(node))]
    if not known:
        return []
    least, most = (math.log2(pick(channels for _, channels, _ in known)) for pick in (min, max))
    areas = sorted({math.prod(space) for _, _, space in known if space}, reverse=True)
    bars: list[Bar] = []
    before: object = None
    for y, channels, space in known:
        part = (math.log2(channels) - least) / (most - least) if most > least else 1.0
        shade = min(areas.index(math.prod(space)) + (len(areas) < 5), 5) if space else 6
        text = f"{channels:,} @ {formats.size(space)}" if space else f"{channels:,}"
        bars.append(Bar(y, LONGEST * (0.3 + 0.7 * part), shade, "" if (channels, space) == before else text))
        before = (channels, space)
    return bars


def _short(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: max(length - 1, 0)]}…" if length > 3 else ""
