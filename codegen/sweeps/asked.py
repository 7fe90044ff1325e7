"""What `codegen sweep` was given -> a Task, or a store to show or to merge. The options have the names of the API."""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from codegen import given, grids, recipes, requested
from codegen.errors import CodegenError
from codegen.grids import Grid
from codegen.sweeps import coordinator, exports, merging, store
from codegen.sweeps.coordinator import Done, Sweep, Task
from codegen.sweeps.executors import Chosen
from codegen.sweeps.rows import Settings

GRID = ("modules", "sites", "operations", "args", "identity", "combine", "build", "input")  # stands in a sweep's table
NARROWING = ("include", "exclude", "limit", "sample", "seed", "full", "costs")  # may be said beside its name
Options = Mapping[str, Any]


def run(sources: Sequence[str], options: Options, done: Done) -> Sweep:
    """Sweep, merge, or show what a folder has; then export it. Raises what `codegen.sweep` says."""
    export = Path(options["export"]).absolute() if options["export"] else None
    if export:
        exports.demand_known(export)
    if options["merge"]:
        _demand_only(options, "merge", ("merge", "output", "export"))
        if not sources or not options["output"]:
            raise CodegenError("usage", "--merge joins the stores of FOLDER... into that of -o FOLDER", "give both")
        merging.merge([Path(source) for source in sources], Path(options["output"]))
        found = coordinator.show(Path(options["output"]))
    elif len(sources) == 1 and (Path(sources[0]) / store.FILE).is_file():
        _demand_only(options, "the folder of a sweep", ("export",))
        found = coordinator.show(Path(sources[0]))
    else:
        found = _swept(sources, options, done)
    if export and not options["dry_run"]:
        exports.write(store.read(found.folder), export)
        found = dataclasses.replace(found, exported=str(options["export"]))
    return found


def _swept(sources: Sequence[str], options: Options, done: Done) -> Sweep:
    output = Path(options["output"]).absolute() if options["output"] else None
    if not sources:
        raise CodegenError("usage", "give the NAME of a sweep, or SOURCE --modules M,... --sites S,...", _names(options))
    if not _is_name(sources, options):
        grid, folder, base = _given(sources, options), Path("sweeps", _stem(sources)), Path.cwd()
    else:
        if len(sources) > 1:
            raise CodegenError("usage", f"{sources[1]}: one sweep at a time", "give one NAME")
        grid, base = _named(sources[0], options)
        folder = Path(grid.output or f"sweeps/{sources[0]}")
    part, suffix = _part(options["shard"])
    folder = output or folder.with_name(f"{folder.name}{suffix}")
    with contextlib.chdir(base):
        swept = coordinator.run(_task(grid, folder, part, options), done)
    shown = Path(os.path.relpath(base / folder)) if not output else Path(options["output"])
    return dataclasses.replace(swept, folder=shown)


def _task(grid: Grid, folder: Path, part: tuple[int, int], options: Options) -> Task:
    if unknown := [cost for cost in grid.costs if cost not in grids.COSTS]:
        raise CodegenError("usage", f"--costs {unknown[0]} is none of {', '.join(grids.COSTS)}", "give some of them")
    if options["scheduler"] and options["executor"] == "local":
        raise CodegenError("usage", "--scheduler is of another executor than local", "leave --executor out, or say dask")
    executor = options["executor"] or ("dask" if options["scheduler"] else "local")
    return Task(
        grid=grid,
        settings=Settings(
            folder=folder,
            full=grid.full,
            isolate=options["isolate"] or "",
            costs=grid.costs,
            device=options["device"],
            compiled=options["compile"],
        ),
        chosen=Chosen(executor, options["workers"], options["scheduler"]),
        limits=requested.made("", timeout=options["timeout"], memory=options["memory"]).limits,
        part=part,
        strict=options["strict"],
        retry=options["retry"],
        dry_run=options["dry_run"],
    )


def _is_name(sources: Sequence[str], options: Options) -> bool:
    """Whether a sweep of the recipes' file is meant; a plain word beside --modules may be a package, too."""
    if any(map(_is_source, sources)):
        return False
    if not (options["modules"] or options["sites"]):
        return True
    try:
        return sources[0] in recipes.sweeps(_file(options))
    except CodegenError:
        return False


