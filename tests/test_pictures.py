"""A model's structure as a tree and as SVG: the order of calls, folding, what is marked, and that text stays text."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest
from conftest import Run
from report_rows import Json, site, structure

import codegen
from codegen.errors import CodegenError
from codegen.reports import pictures, trees
from codegen.reports import structure as drawn
from codegen.reports.pictures import Look, Mark
from codegen.reports.trees import Node

SVG = "{http://www.w3.org/2000/svg}"


def outline(nodes: tuple[Node, ...], depth: int = 0) -> list[str]:
    return [line for n in nodes for line in ["  " * depth + n.label, *outline(n.children, depth + 1)]]


def boxes(svg: str) -> dict[str, ElementTree.Element]:
    """The boxes that a site names; parsing fails where the SVG is not well-formed."""
    tree = ElementTree.fromstring(svg)
    return {box.attrib["data-site"]: box for box in tree.iter(f"{SVG}g") if "data-site" in box.attrib}


def tops(svg: str) -> list[tuple[float, str]]:
    """The labels from the top down."""
    tree = ElementTree.fromstring(svg)
    found = [box for box in tree.iter(f"{SVG}g") if box.attrib.get("class", "").startswith("box")]
    return sorted((float(next(box.iter(f"{SVG}rect")).attrib["y"]), next(box.iter(f"{SVG}text")).text or "") for box in found)


# --- the tree ---------------------------------------------------------------------------------------------------------


def test_siblings_stand_in_the_order_of_their_calls_and_what_is_alike_is_one() -> None:
    first = ["  blocks.0", "    conv", "    act", "    down", "    @residual"]
    folded = ["  blocks.1 … 3", "    conv", "    act", "    @residual"]
    assert outline(trees.tree(structure())) == ["stem", "blocks", *first, *folded, "head", "aux"]


def test_a_folded_node_is_named_as_a_command_names_all_of_it() -> None:
    named = {node.site: node.names for node in trees.walked(trees.tree(structure()))}
    assert named["blocks.1,2,3"] == ("blocks.1", "blocks.2", "blocks.3")
    assert named["blocks.1,2,3.conv"] == ("blocks.1.conv", "blocks.2.conv", "blocks.3.conv")
    assert named["blocks.1,2,3@residual"] == ("blocks.1.@residual", "blocks.2.@residual", "blocks.3.@residual")
    assert named["blocks.0"] == ("blocks.0",)
    for name, every in named.items():
        assert trees.found(structure(), name) == every


def test_names_that_end_in_numbers_fold_too() -> None:
    layers = [site(f"layer{i}", "Layer", [2, 32, 8, 8], 3 * i + 2) for i in range(1, 4)]
    inner = [site(f"layer{i}.norm", "Norm", [2, 32 * i, 8, 8], 3 * i) for i in range(1, 4)]  # as in a DenseNet
    nodes = trees.tree({**structure(), "sites": [*layers, *inner]})
    assert outline(nodes) == ["layer1 … layer3", "  norm"]
    assert [node.site for node in trees.walked(nodes)] == ["layer*", "layer*.norm"]


@pytest.mark.parametrize("change", [{"output_shape": [2, 32, 16, 16]}, {"class_name": "Other"}, {"order": -1}])
def test_what_differs_stays_apart(change: Json) -> None:
    changed = "blocks.2" if "output_shape" in change else "blocks.2.conv"
    sites = [{**each, **change} if each["name"] == changed else each for each in structure()["sites"]]
    labels = outline(trees.tree({**structure(), "sites": sites}))
    assert "  blocks.1 … 3" not in labels and "  blocks.2" in labels


def test_what_is_marked_stays_apart_and_is_shown_however_deep() -> None:
    nodes = trees.tree(structure(), trees.found(structure(), "blocks.2.conv"))
    assert [line for line in outline(nodes) if line.startswith("  blocks")] == [f"  blocks.{i}" for i in range(4)]
    short = trees.pruned(nodes, 5)
    assert [node.site for node in trees.walked(short) if node.marked] == ["blocks.2.conv"]
    assert "    conv" in outline(short) and outline(short).count("    conv") == 1


def test_pruning_says_how_much_is_inside() -> None:
    nodes = trees.tree(structure())
    short = trees.pruned(nodes, 6)
    assert outline(short) == ["stem", "blocks", "  blocks.0", "  blocks.1 … 3", "head", "aux"]
    assert [node.hidden for node in short[1].children] == [4, 3]
    assert trees.pruned(nodes, 99) == nodes


def test_a_number_stands_behind_a_name() -> None:
    names = ("features", "features.1", "features.1.0", "features.1.0.norm")
    sites = [site(name, "Layer", [2, 8, 4, 4], order) for order, name in enumerate(names)]
    nodes = trees.tree({**structure(), "sites": sites})
    assert outline(nodes) == ["features", "  features.1", "    features.1.0", "      norm"]


def test_a_site_of_a_class_is_found_in_all_its_objects() -> None:
    assert trees.found(structure(), "conv") == tuple(f"blocks.{i}.conv" for i in range(4))
    assert trees.found(structure(), "@residual") == tuple(f"blocks.{i}.@residual" for i in range(4))
    assert trees.found(structure(), "nowhere") == ()


def test_a_structure_without_the_order_of_calls_keeps_its_own() -> None:
    sites = [{name: value for name, value in each.items() if name != "order"} for each in structure()["sites"]]
    assert outline(trees.tree({**structure(), "sites": sites}))[:2] == ["head", "stem"]


# --- the picture ------------------------------------------------------------------------------------------------------


def test_a_picture_has_a_box_for_every_node_with_its_facts() -> None:
    svg = pictures.svg(structure(), "net.py")
    found = boxes(svg)
    assert set(found) == {node.site for node in trees.walked(trees.tree(structure()))}
    text = " ".join(found["blocks.1,2,3.conv"].itertext())
    assert "16×16×16" in text and "NCHW" in text and "2,000" in text and "Net" not in text.split("called")[0]
    assert "width dim = 16" in text and "forward:12" in text and "3 modules" in text
    assert "never" in found["aux"].attrib["class"] and "never called" in "".join(found["aux"].itertext())
    assert "1.23 M parameters" in svg and "1×3×32×32" in svg
    assert "prefers-color-scheme: dark" in svg


def test_boxes_hold_what_is_inside_them_and_nothing_overlaps() -> None:
    tree = trees.tree(structure())
    place = {
        name: [float(box.find(f"{SVG}rect").attrib[key]) for key in ("x", "y", "width", "height")]  # type: ignore[union-attr]
        for name, box in boxes(pictures.svg(structure(), "net.py")).items()
    }
    for node in trees.walked(tree):
        x, y, width, height = place[node.site]
        below = y
        for child in node.children:
            cx, cy, cw, ch = place[child.site]
            assert x < cx and cx + cw < x + width and below < cy and cy + ch < y + height
            below = cy + ch


def test_bars_are_longer_with_more_channels_and_tell_each_change_once() -> None:
    svg = pictures.svg(structure(), "net.py")
    lengths = [float(length) for length in re.findall(r'<rect class="bar r\d" [^>]*width="([\d.]+)"', svg)]
    assert lengths[0] < lengths[1] == lengths[2]  # 8 channels of the stem, 16 of the blocks
    assert svg.count("16 @ 16×16") == 1 and svg.count("8 @ 32×32") == 1


@pytest.mark.parametrize("operation", ["after", "before", "beside", "replace"])
def test_what_is_inserted_stands_in_its_place(operation: str) -> None:
    order = ["+ se", "conv"] if operation == "before" else ["conv", "+ se"]
    mark = Mark(operation, trees.found(structure(), "blocks.2.conv"), "se")
    svg = pictures.svg(structure(), "net.py", mark)
    labels = [label for _, label in tops(svg)]
    at = labels.index("+ se")
    assert labels[min(at, labels.index("conv", at - 1)) :][:2] == order
    assert f"marked {operation}" in boxes(svg)["blocks.2.conv"].attrib["class"]


def test_checkpointing_inserts_nothing() -> None:
    mark = Mark("checkpoint", trees.found(structure(), "blocks.2"), "checkpoint")
    svg = pictures.svg(structure(), "net.py", mark)
    assert "inserted" not in svg.split("</style>")[1] and "marked checkpoint" in svg


def test_text_of_a_model_is_no_markup() -> None:
    evil = '<script>alert(1)</script>"&'
    sites = [site(evil, evil, [2, 8, 4, 4], 0, call_sites=[{"method": evil, "line": 1, "paths": []}])]
    for look in (Look(), Look(live=True)):
        svg = pictures.svg({**structure(), "sites": sites, "host": evil, "input": evil}, evil, look=look)
        assert "<script" not in svg
        assert [name for name in boxes(svg)] == [evil]
    page = drawn.html({**structure(), "sites": sites, "host": evil, "input": evil}, evil)
    assert page.count("<script") == 1 and page.count("</script>") == 1


def test_long_names_are_cut_and_told_in_full() -> None:
    name = "a_very_long_name_" * 6
    svg = pictures.svg({**structure(), "sites": [site(name, "Conv2d", [2, 8, 4, 4], 0)]}, "net.py")
    (box,) = boxes(svg).values()
    label = box.findall(f"{SVG}text")[0].text or ""
    assert label.endswith("…") and 20 + 7.3 * len(label) < pictures.TREE
    assert name in (box.find(f"{SVG}title").text or "")  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("class_name", "family"),
    [
        *(("Conv2d", "conv"), ("BatchNorm2d", "norm"), ("LayerNorm2d", "norm"), ("GELU", "activation")),
        *(("Linear", "linear"), ("Mlp", "linear"), ("AdaptiveAvgPool2d", "pool"), ("Identity", "idle"), ("DropPath", "idle")),
        *(("BasicBlock", "block"), ("PatchEmbed", "conv"), ("Hardswish", "activation"), ("WindowAttention", "attention")),
    ],
)
def test_a_family_has_a_colour(class_name: str, family: str) -> None:
    assert pictures.family(class_name) == family


# --- the command ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("option", "name"), [("svg", "net.png"), ("html", "net.svg")])
def test_a_picture_has_the_suffix_of_what_it_is(option: str, name: str, tmp_path: Path) -> None:
    with pytest.raises(CodegenError) as caught:
        codegen.sites("net.py", **{option: tmp_path / name})
    assert caught.value.name == "usage" and f"--{option}" in caught.value.message


def test_a_picture_that_exists_is_kept(tmp_path: Path) -> None:
    (tmp_path / "net.svg").write_text("mine")
    with pytest.raises(CodegenError) as caught:
        codegen.sites("net.py", svg=tmp_path / "net.svg")  # before the source is looked for
    assert caught.value.name == "output-exists" and "--svg FILE" in caught.value.hint
    assert (tmp_path / "net.svg").read_text() == "mine"


NET = """import torch.nn as nn


