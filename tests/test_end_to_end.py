"""The committed files of generated/ against the originals of their libraries: outputs, weights, features, registries."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from conftest import ROOT

pytest.importorskip("timm")
pytest.importorskip("torchvision")

import oracle  # noqa: E402
import timm  # noqa: E402
import torch  # noqa: E402

pytestmark = pytest.mark.slow
LOADED: dict[str, ModuleType] = {}

# file: (library, base's build, variant's build, site, attribute, input)
VARIANTS = {
    "resnet18_cbam": ("torchvision.models", "resnet18(weights=None)", "resnet18_cbam()", "layer4", "cbam", (2, 3, 64, 64)),
    "resnet50_eca": ("timm", "create_model('resnet50')", "resnet50_eca()", "layer3", "eca", (2, 3, 64, 64)),
    "vit_tiny_se": (
        "timm", "create_model('vit_tiny_patch16_224')", "vit_tiny_patch16_224_se()", "patch_embed", "se", (2, 3, 224, 224)
    ),
    "vit_tiny_block_se": (
        "timm", "create_model('vit_tiny_patch16_224')", "vit_tiny_patch16_224_se()", "blocks.*.attn", "se", (2, 3, 224, 224)
    ),
}  # fmt: skip


def generated(name: str) -> ModuleType:
    """The committed variant, imported once: a second import would register its models again."""
    if name not in LOADED:
        LOADED[name] = oracle.load(str(ROOT / "generated" / f"{name}.py"))
    return LOADED[name]


def test_every_committed_file_is_compared() -> None:
    assert {path.stem for path in (ROOT / "generated").glob("*.py")} == set(VARIANTS)


@pytest.mark.parametrize("name", VARIANTS)
def test_a_committed_variant_is_the_original_with_the_module_around_its_site(name: str) -> None:
    library, base, variant, site, attribute, shape = VARIANTS[name]
    module = oracle.load(library)
    assert oracle.compare(module, generated(name), base, variant, site, attribute, "after", shape) == []


@pytest.mark.parametrize("name", VARIANTS)
def test_the_backbone_of_a_variant_draws_the_same_random_numbers(name: str) -> None:
    library, base, variant, _, attribute, _ = VARIANTS[name]
    original = oracle.build(oracle.load(library), base, 3).state_dict()
    edited = oracle.build(generated(name), variant, 3).state_dict()
    assert [k for k, v in original.items() if not torch.equal(v, edited[k])] == []
    new = edited.keys() - original.keys()
    assert new and all(f".{attribute}." in f".{key}" for key in new)


@pytest.mark.parametrize("name", VARIANTS)
def test_a_base_checkpoint_loads_strictly_and_a_damaged_one_does_not(name: str) -> None:
    library, base, variant, _, attribute, _ = VARIANTS[name]
    model = oracle.build(generated(name), variant, 0)
    assert model.load_state_dict(oracle.build(oracle.load(library), base, 1).state_dict()) == ([], [])
    damaged = model.state_dict()
    del damaged[next(key for key in damaged if not key.startswith(attribute))]
    with pytest.raises(RuntimeError):
        model.load_state_dict(damaged)


def test_timm_loads_pretrained_weights_of_the_base_into_the_registered_entry(tmp_path: Path) -> None:
    generated("resnet50_eca")
    torch.manual_seed(7)
    weights = timm.create_model("resnet50").state_dict()
    file = tmp_path / "resnet50.pth"
    torch.save(weights, file)
    torch.manual_seed(8)
    model = timm.create_model("resnet50_eca", pretrained=True, pretrained_cfg_overlay={"file": str(file)})
    loaded = model.state_dict()
    assert [key for key, value in weights.items() if not torch.equal(value, loaded[key])] == []
    assert all(key.startswith("eca.") for key in loaded.keys() - weights.keys())
    assert model.pretrained_cfg["num_classes"] == 1000 and model.pretrained_cfg["file"] == str(file)


def test_timm_extracts_features_through_the_module() -> None:
    generated("resnet50_eca")
    torch.manual_seed(0)
    base = timm.create_model("resnet50", features_only=True).eval()
    torch.manual_seed(0)
    variant = timm.create_model("resnet50_eca", features_only=True).eval()
    counts = {"layer3": 0, "eca": 0}

    def counted(name: str) -> Any:
        def hook(*_: Any) -> None:
            counts[name] += 1

        return hook

    for name in counts:
        variant.get_submodule(name).register_forward_hook(counted(name))
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        plain, features = base(x), variant(x)
    assert counts == {"layer3": 1, "eca": 1}
    assert [f.shape for f in features] == [f.shape for f in plain]
    assert variant.feature_info.channels() == base.feature_info.channels()
    assert all(torch.equal(a, b) for a, b in zip(plain[:3], features[:3], strict=True))
    assert not torch.equal(plain[3], features[3])  # what is tapped as layer3 has gone through the module


REGISTERED = """
import json, sys
import timm, torchvision
from timm.models import _registry
from torchvision.models import _api
import oracle

def tables():
    found = {("timm", n): f for n, f in _registry._model_entrypoints.items()}
    found |= {("weights", n): c for n, c in _registry._model_pretrained_cfgs.items()}
    found |= {("default", n): c for n, c in _registry._model_default_cfgs.items()}
    return found | {("torchvision", n): f for n, f in _api.BUILTIN_MODELS.items()}

before = tables()
oracle.load(sys.argv[1])
after = tables()
changed = [n for n, v in before.items() if after.get(n) is not v]
print(json.dumps({"changed": changed, "new": sorted({n.split(".")[0] for _, n in after.keys() - before.keys()})}))
"""


@pytest.mark.parametrize(
    ("name", "new"),
    [("resnet18_cbam", "resnet18_cbam"), ("resnet50_eca", "resnet50_eca"), ("vit_tiny_se", "vit_tiny_patch16_224_se")],
)
def test_importing_a_variant_leaves_the_libraries_entries_as_they_were(name: str, new: str) -> None:
    file = str(ROOT / "generated" / f"{name}.py")
    done = subprocess.run(
        [sys.executable, "-c", REGISTERED, file], cwd=ROOT / "tests", check=True, capture_output=True, text=True
    )
    assert json.loads(done.stdout.splitlines()[-1]) == {"changed": [], "new": [new]}
    assert "overwrit" not in done.stderr.lower()
