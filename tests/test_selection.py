"""Which modules a site's name means, and how the model's code reaches them."""

from __future__ import annotations

import pytest

from codegen import elements, reaching, selection
from codegen.errors import CodegenError
from codegen.traced import Trace, TracedModule

BLOCKS = [f"blocks.{i}{child}" for i in range(6) for child in ("", ".attn", ".mlp")]
STAGES = [f"stages.{i}{child}" for i in range(2) for child in ("", ".blocks", ".blocks.0", ".blocks.1", ".blocks.2")]
LAYERS = [f"layer{i}{child}" for i in (1, 2) for child in ("", ".0", ".1", ".0.bn", ".1.bn")]
NAMES = ["", "stem", "blocks", *BLOCKS, "stages", *STAGES, *LAYERS, "heads", "heads.left", "heads.right-most", "norm"]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("stem", ["stem"]),
        ("blocks.3", ["blocks.3"]),
        ("blocks.-1", ["blocks.5"]),
        ("blocks.4,0,-1", ["blocks.4", "blocks.0", "blocks.5"]),
        ("blocks.::2", ["blocks.0", "blocks.2", "blocks.4"]),
        ("blocks.3:", ["blocks.3", "blocks.4", "blocks.5"]),
        ("blocks.-2:.attn", ["blocks.4.attn", "blocks.5.attn"]),
        ("stages.*.blocks.0", ["stages.0.blocks.0", "stages.1.blocks.0"]),
        ("layer*.-1.bn", ["layer1.1.bn", "layer2.1.bn"]),
        ("heads.*", ["heads.left", "heads.right-most"]),
        ("heads.-1", ["heads.right-most"]),  # a position where no element has a number
        ("heads.1", []),
        ("heads.0,1", []),
        ("*.-1", ["blocks.5", "stages.1", "layer1.1", "layer2.1"]),
        ("blocks.6", []),
        ("blocks.2,6", []),
        ("blocks.-7", []),
        ("blocks.attn", []),
        ("stem.0", []),
        ("blocks.x:y", []),
    ],
)
def test_what_a_name_means(pattern: str, found: list[str]) -> None:
    assert selection.select(NAMES, pattern) == found


def test_below_a_module() -> None:
    assert selection.select(NAMES, "blocks.0", "stages.1") == ["stages.1.blocks.0"]


def test_a_step_of_zero_is_refused() -> None:
    with pytest.raises(CodegenError, match="unknown-site"):
        selection.select(NAMES, "blocks.::0")


@pytest.mark.parametrize(
    "pattern", ["stem", "blocks.*", "blocks.*.attn", "blocks.1:5", "blocks.0,2.mlp", "stages.*.blocks.0", "stages.1.blocks.*"]
)
def test_a_name_for_some_modules_means_just_these(pattern: str) -> None:
    assert selection.covering(NAMES, selection.select(NAMES, pattern)) == pattern


@pytest.mark.parametrize(
    ("pattern", "headers", "target"),
    [
        ("stem", [], "self.stem"),
        ("blocks.3", [], "self.blocks[3]"),
        ("blocks.-1", [], "self.blocks[-1]"),
        ("blocks.4,0", ["for i in (4, 0):"], "self.blocks[i]"),
        ("blocks.::2", ["for block in self.blocks[::2]:"], "block"),
        ("blocks.*", ["for block in self.blocks:"], "block"),
        ("stages.*.blocks.0", ["for stage in self.stages:"], "stage.blocks[0]"),
        ("stages.*.blocks.0,2", ["for stage in self.stages:", "for i in (0, 2):"], "stage.blocks[i]"),
        ("stages.1.blocks.1:", ["for block in self.stages[1].blocks[1:]:"], "block"),
        ("layer*.-1", ["for module in (self.layer1, self.layer2):"], "module[-1]"),
        ("heads.right-most", [], 'self.heads.get_submodule("right-most")'),
        ("heads.:1", [], "self.heads.left"),
        ("*.*.blocks.0", ["for stage in self.stages:"], "stage.blocks[0]"),  # only stages have blocks
        ("*.0", ["for module in (self.blocks[0], self.stages[0], self.layer1[0], self.layer2[0]):"], "module"),
    ],
)
def test_how_the_models_code_reaches_them(pattern: str, headers: list[str], target: str) -> None:
    assert reaching.spelled(NAMES, pattern, ()) == reaching.Spelled(tuple(headers), target)


def test_where_no_loop_fits_only_what_is_meant_is_reached() -> None:
    """features.0 ends in a norm, features.2 is no list: the pattern of the blocks' owners means the norm too."""
    names = ["", "features", *(f"features.{i}" for i in range(4)), "features.0.0", "features.2.norm"]
    names += [f"features.{i}.{j}" for i in (1, 3) for j in (0, 1)]
    blocks = ["features.1.1", "features.3.1"]
    found = reaching.spelled(names, "features.*.-1", (), meant=blocks)
    assert found.headers == ("for module in (self.features[1][1], self.features[3][1]):",)


def test_names_of_the_constructor_are_left_alone() -> None:
    assert reaching.spelled(NAMES, "blocks.*", {"block"}).target == "block2"


def test_an_element_whose_position_is_not_its_name_is_reached_by_name() -> None:
    """`se` stands between `0` and `1`: `self.stem[1]` would be that."""
    names = ["", "stem", "stem.0", "stem.se", "stem.1"]
    how = {"stem": elements.NAMED}
    assert reaching.one("stem.1", how) == 'self.stem.get_submodule("1")' and reaching.one("stem.se", how) == "self.stem.se"
    assert reaching.spelled(names, "stem.1", (), how).target == 'self.stem.get_submodule("1")'
    known = tuple(TracedModule(name, "Sequential" if name == "stem" else "Linear", 1) for name in names)
    assert elements.dicts(Trace("Net()", "", (), known, (), ())) == how
