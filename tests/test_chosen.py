"""Elements of lists and chosen blocks of whole backbones, each variant compared with the oracle."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import Run

pytest.importorskip("timm")
pytest.importorskip("torchvision")

import oracle  # noqa: E402

pytestmark = pytest.mark.slow

# source, module, the site as the command names it, as fnmatch does; ViT: heads would differ with --before
CASES = [
    ("timm:test_vit", "adapter", "after", "blocks.3", "blocks.3"),
    ("timm:test_vit", "adapter", "before", "blocks.-1", "blocks.5"),
    ("timm:test_vit", "adapter", "after", "blocks.::2", "blocks.[024]"),
    ("timm:test_vit", "adapter", "after", "blocks.1,4", "blocks.[14]"),
    ("timm:test_vit", "adapter", "after", "blocks.*", "blocks.*"),
    ("timm:test_vit", "adapter", "after", "blocks.1:.attn", "blocks.[1-5].attn"),
    ("timm:test_vit", "adapter", "before", "blocks.0.mlp", "blocks.0.mlp"),
    ("timm:test_resnet", "se", "after", "layer1.0", "layer1.0"),
    ("timm:resnet18", "eca", "after", "layer*.-1", "layer?.1"),
    ("timm:resnet18", "se", "after", "layer4.*.bn2", "layer4.*.bn2"),
    ("timm:test_convnext", "eca", "after", "stages.*.blocks.0", "stages.*.blocks.0"),
    ("timm:test_efficientnet", "se", "after", "blocks.1.0", "blocks.1.0"),
    # run as a whole, by checkpoint_seq(self.blocks, x), and one by one in forward_intermediates and features_only
    ("timm:mobilenetv3_small_050", "se", "after", "blocks.0", "blocks.0"),
    ("timm:test_efficientnet", "se", "before", "blocks.1", "blocks.1"),
    ("timm:densenet121", "se", "after", "features.denseblock1", "features.denseblock1"),
    ("timm:swin_tiny_patch4_window7_224", "adapter", "after", "layers.2.blocks.::2", "layers.2.blocks.[024]"),
    ("torchvision:resnet18", "se", "before", "layer3.1", "layer3.1"),
    ("torchvision:mobilenet_v3_small", "se", "after", "features.3", "features.3"),
    ("torchvision:alexnet", "se", "before", "features.3", "features.3"),
    ("torchvision:vit_b_16", "adapter", "after", "encoder.layers.encoder_layer_3", "encoder.layers.encoder_layer_3"),
    ("timm:resnet18", "se", "after", "layer2.*.downsample.0", "layer2.0.downsample.0"),
    ("timm:resnet18", "se", "after", "layer*.*.downsample.0", "layer?.0.downsample.0"),
    ("torchvision:resnet18", "eca", "before", "layer2.0.downsample.1", "layer2.0.downsample.1"),
    ("torchvision:densenet121", "se", "after", "features.denseblock1", "features.denseblock1"),
    ("torchvision:convnext_tiny", "adapter", "after", "features.*.*.block.3", "features.?.*.block.3"),
    ("torchvision:mobilenet_v2", "se", "after", "features.3.conv.2", "features.3.conv.2"),
    ("torchvision:swin_t", "adapter", "after", "features.1.*.mlp.1", "features.1.*.mlp.1"),
    # in an nn.Sequential that features_only takes apart: a layer of it, or of its elements where they are such lists
    ("timm:test_convnext", "eca", "after", "stem.0", "stem.0"),
    ("timm:starnet_s050", "se", "before", "stem.1", "stem.1"),
    ("timm:test_byobnet", "se", "after", "stages.0", "stages.0"),
    ("timm:test_byobnet", "eca", "before", "stages.1", "stages.1"),
    ("timm:starnet_s050", "se", "after", "stages.*", "stages.?"),
    ("timm:mobilevit_xxs", "se", "after", "stages.-1", "stages.4"),
    # of blocks with unlike layers, whose widths only one name of theirs tells; other objects of the class lack the layer
    ("timm:sam2_hiera_tiny", "se", "before", "blocks.::2.ls1", "blocks.*[02468].ls1"),
    ("torchvision:regnet_y_400mf", "se", "after", "trunk_output.block3.*-4.f.b.2", "trunk_output.block3.*-4.f.b.2"),
]


@pytest.mark.parametrize(("source", "module", "operation", "site", "meant"), CASES)
def test_the_original_with_modules_around_the_chosen_sites(
    codegen: Run, tmp_path: Path, source: str, module: str, operation: str, site: str, meant: str
) -> None:
    name = source.partition(":")[2]
    target = tmp_path / f"chosen_{name}_{abs(hash((operation, site)))}.py"
    done = codegen("insert", source, f"--module={module}", f"--{operation}={site}", "-o", str(target), cwd=tmp_path)
    assert done.returncode == 0, done.stderr.decode()
    library = "timm" if source.startswith("timm") else "torchvision.models"
    base = f"create_model('{name}')" if library == "timm" else f"{name}(weights=None)"
    variant = oracle.load(str(target))
    attribute = next(n for n in (f"{module}2", module) if f".{n} = " in target.read_text())
    size = 224 if "vit" in name or "swin" in name else 96
    size = 160 if name == "test_vit" else size
    found = oracle.compare(
        oracle.load(library), variant, base, f"{name}_{module}()", meant, attribute, operation, (2, 3, size, size)
    )
    assert found == []
