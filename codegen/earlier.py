"""The source as it was when a variant was made, from where the user says (`--old-source`). Changes nothing there."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from codegen import emit, imports, inputs, sources
from codegen.errors import CodegenError
from codegen.types import Request

RELEASE = re.compile(r" from ([\w-]+) ([\w.]+), ")


@contextlib.contextmanager
def asked(given: Path, requests: Sequence[Request], text: str) -> Iterator[tuple[Request, ...]]:
    """The requests of a variant's header, on its old source; inside, a given folder is where that is looked for.

    given: an absolute path. A file stands in the place of the source's file. A folder is the working directory for a source
    that is a file, and for a source that is imported the first place where Python finds packages. text: the variant.
    Raises CodegenError("wrong-old-source") where something there has another sha256 than the header records.
    """
    spec = requests[0].source
    path, entry = sources.parted(spec)
    own = path.endswith(".py") or os.sep in path
    folder = given.is_dir()
    if not (own or folder):
        raise _wrong(given, f"is a file, and {spec} is installed", text)
    with contextlib.ExitStack() as stack:
        if folder:
            stack.enter_context(contextlib.chdir(given) if own else _found_first(given))
        meant = spec if folder else f"{given}:{entry}" if entry else str(given)
        there = tuple(replace(request, source=meant) for request in requests)
        _demand_recorded(given, there, text)
        yield there


@contextlib.contextmanager
def _found_first(folder: Path) -> Iterator[None]:
    """Packages in the folder are found before those that are installed, here and in child processes."""
    before = os.environ.get("PYTHONPATH")
    sys.path.insert(0, str(folder))
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(folder), before or ""]))
    imports.forget()
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        os.environ.pop("PYTHONPATH")
        os.environ |= {"PYTHONPATH": before} if before is not None else {}
        imports.forget()


def _demand_recorded(given: Path, requests: Sequence[Request], text: str) -> None:
    header = emit.headers(text)[0]
    try:
        source = sources.resolve(requests[0].source)
    except CodegenError as error:
        raise _wrong(given, f"does not have it: {error.message}", text) from None
    name = source.file.path.name
    if given.is_dir() and not source.file.path.resolve().is_relative_to(given.resolve()):
        raise _wrong(given, f"has no {name}, or this process has imported another one", text)
    if (digest := emit.digest(source.file)) != header.digest:
        raise _wrong(given, f"has {name} with sha256 {digest}, and the header records {header.digest}", text)
    for label, old, new in inputs.changed(header.inputs, requests):
        what = f"is to have {label}, too, with sha256 {old}" if given.is_dir() else f"goes with a {label} of sha256 {old}"
        raise _wrong(given, f"{what}, and {f'that is {new}' if new else 'there is none'}", text)


def _wrong(given: Path, what: str, text: str) -> CodegenError:
    release = RELEASE.search(emit.header_of(text))
    hint = "give the file that the variant was made from, or a folder with all of its files as they were then"
    if release:
        hint = f"pip install --no-deps --target FOLDER {release[1]}=={release[2]}, and give that folder"
    return CodegenError("wrong-old-source", f"--old-source {given} {what}", hint)
