"""The coverage run over all models: what its forks share and keep apart, and the small models that its oracle looks at."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

pytest.importorskip("torch")
from torch import nn  # noqa: E402

COVERAGE = Path(__file__).resolve().parent / "coverage"


def loaded(name: str) -> ModuleType:
    """A script of tests/coverage as a module."""
    spec = importlib.util.spec_from_file_location(f"coverage_{name}", COVERAGE / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


shorter, tables = loaded("shorter"), loaded("tables")


@dataclasses.dataclass(frozen=True)
class Config:
    depths: tuple[int, ...] = (3, 5)
    dim: int = 64


class Net(nn.Module):
    def __init__(self, config: Config, layers: tuple[int, ...] = (4, 1), channels: int = 96, **kwargs: Any) -> None:
        super().__init__()
        self.stem = nn.Linear(8, channels)
        self.blocks = nn.Sequential(*[nn.Linear(config.dim, config.dim) for _ in range(sum(config.depths))])
        self.layers = nn.Sequential(*[nn.ReLU() for _ in range(sum(layers) + kwargs["depth"])])


class Derived(Net):
    pass


def sizes(model: Net) -> tuple[int, int, int]:
    return len(model.blocks), len(model.layers), model.stem.out_features


def made() -> Net:
    return Net(Config(), depth=9)


def test_the_class_of_a_model_is_known_before_it_is_made() -> None:
    assert shorter.outermost(made) is Net
    assert shorter.outermost(lambda: 1) is None


@pytest.mark.parametrize(("narrow", "expected"), [(False, (4, 5, 96)), (True, (4, 5, 24))])
def test_a_model_with_fewer_blocks(narrow: bool, expected: tuple[int, int, int]) -> None:
    with shorter.short(Net, narrow) as cut:
        model = made()
        assert sizes(Derived(Config(), depth=9)) == (8, 14, 96), "of no other class"
    assert sizes(model) == expected and set(cut) == {"config", "layers", "kwargs", *(["channels"] if narrow else [])}
    assert {m.in_features for m in model.blocks} == {16 if narrow else 64}
    assert sizes(made()) == (8, 14, 96)


def row(contract: str, outcome: str = "passed", **more: Any) -> dict[str, Any]:
    return {"contract": contract, "outcome": outcome, **more}


def test_the_table_says_how_much_was_proved_and_judged() -> None:
    assert tables.how([row("whole")]) == []
    rows = [row("quick", routes=4, short=True), row("quick", "refused"), row("whole", routes=10, short=False)]
    text = " ".join(tables.how(rows))
    assert text.startswith(" 1 cells") and "; 1 beside" in text
    assert "contract, 2 with" in text and "ran 2 variants: 1 of them" in text


@pytest.mark.slow
def test_forks_of_one_process_make_and_judge_the_cells_of_a_model() -> None:
    pytest.importorskip("timm")
    name, about = "test_efficientnet", {"host": "", "file": "", "list": False, "contract": "quick"}
    cells = [{**about, "site": site, "key": f"timm:{name} --after {site}"} for site in ("conv_stem", "blocks.-1", "no")]
    model = {"source": f"timm:{name}", "file": "efficientnet", "build": "", "input": "", "name": name, "parameters": 0}
    model |= {"original": f"create_model({name!r})", "shape": [2, 3, 160, 160]}
    job = {"library": "timm", "namespace": "timm", "variants": "", "operation": "after", "identity": False, "each": True}
    jobs = [{**job, "model": model, "cells": cells[:1]}, {**job, "model": model, "cells": cells[1:]}]
    command, lines = [sys.executable, str(COVERAGE / "forks.py"), "timm"], "".join(json.dumps(job) + "\n" for job in jobs)
    found = subprocess.run(command, input=lines, capture_output=True, text=True, check=True)
    rows = [json.loads(line) for line in found.stdout.splitlines()]
    assert [row.get("outcome", row.get("ended")) for row in rows] == ["passed", 0, "passed", "refused", 0], found.stderr
    assert rows[0]["routes"] == 4 and rows[0]["judged"]["shape"] == [2, 3, 64, 64] and rows[3]["reason"] == "unknown-site"
