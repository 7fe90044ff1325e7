"""Recipes that were made on an old timm are replayed on newer ones and back, with an edit by hand that stays."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import command, environment

pytestmark = pytest.mark.slow
OLD, MIDDLE = "0.6.13", "0.9.16"
RECIPES = {
    "vit_stem": ("timm:vit_tiny_patch16_224", "after patch_embed: se"),
    "vit_attn": ("timm:vit_tiny_patch16_224", "after blocks.*.attn: se"),
    "resnet_stage": ("timm:resnet18", "after layer2: se"),
    "resnet_conv": ("timm:resnet18", "after layer1.*.conv2: se"),
}
BEHIND, BY_HAND = "        return x * s\n", "        return x * s  # ours\n"
Under = Callable[..., str]


@pytest.fixture(scope="module")
def timms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that has each old timm in a folder of its version."""
    folder = tmp_path_factory.mktemp("timm")
    for version in (OLD, MIDDLE):
        words = ["install", "-q", "--no-deps", "--target", str(folder / version), f"timm=={version}"]
        subprocess.run([sys.executable, "-m", "pip", *words], check=True)
    return folder


@pytest.fixture(scope="module")
def under(timms: Path) -> Under:
    """under(version, "update") -> what the command says where this timm is installed; "" is the one that is installed here."""

    def run(version: str, *words: str, cwd: Path) -> str:
        own = environment() | {"CODEGEN_CACHE": str(cwd / "cache")}
        own |= {"PYTHONPATH": os.pathsep.join([str(timms / version), own["PYTHONPATH"]])} if version else {}
        result = subprocess.run(command(*words), cwd=cwd, env=own, capture_output=True, text=True, check=False)
        return f"{result.returncode}\n{result.stdout}{result.stderr}"

    return run


def test_recipes_go_from_timm_to_timm_and_back(under: Under, tmp_path: Path) -> None:
    lines = [f'[variants.{name}]\nsource = "{source}"\nedits = ["{edit}"]\n' for name, (source, edit) in RECIPES.items()]
    (tmp_path / "codegen.toml").write_text("\n".join(lines))
    assert "4 made" in under(OLD, "build", cwd=tmp_path)
    files = sorted((tmp_path / "generated").glob("*.py"))
    for file in files:
        text = file.read_text()
        assert BEHIND in text
        file.write_text(text.replace(BEHIND, BY_HAND, 1))
    edited = {file: file.read_text() for file in files}
    for version in (MIDDLE, "", MIDDLE, OLD):
        assert "\n4 merged\n" in under(version, "update", cwd=tmp_path)
        assert all(BY_HAND in file.read_text() for file in files)
        found = under(version, "check", "--json", cwd=tmp_path)
        assert found.count('"edited-by-hand"') == 4 == found.count('"kind"'), found
        assert "4 up to date" in under(version, "update", cwd=tmp_path)
    assert {file: file.read_text() for file in files} == edited


def test_the_old_timm_is_named_where_nothing_else_knows_what_was_made(under: Under, timms: Path, tmp_path: Path) -> None:
    (tmp_path / "codegen.toml").write_text('[variants.a]\nsource = "timm:resnet18"\nedits = ["after layer2: se"]\n')
    assert "1 made" in under(MIDDLE, "build", cwd=tmp_path)
    file = tmp_path / "generated/a.py"
    file.write_text(file.read_text().replace(BEHIND, BY_HAND, 1))
    shutil.rmtree(tmp_path / "cache")
    found = under("", "update", cwd=tmp_path)
    assert "error[no-merge-base]" in found and "--old-source" in found
    found = under("", "update", "--old-source", str(timms / OLD), cwd=tmp_path)
    assert "error[wrong-old-source]" in found and f"--target FOLDER timm=={MIDDLE}" in found
    assert "\n1 merged\n" in under("", "update", "--old-source", str(timms / MIDDLE), cwd=tmp_path)
    assert BY_HAND in file.read_text()
