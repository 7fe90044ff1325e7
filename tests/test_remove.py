"""remove: an insertion taken out of a variant again, byte for byte; a site left out, with torch's identity in its place."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import Run
from torch import nn

from codegen import commandlines, components, construct, emit, ending, pipeline, static, syntax, undoing
from codegen.child import Child
from codegen.limits import Limits
from codegen.types import Request

CASES = Path(__file__).resolve().parent / "cases"
MADE = re.compile(rb"#     codegen (insert|replace|head|remove) ")
EVERY = [path for path in CASES.glob("*/*.py") if MADE.search(path.read_bytes())]
SPLIT = {  # of several sites
    CASES / "resnet" / "eca_after_layers.py",
    CASES / "partial_lists" / "eca_after_stem_convs.py",
    CASES / "parallel_paths" / "adapter_beside_mlp_linears.py",
    CASES / "inherits" / "eca_beside_stem_1_2.py",
    CASES / "alexnet_gbk" / "eca_beside_features_1_4.py",
}
GOLDEN = sorted(path for path in EVERY if b" --edit " not in path.read_bytes() and path not in SPLIT)  # several edits: refused

NET = '''"""A net."""

import torch.nn as nn


class Net(nn.Module):
    def __init__(self, dim=8):
        super().__init__()
        self.stem = nn.Conv2d(3, dim, 3)
        self.act = nn.GELU()
        self.body = nn.Conv2d(dim, dim, 3, padding=1)
        self.head = nn.Conv2d(dim, 10, 1)

    def forward(self, x):
        x = self.stem(x)
        y = self.act(self.body(x))
        return self.head(y)
'''
BLOCK = NET.replace("class Net", "class Block").replace("Conv2d(3, dim", "Conv2d(dim, dim").partition("\n\n\n")[2]

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Call:
    """call("remove", ...) -> (exit code, stdout, stderr) of main() in this process, in a folder with net.py."""
    monkeypatch.chdir(tmp_path)
    Path("net.py").write_bytes(NET.encode())

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["codegen", *words])
        try:
            ending.main()
            code = 0
        except SystemExit as leaving:
            code = int(leaving.code or 0)
        out = capsys.readouterr()
        return code, out.out, out.err

    return run


@pytest.fixture
def se(call: Call) -> Path:
    """A variant of net.py, made by reading alone."""
    code, _, err = call(*["insert", "net.py", "--static", "--module", "se", "--after", "stem", "-o", "se.py"])
    assert code == 0, err
    return Path("se.py")


def error(result: tuple[int, str, str], exit_code: int = 2) -> tuple[str, str]:
    """(name, message and hint) of the one error, which is the user's."""
    code, out, err = result
    found = re.fullmatch(r"error\[([\w-]+)\]: (.+\nhint: .+)\n", err)
    assert code == exit_code and not out and found, err
    return found[1], found[2]


# --- taken out again --------------------------------------------------------------------------------------------------


def test_the_base_comes_out_byte_for_byte(call: Call, se: Path) -> None:
    variant = se.read_bytes()
    code, out, _ = call("remove", "se.py", "--name", "se", "-o", "back.py", "--json")
    assert code == 0 and Path("back.py").read_bytes() == NET.encode() and se.read_bytes() == variant
    report = json.loads(out)
    assert report["output"] == "back.py" and report["attribute"] == "se" and report["host"] == "Net"
    assert report["build"] == "Net()" and report["site"] == "stem" and report["call_sites"] == []
    assert [check["status"] for check in report["checks"]] == ["passed", "passed"]
    assert report["checks"][1]["detail"] == "net.py byte for byte"


