"""emit: the header and where it stands, what it escapes, and that a file is written whole or not at all."""

from __future__ import annotations

import ast
import hashlib
import os
import stat
from pathlib import Path

import pytest

from codegen import emit
from codegen.errors import CodegenError
from codegen.types import Request, Source, SourceFile

TEXT = "import torch\nx = 1\n"


def source(path: str = "net.py", text: str = TEXT, spec: str = "", **more: str) -> Source:
    return Source(spec or path, SourceFile(Path(path).absolute(), text), **more)


def header(request: Request, where: Source, build: str = "Net()") -> str:
    return emit.header(request, where, "Net", build)


REQUEST = Request("net.py", operation="after", site="conv1", module="se")


def test_the_header_is_comment_lines_with_the_recipe_and_the_hash() -> None:
    lines = header(REQUEST, source()).split("\n")
    assert all(line.startswith("# ") for line in lines)
    assert hashlib.sha256(TEXT.encode()).hexdigest()[:16] in lines[1]
    assert emit.recorded_command("\n".join(lines)) == ["insert", "net.py", "--module", "se", "--after", "conv1"]


def test_the_hash_is_of_the_bytes_of_the_file() -> None:
    with_bom = Source("n.py", SourceFile(Path("n.py"), "x = '中'\r\n", "utf-8-sig"))
    assert hashlib.sha256("x = '中'\r\n".encode("utf-8-sig")).hexdigest()[:16] in header(REQUEST, with_bom)


def test_a_name_that_the_source_s_encoding_cannot_hold_is_refused() -> None:
    file = SourceFile(Path("n.py"), "# coding: latin-1\n", "iso-8859-1")
    assert "étage" in header(Request("n.py", operation="after", site="étage", module="se"), Source("n.py", file))
    with pytest.raises(CodegenError) as refused:
        header(Request("n.py", operation="after", site="a", module="门.py:Gate"), Source("n.py", file))
    assert refused.value.name == "not-encodable"


def test_the_header_names_no_folder_of_this_machine(tmp_path: Path) -> None:
    path = tmp_path / "net.py"
    where = Source(str(path), SourceFile(path, TEXT))
    assert str(tmp_path) not in header(Request(str(path), operation="after", site="a", module="se"), where)


def test_a_user_class_given_by_an_absolute_path_leaves_no_folder_either(tmp_path: Path) -> None:
    request = Request("net.py", operation="after", site="a", module=f"{tmp_path}/my.py:MyAttn")
    assert str(tmp_path) not in header(request, source())


@pytest.mark.parametrize(
    "text",
    ["a\nimport os", "a\r\nx", "a\x0cb", "a\x00b", "a\x1b[31mb", "a\u2028b", "a\x85b", "a\u202eb", "a'b\"c $(x) `y`"],
)
def test_nothing_leaves_the_comment(text: str) -> None:
    request = Request(
        f"{text}.py", operation="before", site=text, module=text, build=text, arguments=(("k", text),), name="n"
    )
    lines = header(request, source(spec=f"{text}.py", entry=text), text)
    assert len(lines.split("\n")) == len(lines.splitlines()) == 4
    assert all(c.isprintable() or c == "\n" for c in lines)
    assert [node for node in ast.parse(lines + "\nx = 1\n").body if not isinstance(node, ast.Assign)] == []


def test_every_option_of_the_request_is_recorded_and_read_back() -> None:
    request = Request(
        "net.py", "beside", "layer 1", "my.py:M", "Net", "Net(depth=2, name='a b')", "1x3x8x8",
        (("reduction", "8"), ("act", "a=b c")), "gate", True, "_x", "used", "dims[-1]", static=True, combine="cat",
        as_class="Fan", init="kaiming",
    )  # fmt: skip
    words = emit.recorded_command(header(request, source()))
    assert words == [
        "insert", "net.py", "--class", "Net", "--build", "Net(depth=2, name='a b')", "--input", "1x3x8x8",
        "--module", "my.py:M",
        "--beside", "layer 1", "--combine", "cat", "--arg", "reduction=8", "--arg", "act=a=b c",
        "--as-class", "Fan", "--name", "gate",
        "--suffix", "_x",
        "--keep", "used", "--init", "kaiming", "--width", "dims[-1]", "--identity", "--static",
    ]  # fmt: skip


