"""A variant as it was made: found in the git history of the file or in the cache, and shown beside it as it stands."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from test_recipes import CONFIG, NET, Call, call

from codegen import emit, pristine
from codegen.types import Request, Source, SourceFile

__all__ = ["call"]  # a fixture


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a file that has a header; no model is run for it."""
    (tmp_path / "net.py").write_text(NET)
    (tmp_path / "pyproject.toml").write_text(CONFIG.partition("\n[tool.codegen.variants.net_two]")[0])
    request = Request("net.py", "after", "stem", "se", input="1x3x16x16")
    lines = emit.header(request, Source("net.py", SourceFile(tmp_path / "net.py", NET)), "Net", "Net()")
    (tmp_path / "generated").mkdir()
    (tmp_path / "generated/net_se.py").write_text(emit.headed(NET, lines))
    monkeypatch.setenv("CODEGEN_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def commit(folder: Path) -> None:
    who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    for words in (("init", "-q"), ("add", "-A"), (*who, "commit", "-q", "-m", "a variant")):
        subprocess.run(["git", *words], check=True, cwd=folder)


def test_check_shows_what_was_edited_by_hand(folder: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder / "generated/net_se.py"
    commit(folder)
    path.write_text(path.read_text().replace("width=16", "width=32"))
    commit(folder)  # the version that was made is not the last one
    monkeypatch.chdir(folder / "generated")  # the paths of recipes are from their file's folder
    code, output, _ = call("check", "--diff")
    assert code == 3 and "--- made/generated/net_se.py\n+++ edited/generated/net_se.py\n" in output
    assert [line for line in output.splitlines() if line[:2] in ("- ", "+ ")] == [
        "-    def __init__(self, width=16):", "+    def __init__(self, width=32):",
    ]  # fmt: skip
    assert call("check")[1].count("width") == 0
    found = json.loads(call("check", "--diff", "--json")[1])["variants"][0]
    assert "+    def __init__(self, width=32):" in found["diff"]
    assert json.loads(call("check", "--json")[1])["variants"][0]["diff"] == []


def test_where_it_is_not_known_one_line_says_what_makes_it(folder: Path, call: Call) -> None:
    path = folder / "generated/net_se.py"
    made = path.read_text()
    path.write_text(made.replace("width=16", "width=32"))
    code, output, _ = call("check", "--diff")
    line = output.splitlines()[-1]
    assert code == 3 and "in no commit of it and not in the cache" in line and "codegen build --force" in line
    pristine.keep(made)
    assert "+    def __init__(self, width=32):" in call("check", "--diff")[1]


def test_it_stands_under_the_header_that_the_file_has_now(folder: Path) -> None:
    """The same text under another header: of another variant, or of another release with the same file."""
    mine = (folder / "generated/net_se.py").read_text()
    other = mine.replace("from net.py", "from zoo 1.0, net.py").replace("after stem", "after act")
    assert other != mine and [*pristine.same(other, mine)] == [mine]
    assert [*pristine.same(mine.replace("width=16", "width=8"), mine)] == [*pristine.same(NET, mine)] == []
