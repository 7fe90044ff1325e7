"""Faults of source files: what is no file, no text, no Python, too much of it - and what CPython takes, which must be kept."""

# ruff: noqa: E501 - a row of a table is a line

from __future__ import annotations

import codecs
import json
import os
import socket
import sys
from pathlib import Path

from faults import HEAD, MARK, NET, STATIC, Fault

MARKED = NET.replace(HEAD, HEAD + MARK, 1)
IN_PLACE = (*STATIC, "--in-place")


def source(name: str, content: str | bytes, error: str, *says: str) -> Fault:
    """A net.py that is refused."""
    return Fault(name, STATIC, error, says, {"net.py": content})


def named(name: str, path: str, *, error: str = "", words: tuple[str, ...] = ()) -> Fault:
    """A sound file of a strange name; the file's name must be escaped wherever it is told."""
    made = () if error else ("out.py",)
    command = words or ("insert", "--static", "--module=se", "--after=stem", "-o", "out.py", "--", path)
    return Fault(name, command, error, (), {path: MARKED}, makes=made, after=None if error else _whole)


def kept(name: str, content: str | bytes, site: str = "stem") -> Fault:
    """A net.py that CPython takes: its lines stay byte for byte, in place."""
    data = content if isinstance(content, bytes) else content.encode()
    words = ("insert", "net.py", "--static", "--module=se", f"--after={site}", "--in-place")
    return Fault(name, words, "", (), {"net.py": data}, makes=("net.py",), after=lambda folder, _: _lines_stay(folder, data))


def _lines_stay(folder: Path, old: bytes) -> None:
    new = (folder / "net.py").read_bytes()
    compile(new, "net.py", "exec", dont_inherit=True)
    lines = iter(new.splitlines(keepends=True))
    lost = [line for line in old.splitlines(keepends=True) if line not in lines]
    assert not [line for line in lost if line.rstrip() != old.splitlines()[-1]], f"lines were lost: {lost[:3]}"
    assert b".se(" in new and new != old


def _whole(folder: Path, _: str) -> None:
    text = (folder / "out.py").read_text()
    compile(text, "out.py", "exec", dont_inherit=True)
    top = [line for line in text.splitlines() if "sha256" in line or line.startswith("#     codegen")]
    assert len(top) >= 2 and all(line.startswith("#") and line.isprintable() for line in top), top


def fifo(folder: Path) -> None:
    (folder / "net.py").unlink()
    os.mkfifo(folder / "net.py")


def server(folder: Path) -> None:
    (folder / "net.py").unlink()
    here = os.getcwd()
    os.chdir(folder)  # the path of a socket is short
    with socket.socket(socket.AF_UNIX) as made:
        made.bind("net.py")
    os.chdir(here)


def linked(target: str) -> object:
    def prepare(folder: Path) -> None:
        (folder / "net.py").unlink()
        (folder / "net.py").symlink_to(target)

    return prepare


def huge(folder: Path) -> None:
    with open(folder / "net.py", "wb") as stream:
        stream.write(b"x = 1\n")
        stream.truncate(1 << 30)


NOTEBOOK = json.dumps({"cells": [{"cell_type": "code", "source": [NET]}], "nbformat": 4})
ELF = b"\x7fELF\x02\x01\x01" + bytes(200) + bytes(range(256))
CONFLICT = MARKED.replace("        x = self.stem(x)\n", "<<<<<<< HEAD\n        x = self.stem(x)\n=======\n        x = x\n>>>>>>> b\n")
PY2 = MARKED.replace("        x = self.stem(x)", "        print x\n        x = self.stem(x)")
LATER = MARKED + ("\ntype X[T: int = int] = list[T]\n" if sys.version_info < (3, 13) else "\ntype X[T] = def\n")
TABBED = "class Net(nn.Module):\n\tdef __init__(self, dim=8):\n\t\tsuper().__init__()\n\t\tself.stem = nn.Conv2d(3, dim, 1)\n\n"
TABBED = HEAD + TABBED + "\tdef forward(self, x):\n\t\tif x is None:\n\t\t        return x\n\t\tx = self.stem(x)\n\t\treturn x\n"
MIXED_TABS = HEAD + "class Net(nn.Module):\n        def __init__(self):\n\t\tpass\n        def forward(self, x):\n                \treturn x\n"
ACCENT = MARKED.replace("class Net", "# é ü\nclass Net")
CHINESE = MARKED.replace("class Net", "# 中文\nclass Net")

