"""update: a newer source and edits by hand come together, or nothing is overwritten."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from test_recipes import CONFIG, NET, Call, call

from codegen import child, emit, moving, updating
from codegen.types import Request, Source, SourceFile

__all__ = ["call"]  # a fixture
ONE = CONFIG.partition("\n[tool.codegen.variants.net_two]")[0]
NEWER = NET.replace("        self.fc = nn", "        self.drop = nn.Dropout(0.1)\n        self.fc = nn").replace(
    "self.fc(x.mean", "self.fc(self.drop(x).mean"
)
OTHER = NET.replace("3, padding=1)", "5, padding=2)")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: Call) -> Path:
    """A repository with a variant as it was made, and one edit by hand that is not committed."""
    (tmp_path / "net.py").write_text(NET)
    (tmp_path / "pyproject.toml").write_text(ONE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CODEGEN_CACHE", str(tmp_path / "cache"))
    for name in ("GIT_AUTHOR", "GIT_COMMITTER"):
        monkeypatch.setenv(f"{name}_NAME", "a")
        monkeypatch.setenv(f"{name}_EMAIL", "a@example.org")
    subprocess.run(["git", "init", "-q"], check=True)
    assert call("build")[0] == 0
    subprocess.run(["git", "add", "-A"], check=True)
    subprocess.run(["git", "commit", "-q", "-m", "a variant"], check=True)
    return tmp_path


def by_hand(path: Path, old: str = "max(channels // reduction, 4)", new: str = "channels") -> str:
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))
    return path.read_text()


@pytest.mark.slow
def test_edits_by_hand_survive_a_newer_source(folder: Path, call: Call) -> None:
    path = folder / "generated/net_se.py"
    edited = by_hand(path)
    assert call("update")[:2] == (0, "up to date net_se: generated/net_se.py\n1 up to date\n") and path.read_text() == edited
    (folder / "net.py").write_text(NEWER)
    code, output, _ = call("update")
    assert code == 0 and "merged" in output
    text = path.read_text()
    assert "hidden = channels\n" in text and "self.drop = nn.Dropout(0.1)" in text and "self.fc(self.drop(x)" in text
    assert emit.headers(text)[0].digest != emit.headers(edited)[0].digest
    assert "1 up to date" in call("update")[1] and path.read_text() == text  # a second run changes nothing
    (folder / "net.py").write_text(NET)  # and back: what the merged file was made as is in no commit, but it was kept
    subprocess.run(["git", "commit", "-qam", "merged"], check=True)
    assert call("update")[0] == 0 and path.read_text() == edited


@pytest.mark.slow
def test_an_untouched_variant_is_made_anew(folder: Path, call: Call) -> None:
    (folder / "net.py").write_text(NEWER)
    code, output, _ = call("update")
    assert code == 0 and "1 made" in output and "self.drop" in (folder / "generated/net_se.py").read_text()
    assert call("check")[0] == 0


@pytest.mark.slow
def test_conflicts_are_marked_and_told(folder: Path, call: Call) -> None:
    path = folder / "generated/net_se.py"
    by_hand(path, "nn.Conv2d(3, width, 3, padding=1)", "nn.Conv2d(3, width, 7, padding=3)")
    (folder / "net.py").write_text(OTHER)
    code, output, _ = call("update")
    text = path.read_text()
    assert code == 3 and "error[merge-conflict]: generated/net_se.py: 1 conflict between edits by hand and the new" in output
    marked = text.partition("<<<<<<< net_se.py as it stands\n")[2].partition(">>>>>>> net_se.py as it is made now\n")[0]
    assert "width, 7, padding=3" in marked and "width, 5, padding=2" in marked
    for source in (OTHER, NEWER):
        (folder / "net.py").write_text(source)
        code, output, _ = call("update")
        assert code == 3 and "conflicts of an earlier update" in output and path.read_text() == text


@pytest.mark.slow
def test_a_recipe_that_changed_needs_no_history(folder: Path, call: Call) -> None:
    """What the file was made as is made again from its header, where the source is still the same."""
    shutil.rmtree(folder / ".git")
    shutil.rmtree(folder / "cache")
    path = folder / "generated/net_se.py"
    by_hand(path, "width=16", "width=32")
    (folder / "pyproject.toml").write_text(ONE.replace("after stem: se", "after stem: ese"))
    code, output, _ = call("update")
    assert code == 0 and "merged" in output
    text = path.read_text()
    assert "self.ese" in text and "self.se(" not in text and "width=32" in text


@pytest.mark.slow
def test_without_what_it_was_made_as_nothing_is_overwritten(folder: Path, call: Call) -> None:
    shutil.rmtree(folder / ".git")
    shutil.rmtree(folder / "cache")
    path = folder / "generated/net_se.py"
    edited = by_hand(path)
    (folder / "net.py").write_text(NEWER)
    code, output, _ = call("update")
    assert code == 2 and "error[no-merge-base]" in output and path.read_text() == edited
    assert "+        self.drop = nn.Dropout(0.1)" in output  # a two-way diff
    shutil.rmtree(folder / "cache")
    (folder / "cache").write_text("in the way")  # it cannot be written: no reason to fail
    (folder / "generated/net_se.py").unlink()
    assert call("build")[0] == 0
    path.write_text(NET)
    assert "error[not-a-variant]" in call("update")[1] and path.read_text() == NET


@pytest.mark.slow
def test_a_site_that_went_is_named_with_its_neighbours(folder: Path, call: Call) -> None:
    path = folder / "generated/net_se.py"
    before = path.read_text()
    (folder / "net.py").write_text(NET.replace("self.stem", "self.stem_conv"))
    code, output, _ = call("update")
    assert code == 2 and "error[unknown-site]: Net has no stem" in output and "near it: stem_conv" in output
    assert "Conv2d makes Net.stem_conv now, as it made Net.stem" in output
    assert path.read_text() == before


OLD = """
class Embed(nn.Module):
    def __init__(self, dim):
        self.proj = nn.Conv2d(3, dim, 1)


