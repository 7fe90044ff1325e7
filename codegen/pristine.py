"""Variants as codegen wrote them, by the digest in their header: a cache of this user, and the git history of a file."""

from __future__ import annotations

import contextlib
import itertools
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from codegen import emit, syntax
from codegen.errors import CodegenError

NEWEST = 200  # commits of a file that are looked through
MOST = 1000  # files in the cache; the oldest go


def folder() -> Path:
    """`$CODEGEN_CACHE`, else `codegen` in the user's folder for caches."""
    if given := os.environ.get("CODEGEN_CACHE"):
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "codegen")


def keep(text: str) -> None:
    """Remember a text with a header. Without a folder to write in nothing is remembered, and git's history has to do."""
    with contextlib.suppress(OSError, CodegenError, RuntimeError):  # RuntimeError: there is no home
        emit.write(folder() / f"{emit.headers(text)[0].body}.txt", text.encode("utf-8", "surrogateescape"))
        for old in sorted(folder().glob("*.txt"), key=lambda path: path.stat().st_mtime)[:-MOST]:
            old.unlink()


def find(file: Path, mine: str) -> Iterator[str]:
    """The file as codegen wrote it, of the cache, then of the file's commits. mine: as it stands, with its header."""
    for text in itertools.chain(_cached(emit.headers(mine)[0].body), _committed(file)):
        yield from same(text, mine)


def same(text: str, mine: str) -> Iterator[str]:
    """A text, under the header that the file has, where it is what that header records."""
    with contextlib.suppress(CodegenError):  # a commit in which the file has no header
        plain = emit.without_header(text)
        if emit.headers(mine)[0].body == emit.body_digest(plain):
            yield emit.with_header(plain, emit.header_of(mine))


def _cached(body: str) -> Iterator[str]:
    with contextlib.suppress(OSError, RuntimeError):
        yield (folder() / f"{body}.txt").read_bytes().decode("utf-8", "surrogateescape")


def _committed(file: Path) -> Iterator[str]:
    """The file in the commits that changed it, the newest first; nothing outside of a git repository."""

    def git(*words: str) -> bytes:
        # nothing that the repository's own configuration names is run: no monitor, no check of signatures, no textconv
        plain = ["git", "-c", "core.fsmonitor=false", "-c", "log.showSignature=false", "-C", str(file.absolute().parent)]
        result = subprocess.run([*plain, *words], capture_output=True, check=False)
        return b"" if result.returncode else result.stdout

    try:
        commits = git("log", f"-{NEWEST}", "--format=%H", "--", file.name).decode().split()
    except OSError:
        return  # no git
    with tempfile.TemporaryDirectory() as there:
        for commit in commits:
            path = Path(there, file.name)
            path.write_bytes(git("show", "--no-textconv", f"{commit}:./{file.name}"))
            yield syntax.read(path)[0]