def test_where_it_is_written(call: Call, se: Path) -> None:
    variant = se.read_bytes()
    code, out, _ = call("remove", "se.py", "--name", "Net.se", "--dry-run", "--diff")
    assert code == 0 and se.read_bytes() == variant and not Path("generated").exists()
    assert out.startswith("would write generated/net.py: without Net.se after stem") and "\n-        x = self.se(x)\n" in out
    assert call("remove", "se.py", "--name", "se")[0] == 0
    assert Path("generated/net.py").read_bytes() == NET.encode()
    assert error(call("remove", "se.py", "--name", "se"))[0] == "output-exists"
    assert call("remove", "se.py", "--name", "se", "--force")[0] == 0
    assert call("remove", "se.py", "--name", "se", "--in-place")[0] == 0
    assert se.read_bytes() == NET.encode()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("dim=8", "dim=16"),
        ("        return self.head(y)\n", "        # by hand\n        return self.head(y) * 2\n"),
        ("import torch.nn as nn\n", "import os\n\nimport torch.nn as nn\n"),
        ("        self.act = nn.GELU()\n", ""),
        ("        y = self.act(self.body(x))\n", "        x = x + 1\n        y = self.act(self.body(x))\n"),
        ("class Net", "class Mine:\n    pass\n\n\nclass Net"),
        ('"""A net."""\n', '"""A net."""\n\n# more\n'),
    ],
)
def test_what_was_changed_elsewhere_stays(call: Call, se: Path, old: str, new: str) -> None:
    text = se.read_text()
    assert text.count(old) == NET.count(old) == 1
    se.write_text(text.replace(old, new))
    code, out, err = call("remove", "se.py", "--name", "se", "-o", "back.py")
    assert code == 0, err
    assert Path("back.py").read_text() == NET.replace(old, new) and "by hand, which stay so" in out


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("x = self.se(x)", "x = self.se(x) * 2"),
        ("        x = self.se(x)\n", ""),
        ("self.se = SqueezeExcite(dim)", "self.se = SqueezeExcite(dim, reduction=4)"),
        ("class SqueezeExcite(nn.Module):\n", "class SqueezeExcite(nn.Module):\n    # mine\n"),
        ("    if not own.keys() & state_dict.keys():\n", "    if True:\n"),
    ],
)
def test_an_inserted_line_that_was_changed_is_refused(call: Call, se: Path, old: str, new: str) -> None:
    text = se.read_text()
    assert text.count(old) == 1
    se.write_text(text.replace(old, new))
    name, said = error(call("remove", "se.py", "--name", "se", "-o", "back.py"))
    assert name == "edited-by-hand" and "se.py" in said and not Path("back.py").exists()


@pytest.mark.parametrize("line", ["self.se.requires_grad_(False)", "print(SqueezeExcite)"])
def test_what_lines_of_a_person_use_is_not_taken_away(call: Call, se: Path, line: str) -> None:
    se.write_text(se.read_text().replace("        return self.head(y)\n", f"        {line}\n        return self.head(y)\n"))
    name, said = error(call("remove", "se.py", "--name", "se", "-o", "back.py"))
    assert name == "still-used" and line in said and not Path("back.py").exists()


def test_a_file_that_codegen_did_not_make(call: Call) -> None:
    name, said = error(call("remove", "net.py", "--name", "se"))
    assert name == "no-recipe" and "--site" in said


def test_a_name_that_is_not_there(call: Call, se: Path) -> None:
    name, said = error(call("remove", "se.py", "--name", "eca"))
    assert name == "unknown-name" and "Net.se" in said and "--name se" in said


@pytest.mark.parametrize(
    "words",
    [
        ["--name", "se", "--site", "act"],
        [],
        ["--site", "act", "--against", "net.py"],
        ["--name", "se", "--class", "Net"],
        ["--name", "se", "--keep", "all"],
    ],
)
def test_options_that_do_not_go_together(call: Call, se: Path, words: list[str]) -> None:
    assert error(call("remove", "se.py", *words))[0] == "usage"


def test_a_source_that_was_changed_since(call: Call, se: Path) -> None:
    Path("net.py").write_text(NET + "# later\n")
    name, said = error(call("remove", "se.py", "--name", "se"))
    assert name == "source-changed" and "--against" in said
    Path("old.py").write_text(NET)
    assert call("remove", "se.py", "--name", "se", "--against", "old.py", "-o", "back.py")[0] == 0
    assert Path("back.py").read_text() == NET
    Path("net.py").unlink()
    name, said = error(call("remove", "se.py", "--name", "se"))
    assert name == "unreadable-source" and "--against" in said


def test_a_damaged_header(call: Call, se: Path) -> None:
    se.write_text(se.read_text().replace("sha256", "sha1"))
    assert error(call("remove", "se.py", "--name", "se"))[0] == "no-recipe"


