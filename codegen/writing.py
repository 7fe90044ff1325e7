"""Put a file in place: all of it or none of it, never over an input, a device, or what was to stay. Decides nothing."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
import threading
from pathlib import Path

from codegen.errors import CodegenError

ELSEWHERE = "-o FILE writes elsewhere"
NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)  # of a file system without hard links
_UMASK = threading.Lock()  # to read the umask it must be set


def check_target(path: Path, force: bool) -> None:
    """Refuse, before the model runs, an output that exists, is no file, or stands in a folder that cannot be written."""
    if "\0" in str(path):
        raise CodegenError("usage", f"{path} is no name of a file", "give a file name: -o FILE")
    if path.is_dir():
        raise CodegenError("output-is-folder", f"{path} is a folder", "give a file name: -o FILE")
    if os.path.lexists(path) and path.exists() and not path.is_file():
        raise CodegenError("output-is-no-file", f"{path} is a device, a pipe or a socket", ELSEWHERE)
    if path.exists() and not force:
        raise CodegenError("output-exists", f"{path} exists", f"--force replaces it, {ELSEWHERE}")
    parent = next(p for p in path.absolute().parents if p.exists())
    if not parent.is_dir():
        raise CodegenError("read-only", f"{parent} is no folder", ELSEWHERE)
    if not os.access(parent, os.W_OK):
        raise CodegenError("read-only", f"{parent} cannot be written to", ELSEWHERE)


def demand_other(path: Path, given: Path) -> None:
    """Raise CodegenError("output-is-source") where an output is the file that is read: by a link, or in another case, too."""
    with contextlib.suppress(OSError, ValueError):
        if os.path.samefile(path, given):
            what = f"{path} is the source itself" + ("" if path == given else f", {given.name}")
            raise CodegenError("output-is-source", what, f"--in-place changes it, {ELSEWHERE}")


def demand_unchanged(path: Path, data: bytes) -> None:
    """Raise CodegenError("source-changed") where a file that is changed in place is no more what was read of it."""
    try:
        now = path.read_bytes()
    except OSError:
        now = b""
    if now != data:
        what = f"{path} was changed or removed while codegen worked on it"
        raise CodegenError("source-changed", what, "nothing was written; run the command again")


def write(path: Path, data: bytes, *, replaces: bool = True) -> None:
    """Put the bytes in place in one step: a temporary file beside the target, flushed, then renamed over it.

    replaces=False: where the target has come to be since it was looked at, it stays, and that is CodegenError("output-exists").
    """
    made: list[Path] = []
    name = ""
    try:
        made = _folders(path.parent)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.", suffix=".tmp")
        try:
            left = memoryview(data)
            while left:
                left = left[os.write(handle, left) :]
            os.fsync(handle)
        finally:
            os.close(handle)
        os.chmod(name, _mode(path))
        _put(name, path, replaces)
        made = []
    except OSError as error:
        raise CodegenError("read-only", f"{path}: {error.strerror}", ELSEWHERE) from None
    finally:
        with contextlib.suppress(OSError):
            os.unlink(name)
        for folder in made:  # that nothing came into
            with contextlib.suppress(OSError):
                folder.rmdir()


def _folders(folder: Path) -> list[Path]:
    """Make a folder and those above it; the new ones, the innermost first."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    with _UMASK:
        folder.mkdir(parents=True, exist_ok=True)
    return missing


def _mode(path: Path) -> int:
    """Of the file that is there; else what the umask leaves of 0666."""
    with contextlib.suppress(OSError):
        return path.stat().st_mode & 0o7777
    with _UMASK:
        umask = os.umask(0)
        os.umask(umask)
    return 0o666 & ~umask


def _put(name: str, path: Path, replaces: bool) -> None:
    """Rename, or link where nothing may stand there already."""
    if not replaces and not path.is_symlink():
        try:
            os.link(name, path)
            return
        except FileExistsError:
            raise CodegenError("output-exists", f"{path} has come to exist", f"--force replaces it, {ELSEWHERE}") from None
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise
    os.replace(name, path)