class Block(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.act = nn.ReLU()
        self.conv = nn.Conv2d(dim, dim, 3, padding=1)

    def forward(self, x):
        return x + self.act(self.conv(x))


class Net(nn.Module):
    def __init__(self, dim=8):
        super().__init__()
        self.head = nn.Linear(dim, 10)
        self.blocks = nn.Sequential(Block(dim), Block(dim), Block(dim))
        self.stem = nn.Conv2d(3, dim, 3)

    def forward(self, x):
        return self.head(self.blocks(self.stem(x)).mean((2, 3)))
"""


@pytest.mark.slow
def test_the_command_draws_what_it_measured(codegen: Run, tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(NET)
    words = ("sites", "net.py", "--input", "1x3x16x16", "--svg", "net.svg", "--html", "net.html")
    found: subprocess.CompletedProcess[bytes] = codegen(*words, cwd=tmp_path)
    assert found.returncode == 0, found.stderr
    assert found.stdout.decode().splitlines() == ["wrote net.svg", "wrote net.html"]
    labels = [label for _, label in tops((tmp_path / "net.svg").read_text())]
    assert labels == ["stem", "blocks", "blocks.0 … 2", "conv", "act", "@residual", "@pool", "head"]
    assert 'data-site="blocks.*.conv"' in (tmp_path / "net.html").read_text()
    assert codegen(*words, cwd=tmp_path).returncode == 2
    assert codegen(*words, "--force", cwd=tmp_path).returncode == 0
