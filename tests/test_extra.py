"""ops.extra, flow: a second head beside a classifier, where the model returns the classifier's result as it is."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest
from conftest import Run, environment
from small_host import INIT, held, host, make_site, seen

from codegen import edits, reading, rewrite, syntax
from codegen.errors import CodegenError
from codegen.ops import extra, insert
from codegen.syntax import Code

NET = """
import torch
from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, width: int = 16, num_classes: int = 5):
        super().__init__()
        self.conv = nn.Conv2d(3, width, 3, padding=1)
        self.drop = nn.Dropout(0.2)
        self.fc = nn.Linear(width, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x).relu().mean([2, 3])
        return self.fc(self.drop(x))
"""


KINDS = {"flatten": "Flatten", "flat": "Identity", "softmax": "Softmax", "drop": "Dropout"}


def added(code: Code, text: str = "self.m(x)", **module: object) -> str:
    """The class's methods with `self.aux` beside `self.m`."""
    cls, site = syntax.find_class(code, "Net"), make_site(**module)
    assert cls is not None
    uses = reading.uses(code, cls, site, [seen(code, text)], ("before", "after"))
    place = insert.Place(code, cls, site, held("aux"), ("self.aux(x)",), False, "extra")
    changed = rewrite.apply(code.text, extra.plan(place, uses, KINDS))
    syntax.find_class(Code(changed), "Net")
    return dedent(changed[len(INIT) :]).strip("\n")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("return self.m(x)", "return self.m(x), self.aux(x)"),
        ("return x if self.bare else self.m(x)", "return x if self.bare else (self.m(x), self.aux(x))"),
        ("x = self.m(x)\n    return x", "x, aux = self.m(x), self.aux(x)\n    return x, aux"),
        ("x = self.m(x)\n    return x if aux else x", "x = self.m(x), self.aux(x)\n    return x if aux else x"),
        (
            "if self.top:\n        x = self.m(x)\n    else:\n        x = self.n(x)\n    return x",
            "if self.top:\n        x = self.m(x), self.aux(x)\n    else:\n        x = self.n(x)\n    return x",
        ),
        (
            "aux = self.a(x)\n    x = self.m(x)\n    return x",
            "aux = self.a(x)\n    x, aux2 = self.m(x), self.aux(x)\n    return x, aux2",
        ),
    ],
)
def test_the_model_returns_both(before: str, after: str) -> None:
    assert added(host(f"def forward(self, x):\n    {before}")) == f"def forward(self, x):\n    {after}"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("return F.log_softmax(self.m(x), dim=1)", "return F.log_softmax(self.m(x), dim=1), self.aux(x)"),
        ("return self.m(x).softmax(-1)", "return self.m(x).softmax(-1), self.aux(x)"),
        ("return self.flatten(self.m(x))", "return self.flatten(self.m(x)), self.flatten(self.aux(x))"),
        (
            "return torch.sigmoid(torch.flatten(self.m(x), 1))",
            "return torch.sigmoid(torch.flatten(self.m(x), 1)), torch.flatten(self.aux(x), 1)",
        ),
        ("x = self.m(x)\n    return self.flat(x)", "x, aux = self.m(x), self.aux(x)\n    return self.flat(x), self.flat(aux)"),
        (
            "x = self.m(x)\n    x = x.view(x.size(0), -1)\n    out = self.softmax(x)\n    return out",
            "x, aux = self.m(x), self.aux(x)\n    x, aux = x.view(x.size(0), -1), aux.view(x.size(0), -1)\n"
            "    out = self.softmax(x)\n    return out, aux",
        ),
        (
            "if bare:\n        return x\n    x = self.m(x)\n    if self.top:\n        x = x.sigmoid()\n    return x",
            "if bare:\n        return x\n    x, aux = self.m(x), self.aux(x)\n    if self.top:\n        x = x.sigmoid()\n"
            "    return x, aux",
        ),
        (
            "x = self.m(x)\n    if self.top:\n        return x.softmax(1)\n    return x",
            "x, aux = self.m(x), self.aux(x)\n    if self.top:\n        return x.softmax(1), aux\n    return x, aux",
        ),
    ],
)
def test_what_shapes_the_result_shapes_the_extra_one_and_probabilities_are_the_classifiers(before: str, after: str) -> None:
    text = added(host(f"def forward(self, x, bare=False):\n    {before}"))
    assert text == f"def forward(self, x, bare=False):\n    {after}"


