"""registry, worker.registry: what is known of libraries that register models by name, and what is registered now."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from conftest import ROOT

from codegen import imports, registry
from codegen.syntax import Code
from codegen.types import SourceFile

TIMM = """
from ._builder import build_model_with_cfg
from ._registry import register_model, generate_default_cfgs, register_model_deprecations
from mine import other_model

@register_model
def plain(): pass

@other_model
def other(): pass

@register_model()
@cached
def called(): pass

def loose(): pass

register_model_deprecations(__name__, {"old": "plain"})
generate_default_cfgs({})
"""
TORCHVISION = """
from ._api import register_model, Weights, WeightsEnum

class Net_Weights(WeightsEnum):
    DEFAULT = Weights(url="")

class Net(Module):
    pass

@register_model(name="quantized_net")
def net(): pass
"""


def known(text: str, module: str) -> tuple[list[ast.stmt], dict[str, str]]:
    code = Code(text)
    return code.tree.body, imports.meanings(SourceFile(Path("net.py"), text, "utf-8", module), code)


def registered(text: str, module: str) -> list[str]:
    body, table = known(text, module)
    functions = [n for n in body if isinstance(n, ast.FunctionDef)]
    return [f.name for f in functions if any(registry.is_registrar(d, table) for d in f.decorator_list)]


def test_registering_decorators_by_what_they_are_and_not_by_their_name() -> None:
    assert registered(TIMM, "timm.models.net") == ["plain", "called"]
    assert registered(TORCHVISION, "torchvision.models.net") == ["net"]
    assert registered(TORCHVISION, "torchvision.models.quantization.net") == []  # ._api is another module there
    assert registered(TIMM, "mine.models.net") == []


@pytest.mark.parametrize(
    "line",
    ["from timm.models import register_model", "from timm.models.registry import register_model as register"],
)
def test_a_research_file_may_register_in_timm(line: str) -> None:
    assert registered(f"{line}\n@{line.rsplit(maxsplit=1)[-1]}\ndef net(): pass\n", "") == ["net"]


def test_a_decorator_that_is_an_attribute() -> None:
    assert registered("from timm.models import _registry\n@_registry.register_model\ndef net(): pass\n", "") == ["net"]


def test_statements_that_register_further_names() -> None:
    body, table = known(TIMM, "timm.models.net")
    assert [n for n in body if registry.is_alias(n, table)] == [body[-2]]
    assert not any(registry.is_alias(n, known(TIMM, "mine.net")[1]) for n in body)


def test_classes_that_stay_in_their_library() -> None:
    body, table = known(TORCHVISION, "torchvision.models.net")
    stays = [n for n in body if registry.stays_in_library(n, table)]
    assert [getattr(n, "name", "") for n in stays] == ["Net_Weights"]


@pytest.mark.parametrize(
    ("library", "name", "file"),
    [
        ("timm", "resnet50", "timm/models/resnet.py"),
        ("timm", "vit_tiny_patch16_224", "timm/models/vision_transformer.py"),
        ("torchvision", "resnet18", "torchvision/models/resnet.py"),
        ("torchvision", "fcn_resnet50", "torchvision/models/segmentation/fcn.py"),
    ],
)
def test_the_plain_file_defines_a_model(library: str, name: str, file: str) -> None:
    pytest.importorskip(library)
    path = registry.definition(library, name)
    assert path is not None and path.as_posix().endswith(file)


@pytest.mark.parametrize("name", ["no_such_model", "resnet.*", "", "a b", "ResNet"])
def test_other_names_define_nothing(name: str) -> None:
    pytest.importorskip("timm")
    assert registry.definition("timm", name) is None


def test_nothing_is_imported_to_find_a_definition() -> None:
    lines = "import sys; from codegen import registry; registry.definition('timm', 'resnet50'); registry.names('torchvision')"
    done = subprocess.run(
        [sys.executable, "-c", f"{lines}; print({{'timm', 'torch', 'torchvision'}} & set(sys.modules))"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout.strip() == "set()"


def test_names_and_versions() -> None:
    pytest.importorskip("timm")
    assert {"resnet50", "vit_tiny_patch16_224"} <= set(registry.names("timm"))
    assert registry.version("timm") and registry.version("no-such-distribution") == ""


# --- what is registered now, in made-up libraries --------------------------------------------------------------------------


@pytest.fixture
def tables(monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, Any]]:
    """{"one": ..., "two": ...}: the tables of two libraries that are loaded; a third one is not."""
    pytest.importorskip("torch")
    from codegen.worker import registry as live

    found: dict[str, dict[str, Any]] = {"one": {"net": object()}, "two": {"net": object()}}
    for name, table in found.items():
        module = ModuleType(f"made_up_{name}")
        vars(module)["TABLE"] = table
        monkeypatch.setitem(sys.modules, module.__name__, module)
    rows = tuple((f"made_up_{name}", "TABLE", name) for name in ("one", "two", "absent"))
    monkeypatch.setattr(live, "TABLES", rows)
    return found


def test_a_snapshot_names_what_every_loaded_library_registers(tables: dict[str, dict[str, Any]]) -> None:
    from codegen.worker import registry as live

    assert live.snapshot() == {"one:net": tables["one"]["net"], "two:net": tables["two"]["net"]}


def test_new_names_overwrite_nothing(tables: dict[str, dict[str, Any]]) -> None:
    from codegen.worker import registry as live

    before = live.snapshot()
    tables["one"]["net_se"] = object()
    assert live.overwritten(before) == ()


def test_names_that_changed_or_are_gone(tables: dict[str, dict[str, Any]]) -> None:
    from codegen.worker import registry as live

    before = live.snapshot()
    tables["one"]["net"] = object()
    del tables["two"]["net"]
    assert live.overwritten(before) == ("one:net", "two:net")


def test_forget_takes_out_what_is_new_and_nothing_else(tables: dict[str, dict[str, Any]]) -> None:
    from codegen.worker import registry as live

    before = live.snapshot()
    tables["one"]["net_se"] = tables["two"]["more"] = object()
    live.forget(before)
    assert live.snapshot() == before