def test_one_insertion_after_the_other(call: Call, se: Path) -> None:
    words = ["--static", "--module", "eca", "--after", "body", "--width", "dim"]
    assert call("insert", "se.py", *words, "-o", "both.py")[0] == 0
    name, said = error(call("remove", "both.py", "--name", "se"))
    assert name == "unknown-name" and "--name eca; what was there before" in said
    assert call("remove", "both.py", "--name", "eca", "--in-place")[0] == 0
    assert Path("both.py").read_bytes() == se.read_bytes()
    assert call("remove", "both.py", "--name", "se", "--in-place")[0] == 0
    assert Path("both.py").read_text() == NET


def test_a_name_that_stands_for_two_insertions(call: Call) -> None:
    Path("net.py").write_text(NET.replace("class Net", BLOCK + "\n\nclass Net"))
    for words in ("net.py --class Block -o one.py", "one.py --class Net -o two.py"):
        assert call("insert", *words.split(), *["--static", "--module", "se", "--after", "stem"])[0] == 0
    name, said = error(call("remove", "two.py", "--name", "se"))
    assert name == "ambiguous-name" and "Net.se" in said
    assert call("remove", "two.py", "--name", "Net.se", "-o", "back.py")[0] == 0
    assert Path("back.py").read_bytes() == Path("one.py").read_bytes()


@pytest.fixture(scope="module")
def child() -> Iterator[Child]:
    """One child process for all cases."""
    with Child(Limits(seconds=3600)) as process:
        yield process


# One of each kind stays in the default run.
FAST = {
    "branches/cbam_beside_late2_cat",  # a loop over names, joined below the call
    "classic_mac/eca_after_block2",  # lines that end with CR
    "flat_repo/se_after_stage",  # definitions that came from files beside it go back there
    "latin1_shebang/eca_after_etage",  # the header stands behind a shebang and a cookie
    "plain_vit/adapter_after_every_second_block",  # a placeholder in the class, filled by the model
    "plain_vit/lora_for_qkv",  # replace: the base's weights go into the new module
    "registry_decorators/se_after_stage1",  # registered functions get their names back
    "resnet/gelu_for_relu",  # replace: no hook, which only a proof told
    "resnet/head_for_fc",  # head
    "tabs/se_after_stage1",  # tabs, BOM, form feed
}


def name(path: Path) -> str:
    """`tests/cases/lenet/se_after_conv1.py` -> `lenet/se_after_conv1`."""
    return f"{path.parent.name}/{path.stem}"


def recorded(text: str) -> Request:
    return commandlines.recorded(text, "")[0]


