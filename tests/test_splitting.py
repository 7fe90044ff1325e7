"""A name that means sites which no one edit serves: into which names it is split, and what the command makes of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from conftest import Run

from codegen import emit, splitting
from codegen.errors import CodegenError
from codegen.traced import HostClass, Layout, Trace, TracedModule
from codegen.types import Request

Row = tuple[str, str, int]  # name, class, width
STAGES: list[Row] = [
    *[("stem", "Conv2d", 8), ("layer1", "Sequential", 16), ("layer2", "Sequential", 32)],
    *[(f"layer{i}.{j}", "Block", 16 * i) for i in (1, 2) for j in (0, 1)],
    *[(f"layer{i}.{j}.bn{k}", "BatchNorm2d", 16 * i) for i in (1, 2) for j in (0, 1) for k in (1, 2)],
]
BRANCHES: list[Row] = [
    *[("aspp", "ASPP", 8), ("aspp.convs", "ModuleList", 0), ("aspp.convs.0", "Sequential", 8)],
    *[(f"aspp.convs.{i}", "ASPPConv", 8) for i in (1, 2)],
    *[(f"aspp.convs.{i}.{j}", cls, 8) for i in range(3) for j, cls in ((0, "Conv2d"), (1, "ReLU"))],
]


STEM_AND_BLOCKS: list[Row] = [  # lists of unlike length, the first of another class
    *[("blocks", "Sequential", 8), *((f"blocks.{i}", "Sequential", 8) for i in range(3))],
    *[(f"blocks.{i}.{j}", "Block" if i else "Stem", 8) for i in range(3) for j in range(i + 1)],
    *[(f"blocks.{i}.{j}.bn1", "BatchNorm2d", 8) for i in range(3) for j in range(i + 1)],
]


def trace(rows: list[Row], *hosts: HostClass) -> Trace:
    layout = Layout("NCHW")
    modules = [TracedModule(name, cls, 1, (2, c, 4, 4), (2, c, 4, 4), after=layout, before=layout) for name, cls, c in rows]
    return Trace("Net()", "", hosts, tuple(modules), (), ())


@pytest.mark.parametrize(
    ("rows", "error", "site", "found"),
    [
        (STAGES, "several-sites", "layer*", ["layer1", "layer2"]),
        (STAGES, "several-sites", "layer*.*.bn*", ["layer*.*.bn1", "layer*.*.bn2"]),  # the block's class knows its width
        (STAGES, "unknown-width", "layer*.*.bn1", ["layer1.*.bn1", "layer2.*.bn1"]),
        (STAGES, "unknown-width", "layer1.*", ["layer1.0", "layer1.1"]),  # all alike: one by one
        (STAGES, "unknown-width", "layer1.::1.bn1", ["layer1.0.bn1", "layer1.1.bn1"]),
        (STAGES, "unknown-width", "stem", []),
        (BRANCHES, "several-sites", "aspp.convs.*.*", ["aspp.convs.*.0", "aspp.convs.*.1"]),
        (BRANCHES, "container-element", "aspp.convs.*.0", ["aspp.convs.0.0", "aspp.convs.1,2.0"]),
        (BRANCHES, "container-element", "aspp.convs.1,2.0", []),
        (STEM_AND_BLOCKS, "ambiguous-host", "blocks.*.*.bn1", ["blocks.0.0.bn1", "blocks.1,2.*.bn1"]),
    ],
)
def test_as_few_names_as_there_are_kinds_of_modules(rows: list[Row], error: str, site: str, found: list[str]) -> None:
    assert splitting.names(trace(rows), Request("net.py", site=site, operation="after"), error) == tuple(found)


def test_with_a_class_the_names_are_those_in_its_objects() -> None:
    host = HostClass("Block", "net.py", 1, ("layer1.0", "layer1.1", "layer2.0"))
    request = Request("net.py", site="bn*", operation="before", host="Block")
    assert splitting.names(trace(STAGES, host), request, "several-sites") == ("bn1", "bn2")


def test_the_edits_stand_where_the_one_did() -> None:
    first, second, last = (Request("net.py", site=s, operation="after", module="se") for s in ("stem", "layer*", "fc"))
    edits = tuple(f"after {r.site}: se" for r in (first, second, last))
    requests = [replace(r, edits=edits) for r in (first, second, last)]
    error = CodegenError("several-sites", "", "", sites=("layer1", "layer2"), edit=2)
    made = splitting.edits_of(requests, error)
    assert [r.site for r in made] == ["stem", "layer1", "layer2", "fc"]
    assert {r.edits for r in made} == {tuple(f"after {r.site}: se" for r in made)}


NET = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.stage1 = nn.Conv2d(3, width, 3, padding=1)
        self.stage2 = nn.Conv2d(width, 2 * width, 3, stride=2, padding=1)
        self.fc = nn.Linear(2 * width, 10)

    def forward(self, x):
        x = self.stage1(x)
        x = self.stage2(x)
        return self.fc(x.mean((2, 3)))
"""


def test_every_stage_gets_a_module_of_its_own(codegen: Run, tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(NET)
    done = codegen("insert", "net.py", "--module", "se", "--after", "stage*", "-o", "made.py", "--name", "gate", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "note: stage* takes 2 edits: stage1, stage2" in done.stdout.decode()
    text = (tmp_path / "made.py").read_text()
    assert "self.gate = SqueezeExcite(width)\n" in text and "self.gate2 = SqueezeExcite(2 * width)\n" in text
    assert emit.recorded_command(text) == [
        *("insert", "net.py", "--module", "se", "--after", "stage*", "--name", "gate"),
    ]
