"""`codegen wrap --with checkpoint` of some elements of a list, and of code that torch.jit.script compiles."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from textwrap import dedent, indent

import pytest
from conftest import Run as Command
from small_host import INIT, host, make_site, seen

from codegen import emit, reading, requested, rewrite, syntax
from codegen.errors import CodegenError
from codegen.ops import partly
from codegen.ops.checkpointed import Runner
from codegen.ops.partly import Run
from codegen.types import Request

VIT = Path(__file__).parent / "cases" / "plain_vit" / "model.py"
RUNNER = Runner("checkpoint")


@pytest.mark.parametrize(
    ("part", "index", "text"),
    [
        ("*", "i", ""),
        ("3", "i", "blk is self.m[3]"),
        ("-1", "", "blk is self.m[-1]"),
        ("2,5", "i", "i in (2, 5)"),
        ("2,5", "", "blk in (self.m[2], self.m[5])"),
        ("2,-1", "i", "blk in (self.m[2], self.m[-1])"),
        ("::2", "i", "i % 2 == 0"),
        ("1::2", "i", "i % 2 == 1"),
        ("2::2", "i", "i in range(len(self.m))[2::2]"),
        ("6:", "i", "i >= 6"),
        (":6", "i", "i < 6"),
        ("2:6", "i", "2 <= i < 6"),
        ("2:6:1", "i", "2 <= i < 6"),
        ("-4:", "i", "i in range(len(self.m))[-4:]"),
        ("::-1", "i", "i in range(len(self.m))[::-1]"),
        (":", "i", "i in range(len(self.m))[:]"),
        ("::2", "", "blk in self.m[::2]"),
    ],
)
def test_the_condition_means_what_the_name_of_the_site_means(part: str, index: str, text: str) -> None:
    found = partly.condition(part, "self.m", "blk", index)
    assert found == text
    blocks = [object() for _ in range(9)]
    if text:
        me = type("Net", (), {"m": blocks})
        meant = [b for i, b in enumerate(blocks) if eval(found, {"self": me, "blk": b, "i": i})]  # noqa: S307 - ours
        places = slice(*(int(t) if t else None for t in part.split(":"))) if ":" in part else None
        wanted = blocks[places] if places else [blocks[int(n)] for n in part.split(",")]
        assert meant == sorted(wanted, key=blocks.index)


def written(methods: str, text: str, part: str = "*", subject: str = "", *, listed: bool = True, scripted: bool = False) -> str:
    code = host(methods)
    cls = syntax.find_class(code, "Net")
    assert cls is not None
    names = (("blk", "m.0"),) if subject else ()
    call = seen(code, text, "m.0" if subject else "m", names=names)
    uses = reading.uses(code, cls, make_site(class_name="Sequential"), [call], ())
    runs = [Run(use, "self.m" if listed else "", part, subject, scripted=scripted) for use in uses]
    found = rewrite.apply(code.text, partly.plan(code, runs, RUNNER))
    ast.parse(found)
    return dedent(found[len(INIT) :]).strip("\n")


AGAIN = "checkpoint(blk, x, use_reentrant=False)"
BRANCHES = f"    x = {AGAIN}\nelse:\n    x = blk(x)"
RUNS = {  # what stands there; its call, the part that is meant, the element that it runs  ->  what becomes of it
    ("for blk in self.m:\n    x = blk(x)\nreturn x", "blk(x)", "3", "blk"): (
        f"for blk in self.m:\n    if blk is self.m[3]:\n{indent(BRANCHES, '    ')}\nreturn x"
    ),
    ("for blk in self.m:\n    x = blk(x)\nreturn x", "blk(x)", "::2", "blk"): (
        f"for i, blk in enumerate(self.m):\n    if i % 2 == 0:\n{indent(BRANCHES, '    ')}\nreturn x"
    ),
    ("for n, blk in enumerate(self.m):\n    x = blk(x)\nreturn x", "blk(x)", "4:", "blk"): (
        f"for n, blk in enumerate(self.m):\n    if n >= 4:\n{indent(BRANCHES, '    ')}\nreturn x"
    ),
    ("ms = self.m[:n]\nfor j, blk in enumerate(ms):\n    x = blk(x)\nreturn x", "blk(x)", "4:", "blk"): (
        f"ms = self.m[:n]\nfor j, blk in enumerate(ms):\n    if j >= 4:\n{indent(BRANCHES, '    ')}\nreturn x"
    ),
    ("for j, blk in enumerate(self.m[2:]):\n    x = blk(x)\nreturn x", "blk(x)", "4:", "blk"): (
        f"for j, blk in enumerate(self.m[2:]):\n    if blk in self.m[4:]:\n{indent(BRANCHES, '    ')}\nreturn x"
    ),
    ("for j, blk in enumerate(self.m, 1):\n    x = blk(x)\nreturn x", "blk(x)", "4:", "blk"): (
        f"for j, blk in enumerate(self.m, 1):\n    if blk in self.m[4:]:\n{indent(BRANCHES, '    ')}\nreturn x"
    ),
    ("return [blk(x) for blk in self.m]", "blk(x)", "3", "blk"): (
        f"return [({AGAIN} if blk is self.m[3] else blk(x)) for blk in self.m]"
    ),
    ("x = self.m(x)\nreturn x", "self.m(x)", "*", ""): (
        "for block in self.m:\n    x = checkpoint(block, x, use_reentrant=False)\nreturn x"
    ),
    ("x = self.m(x)\nreturn x", "self.m(x)", "1,2", ""): (
        "for i, block in enumerate(self.m):\n    if i in (1, 2):\n        x = checkpoint(block, x, use_reentrant=False)\n"
        "    else:\n        x = block(x)\nreturn x"
    ),
    ("y = self.m(self.n(x))\nreturn y", "self.m(self.n(x))", "*", ""): (
        "y = self.n(x)\nfor block in self.m:\n    y = checkpoint(block, y, use_reentrant=False)\nreturn y"
    ),
    ("return self.n(self.m(x))", "self.m(x)", "*", ""): (
        "for block in self.m:\n    x = checkpoint(block, x, use_reentrant=False)\nreturn self.n(x)"
    ),
    ("y = self.n(self.m(x))\nreturn y + x", "self.m(x)", "*", ""): (
        "x2 = x\nfor block in self.m:\n    x2 = checkpoint(block, x2, use_reentrant=False)\ny = self.n(x2)\nreturn y + x"
    ),
}


@pytest.mark.parametrize("case", RUNS, ids=lambda case: f"{case[0].splitlines()[0]} {case[2]}")
def test_a_call_that_runs_elements(case: tuple[str, str, str, str]) -> None:
    before, text, part, subject = case
    made = written(f"def forward(self, x):\n{indent(before, '    ')}", text, part, subject)
    assert made == f"def forward(self, x):\n{indent(RUNS[case], '    ')}"


def test_what_a_script_compiles_keeps_the_plain_call() -> None:
    body = "x = x + self.m(x)\nreturn x"
    made = written(f"def forward(self, x):\n{indent(body, '    ')}", "self.m(x)", listed=False, scripted=True)
    assert made == dedent("""\
        def forward(self, x):
            if not torch.jit.is_scripting():
                x = x + checkpoint(self.m, x, use_reentrant=False)
            else:
                x = x + self.m(x)
            return x""")


@pytest.mark.parametrize("call", ["self.m(x, y)", "self.m(*x)", "self.m(x, scale=2)"])
def test_a_list_that_is_given_more_than_a_tensor(call: str) -> None:
    with pytest.raises(CodegenError) as caught:
        written(f"def forward(self, x):\n    return {call}", call)
    assert caught.value.name == "site-not-editable"


def test_the_header_says_that_the_code_is_for_a_script() -> None:
    words = "codegen wrap net.py --site body --with checkpoint --check script"
    request = requested.wrapped("net.py", site="body", with_="checkpoint", checks=("script", "fx"))
    assert emit.command(request, "net.py") == words
    several = Request("net.py", edits=("after body: se", "checkpoint body"), checks=("script",))
    assert emit.command(several, "net.py").endswith("--check script")
    assert "--check" not in emit.command(Request("net.py", edits=("after body: se",), checks=("script",)), "net.py")


# --- the check ------------------------------------------------------------------------------------------------------------

LOOP = "x = block(x)"
SOME = "checkpoint(block, x, use_reentrant=False) if {} else block(x)"


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ("block is self.blocks[1]", ""),
        ("block is self.blocks[0]", "blocks.0 runs again in the backward pass, and is not meant"),
        ("True", "blocks.0 runs again in the backward pass, and is not meant"),
        ("False", "blocks.1 does not run again"),
    ],
)
def test_only_what_is_meant_runs_twice(tmp_path: Path, condition: str, words: str) -> None:
    from test_checkpointing import BASE

    from codegen.worker import contract, models
    from codegen.worker.subject import Plan, Subject

    found = []
    for name, text in (("base", BASE), ("variant", BASE.replace(LOOP, f"x = {SOME.format(condition)}"))):
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
        found.append(models.import_file(tmp_path / f"{name}.py", f"{name}_{abs(hash(condition))}"))
    plan = Plan("Net()", "Net()", "Net", "blocks", "", "", "checkpoint", "1x3x12x12", ("blocks.1",), "blocks.1")
    checks = {r["name"]: r for r in contract.run(Subject(Plan(**{**vars(plan), "asked": ("checkpoint",)}), *found))}
    status, detail = checks["checkpoint"]["status"], checks["checkpoint"]["detail"]
    assert status == ("failed" if words else "passed") and words in detail, detail


# --- from end to end ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_last_blocks_in_a_script_and_back(tmp_path: Path, codegen: Command) -> None:
    (tmp_path / "vit.py").write_bytes(VIT.read_bytes())
    words = ["vit.py", "--site", "blocks.6:", "--with", "checkpoint", "--check", "script"]
    done = codegen("wrap", *words, "-o", "out.py", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr.decode()
    report = json.loads(done.stdout)
    assert {check["name"]: check["status"] for check in report["checks"]}["script"] == "passed"
    made, line = (tmp_path / "out.py").read_bytes(), "if not torch.jit.is_scripting() and i >= 6:"
    above = made.decode().partition(line)[0].count("\n")
    assert line in made.decode() and report["call_sites"][0]["line"] == above + 2
    assert codegen("build", "out.py", "--force", cwd=tmp_path).returncode == 0 and (tmp_path / "out.py").read_bytes() == made
    assert codegen("check", "out.py", cwd=tmp_path).returncode == 0
    assert codegen("remove", "out.py", "--name", "checkpoint", "-o", "back.py", cwd=tmp_path).returncode == 0
    assert (tmp_path / "back.py").read_bytes() == VIT.read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "site", "line"),
    [
        ("timm:vit_tiny_patch16_224", "blocks.::2", "for i, block in enumerate(self.blocks):"),
        ("timm:resnet50_gn", "layer3.*", "for block in self.layer3:"),
        ("torchvision:vit_b_16", "encoder.layers.encoder_layer_3", " and layer is self.layers[3]:"),
    ],
)
def test_models_of_libraries(codegen: Command, tmp_path: Path, source: str, site: str, line: str) -> None:
    words = [source, "--site", site, "--with", "checkpoint", "--check", "script", "-o", "made.py", "--json"]
    done = codegen("wrap", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr.decode()
    checks = {check["name"]: check["status"] for check in json.loads(done.stdout)["checks"]}
    assert checks["checkpoint"] == checks["script"] == "passed"
    assert line in (tmp_path / "made.py").read_text()