FAULTS = [
    Fault("no such file", ("insert", "nothing.py", *STATIC[2:]), "unreadable-source", ("nothing.py",)),
    Fault("a folder", ("insert", ".", *STATIC[2:]), "unreadable-source|unknown-source"),
    Fault("a folder by its path", ("insert", "sub/", *STATIC[2:]), "unreadable-source", (), {"sub/x.py": ""}),
    Fault("a FIFO", STATIC, "unreadable-source", ("net.py",), prepare=fifo),
    Fault("a socket", STATIC, "unreadable-source", ("net.py",), prepare=server),
    Fault("a device", ("insert", "/dev/zero", *STATIC[2:]), "unreadable-source"),
    Fault("a link to a device", STATIC, "unreadable-source", prepare=linked("/dev/zero")),  # type: ignore[arg-type]
    Fault("a link to nothing", STATIC, "unreadable-source", prepare=linked("nowhere.py")),  # type: ignore[arg-type]
    Fault("a loop of links", STATIC, "unreadable-source", prepare=linked("net.py")),  # type: ignore[arg-type]
    Fault("a name that is too long", ("insert", "x" * 5000 + ".py", *STATIC[2:]), "unreadable-source|unknown-source"),
    Fault("no name at all", ("insert", "", *STATIC[2:]), "unreadable-source|unknown-source"),
    Fault("a gigabyte", STATIC, "source-too-large", ("net.py",), prepare=huge),
    source("an empty file", "", "host-not-found"),
    source("only comments", "# nothing\n\n# here\n", "host-not-found"),
    source("no class", HEAD + MARK + "def net():\n    return nn.Linear(1, 1)\n", "host-not-found"),
    source("a class without a forward", HEAD + MARK + "class Net(nn.Module):\n    pass\n", "host-not-found"),
    source("a syntax error", MARKED + "def f(:\n", "syntax-error", f"net.py:{MARKED.count(chr(10)) + 1}:7"),
    source("an open bracket", MARKED + "x = (1,\n", "syntax-error", "never closed"),
    source("an open string", MARKED + "x = '''\n", "syntax-error"),
    source("wrong indentation", MARKED + "def f():\n        x = 1\n    y = 2\n", "syntax-error"),
    source("Python 2", PY2, "syntax-error", "net.py:14:"),
    source("merge-conflict markers", CONFLICT, "syntax-error", "merge conflict in line 14"),
    source("a NUL byte", MARKED.encode() + b"x = '\0'\n", "syntax-error|bad-encoding"),
    source("bad UTF-8", MARKED.encode() + b"# \xff\xfe\n", "bad-encoding", "net.py"),
    source("a surrogate in UTF-8", MARKED.encode() + b"# \xed\xa0\x80\n", "bad-encoding"),
    source("UTF-16 with a BOM", codecs.BOM_UTF16_LE + MARKED.encode("utf-16-le"), "bad-encoding"),
    source("UTF-16 without one", MARKED.encode("utf-16-be"), "bad-encoding|syntax-error"),
    source("UTF-32", codecs.BOM_UTF32_LE + MARKED.encode("utf-32-le"), "bad-encoding|syntax-error"),
    source("an unknown cookie", "# coding: klingon\n" + MARKED, "bad-encoding", "klingon"),
    source("a cookie that is no text encoding", "# coding: hex\n" + MARKED, "bad-encoding"),
    source("a cookie of rot13", "# coding: rot13\n" + MARKED, "bad-encoding"),
    source("a cookie of UTF-16", "# coding: utf-16\n" + MARKED, "bad-encoding|syntax-error"),
    source("a BOM and another cookie", codecs.BOM_UTF8 + b"# coding: latin-1\n" + MARKED.encode(), "bad-encoding"),
    source("a cookie that the bytes contradict", "# coding: ascii\n" + ACCENT, "bad-encoding"),
    source("a program of the machine's", ELF, "bad-encoding|syntax-error"),
    source("a compiled Python file", b"\xa7\r\r\n" + bytes(64), "bad-encoding|syntax-error"),
    source("an archive", b"PK\x03\x04" + bytes(100), "bad-encoding|syntax-error"),
    source("a notebook named .py", NOTEBOOK, "host-not-found|syntax-error", "notebook"),
    Fault("a notebook", ("insert", "./net.ipynb", *STATIC[2:]), "host-not-found|syntax-error", ("notebook",), {"net.ipynb": NOTEBOOK}),
    source("100,000 nested brackets", MARKED + "x = " + "(" * 100_000 + ")" * 100_000 + "\n", "syntax-error"),
    source("100,000 nested lists", MARKED + "x = " + "[" * 100_000 + "]" * 100_000 + "\n", "syntax-error"),
    source("100,000 signs", MARKED + "x = " + "-" * 100_000 + "1\n", "syntax-error"),
    source("100,000 nots", MARKED + "x = " + "not " * 100_000 + "1\n", "syntax-error"),
    source("100,000 lambdas", MARKED + "x = " + "lambda: " * 100_000 + "1\n", "syntax-error"),
    source("100,000 powers", MARKED + "x = " + "1 ** " * 100_000 + "1\n", "syntax-error"),
    source("100,000 conditions", MARKED + "x = " + "1 if 1 else " * 100_000 + "1\n", "syntax-error"),
    source("100,000 attributes", MARKED + "x = nn" + ".a" * 100_000 + "\n", "syntax-error"),
    source("100,000 calls", MARKED + "x = nn" + "()" * 100_000 + "\n", "syntax-error"),
    source("10,000 chained operators", MARKED + "x = 1" + " + 1" * 10_000 + "\n", "syntax-error"),
    source("500 nested blocks", MARKED + "".join(f"{' ' * i}if 1:\n" for i in range(500)) + " " * 500 + "x = 1\n", "syntax-error"),
    source("1,500 branches of an elif", MARKED + "if 1:\n    pass\n" + "elif 1:\n    pass\n" * 1500, "syntax-error"),
    source("nested f-strings", MARKED + "x = " + "f'{" * 200 + "1" + "}'" * 200 + "\n", "syntax-error"),
    source("tabs that contradict spaces", MIXED_TABS, "syntax-error"),
    source("a newer syntax", LATER, "syntax-error", "Python 3."),
    source("a lone return", MARKED + "return 1\n", "syntax-error"),
    source("an await outside", MARKED + "class Y:\n    x = await y\n", "syntax-error"),
    named("a name with a newline", "a\nimport os\n.py"),
    named("a name with quotes", "a'\"b`$(x).py"),
    named("a name with escapes", "a\x1b[31m\x07.py"),
    named("a name that is no UTF-8", "a\udcff.py"),
    named("a name with U+2028 and RTL", "a\u2028b\u202ec.py"),
    named("a name with a leading dash", "-rf.py"),
    named("a name with spaces and a comment", "my net # x.py"),
    named("a name like a format", "{0}%s%(x)s[red].py"),
    named("a name like a cookie", "pos_encoding: klingon.py"),
    named("a name that is a keyword", "class.py"),
    kept("a BOM", codecs.BOM_UTF8 + ACCENT.encode()),
    kept("CRLF", MARKED.replace("\n", "\r\n")),
    kept("CR", MARKED.replace("\n", "\r")),
    kept("mixed line ends", MARKED.replace("\n\n", "\r\n\n").replace("torch\n", "torch\r\n")),
    kept("latin-1", ("# coding: latin-1\n" + ACCENT).encode("latin-1")),
    kept("GBK", ("# -*- coding: gbk -*-\n" + CHINESE).encode("gbk")),
    kept("Shift-JIS", ("#!/usr/bin/env python\n# vim: set fileencoding=shift_jis :\n" + CHINESE).encode("shift_jis")),
    kept("form feeds", MARKED.replace("\nclass", "\n\f\nclass").replace("    def forward", "\f    def forward")),
    kept("no final newline", MARKED.rstrip("\n")),
    kept("tabs", TABBED),
    kept("backslashes at line ends", MARKED.replace("x = self.stem(x)", "x = \\\n            self.stem(x)")),
    kept("semicolons", MARKED.replace("super().__init__()\n", "super().__init__(); self.z = 1\n")),
    kept("a line of a megabyte", MARKED + f"x = '{'a' * (1 << 20)}'\n"),
    kept("names of other scripts", MARKED.replace("stem", "стем").replace("dim", "幅"), "стем"),
    kept("a vertical tab in a string", MARKED + "x = '\x0b\x1c\u2028'\n"),
]