def _file(options: Options) -> Path:
    """The recipes' file. Raises CodegenError("no-recipes")."""
    if options["config"]:
        return Path(options["config"])
    try:
        return recipes.find(Path.cwd())
    except CodegenError as error:
        hint = "codegen sweep timm:resnet18 --modules se,eca --sites every-stage needs none"
        raise dataclasses.replace(error, hint=hint) from None


def _is_source(text: str) -> bool:
    return any(sign in text for sign in (":", ".", os.sep))


def _stem(sources: Sequence[str]) -> str:
    """A folder for sources without a name: `resnet50`, `resnet50_vit_more`."""
    ends = [source.removesuffix(".py").rpartition(":")[2].rpartition("/")[2] for source in sources]
    stems = [re.sub(r"\W+", "_", end).strip("_") for end in ends]
    return "_".join(stems if len(stems) <= 3 else [*stems[:2], "more"])


def _given(sources: Sequence[str], options: Options) -> Grid:
    """The grid of a command line."""
    plain: dict[str, Any] = {name: options[name] for name in (*GRID, *NARROWING) if options[name] not in (None, (), "", False)}
    several = [name for name in ("modules", "sites", "operations", "costs") if name in plain]
    lists: dict[str, Any] = {name: grids.split(plain[name]) for name in several}
    plain |= {"args": grids.several(plain["args"])} if "args" in plain else {}
    for operation in lists.get("operations", ()):
        if operation not in grids.OPERATIONS:
            what = f"--operations {operation} is none of {', '.join(grids.OPERATIONS)}"
            raise CodegenError("usage", what, "give some of them")
    needed: dict[str, Any] = {"sources": grids.listed(sources), "modules": (), "sites": ()}
    return Grid(**{**needed, **plain, **lists})


def _named(name: str, options: Options) -> tuple[Grid, Path]:
    """The grid of this name with what the command line says beside it, and the folder where its paths start."""
    file = _file(options)
    known = recipes.sweeps(file)
    if name not in known:
        near = difflib.get_close_matches(name, known, 3) or [*known][:3]
        hint = f"there are {', '.join(near)}" if near else "[tool.codegen.sweep.NAME] holds one; SOURCE is timm:NAME or a file"
        raise CodegenError("unknown-sweep", f"{file.name} has no sweep {name}", hint)
    if foreign := next((key for key in GRID if options[key] not in (None, (), "", False)), ""):
        what = f"{given.flag(foreign)} belongs to the grid, and that of {name} stands in {file.name}"
        raise CodegenError("usage", what, "change it there; --include, --exclude, --limit and --sample make it smaller")
    more = {key: options[key] for key in NARROWING if options[key] not in (None, (), False)}
    more |= {"costs": grids.split(more["costs"])} if "costs" in more else {}
    grid = known[name]
    more |= {"exclude": (*grid.exclude, *more["exclude"])} if "exclude" in more else {}
    return dataclasses.replace(grid, **more), file.absolute().parent


def _names(options: Options) -> str:
    """The sweeps that there are, for a hint."""
    with contextlib.suppress(CodegenError):
        file = _file(options)
        if known := recipes.sweeps(file):
            return f"{file.name} has {', '.join(known)}"
    return "for example codegen sweep timm:resnet18 --modules se,eca --sites every-stage"


def _part(text: str) -> tuple[tuple[int, int], str]:
    """`2/4` as (2, 4), and what its folder's name ends with."""
    if not text:
        return (1, 1), ""
    found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
    i, n = (int(found[1]), int(found[2])) if found else (0, 0)
    if not 1 <= i <= n:
        raise CodegenError("usage", f"--shard {text} is no part I/N", "for example --shard 1/4, from 1/4 to 4/4")
    return (i, n), f"-{i}of{n}"


def _demand_only(options: Options, what: str, allowed: Sequence[str]) -> None:
    """Raise CodegenError("usage") where an option says something that nothing is made of."""
    usual = {"device": "cpu", "workers": 2, "timeout": 600.0}
    for name, value in options.items():
        if name not in allowed and value not in (None, (), "", False, usual.get(name)):
            raise CodegenError("usage", f"{given.flag(name)} says nothing with {what}", "leave it out")
