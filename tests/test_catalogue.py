"""The catalogue: what its classes compute, for every layout, and what it refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from timm.layers import EcaModule, SEModule
from timm.layers.cbam import CbamModule
from torch import Tensor, nn

from codegen import catalogue, finding
from codegen.catalogued import modules
from codegen.errors import CodegenError
from codegen.traced import Layout, Width

CHANNELS, ROWS, COLUMNS = 32, 5, 7
NCHW, NHWC, NC, UNKNOWN = Layout("NCHW"), Layout("NHWC"), Layout("NC"), Layout("")
TOKENS = Layout("NLC", grid=(ROWS, COLUMNS))
PREFIXED = Layout("NLC", prefix=2, grid=(ROWS, COLUMNS), grid_expr="grid_size")
LAYOUTS = {"NCHW": NCHW, "NHWC": NHWC, "tokens": TOKENS, "prefixed": PREFIXED, "NC": NC}
NAMES = ("adapter", "cbam", "eca", "se")
CASES = [
    pytest.param(name, layout, id=f"{name}-{label}")
    for name in NAMES
    for label, layout in LAYOUTS.items()
    if layout.kind != "NC" or name == "adapter"
]
REDUCED = {"reduction": "4"}
ARGUMENTS = {"eca": {}, "se": REDUCED, "cbam": REDUCED | {"kernel_size": "3"}, "adapter": {"bottleneck": "8"}}

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.script:FutureWarning")

# What a host has in scope where it makes the module.
SCOPE = {"channels": CHANNELS, "grid_size": (ROWS, COLUMNS), "dd": {"device": "meta", "dtype": torch.bfloat16}}


@pytest.fixture
def make(tmp_path: Path) -> Any:
    """make(name, layout, settings, identity=, factory=, channels=) -> the module, out of a file of its own."""

    def made(name: str, layout: Layout, settings: dict[str, str] | None = None, **options: Any) -> nn.Module:
        channels = options.pop("channels", CHANNELS)
        options = {"identity": False, "factory": "", **options}
        part = catalogue.component(name, layout, Width("channels", channels, "name"), settings or {}, **options)
        path = tmp_path / f"made{len(list(tmp_path.iterdir()))}.py"
        path.write_text("\n".join([*part.imports, "", "", part.code]))
        scope = {"__name__": path.stem, **SCOPE, "channels": channels}
        exec(compile(path.read_text(), str(path), "exec"), scope)
        torch.manual_seed(0)
        return eval(part.construct, scope)

    return made


def sample(layout: Layout, batch: int = 3, rows: int = ROWS, columns: int = COLUMNS) -> Tensor:
    places = {"NHWC": (rows, columns), "NLC": (layout.prefix + rows * columns,), "NC": ()}
    shape = (CHANNELS, rows, columns) if layout.kind == "NCHW" else (*places[layout.kind], CHANNELS)
    return torch.randn(batch, *shape, generator=torch.Generator().manual_seed(1))


def shake(module: nn.Module) -> nn.Module:
    """Weights far from their start, so that nothing is hidden by small or zero ones."""
    generator = torch.Generator().manual_seed(2)
    for parameter in module.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator)
    return module


def from_map(x: Tensor, layout: Layout) -> Tensor:
    """(N, C, H, W) in another layout; prefix tokens are made up."""
    if layout.kind == "NHWC":
        return x.permute(0, 2, 3, 1)
    if layout.kind == "NLC":
        return torch.cat([x.new_full((len(x), layout.prefix, x.shape[1]), 0.5), x.flatten(2).transpose(1, 2)], dim=1)
    return x


def load(module: nn.Module, other: nn.Module) -> None:
    """Weights in order, 1x1 convolutions into linear layers and back."""
    for mine, theirs in zip(module.parameters(), other.parameters(), strict=True):
        mine.data = theirs.data.reshape(mine.shape).clone()


THEIRS = {
    "se": lambda: SEModule(CHANNELS, rd_channels=8),
    "eca": lambda: EcaModule(CHANNELS),
    "cbam": lambda: CbamModule(CHANNELS, rd_channels=8, spatial_kernel_size=3),
}


@pytest.mark.parametrize("name", list(THEIRS))
def test_map_modules_are_timms(make: Any, name: str) -> None:
    theirs, ours = THEIRS[name](), make(name, NCHW, ARGUMENTS[name])
    if name == "cbam":
        theirs.spatial.conv.bn = nn.Identity()  # the paper's equation has no batch norm
    load(ours, shake(theirs))
    torch.testing.assert_close(ours(sample(NCHW)), theirs(sample(NCHW)))


@pytest.mark.parametrize("name", ["adapter", "eca", "se"])
def test_volumes_are_maps_with_more_rows(make: Any, name: str) -> None:
    """What these modules compute of a position does not depend on where it is."""
    volume = torch.randn(3, CHANNELS, 2, ROWS, COLUMNS, generator=torch.Generator().manual_seed(1))
    of_maps = shake(make(name, NCHW, ARGUMENTS[name]))
    expected = of_maps(volume.flatten(2, 3)).reshape(volume.shape)
    first, last = (make(name, Layout(kind), ARGUMENTS[name]) for kind in ("NCDHW", "NDHWC"))
    for module in (first, last):
        load(module, of_maps)
    torch.testing.assert_close(first(volume), expected)
    torch.testing.assert_close(last(volume.permute(0, 2, 3, 4, 1)), expected.permute(0, 2, 3, 4, 1))


@pytest.mark.parametrize("name", ["adapter", "eca", "se"])
def test_a_row_of_positions_is_a_map_of_one_row(make: Any, name: str) -> None:
    x = torch.randn(3, CHANNELS, COLUMNS, generator=torch.Generator().manual_seed(1))
    of_maps, of_rows = shake(make(name, NCHW, ARGUMENTS[name])), make(name, Layout("NCL"), ARGUMENTS[name])
    load(of_rows, of_maps)
    torch.testing.assert_close(of_rows(x), of_maps(x.unsqueeze(2)).squeeze(2))


@pytest.mark.parametrize(("channels", "kernel"), [(3, 3), (8, 3), (64, 3), (128, 5), (256, 5), (512, 5), (2048, 7)])
def test_eca_kernel_is_the_papers(make: Any, channels: int, kernel: int) -> None:
    assert make("eca", NCHW, channels=channels).conv.kernel_size == (kernel,)
    assert make("eca", NCHW, {"kernel_size": "9"}, channels=channels).conv.kernel_size == (9,)


@pytest.mark.parametrize("layout", [NHWC, TOKENS, PREFIXED], ids=["NHWC", "tokens", "prefixed"])
@pytest.mark.parametrize("name", NAMES)
def test_layouts_agree(make: Any, name: str, layout: Layout) -> None:
    x, maps, other = sample(NCHW), shake(make(name, NCHW, ARGUMENTS[name])), make(name, layout, ARGUMENTS[name])
    load(other, maps)
    got, wanted = other(from_map(x, layout)), from_map(maps(x), layout)
    torch.testing.assert_close(got[:, layout.prefix :], wanted[:, layout.prefix :], rtol=1e-4, atol=1e-4)
    if layout.prefix and name == "cbam":  # it works on the map alone
        assert torch.equal(got[:, : layout.prefix], wanted[:, : layout.prefix])


@pytest.mark.parametrize("name", ["cbam", "eca", "se"])
def test_a_gain_of_one_is_the_plain_module(make: Any, name: str) -> None:
    plain, gained = make(name, PREFIXED), make(name, PREFIXED, identity=True)
    gained.load_state_dict({**plain.state_dict(), "gain": torch.ones(1)})
    torch.testing.assert_close(gained(sample(PREFIXED)), plain(sample(PREFIXED)))


@pytest.mark.parametrize("name", NAMES)
def test_export(make: Any, name: str) -> None:
    module = shake(make(name, PREFIXED, ARGUMENTS[name], identity=True))
    batch = {0: torch.export.Dim("batch", min=1, max=64)}
    exported = torch.export.export(module, (sample(PREFIXED),), dynamic_shapes=(batch,)).module()
    torch.testing.assert_close(exported(sample(PREFIXED, batch=4)), module(sample(PREFIXED, batch=4)))


def test_adapter_starts_near_the_identity(make: Any) -> None:
    adapter, x = make("adapter", TOKENS), sample(TOKENS)
    assert 0 < (adapter(x) - x).abs().max() < 0.02
    assert max(p.abs().max() for p in adapter.parameters()) <= 0.02


def test_grid_may_be_a_list(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SCOPE, "grid_size", [ROWS, COLUMNS])
    assert torch.jit.script(make("cbam", PREFIXED))(sample(PREFIXED)).shape == sample(PREFIXED).shape


def component(name: str, layout: Layout, channels: int = 384, **settings: str) -> catalogue.Component:
    width = Width("embed_dim", channels, "name")
    return catalogue.component(name, layout, width, settings, identity=False, factory="")


def test_component() -> None:
    part = component("se", NCHW, reduction="8")
    assert (part.name, part.class_name, part.construct) == ("se", "SqueezeExcite", "SqueezeExcite(embed_dim)")
    assert part.imports == ("import torch", "from torch import nn")
    assert "reduction: int = 8," in part.code
    assert part.notes == () and "import math" in component("eca", NCHW).imports
    assert "import math" not in component("eca", NCHW, kernel_size="3").imports


def test_notes() -> None:
    assert component("se", NCHW, 3).notes == ("SE: 3 // 16 = 0 hidden channels, raised to 4",)
    assert component("eca", NCHW, 4).notes == ("ECA: 4 channels give a kernel of 1, raised to 3",)
    assert component("adapter", NCHW, 48).notes
    assert component("cbam", NCHW, 0).notes == (), "the width is not known"
    literal = component("cbam", TOKENS)
    assert literal.construct == "ConvBlockAttention(embed_dim, grid_size=(5, 7))"
    assert "this input size only" in literal.notes[0]
    assert component("cbam", PREFIXED).construct == "ConvBlockAttention(embed_dim, grid_size=grid_size)"


@pytest.mark.parametrize(
    ("error", "name", "layout", "settings", "said"),
    [
        ("unknown-module", "sse", NCHW, {}, "se"),
        ("unknown-module", "../file/x", NCHW, {}, "codegen modules lists them"),
        ("unknown-argument", "se", NCHW, {"ratio": "4"}, "reduction=16"),
        ("bad-argument", "se", NCHW, {"reduction": "0"}, "at least 1"),
        ("bad-argument", "se", NCHW, {"reduction": "4.0"}, "int"),
        ("bad-argument", "se", NCHW, {"reduction": "True"}, "int"),
        ("bad-argument", "se", NCHW, {"reduction": "__import__('os').abort()"}, "int"),
        ("bad-argument", "se", NCHW, {"reduction": "9" * 5000}, "int"),
        ("bad-argument", "cbam", NCHW, {"kernel_size": "4"}, "odd"),
        ("bad-argument", "eca", NCHW, {"kernel_size": "1"}, "odd"),
        ("bad-argument", "adapter", NCHW, {"bottleneck": ""}, "int"),
        ("module-does-not-fit", "se", NC, {}, "`adapter`"),
        ("module-does-not-fit", "eca", NC, {}, "adapter"),
        ("module-does-not-fit", "cbam", NC, {}, "adapter"),
        ("module-does-not-fit", "se", UNKNOWN, {}, "could not be measured"),
        ("module-does-not-fit", "cbam", Layout("NLC", prefix=1), {}, "grid"),
    ],
)
def test_refusals(error: str, name: str, layout: Layout, settings: dict[str, str], said: str) -> None:
    with pytest.raises(CodegenError) as caught:
        component(name, layout, **settings)
    assert caught.value.name == error
    assert said in f"{caught.value.message}\n{caught.value.hint}"


def test_the_folder_is_the_registry() -> None:
    folder = catalogue.templates_folder() / "modules"
    assert {each.name for each in catalogue.entries()} == {path.name.partition(".")[0] for path in folder.iterdir()} > {*NAMES}
    assert catalogue.entry("se").arguments == (("reduction", "16"),)
    assert catalogue.entry("adapter").layouts == ("NCHW", "NHWC", "NLC", "NCL", "NCXX", "NXXC", "NCDHW", "NDHWC", "NC")


def test_every_formula_counts_the_parameters(make: Any) -> None:
    """In one layout, with its own settings; `test_equations.py` has them all."""
    for each in catalogue.entries():
        module = make(each.name, LAYOUTS[each.layouts[0]], channels=64)
        assert catalogue.count(each, 64, {}) == sum(p.numel() for p in module.parameters()), each.name
    assert catalogue.count(catalogue.entry("se"), 64, {"reduction": "4"}) == 2 * 64 * 16 + 16 + 64
    with pytest.raises(CodegenError, match="bad-argument"):
        catalogue.count(catalogue.entry("se"), 64, {"reduction": "0"})


PLAIN = {"act", "dropout", "identity", "linear", "norm"}


def names(words: str = "", layout: str = "", *, free: bool = False) -> set[str]:
    return {entry.name for entry in finding.find(words.split(), layout, free=free)}


def test_filters() -> None:
    every = {entry.name for entry in catalogue.entries()}
    assert names() == every
    assert names("channel gate") == names("GATE Channel") == names("channel") & names("gate") < names("channel") < every
    assert {"se", "cbam", "psa"} <= names("channel gate") and "mhsa" not in names("channel gate")
    by_class, by_paper, by_equation = names("efficientchannel"), names("Wang 2020"), names("gamma beta")
    assert "eca" in by_class and "eca" in by_paper and "ssf" in by_equation and "se" not in by_class | by_paper | by_equation
    assert names(layout="NC") == {"adapter", "droppath", "gate", "lora", "scale", "ssf"} | PLAIN
    assert names(free=True) == {"act", "dropblock", "dropout", "droppath", "ge", "identity", "simam"}
    assert names("mean positions", "NCL", free=True) == {"simam"}


@pytest.mark.parametrize(
    ("words", "layout", "free", "error", "said"),
    [
        ("sqe", "", False, "unknown-module", "did you mean se or sge?"),
        ("frobnicate", "NLC", True, "unknown-module", "codegen modules lists them"),
        ("mhsa", "", True, "unknown-module", "`mhsa` and no parameters"),
        ("no such", "NC", False, "unknown-module", "`no` and `such` and the layout NC"),
        ("", "nlc", False, "unknown-layout", "NCHW, NHWC, NLC, NCL, NCXX, NXXC, NCDHW, NDHWC, NC"),
    ],
)
def test_filters_that_nothing_passes(words: str, layout: str, free: bool, error: str, said: str) -> None:
    with pytest.raises(CodegenError) as caught:
        names(words, layout, free=free)
    assert (caught.value.name, caught.value.exit_code) == (error, 2)
    assert said in f"{caught.value.message}\n{caught.value.hint}"


def shown(*words: str) -> str:
    done = CliRunner().invoke(modules, words, catch_exceptions=False)
    assert done.exit_code == 0
    return done.output


def test_the_table() -> None:
    head, *rows = shown().splitlines()
    assert head.split("  ")[0].strip() == "name" and [row.split()[0] for row in rows] == sorted(names())
    assert all(column in head for column in ("layouts", "parameters at 64", "arguments", "paper", "what it does"))
    (cbam,) = [row for row in rows if row.startswith(" cbam ")]
    cells = [cell for cell in cbam.split("  ") if cell]
    wanted = ["cbam", "NCHW NHWC NLC NCL NCDHW NDHWC", "610", "reduction=16, kernel_size=7"]
    assert [cell.strip() for cell in cells[:4]] == wanted
    assert "Woo et al. 2018" in cells[4]
    assert [row.split()[0] for row in shown("--layout", "NC").splitlines()[1:]] == sorted(names(layout="NC"))
    assert shown("channel gate") == shown("channel", "gate")


def test_one_module() -> None:
    """A word that is a name means that module, though others have the word, too."""
    text = shown("gate", "--layout", "NLC")
    assert text.startswith("gate (") and "parameters 1 for 64 channels" in text and "def forward" in text
    formula = "2 * channels * hidden + 2 * kernel_size**dims, hidden = max(channels // reduction, 4), dims = 2"
    assert f"parameters {formula}; 610 for 64 channels" in shown("cbam")
    one = json.loads(shown("cbam", "--json"))
    assert one["parameters"] == {"formula": formula, "at_64": 610} and one["arguments"] and "class " in one["source"]
    assert [each["name"] for each in json.loads(shown("--no-params", "--json"))] == sorted(names(free=True))


def test_importing_it_is_instant() -> None:
    code = "import sys, codegen.catalogue as c; [c.count(e, 64, {}) for e in c.entries()]; "
    code += "print({'torch', 'jinja2', 'black'} & set(sys.modules))"
    root = Path(catalogue.__file__).parents[1]
    assert subprocess.check_output([sys.executable, "-c", code], cwd=root, text=True).strip() == "set()"
