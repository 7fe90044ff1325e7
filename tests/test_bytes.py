"""Bytes outside the edits stay: files written back, insertions taken out again. `tests/coverage/bytes.py` does all of it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

COVERAGE = Path(__file__).resolve().parent / "coverage"


def loaded(name: str) -> ModuleType:
    """A script of tests/coverage as a module."""
    spec = importlib.util.spec_from_file_location(f"coverage_{name}", COVERAGE / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


coverage, undo = loaded("bytes"), loaded("undo")
FILES = list(coverage.model_files())
# a model that a function makes has no class with a forward, in which alone code that is not run shows the sites
CASES = [file for file in FILES if file.folder == "tests/cases" and b"\nclass " in file.path.read_bytes().replace(b"\r", b"\n")]

BASE = "import torch\n\n\nclass Net:\n    def f(self, x):\n        x = self.m(x)\n        return F.relu(self.n(x))\n"
USED = BASE.replace("x = self.m(x)\n", "x = self.m(x)\n        x = self.se(x)\n")
WRAPPED = BASE.replace("self.n(x)", "self.se(self.n(x))")


def test_every_model_file_is_written_back_as_it_was() -> None:
    assert len({file.folder for file in FILES}) == 3 and len(FILES) > 150
    assert [file.name for file in FILES if coverage.written_back(file.path) != coverage.SAME] == []


@pytest.mark.parametrize("file", CASES, ids=lambda file: file.path.parent.name)
def test_an_insertion_taken_out_gives_the_base(file: object) -> None:
    rows = list(coverage.rows(file, limit=1))
    assert rows and [(row.what, row.outcome, row.detail) for row in rows if row.outcome != coverage.SAME] == []


@pytest.mark.parametrize(
    "variant", [USED, WRAPPED, USED.replace("\n", "\r\n"), USED.replace("import torch\n", "import torch\nimport os\n")]
)
def test_undo_takes_out_what_an_insertion_adds(variant: str) -> None:
    base = BASE.replace("\n", "\r\n") if "\r" in variant else BASE
    assert undo.undone(variant, base, "se") == base


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("return F", "return  F"),
        ("self.m(x)\n", "self.m(x)  # m\n"),
        ("\n\n\n", "\n\n"),
        ("import torch\n", ""),
        ("x = self.se(x)", "x = self.se(self.o(x))"),
    ],
)
def test_undo_leaves_every_other_change(old: str, new: str) -> None:
    assert old in USED
    assert undo.undone(USED.replace(old, new), BASE, "se") != BASE
