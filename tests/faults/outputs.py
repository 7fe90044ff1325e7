"""Faults of outputs: what is there already, the source by another name, what is no file, where nothing can be written."""

# ruff: noqa: E501 - a row of a table is a line

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

from faults import NET, STATIC, Fault, Prepare

FORCED = (*STATIC, "--force")


def to(output: str, *more: str) -> tuple[str, ...]:
    """A static insertion that is written there."""
    return (*STATIC, "-o", output, *more)


def refused(name: str, error: str, output: str, prepare: Prepare | None = None, *more: str) -> Fault:
    """An output that is refused, with --force too."""
    return Fault(name, to(output, "--force", *more), error, (), prepare=prepare)


def linked(name: str, target: str, how: Callable[..., None] = os.symlink) -> Prepare:
    """A link in the folder."""

    def prepare(folder: Path) -> None:
        (folder / "sub").mkdir()
        how(target if how is os.symlink else folder / target, folder / name)

    return prepare


def fifo(folder: Path) -> None:
    os.mkfifo(folder / "out.py")


def server(folder: Path) -> None:
    here = os.getcwd()
    os.chdir(folder)  # the path of a socket is short
    with socket.socket(socket.AF_UNIX) as made:
        made.bind("out.py")
    os.chdir(here)


def theirs(folder: Path) -> None:
    (folder / "theirs.py").write_text("x = 1\n")
    (folder / "theirs.py").chmod(0o640)
    (folder / "out.py").symlink_to("theirs.py")


def _only_the_link(folder: Path, _: str) -> None:
    assert (folder / "theirs.py").read_text() == "x = 1\n" and not (folder / "out.py").is_symlink()
    assert ".se(" in (folder / "out.py").read_text()


def old(folder: Path) -> None:
    (folder / "out.py").write_text("x = 1\n")
    (folder / "out.py").chmod(0o751)


def _keeps_its_mode(folder: Path, _: str) -> None:
    assert (folder / "out.py").stat().st_mode & 0o7777 == 0o751


def _usual_mode(folder: Path, _: str) -> None:
    umask = os.umask(0)
    os.umask(umask)
    assert (folder / "a/b/out.py").stat().st_mode & 0o7777 == 0o666 & ~umask


def in_place_link(folder: Path) -> None:
    (folder / "net.py").rename(folder / "real.py")
    (folder / "net.py").symlink_to("real.py")


FAULTS = [
    Fault("an output that exists", to("out.py"), "output-exists", ("--force",), {"out.py": "mine\n"}),
    Fault("the default output exists", STATIC, "output-exists", ("--force",), {"generated/net_se.py": "mine\n"}),
    Fault("a folder in the way of the default", STATIC, "read-only", (), {"generated": "a file\n"}),
    refused("the source", "output-is-source", "net.py"),
    refused("the source by a way round", "output-is-source", "sub/../net.py", lambda folder: (folder / "sub").mkdir()),
    refused("the source by a link", "output-is-source", "out.py", linked("out.py", "net.py")),
    refused("the source by a hard link", "output-is-source", "out.py", linked("out.py", "net.py", os.link)),
    refused("the source by a folder's link", "output-is-source", "here/net.py", linked("here", ".")),
    refused("a folder", "output-is-folder", "sub", lambda folder: (folder / "sub").mkdir()),
    refused("a link to a folder", "output-is-folder", "out.py", linked("out.py", "sub")),
    refused("nothing but dots", "output-is-folder", ".."),
    refused("a FIFO", "output-is-no-file", "out.py", fifo),
    refused("a socket", "output-is-no-file", "out.py", server),
    refused("a device", "output-is-no-file", "/dev/null"),
    refused("a full device", "output-is-no-file", "/dev/full"),
    refused("a folder that is a file", "read-only", "net.py/out.py"),
    refused("a folder of the kernel's", "read-only", "/proc/none/out.py"),
    refused("a name that is too long", "read-only|system-error", "x" * 300 + ".py"),
    refused("a path that is too long", "read-only|system-error", "x/" * 3000 + "x.py"),
    refused("a NUL in the name", "read-only|system-error|usage", "a\0.py"),
    Fault("in place through a link", (*STATIC, "--in-place"), "in-place-link", ("real.py",), prepare=in_place_link),
    Fault("in place in a library", ("insert", "timm:vgg11", "--static", "--module=se", "--after=features", "--in-place"), "in-place-library"),
    Fault("a link to another file", to("out.py", "--force"), prepare=theirs, makes=("out.py",), after=_only_the_link),
    Fault("a link to nothing", to("out.py"), prepare=linked("out.py", "nowhere.py"), makes=("out.py",)),
    Fault("a file with a mode of its own", to("out.py", "--force"), prepare=old, makes=("out.py",), after=_keeps_its_mode),
    Fault("folders that are missing", to("a/b/out.py"), makes=("a/b/out.py",), after=_usual_mode),
    Fault("a name of 240 characters", to("x" * 240 + ".py"), makes=("x" * 240 + ".py",)),
    Fault("an output with a newline", to("o\nut.py"), makes=("o\nut.py",)),
    Fault("an output with escapes", to("o\x1b[31m.py"), makes=("o\x1b[31m.py",)),
    Fault("an output with a leading dash", to("-rf.py"), makes=("-rf.py",)),
    Fault("a hostile source, told", ("insert", "--static", "--module=se", "--after=stem", "--dry-run", "--", "a\x1b[31m\n.py"), files={"a\x1b[31m\n.py": NET}),
    Fault("a dry run", (*STATIC, "--dry-run", "--diff")),
    Fault("a dry run over what exists", to("out.py", "--dry-run"), files={"out.py": "mine\n"}),
    Fault("a dry run in place", (*STATIC, "--in-place", "--dry-run")),
    Fault("a dry run as JSON", (*STATIC, "--dry-run", "--json")),
]