def test_a_site_that_ends_like_a_coding_cookie() -> None:
    text = header(Request("net.py", "after", "pos_encoding", "se"), source())
    compile(text.encode() + b"\nx = 1\n", "net_se.py", "exec")  # no SyntaxError: unknown encoding
    assert "after pos_encoding : host Net" in text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x = 1\n", "# h\nx = 1\n"),
        ("#!/usr/bin/env python\nx = 1\n", "#!/usr/bin/env python\n# h\nx = 1\n"),
        ("# -*- coding: gbk -*-\nx = 1\n", "# -*- coding: gbk -*-\n# h\nx = 1\n"),
        ("#!/bin/x\n# vim: set fileencoding=latin-1 :\nx\n", "#!/bin/x\n# vim: set fileencoding=latin-1 :\n# h\nx\n"),
        ("x = 1\r\n", "# h\r\nx = 1\r\n"),
        ('"""doc"""\nx = 1\n', '# h\n"""doc"""\nx = 1\n'),
        ("# Copyright\n# coding: latin-1\nx\n", "# Copyright\n# coding: latin-1\n# h\nx\n"),
        ("", "# h\n"),
    ],
)
def test_where_the_header_stands(text: str, expected: str) -> None:
    assert emit.with_header(text, "# h") == expected


def test_a_cookie_still_counts_below_the_header() -> None:
    data = "# -*- coding: gbk -*-\nx = '中'\n"
    made = emit.with_header(data, "# one\n# two").encode("gbk")
    scope: dict[str, str] = {}
    exec(compile(made, "made.py", "exec"), scope)
    assert scope["x"] == "中"


def test_no_header_no_recipe() -> None:
    with pytest.raises(CodegenError) as caught:
        emit.recorded_command("x = 1\n")
    assert caught.value.name == "no-recipe"


def test_write_makes_folders_and_the_usual_mode(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b.py"
    old = os.umask(0o022)
    try:
        emit.write(path, b"x")
    finally:
        os.umask(old)
    assert path.read_bytes() == b"x" and stat.S_IMODE(path.stat().st_mode) == 0o644
    assert [p.name for p in path.parent.iterdir()] == ["b.py"]


def test_write_keeps_the_mode_of_what_it_replaces(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(b"old")
    path.chmod(0o755)
    emit.write(path, b"new")
    assert path.read_bytes() == b"new" and stat.S_IMODE(path.stat().st_mode) == 0o755


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(b"old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CodegenError) as caught:
        emit.write(path, b"new")
    assert "No space left" in caught.value.message
    assert path.read_bytes() == b"old" and [p.name for p in tmp_path.iterdir()] == ["a.py"]


def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(b"old")

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        emit.write(path, b"new")
    assert path.read_bytes() == b"old" and [p.name for p in tmp_path.iterdir()] == ["a.py"]


def test_the_target_of_a_symlink_is_never_changed(tmp_path: Path) -> None:
    target, link = tmp_path / "target.py", tmp_path / "link.py"
    target.write_bytes(b"theirs")
    link.symlink_to(target)
    emit.write(link, b"ours")
    assert target.read_bytes() == b"theirs" and link.read_bytes() == b"ours"


def test_a_broken_symlink_is_replaced_and_its_target_not_made(tmp_path: Path) -> None:
    link = tmp_path / "link.py"
    link.symlink_to(tmp_path / "nowhere.py")
    emit.write(link, b"ours")
    assert not (tmp_path / "nowhere.py").exists() and link.read_bytes() == b"ours"


def test_what_exists_is_refused_unless_forced(tmp_path: Path) -> None:
    folder, other = tmp_path / "d", tmp_path / "a.py"
    folder.mkdir()
    other.write_text("x = 1\n")
    emit.check_target(other, force=True)
    emit.check_target(tmp_path / "new" / "b.py", force=False)
    for path, force, name in ((folder, True, "output-is-folder"), (other, False, "output-exists")):
        with pytest.raises(CodegenError) as caught:
            emit.check_target(path, force)
        assert caught.value.name == name


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\n")
    with pytest.raises(CodegenError) as caught:
        emit.write(tmp_path / "a.py" / "b.py", b"x")
    assert caught.value.name == "read-only"
