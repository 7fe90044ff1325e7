"""sources: every spelling of SOURCE, found without running anything."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from codegen import sources
from codegen.errors import CodegenError

POISON = "raise SystemExit('this file must never run')\n"


def refusal(spec: str) -> CodegenError:
    with pytest.raises(CodegenError) as caught:
        sources.resolve(spec)
    assert caught.value.exit_code == 2 and caught.value.hint
    return caught.value


def test_a_path_is_read_and_not_run(tmp_path: Path) -> None:
    path = tmp_path / "net.py"
    path.write_bytes(POISON.replace("\n", "\r\n").encode("utf-8-sig"))
    found = sources.resolve(str(path))
    assert (found.file.path, found.entry, found.library, found.distribution) == (path, "", "", "")
    assert found.file.encoding == "utf-8-sig" and found.file.text.endswith("\r\n")


def test_a_path_with_a_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "net.py").write_text(POISON)
    monkeypatch.chdir(tmp_path)
    assert sources.resolve("net.py:Net").entry == "Net"
    assert sources.resolve("./net.py:Net").entry == "Net"


def test_a_file_whose_name_has_a_colon(tmp_path: Path) -> None:
    path = tmp_path / "a:b.py"
    path.write_text("x = 1\n")
    assert sources.resolve(str(path)).file.path == path


def test_timm_and_torchvision_are_found_without_importing_them() -> None:
    for spec, name in (
        ("timm:resnet50", "resnet.py"),
        ("timm:resnet50.a1_in1k", "resnet.py"),
        ("torchvision:resnet50", "resnet.py"),
    ):
        found = sources.resolve(spec)
        assert found.file.path.name == name and found.entry == "resnet50" and found.library == spec.split(":")[0]
        assert found.distribution.split()[0] == found.library
    assert found.file.module == "torchvision.models.resnet"


@pytest.mark.parametrize(
    ("spec", "near"), [("timm:resnet5O", "timm:resnet50"), ("torchvision:resnet51", "torchvision:resnet50")]
)
def test_a_model_that_a_library_has_not_gets_the_nearest_names(spec: str, near: str) -> None:
    error = refusal(spec)
    assert error.name == "unknown-source" and near in error.hint


def test_an_importable_module_is_found_without_importing_its_parents(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "lab_nets"
    (package / "deep").mkdir(parents=True)
    for path in (package / "__init__.py", package / "deep" / "__init__.py"):
        path.write_text(POISON)
    (package / "deep" / "net.py").write_text("from .. import base\n")
    monkeypatch.syspath_prepend(tmp_path)
    found = sources.resolve("lab_nets.deep.net:Net")
    assert (found.entry, found.file.module, found.file.root) == ("Net", "lab_nets.deep.net", tmp_path)
    assert "lab_nets" not in sys.modules
    assert sources.resolve("lab_nets").file.path == package / "__init__.py"


@pytest.mark.parametrize(
    "spec",
    [
        "no.such.module",
        "missing",
        "",
        ":",
        ":Net",
        "a b",
        "../x",
        "timm:",
        "timm",
        "sys",
        "http://x/y.py",
        "x:y:z",
        ".",
        "..a",
    ],
)
def test_what_cannot_be_found_is_one_named_error_or_a_file(
    spec: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        assert sources.resolve(spec).file.path.is_file()
    except CodegenError as error:
        assert error.name in ("unknown-source", "unreadable-source") and error.hint


@pytest.mark.parametrize("spec", ["missing.py", "missing.py:Net", "folder.py"])
def test_a_path_that_cannot_be_read(spec: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "folder.py").mkdir()
    monkeypatch.chdir(tmp_path)
    assert refusal(spec).name == "unreadable-source"


def test_a_syntax_error_says_where(tmp_path: Path) -> None:
    path = tmp_path / "net.py"
    path.write_text("x = 1\nclass Net(:\n")
    error = refusal(str(path))
    assert error.name == "syntax-error" and "net.py:2:" in error.message


def test_a_file_without_relative_imports_is_loose_even_in_a_package(tmp_path: Path) -> None:
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "__init__.py").write_text("")
    (tmp_path / "pkg" / "loose.py").write_text("import torch\n")
    (tmp_path / "pkg" / "tied.py").write_text("def f():\n    from .loose import torch\n")
    assert sources.file(tmp_path / "pkg" / "loose.py").module == ""
    assert sources.file(tmp_path / "pkg" / "tied.py").module == "pkg.tied"


def test_folders_without_init_belong_to_the_package_as_far_as_relative_imports_reach(tmp_path: Path) -> None:
    (tmp_path / "repo" / "models").mkdir(parents=True)
    net = tmp_path / "repo" / "models" / "net.py"
    net.write_text("from .blocks import Block\n")
    assert (sources.file(net).module, sources.file(net).root) == ("models.net", tmp_path / "repo")
    net.write_text("from ..blocks import Block\n")
    assert (sources.file(net).module, sources.file(net).root) == ("repo.models.net", tmp_path)


def test_a_dotted_name_holds_though_a_folder_has_no_init(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dotted_pkg" / "models").mkdir(parents=True)
    (tmp_path / "dotted_pkg" / "__init__.py").write_text("")
    (tmp_path / "dotted_pkg" / "models" / "net.py").write_text("from .blocks import Block\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    file = sources.resolve("dotted_pkg.models.net:Net").file
    assert (file.module, file.root) == ("dotted_pkg.models.net", tmp_path)


def test_a_name_that_a_package_hands_on_is_of_the_file_that_defines_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "handing" / "nets").mkdir(parents=True)
    (tmp_path / "handing" / "__init__.py").write_text("from .nets import *\nfrom handing.nets.net import Net as Model\n")
    (tmp_path / "handing" / "nets" / "__init__.py").write_text("from .net import Net, make\n")
    (tmp_path / "handing" / "nets" / "net.py").write_text("class Net: ...\n\n\ndef make(): ...\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    found = {name: sources.resolve(f"handing:{name}") for name in ("Net", "make", "Model", "Other")}
    assert {name: source.entry for name, source in found.items()} == {
        "Net": "Net", "make": "make", "Model": "Net", "Other": "Other",
    }  # fmt: skip
    assert {source.file.module for name, source in found.items() if name != "Other"} == {"handing.nets.net"}
    assert found["Other"].file.module == "handing"