def test_what_has_no_name_gets_one() -> None:
    text = added(host("def forward(self, x):\n    return self.m(self.drop(x))"), "self.m(self.drop(x))")
    assert text.splitlines()[1:] == ["    m_in = self.drop(x)", "    return self.m(m_in), self.aux(m_in)"]


def test_a_classifier_that_changes_its_input_leaves_a_copy() -> None:
    text = added(host("def forward(self, x):\n    x = self.m(x)\n    return x"), in_place=True)
    assert text.splitlines()[1:3] == ["    x_in = x.clone()", "    x, aux = self.m(x), self.aux(x_in)"]


def test_every_method_on_the_way_says_what_it_returns() -> None:
    code = host(
        """
        def forward_head(self, x: Tensor, bare: bool = False) -> Tensor:
            return x if bare else self.m(x)

        def forward(self, x: Tensor) -> Tensor:
            x = self.forward_head(x)
            return x

        def forward_features(self, x: Tensor) -> Tensor:
            return x
        """
    )
    text = added(code)
    assert "def forward_head(self, x: Tensor, bare: bool = False) -> Tensor | tuple[Tensor, Tensor]:" in text
    assert "def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:" in text
    assert "def forward_features(self, x: Tensor) -> Tensor:" in text


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("return F.log_softmax(self.m(x) / t, 1)", "goes into `self.m\\(x\\) / t"),
        ("x = self.m(x)\n    return F.log_softmax(x, 1), x", "goes on into `F.log_softmax"),
        ("x = self.m(x)\n    x = self.n(x)\n    return x", "goes on into `self.n"),
        ("x = self.m(x)\n    if y:\n        return y\n    return self.flatten(x)", "goes on into `self.flatten"),
        ("x = self.m(x)\n    return x.view(-1, 10)", "goes on into `x.view"),
        ("x = self.m(x)\n    x += 1\n    return x", "is changed by `x \\+= 1`, line 8"),
        ("y = self.m(x)\n    return x", "forward does not return what it returns"),
        ("self.y = self.m(x)\n    return x", "goes into `self.y = self.m"),
        ("return {'logits': self.m(x)}", "goes into `{'logits'"),
        ("for _ in y:\n        x = self.m(x)\n    return x", "it stands in a loop"),
        ("return self.m(x)\n\ndef score(self, x):\n    return self(x).argmax(1)", "Net.score:10 `self\\(x\\)`: .* goes into"),
        ("return self.m(x)\n\ndef step(self, x):\n    y = self.forward(x)\n    return f(y)", "Net.step:10 .* into `f\\(y\\)`"),
    ],
)
def test_what_goes_on_into_something_else_is_refused_by_name(body: str, why: str) -> None:
    with pytest.raises(CodegenError, match=why) as refused:
        added(host(f"def forward(self, x):\n    {body}"))
    assert refused.value.name == "site-not-editable"


def test_a_second_call_is_edited_too() -> None:
    text = added(host("def forward(self, x):\n    return self.m(x)\n\ndef score(self, y):\n    return self.m(y)"))
    assert "return self.m(y), self.aux(y)" in text


def test_the_words_of_an_edit() -> None:
    words = edits.words("head fc: Linear(256), ReLU, Linear(10) --extra aux")
    assert words == ["head", "--site", "fc", "--layers", "Linear(256), ReLU, Linear(10)", "--extra", "aux"]


