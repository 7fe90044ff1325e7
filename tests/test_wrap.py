"""`codegen wrap`: a short form of insertions that go around a site."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import Run

from codegen import catalogue, requested
from codegen.errors import CodegenError

MODEL = Path(__file__).parent / "cases" / "resnet" / "model.py"


@pytest.mark.parametrize(
    ("way", "module", "operation", "combine", "name"),
    [
        ("residual", "torch.nn:Identity", "beside", "add", "shortcut"),
        ("gate", "gate", "after", "", ""),
        ("scale", "scale", "after", "", ""),
        ("drop_path", "droppath", "after", "", ""),
    ],
)
def test_what_it_stands_for(way: str, module: str, operation: str, combine: str, name: str) -> None:
    made = requested.wrapped("model.py", site="layer3", with_=way)
    assert (made.module, made.operation, made.combine, made.name) == (module, operation, combine, name)
    assert made.suffix == f"_{way}"
    assert ":" in module or catalogue.entry(module)


def test_what_a_residual_connection_does_not_take() -> None:
    for options in ({"args": (("init", "1"),)}, {"identity": True}):
        with pytest.raises(CodegenError, match="takes no"):
            requested.wrapped("model.py", site="layer3", with_="residual", **options)


@pytest.mark.slow
def test_a_gate_around_a_stage(tmp_path: Path, codegen: Run) -> None:
    words = ("--with", "gate", "--arg", "init=1.0", "-o", "out.py")
    assert codegen("wrap", str(MODEL), "--site", "layer3", *words, cwd=tmp_path).returncode == 0
    text = (tmp_path / "out.py").read_text(encoding="utf-8")
    assert "        x = self.gate(x)\n" in text and "init: float = 1.0" in text
