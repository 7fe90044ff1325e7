"""`codegen wrap --with checkpoint`: what becomes of a call, what its own check catches, the command from end to end."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from conftest import Run
from small_host import INIT, host, make_site, seen

from codegen import edits, emit, reading, requested, rewrite, syntax
from codegen.errors import CodegenError
from codegen.ops import checkpointed
from codegen.ops.checkpointed import Runner
from codegen.types import Source, SourceFile

torch = pytest.importorskip("torch")

from codegen.worker import contract, models  # noqa: E402
from codegen.worker.subject import Plan, Subject  # noqa: E402

VIT = Path(__file__).parent / "cases" / "plain_vit" / "model.py"
TORCH = Runner("checkpoint")


def written(methods: str, text: str, runner: Runner = TORCH) -> str:
    """The class's methods, where the call with this text is checkpointed."""
    code = host(methods)
    cls = syntax.find_class(code, "Net")
    assert cls is not None
    uses = reading.uses(code, cls, make_site(), [seen(code, text)], ())
    found = rewrite.apply(code.text, checkpointed.plan(code, uses, runner))
    ast.parse(found)
    return dedent(found[len(INIT) :]).strip("\n")


CALLS = {  # the call -> what it becomes
    "self.m(x)": "checkpoint(self.m, x, use_reentrant=False)",
    "F.relu(self.m(x))": "F.relu(checkpoint(self.m, x, use_reentrant=False))",
    "self.m(x, scale=2)": "checkpoint(self.m, x, scale=2, use_reentrant=False)",
    "self.m((x))": "checkpoint(self.m, (x), use_reentrant=False)",
    "self.m(x,)": "checkpoint(self.m, x, use_reentrant=False)",
    "self.m()": "checkpoint(self.m, use_reentrant=False)",
    "self.m(*x, **y)": "checkpoint(self.m, *x, **y, use_reentrant=False)",
    "self.m.forward(x)": "checkpoint(self.m.forward, x, use_reentrant=False)",
    "self.m(f(x)[0])": "checkpoint(self.m, f(x)[0], use_reentrant=False)",
}


@pytest.mark.parametrize("before", CALLS)
def test_a_call(before: str) -> None:
    text = before[7:-1] if before.startswith("F.relu") else before
    assert written(f"def forward(self, x):\n    return {before}", text).endswith(f"return {CALLS[before]}")


def test_a_function_that_chooses_for_itself() -> None:
    made = written("def forward(self, x):\n    x = self.m(x)\n    return x", "self.m(x)", Runner("checkpoint", chooses=True))
    assert "    x = checkpoint(self.m, x)\n" in made
    assert "checkpoint(self.m)" in written("def forward(self):\n    return self.m()", "self.m()", Runner("checkpoint", True))


def test_a_call_over_several_lines_stays_so() -> None:
    text = "self.m(\n        x,  # the map\n        scale=2,  # twice\n    )"
    made = written(f"def forward(self, x):\n    return {text}", text.replace("\n", "\n    "))
    assert made == dedent("""\
        def forward(self, x):
            return checkpoint(
                self.m,
                x,  # the map
                scale=2,  # twice
                use_reentrant=False,
            )""")


def test_a_line_that_gets_too_long_is_wrapped() -> None:
    call = "self.m(x, first_argument=first_argument, second_argument=second_argument)"
    made = written(f"def forward(self, x, first_argument, second_argument):\n    x = {call}\n    return x", call)
    assert max(map(len, made.splitlines())) <= 88 and "    x = checkpoint(\n" in made


@pytest.mark.parametrize("call", ["self.m(x, debug=True)", "self.m(x, use_reentrant=1)", "self.m(y for y in x)"])
def test_what_no_checkpoint_takes(call: str) -> None:
    with pytest.raises(CodegenError) as caught:
        written(f"def forward(self, x):\n    return {call}", call)
    assert caught.value.name == "site-not-editable"


# --- what is asked for, and recorded --------------------------------------------------------------------------------------


def test_the_request_and_its_words() -> None:
    made = requested.wrapped("net.py", site="blocks.*", with_="checkpoint")
    assert (made.operation, made.module, made.name, made.combine, made.suffix) == ("checkpoint", "checkpoint", "", "", "")
    assert emit.command(made, "net.py") == "codegen wrap net.py --site 'blocks.*' --with checkpoint"
    assert edits.said(made) == "checkpoint blocks.*"
    assert edits.words("checkpoint blocks.*") == ["wrap", "--site", "blocks.*", "--with", "checkpoint"]
    header = emit.header(made, Source("net.py", SourceFile(Path("net.py"), "")), "Net", "Net()")
    assert header.startswith("# net with checkpoint around blocks.*: host Net, built by Net().")
    with pytest.raises(CodegenError, match=r"blocks\.\* is checkpointed already"):
        edits.refuse_twice([made], header)


