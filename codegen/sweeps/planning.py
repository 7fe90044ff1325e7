"""A grid and the models that were looked at -> its cells, each with the key that says what it is made from. Makes none of them.

Where a site is unknown for a source, or the source itself, the cell has the refusal: nobody has to run it.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import hashlib
import itertools
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codegen import emit, expressions, inputs, provided, registry, requested, sources
from codegen.errors import CodegenError
from codegen.grids import Grid
from codegen.limits import Limits
from codegen.sweeps import places
from codegen.sweeps.places import Map
from codegen.sweeps.rows import Cell, Settings
from codegen.types import Request, Source
from codegen.version import __version__

SITE = "SITE"  # stands for it while requests are made of modules and operations
EXAMPLES = {"sources": "timm:resnet50", "modules": "--modules se,eca", "sites": "--sites every-stage"}
LONGEST = 80  # characters of a file's name before its digest
Look = Callable[[Source, Request], Map]  # raises the CodegenError of a model that does not run
OF_THE_RUN = ("output", "force", "dry_run", "limits", "in_place")  # what of a Request makes no other variant


@dataclass(frozen=True)
class Item:
    """A cell, the name of its file, and why it is not made where that is known. The name is the same as long as it asks for
    the same; the key is another one when the source, a module or codegen changes.
    """

    cell: Cell
    name: str
    refusal: CodegenError | None = None

    @property
    def text(self) -> str:
        """What `include` and `exclude` look at: `timm:resnet50 se after layer1 reduction=8`."""
        request = self.cell.request
        return " ".join(filter(None, [_cell(request), self.cell.arguments]))


@dataclass(frozen=True)
class _Subject:
    """A source of the grid: what was found of it, or why nothing was."""

    spec: str
    source: Source | None
    model: Map | None
    refusal: CodegenError | None


def plan(grid: Grid, templates: Sequence[Request], settings: Settings, look: Look) -> list[Item]:
    """The cells of a grid in their order: by source, module, arguments, operation and site.

    templates: see `templates`. Raises CodegenError("empty-grid").
    """
    facts: dict[str, tuple[list[str], CodegenError | None]] = {}  # of a module
    items: dict[str, Item] = {}
    for spec in grid.sources:
        subject = _subject(spec, templates[0], look)
        facts.clear()
        for template in templates:
            for site, refusal in _sites(grid, subject, template.operation):
                request = dataclasses.replace(template, source=spec, site=site)
                if request.module not in facts:
                    facts[request.module] = _made_of(request, subject.source)
                made_of, unreadable = facts[request.module]
                asked = _asked(request)
                name = _name(request, subject.source, asked)
                key = _digest([asked, made_of, _measured(settings), __version__])
                request = dataclasses.replace(request, output=f"variants/{name}.py")
                items.setdefault(name, Item(Cell(0, key, request), name, refusal or unreadable))
    chosen = _chosen(grid, [*items.values()])
    numbered = [dataclasses.replace(item, cell=dataclasses.replace(item.cell, number=n)) for n, item in enumerate(chosen)]
    return _drawn(grid, numbered)


def _subject(spec: str, template: Request, look: Look) -> _Subject:
    source = None
    try:
        source = sources.resolve(spec)
        return _Subject(spec, source, look(source, dataclasses.replace(template, source=spec)), None)
    except CodegenError as error:
        return _Subject(spec, source, None, error)


def _sites(grid: Grid, subject: _Subject, operation: str) -> Iterator[tuple[str, CodegenError | None]]:
    """The names of the sites; a site that is none as it was given, with the refusal."""
    for site in grid.sites:
        if subject.model is None:
            yield site, subject.refusal
            continue
        try:
            for name in places.resolve(subject.model, site, operation, subject.spec):
                yield name, None
        except CodegenError as error:
            yield site, error


def templates(grid: Grid, limits: Limits) -> list[Request]:
    """A Request for each module with each of its arguments, and each operation; its source and its site are still open.

    Raises, before any model runs, CodegenError("bad-expression", "unknown-module", "unknown-argument", "empty-grid", "usage").
    """
    for what in ("sources", "modules", "sites"):
        if not getattr(grid, what):
            raise CodegenError("empty-grid", f"the sweep has no {what}", f"give some, for example {EXAMPLES[what]}")
    if grid.combine and "beside" not in grid.operations:
        raise CodegenError("usage", "combine says how a module beside a site is joined", "give the operation beside, too")
    used, found = set[str](), list[Request]()
    for module in grid.modules:
        taken = _taken(grid, module)
        used |= {name for name, _ in taken}
        for values in itertools.product(*(values for _, values in taken)):
            args = tuple((name, value) for (name, _), value in zip(taken, values, strict=True))
            made = (_request(grid, module, args, operation) for operation in grid.operations)
            found += [dataclasses.replace(request, limits=limits) for request in made]
    if unused := next((name for name, _ in grid.args if name not in used), ""):
        what = f"none of {', '.join(grid.modules)} has an argument {unused}"
        raise CodegenError("unknown-argument", what, "codegen modules NAME lists them; in an expression write se(reduction=8)")
    return found


def _request(grid: Grid, module: str, args: tuple[tuple[str, str], ...], operation: str) -> Request:
    options: dict[str, Any] = {"module": module, "args": args, "identity": grid.identity}
    options |= {"build": grid.build, "input": grid.input}
    if operation == "replace":
        return dataclasses.replace(requested.replacement(SITE, site=SITE, **options), dry_run=True)
    options |= {"combine": grid.combine} if operation == "beside" else {}
    return dataclasses.replace(requested.insertion(SITE, **{operation: SITE}, **options), dry_run=True)


def _taken(grid: Grid, module: str) -> list[tuple[str, tuple[str, ...]]]:
    """Those arguments of the grid that a module has: one that is named alone; an expression says its own."""
    plain = provided.expanded(module)
    for file in _files(plain):
        if file.endswith(".py"):
            sources.file(Path(file))  # one that cannot be read is told now
    if not grid.args or not expressions.is_plain(plain):
        return []
    known = provided.arguments(plain)
    return [(name, values) for name, values in grid.args if known is None or name in known]


def _asked(request: Request) -> str:
    """What a request asks for, without what belongs to this machine or this run."""
    fields = {f.name: getattr(request, f.name) for f in dataclasses.fields(request) if f.name not in OF_THE_RUN}
    fields |= {"source": emit.portable(request.source), "module": expressions.mapped(request.module, emit.portable)}
    return json.dumps({name: value for name, value in fields.items() if value}, sort_keys=True)


def _made_of(request: Request, source: Source | None) -> tuple[list[str], CodegenError | None]:
    """Digests of the files, and the versions of the packages, that a variant is made from; what is wrong with such a file."""
    if source is None:
        return ["no source"], None
    text = source.file.text.encode(source.file.encoding, "surrogateescape")
    found = [hashlib.sha256(text).hexdigest(), source.distribution]
    files = [file for file in _files(request.module) if not file.endswith(".py")]
    found += [f"{name} {registry.version(name)}" for name in sorted({file.split(".")[0] for file in files})]
    try:
        return [*found, *(f"{name} {digest}" for name, digest in inputs.recorded([request], source))], None
    except CodegenError as error:  # a file beside the source
        return [*found, str(error)], error


def _files(module: str) -> list[str]:
    """The files and packages of the classes in a module expression."""
    files = (leaf.module.rpartition(":")[0] for leaf in expressions.leaves(expressions.parse(module)))
    return [file for file in files if file]


def _measured(settings: Settings) -> list[str]:
    """What of the settings shows in a row."""
    timed = [settings.device, str(settings.compiled)] if "latency" in settings.costs else []
    return [str(settings.full), *sorted(settings.costs), *timed]


def _digest(facts: Sequence[object]) -> str:
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _name(request: Request, source: Source | None, asked: str) -> str:
    """A name for the file that can be imported: `resnet50_se_layer1_0a1b2c3d4e`. Its end tells apart what else looks alike."""
    stem = source.entry or source.file.path.stem if source else request.source.rpartition(":")[2]
    place = request.site if request.operation == "after" else f"{request.operation}_{request.site}"
    words = [stem, expressions.called(request.module), *(f"{k}{v}" for k, v in request.arguments), place]
    plain = "_".join(re.sub(r"[^0-9A-Za-z]+", "_", word).strip("_") for word in words)[:LONGEST].strip("_")
    plain = plain if plain[:1].isalpha() else f"m_{plain}"
    return f"{plain}_{hashlib.sha256(asked.encode()).hexdigest()[:10]}"


def _cell(request: Request) -> str:
    return f"{request.source} {request.module} {request.operation} {request.site}"


def _chosen(grid: Grid, items: list[Item]) -> list[Item]:
    """Those that `include` and `exclude` leave. Raises CodegenError("empty-grid")."""

    def fits(item: Item, patterns: Sequence[str]) -> bool:
        texts = (item.text, _cell(item.cell.request))
        return any(fnmatch.fnmatchcase(text, pattern) for text in texts for pattern in patterns)

    left = [item for item in items if not grid.include or fits(item, grid.include)]
    if not left:
        what = f"none of the {len(items)} cells is like {', '.join(grid.include)}"
        raise CodegenError("empty-grid", what, f'a cell reads "{items[0].text}"; * stands for anything')
    if not (kept := [item for item in left if not fits(item, grid.exclude)]):
        what = f"exclude leaves none of the {len(left)} cells"
        raise CodegenError("empty-grid", what, f'a cell reads "{left[0].text}"')
    return kept


def _drawn(grid: Grid, items: list[Item]) -> list[Item]:
    """The sample, then the first of it. A cell is drawn by its own name: another grid with it draws it as likely."""
    if grid.sample:
        lots = {item.name: hashlib.sha256(f"{grid.seed} {item.name}".encode()).digest() for item in items}
        drawn = {item.name for item in sorted(items, key=lambda item: lots[item.name])[: grid.sample]}
        items = [item for item in items if item.name in drawn]
    return items[: grid.limit]


def shard(items: Sequence[Item], part: tuple[int, int]) -> list[Item]:
    """The i-th of n parts, from 1: neighbours stay together, for they share a source."""
    i, n = part
    return [*items[len(items) * (i - 1) // n : len(items) * i // n]]


def demand_all_known(items: Sequence[Item]) -> None:
    """Raise the first refusal: for --strict."""
    for item in items:
        if item.refusal:
            said = f"{item.refusal.hint}; without --strict the others are made"
            raise dataclasses.replace(item.refusal, hint=said)


def relative(folder: Path, item: Item) -> Path:
    """Where the variant's file is."""
    return folder / "variants" / f"{item.name}.py"
