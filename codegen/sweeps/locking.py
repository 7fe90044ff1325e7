"""One sweep at a time in a folder: a lock that the system takes back when the process ends, however it ends."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from codegen.errors import CodegenError
from codegen.sweeps import store

FILE = "sweep.lock"
HELD: set[Path] = set()  # by this process, which a lock of the system does not keep out


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder. Raises CodegenError("sweep-running") where another sweep has it."""
    path = (folder / FILE).absolute()
    with store.told(path):
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        _take(handle, path)
        HELD.add(path)
        try:
            with store.told(path):
                os.ftruncate(handle, 0)
                os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
            yield
        finally:
            HELD.discard(path)
    finally:
        os.close(handle)


def _take(handle: int, path: Path) -> None:
    # not flock: a process forked off this one would hold that lock on, after this one was killed
    try:
        if path in HELD:
            raise BlockingIOError(errno.EAGAIN, "held by this process")
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EAGAIN, errno.EACCES):
            raise CodegenError("read-only", f"{path}: {error.strerror}", "give another folder: -o FOLDER") from None
        owner = os.pread(handle, 32, 0).decode(errors="replace").strip()
        what = f"process {owner or 'of another sweep'} is writing to {path.parent}"
        raise CodegenError("sweep-running", what, "wait for it, or give another folder: -o FOLDER") from None
