"""What `--emit-groups` writes into a model's `group_matcher`: read as timm reads it, by timm itself."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import Run
from torch import nn

from codegen import matchers, patterns
from codegen.matchers import Inserted
from codegen.rewrite import apply
from codegen.syntax import Code, method

CASES = Path(__file__).parent / "cases" / "layer_decay"
NAMES = ["stem.0", "stages.0.blocks.0", "stages.1.downsample", "stages.1.blocks.0", "stages.1.blocks.1"]
NAMES = [f"{name}.weight" for name in [*NAMES, "stages.2.blocks.0", "norm", "head"]]

PLAIN = "dict(stem=r'^stem', blocks=r'^stages\\.(\\d+)' if coarse else r'^stages\\.(\\d+)\\.blocks\\.(\\d+)')"
ONE_LINE = "dict(stem=r'^stem', blocks=[(r'^stages\\.(\\d+)', None), (r'^norm', (99999,))])"
DISPLAY = "{'stem': '^stem', 'blocks': [('^stages\\\\.(\\\\d+)', None), ('^norm', MATCH_PREV_GROUP)]}"
LIST = """dict(
            stem=r'^stem',  # with the embedding
            blocks=r'^stages\\.(\\d+)' if coarse else [
                (r'^stages\\.(\\d+)\\.downsample', (0,)),  # first
                (r'^stages\\.(\\d+)\\.blocks\\.(\\d+)', None),
                (r'^norm', (99999,))  # last
            ]
        )"""


def written(value: str, *, named: bool = False) -> Code:
    body = f"matcher = {value}\n        return matcher" if named else f"return {value}"
    return Code(f'class Net:\n    def group_matcher(self, coarse=False):\n        """Layers."""\n        {body}\n')


def found(code: Code) -> Any:
    cls = code.tree.body[0]
    assert isinstance(cls, ast.ClassDef)
    return method(cls, "group_matcher")


def inserted(name: str, site: str, *, first: bool = False) -> Inserted:
    return Inserted(name, tuple(n for n in NAMES if n.startswith(f"{site}.")), site, site, first)


def layers(text: str, names: list[str], coarse: bool) -> dict[str, int]:
    """By timm's own function."""
    models = pytest.importorskip("timm.models._manipulate")
    space: dict[str, Any] = {"MATCH_PREV_GROUP": models.MATCH_PREV_GROUP}
    exec(text, space)  # noqa: S102 - the test's own text
    matcher = space["Net"]().group_matcher(coarse=coarse)
    return dict(models.group_with_matcher(((n, None) for n in names), matcher, reverse=True))


SITES = [
    ("se", "stem", False),
    ("se", "stages.1", False),
    ("se", "stages.1", True),
    ("se", "stages", False),
    ("se", "norm", False),
    ("se", "stages.1.blocks.0", False),
    ("stages.1.se", "stages.1", False),
    ("stages.1.blocks.0.se", "stages.1.blocks.0", False),
    ("stem.se", "stem", False),
]


@pytest.mark.parametrize("value", [ONE_LINE, DISPLAY, LIST, PLAIN])
@pytest.mark.parametrize(("name", "site", "first"), SITES)
def test_what_is_inserted_is_in_the_layer_of_its_site(value: str, name: str, site: str, first: bool) -> None:
    code = written(value, named=value is ONE_LINE)
    item = inserted(name, site, first=first)
    text = apply(code.text, matchers.plan(code, found(code), NAMES, [item]))
    for coarse in (False, True):
        before, after = layers(code.text, NAMES, coarse), layers(text, [*NAMES, f"{name}.fc.weight"], coarse)
        assert after.pop(f"{name}.fc.weight") == (min if first else max)(before[n] for n in item.neighbours)
        assert after == before


def edited(value: str, name: str, site: str, *, first: bool = False) -> list[str]:
    """The lines that are new."""
    code = written(value)
    text = apply(code.text, matchers.plan(code, found(code), NAMES, [inserted(name, site, first=first)]))
    return [line.strip() for line in text.splitlines() if line not in code.text.splitlines()]


def test_how_it_reads() -> None:
    assert edited(LIST, "se", "stem") == ["stem=r'^stem|^se\\.',  # with the embedding"]
    assert edited(LIST, "se", "head") == []
    assert edited(LIST, "stages.1.se", "stages.1") == ["(r'^stages\\.(\\d+)\\.se\\.', (99999,)),  # with the last of stages.1"]
    assert edited(LIST, "stages.1.blocks.0.se", "stages.1.blocks.0") == []
    assert edited(DISPLAY, "se", "stem")[0].startswith("return {'stem': '^stem|^se\\\\.', ")


