"""The files of the user's own that a variant copies from beside its source: inputs of it, too. Classes that are inserted
(`--module my.py:MyAttn`), and what a loose source imports from files beside it.

A header records them, so that it can be told when one of them changes. Reads only.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from codegen import closure, emit, expressions, siblings, sources, syntax
from codegen.expressions import Leaf
from codegen.types import Request, Source, SourceFile


def recorded(requests: Sequence[Request], source: Source) -> tuple[tuple[str, str], ...]:
    """(name, digest) of each file, as the header has them: those beside the source that it needs, those of the classes, and
    files beside these.
    """
    spec = source.spec.rpartition(":")[0] if not source.spec.endswith(".py") else source.spec
    loose = spec.endswith(".py") and os.path.isfile(emit.portable(spec))
    found = dict(_beside(source.file, Path(spec), None)) if loose else {}
    for leaf in _copied(requests):
        path, name = Path(_file(leaf)), leaf.module.rpartition(":")[2]
        file = sources.file(path)
        found[Path(emit.portable(str(path))).as_posix()] = emit.digest(file)
        found |= dict(_beside(file, path, name))
    return tuple(found.items())


def _beside(file: SourceFile, path: Path, name: str | None) -> Iterator[tuple[str, str]]:
    """(name, digest) of the files beside one that it needs, or that a class of it needs."""
    code, label = syntax.shared(file.text, file.path), Path(emit.portable(str(path)))
    for beside in siblings.gather(file, code, closure.needs(code, [name]) if name else None).codes:
        where = Path(os.path.normpath(label.parent / os.path.relpath(beside.name, file.path.parent)))
        yield where.as_posix(), emit.digest(sources.file(Path(beside.name)))


def changed(was: Iterable[tuple[str, str]], requests: Iterable[Request]) -> Iterator[tuple[str, str, str]]:
    """(name, digest in the header, digest now) of the recorded files that are others by now; "" where there is none."""
    given = {Path(emit.portable(_file(leaf))).as_posix(): _file(leaf) for leaf in _copied(requests)}
    for name, digest in was:
        path = Path(given.get(name, name))
        now = hashlib.sha256(path.read_bytes()).hexdigest()[:16] if path.is_file() else ""
        if now != digest:
            yield name, digest, now


def _copied(requests: Iterable[Request]) -> Iterator[Leaf]:
    """The modules that are classes of the user's own files, and are copied."""
    for request in requests:
        if request.module and not request.layers and request.inclusion != "import":
            leaves = expressions.leaves(expressions.parse(request.module))
            yield from (leaf for leaf in leaves if _file(leaf).endswith(".py"))


def _file(leaf: Leaf) -> str:
    return leaf.module.rpartition(":")[0]
