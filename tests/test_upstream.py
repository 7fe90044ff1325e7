"""Recipes that were made on an old timm are replayed on newer ones and back, with an edit by hand that stays."""

from __future__ import annotations

import os
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
def under(tmp_path_factory: pytest.TempPathFactory) -> Under:
    """under(version, "update") -> what the command says where this timm is installed; "" is the one that is installed here."""
    folder = tmp_path_factory.mktemp("timm")
    for version in (OLD, MIDDLE):
        words = ["install", "-q", "--no-deps", "--target", str(folder / version), f"timm=={version}"]
        subprocess.run([sys.executable, "-m", "pip", *words], check=True)

    def run(version: str, *words: str, cwd: Path) -> str:
        own = environment() | {"CODEGEN_CACHE": str(folder / "cache")}
        own |= {"PYTHONPATH": os.pathsep.join([str(folder / version), own["PYTHONPATH"]])} if version else {}
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
