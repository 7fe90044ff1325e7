"""Variants of eight of timm's families: on every public path, and scripted, the module runs exactly as often as its site."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import Run

pytest.importorskip("timm")

pytestmark = pytest.mark.slow

PATHS = ("forward (train)", "forward (checkpointing)", "forward_features", "forward_intermediates", "features_only")
# source, module, site
CASES = [
    ("timm:vit_tiny_patch16_224", "adapter", "blocks.*"),
    ("timm:vit_tiny_patch16_224", "adapter", "patch_embed"),
    ("timm:resnet18", "se", "layer2"),
    ("timm:convnext_atto", "se", "stages.*.blocks.-1"),
    ("timm:swin_tiny_patch4_window7_224", "se", "layers.*.blocks.0"),
    ("timm:efficientnet_b0", "eca", "blocks.2.*"),
    ("timm:regnety_002", "se", "s2"),
    ("timm:maxvit_nano_rw_256", "eca", "stages.*.blocks.*"),
    ("timm:eva02_tiny_patch14_224", "adapter", "blocks.-1"),
]


@pytest.mark.parametrize(("source", "module", "site"), CASES)
def test_every_public_path_runs_the_module(codegen: Run, tmp_path: Path, source: str, module: str, site: str) -> None:
    words = ("insert", source, f"--module={module}", f"--after={site}", "--check", "script", "--json", "--dry-run")
    done = codegen(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr.decode()
    checks: dict[str, Any] = {c["name"]: c for c in json.loads(done.stdout)["checks"]}
    assert checks["paths"]["status"] == checks["placement"]["status"] == "passed"
    detail = checks["paths"]["detail"]
    held = detail.partition(";")[0]
    if "(features_only=True): " in detail:  # of another class, which has paths of its own
        held += ", features_only"
    assert [path for path in PATHS if path not in held] == [], detail
    script = checks["script"]
    assert script["status"] == "passed" or script["detail"].startswith("the base does not pass"), script


@pytest.mark.parametrize(
    ("source", "site", "written"),
    [
        ("timm:legacy_xception", "act4", "+        tap_se(self)\n"),  # tapped by a hook on the site
        ("timm:hrnet_w18_small", "bn1", "+        x = self.se(x)\n"),  # by a class that derives from the model's
        ("timm:vgg11_bn", "features.3 --hook", "+        self.features[3].register_forward_hook(run_se)\n"),  # layers count
        ("timm:deit_tiny_distilled_patch16_224", "patch_embed", "+        self.se = SqueezeExcite("),  # inherited
        ("timm:deit_tiny_distilled_patch16_224", "blocks.0", "+        self.blocks[0].se = SqueezeExcite("),  # counted
        ("timm:densenet121", "features.norm5", "+        self.features.norm5.se = SqueezeExcite("),  # of another file
        ("timm:resnet50_clip", "stem", "+        self.stem.se = SqueezeExcite("),  # a layer of what also runs itself
    ],
)
def test_feature_extractors_of_other_kinds(codegen: Run, tmp_path: Path, source: str, site: str, written: str) -> None:
    done = codegen("insert", source, "--module=se", "--after", *site.split(), "--diff", "--dry-run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr.decode()
    out = done.stdout.decode()
    assert written in out and "features_only" in " ".join(out.partition("paths")[2].partition("does not run")[0].split())
