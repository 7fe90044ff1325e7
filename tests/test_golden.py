"""Golden variants: every `tests/cases/<backbone>/<case>.py` is made again by the command in its header, byte for byte.

A new case: run `codegen insert|replace|remove model.py ... -o <case>.py` in the folder of its backbone, read the diff to
model.py, and commit it. `pytest tests/test_golden.py --update-golden` (with `-m ""` for the slow ones too) remakes all that
differ.
The folders named after a manner (`classic_mac`, `alexnet_gbk` ...) are small nets as they are found in research code.
"""

from __future__ import annotations

import difflib
import re
from pathlib import Path

import pytest
from conftest import Run

from codegen import emit, syntax

CASES = Path(__file__).resolve().parent / "cases"
MADE = re.compile(rb"#     codegen (insert|replace|wrap|head|remove) ")
GOLDEN = sorted(path for path in CASES.glob("*/*.py") if MADE.search(path.read_bytes()))

# These stay in the default run; every case costs some six seconds. The others are run in the second stage.
DEFAULT = {
    "plain_vit/adapter_after_every_second_block",  # a placeholder in the class, filled by the model in a loop
    "branches/se_after_stem",  # a twin under torch.jit.is_scripting()
    "classic_mac/eca_after_block2",  # `if block is self.block2:` in a loop; lines that end with CR
    "lenet/se_after_conv1",  # a nested call is wrapped; CRLF
    "segmenter_dict/se_after_neck",  # the tensor in a dict is put back into it
    "tabs/se_after_stage1",  # tabs, BOM, form feed, Chinese comments
    "two_inputs/se_after_encoder",  # two calls in a statement, one in a comprehension that no run reaches; --input
}

NEEDS = {"einops_mixer": "einops", "reset_by_name": "timm"}  # folder -> a package that its model imports, codegen does not


def name(path: Path) -> str:
    """`tests/cases/lenet/se_after_conv1.py` -> `lenet/se_after_conv1`."""
    return f"{path.parent.name}/{path.stem}"


def test_every_default_case_exists() -> None:
    assert {name(path) for path in GOLDEN} >= DEFAULT


def test_every_backbone_has_a_golden_case() -> None:
    assert {path.parent for path in CASES.glob("*/model.py")} == {path.parent for path in GOLDEN}


@pytest.mark.parametrize(
    "golden", [pytest.param(p, id=name(p), marks=() if name(p) in DEFAULT else pytest.mark.slow) for p in GOLDEN]
)
def test_the_recorded_command_makes_the_same_bytes(
    golden: Path, codegen: Run, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if golden.parent.name in NEEDS:
        pytest.importorskip(NEEDS[golden.parent.name], reason="the model imports it: pip install -e '.[test]'")
    words = emit.recorded_command(syntax.read(golden)[0])
    made = tmp_path / golden.name
    source = (golden.parent / "model.py").read_bytes()
    done = codegen(*words, "-o", str(made), cwd=golden.parent)
    assert done.returncode == 0, done.stderr.decode()
    assert (golden.parent / "model.py").read_bytes() == source, "the source was changed"
    if request.config.getoption("--update-golden"):
        golden.write_bytes(made.read_bytes())
    new, old = made.read_bytes(), golden.read_bytes()
    difference = difflib.diff_bytes(
        difflib.unified_diff, old.splitlines(True), new.splitlines(True), b"golden", b"made"
    )
    assert new == old, b"".join(difference).decode(errors="replace")


@pytest.mark.slow
@pytest.mark.parametrize("golden", [pytest.param(p, id=name(p)) for p in GOLDEN])
def test_line_ends_indentation_and_encoding_are_those_of_the_source(golden: Path) -> None:
    source, variant = (golden.parent / "model.py").read_bytes(), golden.read_bytes()
    assert variant.startswith(b"\xef\xbb\xbf") == source.startswith(b"\xef\xbb\xbf")
    assert variant.count(b"\xef\xbb\xbf") == source.count(b"\xef\xbb\xbf")
    assert set(re.findall(rb"\r\n|\r|\n", variant)) == set(re.findall(rb"\r\n|\r|\n", source))
    assert variant.endswith((b"\r", b"\n")) == source.endswith((b"\r", b"\n"))
    assert variant.count(b"\f") == source.count(b"\f")
    assert syntax.read(golden)[1] == syntax.read(golden.parent / "model.py")[1]


@pytest.mark.parametrize("golden", [pytest.param(p, id=name(p)) for p in GOLDEN])
def test_every_line_of_the_source_is_still_there_in_order(golden: Path) -> None:
    """Lines may be added, and those that call the site may be changed: at most four, and none of them is a comment."""
    source, variant = (p.read_bytes().splitlines() for p in (golden.parent / "model.py", golden))
    codes = difflib.SequenceMatcher(None, source, variant, autojunk=False).get_opcodes()
    gone = [line for kind, i, j, _, _ in codes if kind != "equal" for line in source[i:j]]
    assert len([line for line in gone if not line.startswith((b"import ", b"from "))]) <= 4, gone
    assert not [line for line in gone if line.lstrip().startswith(b"#")]
