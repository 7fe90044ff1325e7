"""The expression for a width: each rank in its order, on tiny classes built at one or two sizes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from textwrap import indent
from typing import Any

import pytest

pytest.importorskip("torch")

from torch import nn

from codegen.traced import Width  # noqa: E402
from codegen.worker import models, widths  # noqa: E402
from codegen.worker.scopes import Scope, recording  # noqa: E402
from codegen.worker.widths import Observation  # noqa: E402

NET = '''
from types import SimpleNamespace

from torch import nn

BASE = 8


class Plain:
    expansion = 1


class Wide:
    expansion = 4


def rounded(width):
    return (width * 3 + 4) // 5 * 5


def conv(width):
    return nn.Conv2d(3, width, 1)


def hidden(module):
    """The module where no attribute of its own or of a named child tells its width."""
    return nn.Sequential(nn.Sequential(module))


class Stem(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.proj = conv(width)


class Net(nn.Module):
    def __init__(PARAMETERS):
        super().__init__()
BODY
    def grow(self, width):
        self.inplanes = width
        return hidden(conv(width))
'''

Builds = Sequence[dict[str, Any]]


def width_of(module: Any) -> int:
    """The channels that the last convolution in a module gives."""
    return [m.out_channels for m in module.modules() if hasattr(m, "out_channels")][-1]


def observed(folder: Path, parameters: str, body: str, builds: Builds, attribute: str) -> list[widths.Observation]:
    """One observation a build. A string among the arguments is evaluated in the file: "Wide"."""
    path = folder / "net.py"
    path.write_text(NET.replace("PARAMETERS", f"self, {parameters}").replace("BODY", indent(body, " " * 8) + "\n"))
    module = models.import_file(path, "width_net")
    seen = []
    for arguments in builds:
        given = {k: models.evaluate(module, v) if isinstance(v, str) else v for k, v in arguments.items()}
        with recording() as scopes:
            net = module.Net(**given)
        scope = scopes.of(net, module.Net)
        measured = net if attribute == "act" else getattr(net, attribute)
        assert scope is not None
        seen.append(widths.Observation(scope, width_of(measured)))
    return seen


def found(folder: Path, parameters: str, body: str, builds: Builds, attribute: str = "site") -> Width:
    seen = observed(folder, parameters, body, builds, attribute)
    width = widths.expression(seen, attribute, outgoing=True, builds=len(builds))
    assert width is not None and width.value == seen[0].value
    return width


WIDTHS: Builds = ({"width": 8}, {"width": 24})
DIMS: Builds = ({"dims": (8, 16, 32, 64)}, {"dims": (10, 20, 40, 80)})
BLOCKS: Builds = ({"block": "Plain"}, {"block": "Wide"})
CONFIGS: Builds = ({"config": "SimpleNamespace(size=12, dim=8)"}, {"config": "SimpleNamespace(size=12, dim=24)"})
DICTS: Builds = ({"cfg": {"size": 12, "dim": 8}}, {"cfg": {"size": 12, "dim": 24}})
RECORDS = "self.info = [dict(chs=3, name='in'), dict(chs=rounded(width), name='out')]\nself.site = hidden(conv(rounded(width)))"
LOCAL_RECORDS = RECORDS.replace("self.info", "info")
PARTED = "if width > 0:\n    self.width = width\nelse:\n    self.width = 3\nself.site = conv(self.width)"
STAGES = "self.site = hidden(conv(64 * block.expansion))"
HELPER_STAGES = "make = lambda planes: hidden(conv(planes * block.expansion))\nself.site = make(64)"


@pytest.mark.parametrize(
    ("parameters", "body", "builds", "expected", "kind"),
    [
        pytest.param("size=12, width=8", "self.site = conv(width)", WIDTHS, "width", "name", id="parameter"),
        pytest.param("width", "double = width * 2\nself.site = conv(double)", WIDTHS, "double", "name", id="local"),
        pytest.param(
            "width",
            "self.dim = width\nwidth = 1\nself.site = conv(self.dim)",
            WIDTHS,
            "self.dim",
            "attribute",
            id="self",
        ),
        pytest.param("dims", "self.site = conv(dims[3])", DIMS, "dims[-1]", "name", id="last of a list"),
        pytest.param("dims", "self.site = conv(dims[0])", DIMS, "dims[0]", "name", id="first of a list"),
        pytest.param("dims", "self.site = conv(dims[2])", DIMS, "dims[2]", "name", id="element of a list"),
        pytest.param(
            "dims",
            "self.all = list(dims)\ndel dims\nself.site = conv(self.all[1])",
            DIMS,
            "self.all[1]",
            "attribute",
            id="of self",
        ),
        pytest.param("width", "self.site = conv(width * 4)", WIDTHS, "width * 4", "name", id="expression in the code"),
        pytest.param("width", "self.site = conv(width * BASE)", WIDTHS, "width * BASE", "name", id="with a global"),
        pytest.param("block", STAGES, BLOCKS, "64 * block.expansion", "attribute", id="with an attribute of a class"),
        pytest.param(
            "config",
            "self.site = hidden(Stem(config.dim))",
            CONFIGS,
            "config.dim",
            "attribute",
            id="written configuration",
        ),
        pytest.param(
            "config",
            "self.site = hidden(conv(vars(config)['dim']))",
            CONFIGS,
            "config.dim",
            "attribute",
            id="configuration",
        ),
        pytest.param("cfg", "self.site = hidden(conv(cfg.get('dim')))", DICTS, 'cfg["dim"]', "name", id="dict"),
        pytest.param(
            "width",
            "self.site = conv(rounded(width))",
            WIDTHS,
            "self.site.out_channels",
            "attribute",
            id="the site's own",
        ),
        pytest.param(
            "width",
            "self.site = Stem(rounded(width))",
            WIDTHS,
            "self.site.proj.out_channels",
            "attribute",
            id="its child's",
        ),
        pytest.param("block", HELPER_STAGES, BLOCKS, "64 * block.expansion", "attribute", id="product"),
        pytest.param(
            "block, base=8",
            "make = lambda planes: hidden(conv(planes * block.expansion))\nself.site = make(base * 2)",
            BLOCKS,
            "base * 2 * block.expansion",
            "attribute",
            id="product of a product",
        ),
        pytest.param("width", RECORDS, WIDTHS, 'self.info[1]["chs"]', "attribute", id="record"),
        pytest.param("width", LOCAL_RECORDS, WIDTHS, 'info[-1]["chs"]', "name", id="local record, the last one"),
        pytest.param("width", PARTED, WIDTHS, "self.width", "attribute", id="an argument that holds in some cases only"),
        pytest.param(
            "size=12",
            "self.site = hidden(conv(7))",
            ({}, {"size": 24}),
            "self.site[0][0].out_channels",
            "attribute",
            id="what is last inside it",
        ),
    ],
)
def test_each_rank_of_expression(  # noqa: PLR0913
    tmp_path: Path, parameters: str, body: str, builds: Builds, expected: str, kind: str
) -> None:
    width = found(tmp_path, parameters, body, builds)
    assert (width.expr, width.kind, width.builds) == (expected, kind, 2)


def test_a_site_without_attributes_is_told_by_its_nearest_neighbour(tmp_path: Path) -> None:
    body = "self.far = conv(3)\nself.near = conv(rounded(width))\nself.act = nn.ReLU()\nself.last = conv(rounded(width))"
    width = found(tmp_path, "width", body, WIDTHS, attribute="act")
    assert width.expr == "self.near.out_channels"


@pytest.mark.parametrize(("builds", "expected"), [(WIDTHS, "self.near[0].out_channels"), (WIDTHS[:1], "25")])
def test_a_part_of_a_neighbour_tells_a_width_that_was_seen_to_follow_it(
    tmp_path: Path, builds: Builds, expected: str
) -> None:
    body = "self.near = nn.Sequential(conv(rounded(width)), conv(5))\nself.act = nn.ReLU()\ndel width"
    seen = [replace(o, value=o.owner.near[0].out_channels) for o in observed(tmp_path, "width", body, builds, "near")]
    width = widths.expression(seen, "act", outgoing=True, builds=len(builds))
    assert width is not None and width.expr == expected


ORDER = (
    ("width", "width"),
    ("local = width", "width"),
    ("del_ = width; self.dim = width; width = 0", "del_"),
    ("self.dim = width; dims = [width, 3]; width = 0", "self.dim"),
    ("dims = [3, width]; self.other = conv(width + 0); width = 0", "dims[-1]"),
    ("pairs = [(3, width)]\nfor pair in pairs:\n    self.other = conv(pair[1])\nwidth = 0", "self.other.out_channels"),
)


@pytest.mark.parametrize(("body", "expected"), ORDER)
def test_the_simplest_expression_wins(tmp_path: Path, body: str, expected: str) -> None:
    assert found(tmp_path, "width", f"self.site = hidden(conv(width))\n{body}", WIDTHS).expr == expected


MAKES = "self.site = hidden(conv(dims[-1]))"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(f"now = 3\nfor i in range(4):\n    now = dims[i]\n{MAKES}", "dims[-1]", id="local in a loop"),
        pytest.param(f"now = 3\nnow = dims[-1]\n{MAKES}", "dims[-1]", id="assigned twice"),
        pytest.param(f"now = 3\nnow += dims[-1] - 3\n{MAKES}", "dims[-1]", id="augmented"),
        pytest.param(
            f"self.inplanes = 3\nfor i in range(4):\n    self.inplanes = dims[i]\n{MAKES}",
            "dims[-1]",
            id="self in a loop",
        ),
        pytest.param("self.inplanes = 3\nself.site = self.grow(dims[-1])", "dims[-1]", id="self, in a helper method"),
        pytest.param("a, b = 3, 4\nfor i in range(4):\n    a, b = dims[i], 1\n" + MAKES, "dims[-1]", id="unpacked"),
        pytest.param(
            f"for dim in dims:\n    pass\n{MAKES}",
            "dims[-1]",
            id="the loop's own variable",
        ),
    ],
)
def test_a_name_that_runs_is_not_preferred(tmp_path: Path, body: str, expected: str) -> None:
    assert found(tmp_path, "dims", body, DIMS).expr == expected


def test_a_name_that_runs_is_better_than_nothing(tmp_path: Path) -> None:
    body = "now = 3\nfor _ in range(2):\n    now = rounded(now + width)\nself.site = hidden(conv(now))"
    assert found(tmp_path, "width", body, WIDTHS).expr == "now"


def test_a_second_build_separates_what_was_equal_by_chance(tmp_path: Path) -> None:
    body = "self.site = conv(width)"
    assert found(tmp_path, "classes=8, width=8", body, ({},)).expr == "width"  # what the site is made with
    assert found(tmp_path, "classes=8, width=8", body, ({}, {"width": 16})).expr == "width"
    assert found(tmp_path, "classes=8, width=8", body, ({}, {"classes": 16})).expr == "width"


def test_a_flag_is_no_width(tmp_path: Path) -> None:
    assert found(tmp_path, "flag=True, width=1", "self.site = conv(width)", ({},)).expr == "width"


def test_what_no_name_gives_is_asked_of_the_last_module_inside(tmp_path: Path) -> None:
    body = "self.site = hidden(conv(rounded(width)))\ndel width"
    assert found(tmp_path, "width", body, WIDTHS) == Width("self.site[0][0].out_channels", 25, "attribute", 2)


def test_an_element_of_a_list_of_lists(tmp_path: Path) -> None:
    builds = [{"stages": [[8, 16], [24, 32]]}, {"stages": [[8, 24], [16, 64]]}]
    body = "self.site = hidden(conv([n for part in stages[:1] for n in part][-1]))"
    assert found(tmp_path, "stages", body, builds).expr == "stages[0][-1]"
    assert "stages" not in found(tmp_path, "stages", body, builds[:1]).expr  # at one size any number may be there by chance


def test_a_literal_that_not_every_build_agrees_on_counts_as_one_build(tmp_path: Path) -> None:
    seen = observed(tmp_path, "width", "self.site = conv(rounded(width))\ndel width", WIDTHS, "site")
    nowhere = [replace(o, scope=replace(o.scope, locals={"self": nn.Module()})) for o in seen]
    assert widths.expression(nowhere, "site", outgoing=True, builds=2) == Width("25", 25, "literal", 1)


def test_nothing_observed_gives_no_width() -> None:
    assert widths.expression([], "site", outgoing=True, builds=1) is None
    assert widths.grid([], "site") == ""


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("", "grid"),
        ("self.size = [*grid]; grid = None", "self.size"),
        ("self.site.grid_size = tuple(grid); grid = None", "self.site.grid_size"),
        ("grid = [grid[0]]", ""),
    ],
)
def test_the_grid_is_a_pair_of_ints(tmp_path: Path, body: str, expected: str) -> None:
    builds: Builds = ({"grid": (2, 3)}, {"grid": (4, 3)})
    seen = observed(tmp_path, "grid", f"self.site = conv(3)\n{body}", builds, "site")
    pairs = [widths.Observation(o.scope, build["grid"]) for o, build in zip(seen, builds, strict=True)]
    assert widths.grid(pairs, "site") == expected


def test_an_owner_that_lacks_the_list_of_the_site_when_its_init_ends() -> None:
    """Derived classes make it: timm's PNASNet."""

    def init(self: Any, width: int) -> None: ...

    seen = Observation(Scope(init.__code__, {"self": nn.Module(), "width": 9}, {}, ("width",)), 8)
    width = widths.expression([seen], "stem.conv", outgoing=True, builds=1)
    assert width is not None and (width.expr, width.kind) == ("8", "literal")