class Net(nn.Module):
    def __init__(self, dim):
        self.embed = Embed(dim)
        self.norm = nn.LayerNorm(dim)
"""


STEM = """class Stem(nn.Module):
    def __init__(self, dim):
        self.norm = Norm(dim)


class Net(nn.Module):"""
WENT = {
    "embed": (("self.embed", "self.patches"), "Embed makes Net.patches now, as it made Net.embed"),
    "norm": (("self.norm = nn.LayerNorm(dim)", "self.neck = Neck(dim)"), ""),
    "embed.proj": (("self.proj = nn.", "self.conv = nn."), "Conv2d makes Embed.conv now, as it made Embed.proj"),
    "blocks.*.norm": (("class Net(nn.Module):", STEM), "Stem has norm now, as Net had"),
    "proj": ((OLD.partition("class Net")[0], "from parts import Embed\n\n\n"), "Embed stands in parts.py now"),
}


@pytest.mark.parametrize("site", WENT)
def test_where_a_site_went(tmp_path: Path, site: str) -> None:
    change, said = WENT[site]
    (tmp_path / "parts.py").write_text(OLD.partition("class Net")[0])
    source = Source("net.py", SourceFile(tmp_path / "net.py", OLD.replace(*change)))
    assert moving.told(OLD, Request("net.py", "after", site, "se"), source) == said


def test_a_merge_counts_its_conflicts() -> None:
    assert updating.merge("A\nb\nc\nd\ne\n", "a\nb\nc\nd\ne\n", "a\nb\nc\nd\nE\n", "x.py") == ("A\nb\nc\nd\nE\n", 0)
    text, conflicts = updating.merge("A\n", "a\n", "b\n", "x.py")
    assert conflicts == 1 and text.startswith("<<<<<<< x.py as it stands\nA\n=======\nb\n>>>>>>>")


@pytest.mark.slow
def test_what_is_no_python_together_is_not_written(folder: Path, call: Call) -> None:
    path = folder / "generated/net_se.py"
    by_hand(path, "import torch\n", "import torch\nWIDTHS = [\n")
    edited = path.read_text()
    (folder / "net.py").write_text(NEWER)
    code, output, _ = call("update")
    assert code == 3 and "are no Python together: line" in output and path.read_text() == edited


def forget_what_was_made(folder: Path) -> None:
    shutil.rmtree(folder / ".git")
    shutil.rmtree(folder / "cache")


@pytest.mark.slow
def test_the_old_source_is_named(folder: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    forget_what_was_made(folder)
    path = folder / "generated/net_se.py"
    edited = by_hand(path)
    (folder / "net.py").write_text(NEWER)
    (folder / "old").mkdir()
    (folder / "old/net.py").write_text(OTHER)
    for given in ("old", "old/net.py"):
        code, output, _ = call("update", "--old-source", given)
        assert code == 2 and "error[wrong-old-source]" in output and "net.py with sha256" in output
    assert call("update", "--old-source", "odl")[2] == "usage" and path.read_text() == edited
    (folder / "old/net.py").write_text(NET)
    for given in ("../old", str(folder / "old/net.py")):
        shutil.rmtree(folder / "cache")
        path.write_text(edited)
        monkeypatch.chdir(folder / "old")
        code, output, _ = call("update", "--old-source", given)
        monkeypatch.chdir(folder)
        text = path.read_text()
        assert code == 0 and "1 merged" in output and "hidden = channels\n" in text and "self.drop" in text, output
        assert emit.headers(text)[0].words[1] == "net.py"
    assert "1 up to date" in call("update")[1]


@pytest.mark.slow
def test_the_old_source_in_a_folder_of_packages(folder: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after `pip install --target old`: found first, with the version of then; by a file's header alone."""
    for name, text in (("old", NET), ("new", NEWER)):
        (folder / name / "zoo").mkdir(parents=True)
        (folder / name / "zoo/__init__.py").write_text("")
        (folder / name / "zoo/nets.py").write_text(text)
        info = folder / name / f"zoo-{name}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Name: zoo\nVersion: {'1.0' if name == 'old' else '2.0'}\n")
    place = ("insert", "zoo.nets:Net", "--module", "se", "--after", "stem", "--input", "1x3x16x16", "-o", "out.py")
    with monkeypatch.context() as then:
        then.syspath_prepend(str(folder / "old"))
        then.setenv("PYTHONPATH", str(folder / "old"), prepend=":")
        assert call(*place)[0] == 0
    forget_what_was_made(folder)
    edited = by_hand(folder / "out.py")
    assert "from zoo 1.0, zoo/nets.py" in edited
    monkeypatch.syspath_prepend(str(folder / "new"))
    monkeypatch.setenv("PYTHONPATH", str(folder / "new"), prepend=":")
    before = [*sys.path], dict(os.environ)
    code, output, _ = call("update", "out.py")
    assert code == 2 and "error[no-merge-base]" in output and "--old-source" in output
    code, output, _ = call("update", "out.py", "--old-source", "new")
    assert "hint: pip install --no-deps --target FOLDER zoo==1.0, and" in output
    code, output, _ = call("update", "out.py", "--old-source", "generated")
    assert code == 2 and "has no nets.py" in output
    code, output, _ = call("update", "out.py", "--old-source", "net.py")
    assert code == 2 and "is a file, and zoo.nets:Net is installed" in output
    code, output, _ = call("update", "out.py", "--old-source", "old")
    text = (folder / "out.py").read_text()
    assert code == 0 and "1 merged" in output and "from zoo 2.0, zoo/nets.py" in text and "self.drop" in text
    assert "hidden = channels\n" in text and ([*sys.path], dict(os.environ)) == before


def test_installed_packages_do_not_hide_the_user_s_python_path() -> None:
    assert child._python_path(Path("/a/site-packages"), "/old") == os.pathsep.join(["/old", "/a/site-packages"])
    assert child._python_path(Path("/a/checkout"), "/old") == os.pathsep.join(["/a/checkout", "/old"])
    assert child._python_path(Path("/a/checkout"), "") == "/a/checkout"