@pytest.mark.parametrize("option", [{"name": "a"}, {"args": (("p", "1"),)}, {"identity": True}, {"width": "3"}])
def test_options_of_modules_are_refused(option: dict[str, Any]) -> None:
    with pytest.raises(CodegenError, match="inserts no module, and takes no --"):
        requested.wrapped("net.py", site="m", with_="checkpoint", **option)


# --- the check ------------------------------------------------------------------------------------------------------------

BASE = """
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint


class Net(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3)
        self.norm = nn.BatchNorm2d(width)
        self.body = nn.Sequential(nn.Conv2d(width, width, 3), nn.Dropout(0.0), nn.GELU())
        self.blocks = nn.ModuleList([nn.Conv2d(width, width, 3) for _ in range(2)])
        self.head = nn.Linear(width, 5)

    def forward_features(self, x):
        x = self.norm(self.stem(x))
        x = self.body(x)
        for block in self.blocks:
            x = block(x)
        return x

    def forward(self, x):
        x = self.forward_features(x)
        return self.head(x.mean((2, 3)))
"""
BODY = "x = self.body(x)"
Judge = Callable[..., "dict[str, tuple[str, str]]"]


@pytest.fixture
def judged(tmp_path: Path) -> Judge:
    """What the contract says of BASE with its call of a site written anew."""

    def judge(site: str, old: str, new: str) -> dict[str, tuple[str, str]]:
        assert old in BASE
        found = []
        for name, text in (("base", BASE), ("variant", BASE.replace(old, new))):
            path = tmp_path / f"{name}.py"
            path.write_text(text, encoding="utf-8")
            found.append(models.import_file(path, f"{path.stem}_{abs(hash(new))}"))
        plan = {"base_build": "Net()", "build": "Net()", "host": "Net", "input": "1x3x12x12", "attribute": "", "class_name": ""}
        made = Plan(**plan, site=site, operation="checkpoint", asked=("checkpoint",))
        return {r["name"]: (r["status"], r["detail"]) for r in contract.run(Subject(made, *found))}

    return judge


@pytest.mark.parametrize(
    ("site", "old", "new"),
    [
        ("body", BODY, "x = checkpoint(self.body, x, use_reentrant=False)"),
        ("body", BODY, "x = checkpoint(self.body, x, use_reentrant=False) if self.training else self.body(x)"),
        ("blocks", "x = block(x)", "x = checkpoint(block, x, use_reentrant=False)"),
    ],
)
def test_a_right_variant_passes(judged: Judge, site: str, old: str, new: str) -> None:
    found = judged(site, old, new)
    assert [name for name, (status, _) in found.items() if status == "failed"] == []
    skipped = [name for name, outcome in found.items() if outcome == ("skipped", "nothing is inserted")]
    assert skipped == ["placement", "paths", "init", "gradient", "identity"]
    status, detail = found["checkpoint"]
    assert status == "passed" and "the site runs twice" in detail
    assert detail.endswith("forward, forward (train), forward_features")


