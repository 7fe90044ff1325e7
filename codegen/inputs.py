"""The files of the user's own that a variant copies classes from (`--module my.py:MyAttn`): inputs of it beside its source.

A header records them, so that it can be told when one of them changes. Reads only.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from codegen import closure, emit, expressions, siblings, sources, syntax
from codegen.expressions import Leaf
from codegen.types import Request


def recorded(requests: Iterable[Request]) -> tuple[tuple[str, str], ...]:
    """(name, digest) of each file, as the header has them: those of the classes, and files beside these that they need."""
    found: dict[str, str] = {}
    for leaf in _copied(requests):
        path, name = Path(_file(leaf)), leaf.module.rpartition(":")[2]
        file = sources.file(path)
        code = syntax.shared(file.text, file.path)
        label = Path(emit.portable(str(path)))
        found[label.as_posix()] = emit.digest(file)
        for beside in siblings.gather(file, code, closure.needs(code, [name])).codes:
            where = Path(os.path.normpath(label.parent / os.path.relpath(beside.name, file.path.parent)))
            found[where.as_posix()] = emit.digest(sources.file(Path(beside.name)))
    return tuple(found.items())


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
