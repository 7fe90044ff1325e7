"""What functions of the API do beside making a variant: each call of a site, an insertion taken out, a file verified."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from codegen import basing, commandlines, edits, emit, imports, pipeline, selection, splitting, steps, syntax, undoing, variants
from codegen.errors import CodegenError
from codegen.types import Report, Request


def run(requests: Sequence[Request]) -> Report:
    """Make one variant. Raises what `variants.run` raises."""
    imports.forget()
    return variants.run(requests)


def of_each_call(request: Request, options: Mapping[str, Any]) -> tuple[Request, ...]:
    """The insertion once for each call of its site: the model runs once to count them."""
    trace = pipeline.look(dataclasses.replace(request, site=f"{request.site}{selection.SIGN}1"))
    single = dict.fromkeys((*commandlines.OF_ONE_EDIT, *commandlines.OF_ONE_INSERTION))
    return commandlines.several(**{**options, **single, "edits": edits.of_each_call(trace, request)})


def undo(file: Path, name: str, against: str, **options: Any) -> Report:
    """Take an insertion out of a variant again. Raises CodegenError("several-edits") and what `undoing` raises."""
    imports.forget()
    text, _ = syntax.read(file)
    emit.headers(text)  # a file without one is refused in words of this command
    request, *others = commandlines.recorded(text, against, **options)
    if others or request.edits and not request.base:
        raise _of_several(file, len(others) + 1)
    try:
        return undoing.run(dataclasses.replace(request, edits=()), file, name)
    except CodegenError as error:
        if error.sites:
            raise _of_several(file, len(error.sites)) from None
        raise


def _of_several(file: Path, count: int) -> CodegenError:
    what = f"{file} was made by {count} edits in one command"
    return CodegenError("several-edits", what, "make it again with the others: the header has the command")


def verify(file: Path, against: str, **options: Any) -> Report:
    """The contract, again, of a variant that exists: beside the base that its header names."""
    imports.forget()
    text, encoding = syntax.read(file)
    requests = commandlines.recorded(text, against, **options)
    if requests[0].base and not requests[0].edits:
        return basing.verify(requests[0], file, text, encoding)
    return splitting.served(requests, lambda asked: steps.verify(asked, file, text, encoding))
