"""static: insertions by reading alone, and the base that `codegen diff` compares with. Nothing of the file is executed."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Run

from codegen import emit, records, static
from codegen.errors import CodegenError
from codegen.types import Report, Request

NET = """
from torch import nn

raise RuntimeError("this file must not run")


class Net(nn.Module):
    def __init__(self, dim=8):
        super().__init__()
        self.m = LAYER
        self.other = nn.Conv2d(dim, 2 * dim, 1)

    def forward(self, x):
        x = self.m(x)
        return self.other(x)
""".lstrip()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def inserted(layer: str = "nn.Conv2d(3, dim, 1)", text: str = NET, **more: object) -> Report:
    Path("net.py").write_text(text.replace("LAYER", layer), newline="")
    values = {"operation": "after", "site": "m", "module": "se", "static": True, "output": "out.py"} | more
    return static.run(Request("net.py", **values))  # type: ignore[arg-type]


def width(layer: str, **more: object) -> str:
    site = inserted(layer, **more).site
    assert site is not None
    return site.width.expr


@pytest.mark.parametrize(
    ("layer", "expr"),
    [
        ("nn.Conv2d(3, dim, 1)", "dim"),
        ("nn.ConvTranspose2d(3, 2 * dim, 2)", "2 * dim"),
        ("nn.Linear(3, 10)", "10"),
        ("nn.Conv2d(in_channels=3, out_channels=dim, kernel_size=1)", "dim"),
        ("Patches(img_size=8, embed_dim=dim)", "dim"),
        ("nn.BatchNorm2d(dim)", "dim"),
        ("norm_layer(dim)", "dim"),
        ("Block(dim=dim, depth=3)", "dim"),
    ],
)
def test_the_width_is_what_the_layer_is_given(layer: str, expr: str) -> None:
    report = inserted(layer)
    assert report.site is not None and report.site.width.expr == expr
    assert f"self.se = SqueezeExcite({expr}" in Path("out.py").read_text()


@pytest.mark.parametrize(
    "layer", ["nn.MaxPool2d(3, 2)", "nn.Sequential(nn.Conv2d(3, dim, 1))", "make()", "self.n", "nn.ReLU()"]
)
def test_a_width_that_the_code_does_not_show_is_refused(layer: str) -> None:
    with pytest.raises(CodegenError) as caught:
        inserted(layer)
    assert caught.value.name == "unknown-width" and "--width" in caught.value.hint
    assert not Path("out.py").exists()
    assert width(layer, width="dim") == "dim"


@pytest.mark.parametrize("layer", ["nn.GroupNorm(2, dim)", "nn.Softmax(dim=1)", "nn.LocalResponseNorm(5)"])
def test_a_number_that_is_no_width_is_not_taken_for_one(layer: str) -> None:
    try:
        assert width(layer) == "dim"
    except CodegenError as error:
        assert error.name == "unknown-width"


def test_before_a_layer_the_width_is_what_it_receives() -> None:
    try:
        assert width("nn.Conv2d(3, dim, 1)", operation="before") == "3"
    except CodegenError as error:
        assert error.name == "unknown-width"


def test_the_report_says_that_nothing_was_proved() -> None:
    report = inserted()
    assert [(c.name, c.status) for c in report.checks] == [("contract", "skipped")]
    assert any("not measured" in note for note in report.notes)
    assert records.report_json(report)["call_sites"] == [{"method": "Net.forward", "line": report.call_sites[0][1]}]


def test_nothing_of_the_file_runs_and_the_variant_is_whole() -> None:
    inserted()
    text = Path("out.py").read_text()
    ast.parse(text)
    assert 'raise RuntimeError("this file must not run")' in text
    assert "        x = self.m(x)\n        x = self.se(x)\n" in text and "--static" in emit.header_of(text)


def test_a_dry_run_writes_nothing() -> None:
    inserted(dry_run=True)
    assert not Path("out.py").exists()


def test_an_output_that_exists_is_kept() -> None:
    Path("out.py").write_text("mine")
    with pytest.raises(CodegenError) as caught:
        inserted()
    assert caught.value.name == "output-exists" and Path("out.py").read_text() == "mine"
    inserted(force=True)
    assert Path("out.py").read_text() != "mine"


def test_a_site_that_nobody_calls_and_a_class_that_is_not_there() -> None:
    for more, name in (({"site": "absent", "width": "3"}, "unknown-site"), ({"host": "Nett"}, "host-not-found")):
        with pytest.raises(CodegenError) as caught:
            inserted(**more)
        assert caught.value.name == name


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_the_base_of_a_variant_is_what_insert_compared_with(newline: str) -> None:
    report = inserted(text=NET.replace("\n", newline))
    assert report.variant is not None
    text = Path("out.py").read_bytes().decode()
    found = static.base(report.request, text)
    assert found == emit.with_header(report.variant.base, emit.header_of(text))
    assert newline in found and (newline == "\r\n" or "\r" not in found)


def test_the_diff_holds_the_edits_and_nothing_else() -> None:
    report = inserted()
    text = Path("out.py").read_text()
    lines = records.unified(static.base(report.request, text), text, "out.py")[2:]
    assert not [line for line in lines if line.startswith("-")]
    added = [line[1:] for line in lines if line.startswith("+")]
    assert [line.strip() for line in added if "self.se" in line and "Squeeze" in line] == ["self.se = SqueezeExcite(dim)"]
    rest = text.splitlines()
    for line in added:
        rest.remove(line)
    kept = [line for line in rest if line not in emit.header_of(text).splitlines()]
    assert sorted(kept) == sorted(Path("net.py").read_text().splitlines())


def test_a_file_without_recipe_has_no_base() -> None:
    report = inserted()
    with pytest.raises(CodegenError) as caught:
        static.base(report.request, Path("net.py").read_text())
    assert caught.value.name == "no-recipe"


def test_what_an_insertion_does_not_need_is_not_imported() -> None:
    Path("net.py").write_text(NET.replace("LAYER", "nn.Conv2d(3, dim, 1)"))
    arguments = "insert net.py --static --module se --after m --json -o out.py".split()  # noqa: SIM905
    code = f"""