@pytest.mark.slow
def test_a_plain_model_returns_both_and_goes_back(codegen: Run, tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(NET)
    words = ["net.py", "--site", "fc", "--extra", "aux", "--layers", "Linear(8), ReLU, Linear(3)", "--input", "1x3x16x16"]
    done = codegen("head", *words, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr.decode()
    report = json.loads(done.stdout)
    checks = {check["name"]: check["status"] for check in report["checks"]}
    assert checks["extra"] == checks["shape"] == checks["weights"] == checks["seed"] == "passed" and report["drift"] == 0
    shown = codegen("remove", report["output"], "--name", "aux", "-o", "back.py", cwd=tmp_path)
    assert shown.returncode == 0 and (tmp_path / "back.py").read_text() == NET


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bad name", "conv", "class", "forward"])
def test_a_name_that_cannot_be(codegen: Run, tmp_path: Path, name: str) -> None:
    (tmp_path / "net.py").write_text(NET)
    words = ["net.py", "--site", "fc", "--extra", name, "--layers", "Linear(3)", "--input", "1x3x16x16"]
    assert codegen("head", *words, cwd=tmp_path).returncode == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "site"),
    [
        ("timm:resnet18", "fc"),
        ("timm:vit_tiny_patch16_224", "head"),
        ("timm:convnext_atto", "head.fc"),
        ("torchvision:resnet18", "fc"),
        ("torchvision:mobilenet_v2", "classifier.1"),
        ("torchvision:mobilenet_v3_small", "classifier"),
        ("timm:regnetx_002", "head.fc"),
    ],
)
def test_models_of_libraries(codegen: Run, tmp_path: Path, source: str, site: str) -> None:
    words = [source, "--site", site, "--extra", "aux", "--layers", "Linear(8), ReLU, Linear(3)", "-o", "made.py"]
    done = codegen("head", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr.decode()
    verified = codegen("verify", "made.py", cwd=tmp_path)
    assert verified.returncode == 0, verified.stdout.decode()


WRONG = {  # what a variant returns -> what the check of it says
    "out, aux": "",
    "torch.relu(out), aux": "values differ",
    "out, aux * 2": "values differ",
    "out": "does not return",
    "(out, aux, x)": "does not return",
}


@pytest.mark.parametrize("given", WRONG)
def test_what_is_wrong_beside_probabilities_is_caught(tmp_path: Path, given: str) -> None:
    from codegen.worker import contract, models
    from codegen.worker.subject import Plan, Subject

    base = NET.replace("return self.fc(self.drop(x))", "out = self.fc(x)\n        out = out.log_softmax(1)\n        return out")
    made = "        self.aux = nn.Linear(width, 3)\n\n    def forward"
    variant = base.replace("\n    def forward", made).replace("return out", f"return {given}")
    variant = variant.replace("out = self.fc(x)\n", "out, aux = self.fc(x), self.aux(x).reshape(len(x), 1, 3).flatten(1)\n")
    modules = []
    for name, text in (("base", base), ("variant", variant)):
        (tmp_path / f"{name}.py").write_text(text)
        modules.append(models.import_file(tmp_path / f"{name}.py", f"{name}_{abs(hash(given))}"))
    plan = Plan("Net()", "Net()", "Net", "fc", "aux", "Linear", "beside", "1x3x8x8", combine="extra", asked=("extra",))
    found = {each["name"]: (each["status"], each["detail"]) for each in contract.run(Subject(plan, *modules))}
    status, detail = found["extra"]
    assert status == ("failed" if WRONG[given] else "passed") and WRONG[given] in detail, detail
    assert found["placement"][0] == status, found["placement"]


@pytest.mark.slow
def test_reset_classifier_and_forward_head_of_timm(codegen: Run, tmp_path: Path) -> None:
    words = ["timm:resnet18", "--site", "fc", "--extra", "aux", "--layers", "Linear(3)", "-o", "made.py"]
    assert codegen("head", *words, cwd=tmp_path).returncode == 0
    code = """
    import timm, torch, made
    m, x = timm.create_model("resnet18_aux").eval(), torch.zeros(2, 3, 64, 64)
    shapes = [[*t.shape] for t in m(x)]
    features = m.forward_features(x)
    assert [[*t.shape] for t in m.forward_head(features)] == shapes == [[2, 1000], [2, 3]]
    assert [*m.forward_head(features, pre_logits=True).shape] == [2, 512]
    m.reset_classifier(7)
    assert [[*t.shape] for t in m(x)] == [[2, 7], [2, 3]]
    """
    run = [sys.executable, "-c", dedent(code)]
    done = subprocess.run(run, cwd=tmp_path, env=environment(), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "site", "why"),
    [
        ("torchvision:googlenet", "fc", "goes on into `x, aux2, aux1`"),
        ("timm:deit_tiny_distilled_patch16_224", "head", "goes on into `x, x_dist`"),
        ("torchvision:alexnet", "classifier.4", "classifier.4 is not the last layer of classifier"),
    ],
)
def test_models_that_use_the_result_are_refused_by_name(
    codegen: Run, tmp_path: Path, source: str, site: str, why: str
) -> None:
    done = codegen("head", source, "--site", site, "--extra", "aux", "--layers", "Linear(3)", cwd=tmp_path)
    assert done.returncode == 2 and why in done.stderr.decode(), done.stderr.decode()