@pytest.mark.parametrize(
    "golden",
    [pytest.param(p, id=name(p), marks=() if name(p) in FAST else pytest.mark.slow) for p in GOLDEN],
)
def test_every_golden_case_gives_its_source_back(golden: Path, child: Child, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(golden.parent)
    if golden.parent.name == "einops_mixer":
        pytest.importorskip("einops")
    text, encoding = syntax.read(golden)
    request = recorded(text)
    source = undoing.recorded_source(request, emit.headers(text)[0], golden)
    made = undoing.nearest(request, pipeline.measure(child, source, request), emit.without_header(text))
    found = undoing.undone(made, source, text, golden.name)
    assert found.text.encode(encoding) == (golden.parent / "model.py").read_bytes() and found.kept == 0
    if text.endswith(("\n", "\r")):
        again = undoing.undone(made, source, f"{text}# by hand", golden.name)
        assert again.kept == 1 and again.text == f"{found.text}# by hand"


# --- left out ---------------------------------------------------------------------------------------------------------


def removed(call: Call, site: str, *words: str) -> dict[str, Any]:
    code, out, err = call("remove", "net.py", "--input", "1x3x16x16", "--site", site, "-o", "out.py", "--json", *words)
    assert code == 0, err
    return dict(json.loads(out))


@pytest.mark.slow
def test_a_site_without_weights_costs_one_line(call: Call) -> None:
    report = removed(call, "act")
    text = Path("out.py").read_text()
    line = "        self.act = nn.Identity()\n"
    assert emit.without_header(text) == NET.replace("\n    def forward", f"{line}\n    def forward")
    assert text.startswith("# net without act: host Net, built by Net().\n")
    assert "#     codegen remove net.py --input 1x3x16x16 --site act\n" in text
    assert report["class_name"] == "Identity" and report["new_parameters"] == 0 and report["site"] == "act"
    assert not [c for c in report["checks"] if c["status"] == "failed"]
    assert call("remove", "out.py", "--name", "act", "--in-place")[0] == 0
    assert Path("out.py").read_text() == NET


@pytest.mark.slow
def test_the_removed_weights_are_left_out_of_a_checkpoint(call: Call) -> None:
    removed(call, "body")
    scope: dict[str, Any] = {}
    base: dict[str, Any] = {}
    exec(NET, base)
    exec(Path("out.py").read_text(), scope)
    assert "class " + "Identity" not in Path("out.py").read_text()
    variant, old = scope["Net"](), base["Net"]()
    with pytest.warns(UserWarning, match="body was removed: 2 keys"):
        variant.load_state_dict(old.state_dict())
    assert isinstance(variant.body, nn.Identity) and torch.equal(variant.stem.weight, old.stem.weight)
    assert [*variant.state_dict()] == ["stem.weight", "stem.bias", "head.weight", "head.bias"]


@pytest.mark.slow
def test_a_site_that_changes_the_shape_is_refused(call: Call) -> None:
    for site, exit_code in (("stem", 2), ("head", 3)):  # the next layer fails, the output is another
        result = call("remove", "net.py", "--input", "1x3x16x16", "--site", site, "-o", "out.py")
        name, said = error(result, exit_code)
        assert name == "module-does-not-fit" and said.startswith(f"{site} cannot be left out") and "codegen replace" in said
    assert not Path("out.py").exists()


def test_a_hook_says_what_it_leaves_out_and_touches_nothing_else() -> None:
    scope: dict[str, Any] = {"nn": nn, "warnings": __import__("warnings")}
    exec(construct.rendered("remove_hook", name="load_removed"), scope)
    state = {"a.weight": 1, "ab.weight": 2, "a.b.weight": 3}
    with pytest.warns(UserWarning, match="a was removed: 2 keys"):
        scope["load_removed"](nn.Identity(), state, "a.")
    assert state == {"ab.weight": 2}


def test_replace_by_an_identity_is_recorded_as_a_removal() -> None:
    request = Request("net.py", "replace", "act", components.IDENTITY)
    assert components.removes(request) and emit.command(request, "net.py") == "codegen remove net.py --site act"
    wide = Request("net.py", "replace", "act", components.IDENTITY, width="8")
    assert not components.removes(wide) and "--module torch.nn:Identity" in emit.command(wide, "net.py")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "pattern", "meant"),
    [("timm:test_convnext", "stages.*.blocks.*.norm", "stages.*.blocks.*.norm"), ("timm:test_resnet", "maxpool", "maxpool")],
)
def test_the_original_with_an_identity_there(codegen: Run, tmp_path: Path, source: str, pattern: str, meant: str) -> None:
    pytest.importorskip("timm")
    import oracle

    name = source.partition(":")[2]
    target = tmp_path / f"removed_{name}.py"
    done = codegen("remove", source, f"--site={pattern}", "-o", str(target), cwd=tmp_path)
    assert done.returncode == 0, done.stderr.decode()
    found = oracle.compare(
        oracle.load("timm"),
        oracle.load(str(target)),
        f"create_model('{name}')",
        f"{name}_identity()",
        meant,
        "",
        "replace",
        (2, 3, 96, 96),
    )
    assert found == []
    back = codegen("remove", str(target), "--name", pattern.rpartition(".")[2], "-o", "back.py", cwd=tmp_path)
    assert back.returncode == 0, back.stderr.decode()
    request = recorded(target.read_text())
    base = static.base(request, target.read_text())
    assert (tmp_path / "back.py").read_text() == emit.without_header(base)


@pytest.mark.slow
@pytest.mark.parametrize("case", ["resnet/several_edits", "resnet/eca_after_layers"])
def test_one_of_several_edits_is_not_taken_out_alone(call: Call, monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    monkeypatch.chdir(CASES / "resnet")
    name, said = error(call("remove", f"{case.partition('/')[2]}.py", "--name", "se"))
    assert name == "several-edits" and "header" in said