def test_a_last_entry_without_a_comma() -> None:
    value = LIST.replace("                (r'^norm', (99999,))  # last\n", "").replace("None),\n", "None)  # blocks\n")
    assert edited(value, "stages.1.se", "stages.1") == [
        "(r'^stages\\.(\\d+)\\.blocks\\.(\\d+)', None),  # blocks",
        "(r'^stages\\.(\\d+)\\.se\\.', (99999,))  # with the last of stages.1",
    ]


def test_what_cannot_be_read() -> None:
    choice = "dict(stem=r'^stem' if self.a else r'^s')"
    for value in ("matcher_of(self)", "dict(**stem)", "dict(stem=STEM)", choice, "dict(a='(')"):
        with pytest.raises(LookupError):
            patterns.read(found(written(value)), False)


def test_a_name_that_another_pattern_has_first() -> None:
    code = written(ONE_LINE)
    with pytest.raises(LookupError):
        matchers.plan(code, found(code), NAMES, [inserted("stem_se", "norm")])


def test_a_site_without_parameters_stands_for_the_one_before() -> None:
    names = ["", "stem", "layer1", "layer1.0", "layer1.0.conv", "layer1.0.act", "pool"]
    assert matchers._before(names, ["stem.weight", "layer1.0.conv.weight"], "pool") == "layer1"
    assert matchers._before(names, ["stem.weight", "layer1.0.conv.weight"], "layer1.0.act") == "layer1.0.conv"
    assert matchers._before(names, ["stem.weight"], "layer1.0.act") == "stem"
    assert matchers._before(names, [], "pool") == ""


@pytest.mark.parametrize(
    ("file", "cls"),
    [("vision_transformer", "VisionTransformer"), ("resnet", "ResNet"), ("densenet", "DenseNet"), ("volo", "VOLO")],
)
def test_timms_own_are_read_as_timm_groups_them(file: str, cls: str) -> None:
    pytest.importorskip("timm")
    module = importlib.import_module(f"timm.models.{file}")
    node = method(ast.parse(inspect.getsource(getattr(module, cls))).body[0], "group_matcher")  # type: ignore[arg-type]
    assert node is not None
    for coarse in (False, True):
        given = getattr(module, cls).group_matcher(None, coarse=coarse)
        flat = [p for value in given.values() for p in ([value] if isinstance(value, str) else [regex for regex, _ in value])]
        assert [spec.pattern.regex for spec in patterns.read(node, coarse)] == flat


def imported(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(f"layer_decay_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def rates(model: nn.Module) -> dict[str, float]:
    """Parameter -> the factor of its learning rate, as timm's optimizers have it."""
    optim = pytest.importorskip("timm.optim")
    scale = {id(p): g["lr_scale"] for g in optim.param_groups_layer_decay(model, layer_decay=0.5) for p in g["params"]}
    return {name: scale[id(p)] for name, p in model.named_parameters()}


@pytest.mark.parametrize(
    ("case", "new", "site"),
    [
        ("se_after_stem", "se.fc1.weight", "stem.weight"),
        ("scale_after_stage_1", "stages.1.scale.gamma", "stages.1.blocks.1.pwconv2.weight"),
        ("se_after_stages", "se.fc1.weight", "stages.2.blocks.1.pwconv2.weight"),
    ],
)
def test_layer_decay_trains_it_at_the_rate_of_its_site(case: str, new: str, site: str) -> None:
    base, variant = (rates(imported(CASES / f"{name}.py").ConvNeXt()) for name in ("model", case))
    assert variant[new] == variant[site] < 1
    assert {name: variant[name] for name in base} == base


@pytest.mark.slow
def test_a_model_of_timm(tmp_path: Path, codegen: Run) -> None:
    pytest.importorskip("timm")
    words = ("insert", "timm:resnet18", "--module", "se", "--after", "layer2", "--emit-groups", "-o", "out.py")
    done = codegen(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    module = imported(tmp_path / "out.py")
    for model in (module.resnet18_se(), module.ResNet(module.Bottleneck, (3, 4, 6, 3))):  # deeper, too
        found = rates(model)
        last = [name for name in found if name.startswith("layer2.")][-1]
        assert {found[name] for name in found if name.startswith("se.")} == {found[last]} != {1.0}


@pytest.mark.slow
def test_what_cannot_be_written_is_refused(tmp_path: Path, codegen: Run) -> None:
    pytest.importorskip("timm")
    words = ("insert", "timm:cait_xxs24_224", "--module", "se", "--after", "patch_embed", "--emit-groups")
    done = codegen(*words, cwd=tmp_path)
    assert done.returncode == 3 and b"error[group-matcher]" in done.stderr


@pytest.mark.slow
def test_another_class_of_the_library_has_no_method(tmp_path: Path, codegen: Run) -> None:
    """features_only=True builds another class of the file, which gets the module but not the method."""
    pytest.importorskip("timm")
    words = ("insert", "timm:efficientnet_b0", "--module", "se", "--after", "conv_stem", "--emit-groups", "--dry-run")
    assert codegen(*words, cwd=tmp_path).returncode == 0