WRONG = {  # what is wrong -> site, the call, what it became, what the check says
    "it is not checkpointed": ("body", BODY, BODY + "  # plain", "body does not run again"),
    "one element is not": (
        *("blocks", "x = block(x)"),
        "x = checkpoint(block, x, use_reentrant=False) if block is self.blocks[0] else block(x)",
        "blocks.1 does not run again",
    ),
    "other random numbers": (
        *("body", BODY),
        "x = checkpoint(self.body, x, use_reentrant=False, preserve_rng_state=False)",
        "is another",
    ),
    "statistics twice": (
        *("norm", "self.norm(self.stem(x))"),
        "checkpoint(self.norm, self.stem(x), use_reentrant=False)",
        "the buffer norm.",
    ),
    "an input that changes": (
        *("body", BODY),
        "y = checkpoint(self.body, x, use_reentrant=False)\n        x.data.mul_(2)\n        x = y",
        "the gradient of",
    ),
    "another value in eval": ("body", BODY, BODY.replace("self", "0 if not self.training else self"), "body does not"),
    "a path in eval": (
        *("body", BODY),
        "x = checkpoint(self.body, x, use_reentrant=False) * (1 if self.training else 2)",
        "forward: ",
    ),
    "it runs more often": (
        *("body", BODY),
        "self.body(x)\n        x = checkpoint(self.body, x, use_reentrant=False)",
        "is another",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_variant_is_caught(judged: Judge, case: str) -> None:
    site, old, new, words = WRONG[case]
    status, detail = judged(site, old, new)["checkpoint"]
    assert status == "failed" and words in detail, detail


# --- from end to end ------------------------------------------------------------------------------------------------------


def test_the_mlp_of_every_block(tmp_path: Path, codegen: Run) -> None:
    done = codegen("wrap", str(VIT), "--site", "blocks.*.mlp", "--with", "checkpoint", "-o", "out.py", "--json", cwd=tmp_path)
    report = json.loads(done.stdout)
    assert (report["host"], report["site"], report["attribute"], report["class_name"]) == ("Block", "blocks.*.mlp", "", "")
    assert (report["new_parameters"], report["drift"]) == (0, 0.0)
    text = (tmp_path / "out.py").read_text(encoding="utf-8")
    line = "        x = x + self.drop_path(checkpoint(self.mlp, self.norm2(x), use_reentrant=False))"
    assert report["call_sites"] == [{"method": "Block.forward", "line": text.splitlines().index(line) + 1}]
    assert {check["name"]: check["status"] for check in report["checks"]}["checkpoint"] == "passed"


@pytest.mark.slow
def test_what_is_made_of_a_variant(tmp_path: Path, codegen: Run) -> None:
    (tmp_path / "vit.py").write_bytes(VIT.read_bytes())

    def run(*words: str) -> bytes:
        done = codegen(*words, cwd=tmp_path)
        assert done.returncode == 0, done.stderr.decode()
        return bytes(done.stdout)

    run("wrap", "vit.py", "--class", "Block", "--site", "mlp", "--with", "checkpoint", "-o", "out.py")
    made = (tmp_path / "out.py").read_bytes()
    assert b"the site runs twice" in run("verify", "out.py")
    assert b"+from torch.utils.checkpoint import checkpoint" in run("diff", "out.py")
    run("check", "out.py")
    run("build", "out.py", "--force")
    assert (tmp_path / "out.py").read_bytes() == made
    run("remove", "out.py", "--name", "checkpoint", "-o", "back.py")
    assert (tmp_path / "back.py").read_bytes() == VIT.read_bytes()
    again = codegen("wrap", "out.py", "--site", "blocks.*.mlp", "--with", "checkpoint", cwd=tmp_path)
    assert again.returncode == 2 and again.stderr.startswith(b"error[checkpointed-already]")


@pytest.mark.slow
def test_beside_an_insertion_and_as_a_recipe(tmp_path: Path, codegen: Run) -> None:
    recipe = ["[variants.vit_small]", f"source = {json.dumps(str(VIT))}"]
    recipe += ['edits = ["after blocks.*.mlp: adapter", "checkpoint blocks.*"]']
    (tmp_path / "codegen.toml").write_text("\n".join(recipe), encoding="utf-8")
    assert codegen("build", cwd=tmp_path).returncode == 0
    text = (tmp_path / "generated" / "vit_small.py").read_text(encoding="utf-8")
    assert "x = checkpoint(block, x, use_reentrant=False)" in text or "x = checkpoint(blk, x, use_reentrant=False)" in text
    assert codegen("check", cwd=tmp_path).returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "site", "name"),
    [
        (VIT, "blocks.1.mlp", "site-not-editable"),
        (VIT, "blocks.99", "unknown-site"),
        (VIT, "blocks.*@residual1", "between-modules"),
        (VIT, "nonsense", "unknown-site"),
        (VIT, "blocks.*.norm*", ""),  # an edit of each
        (VIT.parent.parent / "resnet" / "model.py", "layer3", "batch-norm"),
        (VIT.parent.parent / "lenet" / "model.py", "conv1", ""),
    ],
)
def test_refusals(tmp_path: Path, codegen: Run, source: Path, site: str, name: str) -> None:
    done = codegen("wrap", str(source), "--site", site, "--with", "checkpoint", cwd=tmp_path)
    assert done.stderr.decode().partition(":")[0] == (f"error[{name}]" if name else "")
    assert done.returncode == (2 if name else 0)


def test_an_input_of_random_numbers_is_the_same_at_every_call() -> None:
    first, second = (models.make_input(models, "torch.randn(2, 3)", "cpu")[0][0] for _ in range(2))
    assert torch.equal(first, second)
