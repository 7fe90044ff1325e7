"""Edits to a base in place: its recipe grows, and the file is made anew from its source with all of them.

Where a person has edited the file, the file as it stands gets the edits, and is proved so; the recipe is proved by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from codegen import (
    commandlines,
    components,
    edits,
    emit,
    expressions,
    inputs,
    pristine,
    sources,
    static,
    steps,
    syntax,
    writing,
)
from codegen.errors import CodegenError
from codegen.types import Report, Request, Source

STAYS = "what was edited by hand stays, and codegen check goes on to tell of it: the recipe alone makes another file"


def grown(requests: Sequence[Request]) -> tuple[Request, ...]:
    """The recipe of a base with further edits, () where the source that is changed in place is no such file.

    Raises CodegenError("usage") where an option says otherwise than the recipe, ("source-changed") where what the file was
    made from is another one by now.
    """
    first, path = requests[0], Path(requests[0].source)
    if not first.in_place or not path.is_file():
        return ()
    text, _ = syntax.read(path)
    if next(emit.recorded_commands(text), [""])[0] != "base":
        return ()
    header, recorded = emit.headers(text)[0], commandlines.recorded(text, "")
    recipe = recorded[0]
    if first.build or first.static:
        what = f"{path.name} is a base, and its header says how it is built"
        raise CodegenError("usage", what, f"leave {'--build' if first.build else '--static'} out, or make the base so")
    others = [name for name, _, _ in inputs.changed(header.inputs, recorded)]
    if others or emit.digest(sources.resolve(recipe.source).file) != header.digest:
        what = f"{(others or [recipe.source])[0]} is another one than that which {path.name} was made from"
        command = "update" if by_hand(path) else "build"
        raise CodegenError("source-changed", what, f"codegen {command} {path} makes it anew first")
    every = (*recipe.edits, *_new(first))
    options: dict[str, Any] = {"keep": recipe.keep, "suffix": recipe.suffix, "build": recipe.build}
    options["input"] = first.input or recipe.input
    options |= {"output": str(path), "force": True, "dry_run": first.dry_run, "checks": first.checks}
    made = commandlines.based(recipe.source, edits=every, **options)
    return tuple(replace(request, limits=first.limits) for request in made)


def by_hand(path: Path) -> bool:
    """Whether a file that codegen wrote is not as it was written."""
    text, _ = syntax.read(path)
    return emit.headers(text)[0].body != emit.body_digest(emit.without_header(text))


def run(requests: Sequence[Request], recipe: Sequence[Request]) -> Report:
    """The new edits on a base that a person has edited, as it stands. requests: as they were given; recipe: of `grown`.

    Raises CodegenError("edited-by-hand") where they hold there, but not on what the recipe makes; what `steps` raises.
    """
    path, new = Path(requests[0].source), _new(requests[0])
    text, encoding = syntax.read(path)
    report = steps.made(_as_it_stands(path, text, recipe[0]), _in_place(path, text, recipe[-len(new) :], new))
    try:
        made = steps.run([replace(request, dry_run=True) for request in recipe])
    except CodegenError as error:
        what = f"{path.name} takes the edit as it stands, but what its recipe makes does not: {error.message}"
        hint = f"codegen eject {path} gives its recipe up: the file is your own then, and the same command edits it"
        raise replace(error, name="edited-by-hand", message=what, hint=hint) from None
    assert made.variant and report.variant
    pristine.keep(made.variant.text)  # no file was ever so, and a later update needs it
    result = emit.with_header(emit.without_header(report.variant.text), emit.header_of(made.variant.text))
    if not requests[0].dry_run:
        writing.demand_unchanged(path, text.encode(encoding))
        emit.write(path, result.encode(encoding))
    variant = replace(report.variant, base=emit.without_header(text), text=result)
    return replace(report, output=str(path), request=requests[0], variant=variant, notes=(*report.notes, STAYS))


def _as_it_stands(path: Path, text: str, recipe: Request) -> Source:
    """The file as a source; what a library makes of the model it still makes of this one."""
    origin = sources.resolve(recipe.source)
    entry = _build(text).partition("(")[0] if origin.entry else ""
    return Source(str(path), sources.file(path), entry, origin.library, origin.distribution)


def _in_place(path: Path, text: str, recipe: Sequence[Request], new: tuple[str, ...]) -> list[Request]:
    own = {"source": str(path), "edits": new, "in_place": True, "base": False, "build": _build(text), "suffix": "", "keep": ""}
    return [replace(request, **own) for request in recipe]  # type: ignore[arg-type]


def _build(text: str) -> str:
    """How the model of a base is built, as its header says."""
    found = static.HEADER.search(emit.header_of(text).partition("\n")[0])
    if found is None:
        raise CodegenError("no-recipe", "the header does not say how the model is built", "put its lines back as they were")
    return found["build"]


def _new(first: Request) -> tuple[str, ...]:
    """The edits that are asked for, in the words of a recipe."""
    return first.edits or (_said(first),)


def _said(request: Request) -> str:
    """The edit for the recipe. Raises CodegenError("usage") where the words of an edit do not say all of it."""
    wordless = request.layers or components.removes(request) or request.operation == "checkpoint"
    if wordless and (request.host or request.width):
        what = f"{'--class' if request.host else '--width'} with {edits.said(request)!r} has no place in a base's recipe"
        raise CodegenError("usage", what, "name the site from the model's root, or write elsewhere: -o FILE")
    return edits.said(replace(request, module=expressions.mapped(request.module, emit.portable)))