import sys
sys.argv[1:] = {arguments}
from codegen.ending import main
main()
print({{"torch", "rich", "black", "pygments", "importlib.metadata"}} & set(sys.modules), file=sys.stderr)
"""
    root = str(Path(static.__file__).parents[1])
    done = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": root}, capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "set()"


def test_the_class_that_gathers_others_is_the_host_though_one_that_stands_alone_comes_last() -> None:
    block = "class Block(nn.Module):\n    def forward(self, x):\n        return x\n\n\n"
    loss = "\n\nclass Loss(nn.Module):\n    def forward(self, x):\n        return x.mean()\n"
    text = NET.replace("class Net", block + "class Net").replace("self.other", "self.block = Block()\n        self.other", 1)
    site = inserted(text=text + loss).site
    assert site is not None and site.host.name == "Net"


def test_sites_are_read(codegen: Run, folder: Path) -> None:
    twice = NET.replace("        x = self.m(x)\n", "        x = self.m(x)\n        x = self.m(x)\n")
    (folder / "net.py").write_text(twice.replace("LAYER", "nn.Conv2d(3, dim, 1)"))
    done = codegen("sites", "net.py", "--static", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    found = {site["name"]: site for site in json.loads(done.stdout)["sites"]}
    assert {name: (site["class_name"], site["width"]["expr"], site["calls"]) for name, site in found.items()} == {
        "m": ("Conv2d", "dim", 2),
        "other": ("Conv2d", "2 * dim", 1),
    }
    assert [place["method"] for place in found["m"]["call_sites"]] == ["Net.forward"] * 2
    assert b"Net() on no input: read, not run" in codegen("sites", "net.py", "--static", cwd=folder).stdout
