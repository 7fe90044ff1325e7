"""certify: a class with one defect fails in that and in nothing else, in words that name it; sound modules pass."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from click.testing import CliRunner  # noqa: E402
from conftest import Run  # noqa: E402

from codegen import certificate, certifying, given, requested  # noqa: E402
from codegen.certifying import Certificate  # noqa: E402
from codegen.child import Child  # noqa: E402
from codegen.cli import cli  # noqa: E402
from codegen.errors import CONTRACT, USER, CodegenError  # noqa: E402
from codegen.limits import Limits  # noqa: E402

SLOW = ("compile", "onnx")
CLASSES = '''
import math

import torch
import torch.nn.functional as F
from torch import nn


class Sound(nn.Module):
    def __init__(self, dim, ratio=4):
        super().__init__()
        self.down, self.up = nn.Conv2d(dim, dim // ratio, 1), nn.Conv2d(dim // ratio, dim, 1)

    def gate(self, x):  # not forward: torch.jit.script knows no super()
        return x * self.up(self.down(x.mean((2, 3), keepdim=True)).relu()).sigmoid()

    def forward(self, x):
        return self.gate(x)


class Tokens(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.norm, self.mix = nn.LayerNorm(dim), nn.Linear(dim, dim)

    def mixed(self, x):
        return x + self.mix(self.norm(x) + x.mean(1, keepdim=True))

    def forward(self, x):
        return self.mixed(x)


class FixedSize(Sound):
    def __init__(self, dim):
        super().__init__(dim)
        self.position = nn.Parameter(torch.randn(1, dim, 9, 11))

    def forward(self, x):
        return self.gate(x + self.position)


class FixedSizeOfMeans(Sound):
    def __init__(self, dim):
        super().__init__(dim)
        self.position = nn.Parameter(torch.randn(1, dim, 14, 14))

    def forward(self, x):
        return x + self.gate((x + self.position).mean((2, 3), keepdim=True))


class FixedTokens(Tokens):
    def __init__(self, dim):
        super().__init__(dim)
        self.position = nn.Parameter(torch.randn(1, 35, dim))

    def forward(self, x):
        return self.mixed(x + self.position)


class SquareTokens(Tokens):
    def forward(self, x):
        side = int(math.sqrt(x.shape[1] - 1))
        patches = x[:, 1:].transpose(1, 2).reshape(x.shape[0], x.shape[2], side, side)
        return self.mixed(torch.cat([x[:, :1], patches.flatten(2).transpose(1, 2)], 1))


class EvenSides(Sound):
    def forward(self, x):
        halves = x.unflatten(2, (-1, 2)).unflatten(4, (-1, 2))
        return self.gate(halves.flatten(4, 5).flatten(2, 3))


class Halves(Sound):
    def forward(self, x):
        return self.gate(x)[:, :, ::2, ::2]


class TwoResults(Sound):
    def forward(self, x):
        return self.gate(x), x


class TwoInputs(Sound):
    def forward(self, x, skip):
        return self.gate(x) + skip


class NoSinglePosition(Sound):
    def forward(self, x):
        return self.gate(F.pad(x, (1, 1, 1, 1), mode="reflect")[:, :, 1:-1, 1:-1])


class MixesSamples(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.attn = nn.MultiheadAttention(dim, 4)  # batch_first is False

    def forward(self, x):
        return x + self.attn(x, x, x, need_weights=False)[0]


class Lazy(Sound):
    def __init__(self, dim):
        super().__init__(dim)
        self.up = nn.LazyConv2d(dim, 1)


class BatchNormOfMeans(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.fc, self.norm = nn.Conv2d(dim, dim, 1), nn.BatchNorm2d(dim)

    def forward(self, x):
        return x * self.norm(self.fc(x.mean((2, 3), keepdim=True))).sigmoid()


class Squeezes(Sound):
    def forward(self, x):
        return self.gate(x).squeeze(0)


class Noisy(Sound):
    def forward(self, x):
        return self.gate(F.dropout(x, 0.1))


class InPlace(Sound):
    def forward(self, x):
        x += 1
        return self.gate(x)


class Unused(Sound):
    def __init__(self, dim):
        super().__init__(dim)
        self.spare = nn.Parameter(torch.ones(dim))


class Detached(Sound):
    def forward(self, x):
        return self.gate(x.detach())


class NanGradient(Sound):
    def forward(self, x):
        return self.gate(x) + torch.sqrt(x * 0)


class NanOnZeros(Sound):
    def forward(self, x):
        return self.gate(x) / x.square().sum((2, 3), keepdim=True).sqrt().add(1)


class TrainingFails(Sound):
    def forward(self, x):
        if self.training:
            raise ValueError("not yet written")
        return self.gate(x)


class MixesTypes(Sound):
    def forward(self, x):
        return torch.zeros_like(x).index_add(0, torch.arange(x.shape[0]), self.up(self.down(x)))


class GivesFloat(Sound):
    def forward(self, x):
        return self.gate(x).float()


class NotScriptable(Sound):
    def forward(self, x):
        (lambda *parts, **named: None)(x, y=x)
        return self.gate(x)


class NotExportable(Sound):
    def forward(self, x):
        if float(x.mean()) > 5:
            x = x - 5
        return self.gate(x)


class NotCopied(Sound):
    def __deepcopy__(self, memo):
        raise TypeError("no copies of this one")


class Unregistered(Sound):
    def __init__(self, dim):
        super().__init__(dim)
        self.mixing = torch.randn(dim, 1, 1)

    def forward(self, x):
        return self.gate(x) * self.mixing.to(x)


class NoModule:
    def __init__(self, dim):
        self.dim = dim


class Refuses(Sound):
    def __init__(self, dim):
        if dim % 48:
            raise ValueError("dim must be a multiple of 48")
        super().__init__(dim)


class NeedsMore(Sound):
    def __init__(self, dim, groups):
        super().__init__(dim, groups)


class NoWidth(Sound):
    def __init__(self, **sizes):
        super().__init__(**sizes)
'''


@pytest.fixture(scope="module")
def child() -> Iterator[Child]:
    """One process for all classes."""
    with Child(Limits(seconds=300)) as child:
        yield child


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("classes") / "mine.py"
    path.write_text(CLASSES)
    return path


def certified(child: Child, module: str, *arguments: str, without: tuple[str, ...] = SLOW, **options: Any) -> Certificate:
    request = requested.certification(module, args=given.pairs(arguments))
    width = options.get("width", 64)
    return certifying.certified(child, request, width, certifying.write(request, width, options.get("kind", "")), without)


def failures(found: Certificate) -> dict[str, str]:
    return {check.name: check.detail for check in found.checks if check.status == "failed"}


def statuses(found: Certificate) -> dict[str, str]:
    return {certifying.named(fitting.layout): fitting.status for fitting in found.layouts}


@pytest.mark.parametrize(
    ("name", "check", "words"),
    [
        pytest.param(
            *("FixedSize", "shape", "fixed H and W: works at 9x11 only; fails on 2x64x13x7: RuntimeError: "),
            marks=pytest.mark.slow,
        ),
        ("FixedSizeOfMeans", "shape", "fixed H and W: works at 14x14 only; fails on 2x64x13x7: RuntimeError: "),
        ("FixedTokens", "shape", "fixed length: works at 35 positions only; fails on 2x91x64: RuntimeError: "),
        ("SquareTokens", "shape", "a square number of tokens behind 1 prefix only: works at 17, 37, 50, 65 ... positions; "),
        ("EvenSides", "shape", "H and W must be multiples of 2: works at 4x4, 6x6, 8x8, 8x10 ...; fails on 2x64x13x7: "),
        ("Halves", "shape", "changes the shape: 2x64x13x7 becomes 2x64x7x4"),
        ("TwoResults", "shape", "changes the shape: 2x64x13x7 becomes a tuple, not a tensor"),
        ("NoSinglePosition", "shape", "fails on a single position, 2x64x1x1: RuntimeError: "),
        ("MixesSamples", "samples", "mixes the samples of a batch: beside another one, the first sample's values "),
        ("BatchNormOfMeans", "batch_of_one", "fails on a batch of 1 in training: ValueError: Expected more than 1 value"),
        ("Squeezes", "batch_of_one", "gives another shape on a batch of 1: 1x64x13x7 becomes 64x13x7"),
        ("Noisy", "deterministic", "not deterministic in eval: values differ by up to "),
        ("InPlace", "in_place", "changes its input in place"),
        ("Unused", "gradient", "no gradient reaches spare"),
        ("Detached", "gradient", "no gradient reaches the input"),
        ("NanGradient", "gradient", "not finite: the gradient of the input"),
        ("NanOnZeros", "gradient", "not finite on a tensor of zeros: the gradient of the input"),
        ("TrainingFails", "gradient", "fails in training: ValueError: not yet written"),
        ("MixesTypes", "autocast", "fails under bfloat16 autocast: RuntimeError: "),
        ("GivesFloat", "bfloat16", "gives float32 for bfloat16: the next layer would fail"),
        ("NotScriptable", "script", ""),
        ("NotExportable", "export", ""),
        ("NotCopied", "state", "copy.deepcopy fails: TypeError: no copies of this one"),
        ("Unregistered", "state", "its state_dict does not hold all of it: values differ by up to "),
    ],
)
def test_one_defect_is_one_failure(child: Child, file: Path, name: str, check: str, words: str) -> None:
    found = certified(child, f"{file}:{name}")
    assert [*failures(found)] == [check], failures(found)
    assert failures(found)[check].startswith(words)
    assert found.failed


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("TwoInputs", "fails on 2x64x13x7: TypeError: TwoInputs.forward() missing 1 required positional argument: 'skip'"),
        ("NoModule", "NoModule(64): TypeError: it gives NoModule, not an nn.Module"),
        ("Refuses", "Refuses(64): ValueError: dim must be a multiple of 48; if another argument takes the width, name it: "),
        ("Lazy", "Lazy(64) has lazy parameters"),
        ("NoWidth", "NoWidth(): TypeError: "),
    ],
)
def test_what_does_not_run_is_asked_no_more(child: Child, file: Path, name: str, words: str) -> None:
    found = certified(child, f"{file}:{name}")
    [reason] = failures(found).values()
    assert reason.startswith(words)
    assert {f.status for f in found.layouts} == {"refuses"}
    assert {c.status for c in found.checks} == {"failed", "skipped"} | ({"passed"} if name == "TwoInputs" else set())
    assert [c.detail for c in found.checks if c.name == "cost"] == ["the module does not run"]


def test_another_argument_can_take_the_width(child: Child, file: Path) -> None:
    with pytest.raises(CodegenError) as caught:
        certified(child, f"{file}:NeedsMore")
    assert (caught.value.name, caught.value.exit_code) == ("no-channel-argument", USER)
    assert not certified(child, f"{file}:NeedsMore", "groups=4").failed
    assert not certified(child, f"{file}:NoWidth", "dim={width}").failed
    assert not certified(child, f"{file}:Refuses", width=96).failed


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "takes", "differs"),
    [
        ("se", "NCHW, NLC, NLC + 1 prefix, NHWC, NCL", ""),
        ("cbam", "NCHW, NLC, NLC + 1 prefix, NHWC, NCL", ""),
        ("gate", "NCHW, NLC, NLC + 1 prefix, NHWC, NC, NCL", ""),
        ("se >> eca", "NCHW, NLC, NLC + 1 prefix, NHWC, NCL", ""),
        ("residual(drop_path(0.5)(cbam) + FILE:Sound)", "NCHW", ""),
        ("timm.layers:EcaModule", "NCHW", "NHWC"),
        ("timm.layers:SqueezeExcite", "NCHW", ""),
        ("torchvision.ops:SqueezeExcitation", "NCHW", ""),
        ("torch.nn:LayerNorm", "NLC, NLC + 1 prefix, NHWC, NC", ""),
        ("torch.nn:BatchNorm2d", "NCHW", ""),
        ("torch.nn:GELU", "NCHW, NLC, NLC + 1 prefix, NHWC, NC, NCL", ""),
        ("FILE:Sound", "NCHW", ""),
        ("FILE:Tokens", "NLC, NLC + 1 prefix, NC", "NHWC"),
    ],
)
def test_sound_modules_pass_where_they_fit(child: Child, file: Path, module: str, takes: str, differs: str) -> None:
    more = ["squeeze_channels=16"] if module.startswith("torchvision") else []
    found = certified(child, module.replace("FILE", str(file)), *more, without=(*SLOW, "export"))
    assert not found.failed, failures(found)
    assert ", ".join(name for name, status in statuses(found).items() if status == "takes") == takes
    assert ", ".join(name for name, status in statuses(found).items() if status == "differs") == differs
    assert "skipped" not in {check.status for check in found.checks}


def test_one_layout_can_be_asked_for(child: Child, file: Path) -> None:
    assert [*statuses(certified(child, "se", kind="NLC"))] == ["NLC", "NLC + 1 prefix"]
    found = certified(child, f"{file}:Sound", kind="NHWC")
    assert failures(found)["shape"].startswith("fails on 2x13x7x64: RuntimeError: ")
    with pytest.raises(CodegenError, match="module-does-not-fit"):
        certified(child, "se", kind="NC")


@pytest.mark.slow
def test_no_side_of_a_map_passes_for_the_channels(child: Child) -> None:
    for width in (7, 8, 10, 13, 80, 91, 92):
        found = certified(child, "torch.nn:LayerNorm", width=width, without=(*SLOW, "export", "script"))
        assert [name for name, status in statuses(found).items() if status == "refuses"] == ["NCHW", "NCL"], width


@pytest.mark.slow
def test_a_failure_in_some_layouts_only_names_them(child: Child) -> None:
    found = certified(child, "torch.nn:BatchNorm1d")
    assert failures(found) == {"batch_of_one": found.layouts[4].checks[3].detail.join(["NC: ", ""])}
    assert statuses(found)["NCL"] == "takes"


def test_the_cost_is_counted_at_two_widths(child: Child, file: Path) -> None:
    found = certified(child, f"{file}:Sound", kind="NCHW", width=32)
    assert found.construct == "Sound(32)"
    assert found.parameters == 32 * 8 * 2 + 8 + 32 == 552
    assert found.checks[-1].detail == "552 parameters, 2,128 at width 64 (x 3.86, as the square of the width)"
    assert certified(child, "gate", kind="NC").checks[-1].detail == "1 parameter, at any width"
    wide = certified(child, f"{file}:Refuses", width=48, kind="NCHW")
    assert wide.checks[-1].status == "passed"


def test_the_certificate_as_text_and_as_json(child: Child, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = certified(child, f"{file}:Halves")
    certificate.show(found)
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == "Halves(64): 2,128 parameters"
    assert "refuses NCHW changes the shape: 2x64x13x7 becomes 2x64x7x4" in lines
    assert "failed shape changes the shape: 2x64x13x7 becomes 2x64x7x4" in lines
    value = json.loads(json.dumps(certificate.as_json(found)))
    assert value["passed"] is False and value["width"] == 64 and value["construct"] == "Halves(64)"
    assert [layout["layout"] for layout in value["layouts"]] == ["NCHW", "NLC", "NLC", "NHWC", "NC", "NCL"]
    assert {"name": "builds", "status": "passed", "detail": "Halves(64)"} in value["checks"]
    certificate.show(certified(child, f"{file}:NoModule"))
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert lines[0] == "NoModule(64)" and len(lines) == 3
    assert lines[2].startswith("skipped the rest the module does not run (shape, samples, batch_of_one, ")


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (("nope",), "unknown-module"),
        (("my.py:MyAttn",), "unknown-module"),
        (("se >>",), "bad-expression"),
        (("se", "--layout", "HWC"), "unknown-layout"),
        (("se", "--arg", "reduction"), "usage"),
        (("se", "--memory", "much"), "usage"),
    ],
)
def test_errors_of_the_user(words: tuple[str, ...], name: str) -> None:
    result = CliRunner().invoke(cli, ["certify", *words])
    assert isinstance(result.exception, CodegenError)
    assert (result.exception.name, result.exception.exit_code) == (name, USER)


@pytest.mark.slow
def test_the_command(codegen: Run, file: Path) -> None:
    found = codegen("certify", f"{file}:Sound", "--json", cwd=file.parent)
    value = json.loads(found.stdout)
    assert found.returncode == 0 and value["passed"], found.stderr
    status = {check["name"]: check["status"] for check in value["checks"]}
    assert status.pop("onnx") in ("passed", "skipped") and status.pop("compile") in ("passed", "skipped")
    assert {*status.values()} == {"passed"}
    found = codegen("certify", f"{file}:NotExportable", "--layout", "NCHW", cwd=file.parent)
    assert found.returncode == CONTRACT
    assert ["failed", "compile"] in [line.split()[:2] for line in found.stdout.decode().splitlines()]


@pytest.mark.slow
def test_a_module_that_takes_too_long(codegen: Run, tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(CLASSES.replace("super().__init__()", "super().__init__(); import time; time.sleep(99)"))
    found = codegen("certify", "slow.py:Sound", "--timeout", "12", cwd=tmp_path)
    assert found.returncode == USER
    assert b"error[model-timeout]: the module's code ran for more than 12 s\nhint: give it longer" in found.stderr
