"""The grid of a sweep: how it is written, what words and patterns mean in a model, and which cells come out."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from small_sweep_source import written

from codegen import grids, recipes, sources
from codegen.child import Child
from codegen.errors import CodegenError
from codegen.grids import Grid
from codegen.limits import Limits
from codegen.pipeline import traced
from codegen.sweeps import places, planning
from codegen.sweeps.places import Map, Seen
from codegen.sweeps.planning import Item
from codegen.sweeps.rows import Settings
from codegen.types import Request, Source

TABLE = '[sweep.one]\nsources = ["net.py"]\nmodules = ["se"]\nsites = ["stem"]\n'


def refused(call: Callable[[], object]) -> CodegenError:
    with pytest.raises(CodegenError) as caught:
        call()
    assert caught.value.message and caught.value.hint
    return caught.value


# --- how it is written --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("texts", "parts"),
    [
        (["se,eca,cbam"], ("se", "eca", "cbam")),
        (["cat(se, eca),se"], ("cat(se, eca)", "se")),
        (["se(reduction=8) >> eca , se"], ("se(reduction=8) >> eca", "se")),
        (["all(blocks.2,5)", "layer1"], ("all(blocks.2,5)", "layer1")),
        (["se,se", "se"], ("se",)),
        (['cat("a,b.py:M", se)'], ('cat("a,b.py:M", se)',)),
        ([",", ""], ()),
        (["se)"], ("se)",)),
    ],
)
def test_commas_inside_brackets_part_nothing(texts: list[str], parts: tuple[str, ...]) -> None:
    assert grids.split(texts) == parts


def test_arguments_have_several_values() -> None:
    given = [("reduction", "4,8"), ("act", "['gelu', 'relu']"), ("reduction", "8"), ("sizes", "(1, 2),(3, 4)")]
    assert grids.several(given) == (("reduction", ("4", "8")), ("act", ("gelu", "relu")), ("sizes", ("(1, 2)", "(3, 4)")))
    assert refused(lambda: grids.several([("reduction", "")])).name == "usage"


def book(folder: Path, text: str) -> Path:
    path = folder / "codegen.toml"
    path.write_text(text)
    return path


def test_a_table_is_a_grid(tmp_path: Path) -> None:
    more = 'operations = ["after", "before"]\nargs = {reduction = [4, 8], act = "gelu"}\n'
    more += 'limit = 3\nfull = true\ncosts = ["flops"]\ninclude = ["* se after a,b"]\n'
    grid = recipes.sweeps(book(tmp_path, TABLE + more))["one"]
    assert grid.sources == ("net.py",) and grid.operations == ("after", "before") and grid.limit == 3 and grid.full
    assert grid.args == (("reduction", ("4", "8")), ("act", ("gelu",))) and grid.costs == ("flops",)
    assert grid.include == ("* se after a,b",)


WRONG = {
    "an unknown key": ("site = 1\n", 5),
    "a text for a list": ('operations = "after"\n', 5),
    "an empty list": ("include = []\n", 5),
    "an unknown operation": ('operations = ["behind"]\n', 5),
    "a list for a table": ("args = [1]\n", 5),
    "true for a number": ("limit = true\n", 5),
    "no number from 1 on": ("sample = 0\n", 5),
    "an unknown cost": ('costs = ["time"]\n', 5),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_table_is_told_with_its_line(what: str, tmp_path: Path) -> None:
    text, line = WRONG[what]
    path = book(tmp_path, TABLE + text)
    error = refused(lambda: recipes.sweeps(path))
    assert error.name == "bad-recipe" and error.message.startswith(f"codegen.toml:{line}: ")
    assert refused(lambda: recipes.read(path)).name == "bad-recipe"  # build and check tell it, too


def test_a_table_without_a_name_and_one_without_modules(tmp_path: Path) -> None:
    assert "no table of tables" in refused(lambda: recipes.sweeps(book(tmp_path, '[sweep]\nmodules = ["se"]\n'))).message
    assert "has no modules" in refused(lambda: recipes.sweeps(book(tmp_path, '[sweep.a]\nsources = ["net.py"]\n'))).message
    assert "names a folder" in refused(lambda: recipes.sweeps(book(tmp_path, '[sweep."../a"]\n'))).message


def test_the_line_is_that_of_the_sweep_and_not_of_a_variant_of_its_name(tmp_path: Path) -> None:
    variant = '[variants.one]\nsource = "net.py"\nedits = ["after stem: se"]\n'
    path = book(tmp_path, f"{variant}{TABLE}sample = 0\n")
    assert refused(lambda: recipes.sweeps(path)).message.startswith("codegen.toml:8:")


def test_the_schema_has_every_key() -> None:
    table = recipes.schema()["properties"]["sweep"]["additionalProperties"]
    assert set(table["properties"]) == set(grids.KEYS) and table["required"] == ["sources", "modules", "sites"]
    assert set(grids.KEYS) == set(Grid.__dataclass_fields__)
    assert table["properties"]["operations"]["items"]["enum"] == [*grids.OPERATIONS]


# --- what words mean in a model -------------------------------------------------------------------------------------------


def model(*lines: str) -> Map:
    """A Map of lines `name class parameters shape calls`; calls run in the order of the lines."""
    seen = [Seen("", "Net", 0, 0, (), "")]
    for line in lines:
        name, class_name, parameters, shape, *calls = line.split()
        dims = tuple(int(number) for number in shape.split("x")) if shape != "-" else ()
        kind = {4: "NCHW", 3: "NLC", 2: "NC"}.get(len(dims), "")
        seen.append(Seen(name, class_name, int(calls[0]) if calls else 1, int(parameters), dims, kind))
    running = [m.name for m in seen if m.calls and "@" not in m.name]
    return Map(seen, tuple((owner(name, running), name) for name in running))


def owner(name: str, running: Sequence[str]) -> str:
    """Whose code runs a module: a list that is never run itself has none."""
    while (name := name.rpartition(".")[0]) and name not in running:
        pass
    return name


RESIDUAL = model(
    "conv1 Conv2d 10 2x8x16x16",
    "pool MaxPool2d 0 2x8x8x8",
    "a1 Sequential 40 2x8x8x8",
    "a1.0 Block 20 2x8x8x8",
    "a1.0.conv Conv2d 20 2x8x8x8",
    "a1.1 Block 20 2x8x8x8",
    "a1.1.conv Conv2d 20 2x8x8x8",
    "a2 Sequential 90 2x16x4x4",
    "a2.0 Block 40 2x16x4x4",
    "a2.0.conv Conv2d 40 2x16x4x4",
    "a2.1 Block 50 2x16x4x4",
    "a2.1.conv Conv2d 50 2x16x4x4",
    "gap AdaptiveAvgPool2d 0 2x16x1x1",
    "fc Linear 900 2x10",
    "@pool Identity 0 2x16x4x4",
)
PLAIN = model(  # a transformer whose list of blocks never runs itself
    "embed Conv2d 10 2x16x4x4",
    "layers ModuleList 200 - 0",
    "layers.0 Layer 100 2x16x8",
    "layers.0.mlp Sequential 60 2x16x8",
    "layers.0.mlp.0 Linear 60 2x16x32",
    "layers.1 Layer 100 2x16x8",
    "layers.1.mlp Sequential 60 2x16x8",
    "layers.1.mlp.0 Linear 60 2x16x32",
    "norm LayerNorm 2 2x16x8",
    "fc Linear 80 2x10",
)
STAGED = model(
    "stem Sequential 10 2x8x8x8",
    "stages Sequential 300 2x32x2x2",
    "stages.0 Stage 100 2x16x4x4",
    "stages.0.down Identity 0 2x8x8x8",
    "stages.0.parts Sequential 100 2x16x4x4",
    "stages.0.parts.0 Part 100 2x16x4x4",
    "stages.0.parts.0.conv Conv2d 100 2x16x4x4",
    "stages.1 Stage 200 2x32x2x2",
    "stages.1.down Conv2d 20 2x32x2x2",
    "stages.1.parts Sequential 180 2x32x2x2",
    "stages.1.parts.0 Part 90 2x32x2x2",
    "stages.1.parts.0.conv Conv2d 90 2x32x2x2",
    "stages.1.parts.1 Part 90 2x32x2x2",
    "stages.1.parts.1.conv Conv2d 90 2x32x2x2",
    "head Linear 50 2x10",
)
LISTS = model(  # stages are lists that never run
    "embed Conv2d 10 2x8x8x8",
    "all ModuleList 300 - 0",
    "all.0 ModuleList 100 - 0",
    "all.0.0 Unit 100 2x8x8x8",
    "all.0.0.conv Conv2d 100 2x8x8x8",
    "all.1 ModuleList 200 - 0",
    "all.1.0 Unit 100 2x16x4x4",
    "all.1.0.conv Conv2d 100 2x16x4x4",
    "all.1.1 Unit 100 2x16x4x4",
    "all.1.1.conv Conv2d 100 2x16x4x4",
)
MIXED = model(  # numbered stages, each of blocks of another class
    "conv Conv2d 10 2x8x8x8",
    "s1 Sequential 40 2x8x8x8",
    "s1.0 Basic 40 2x8x8x8",
    "s1.0.conv Conv2d 40 2x8x8x8",
    "s2 Sequential 90 2x16x4x4",
    "s2.0 Wide 90 2x16x4x4",
    "s2.0.conv Conv2d 90 2x16x4x4",
)
AMBIGUOUS = model(  # s* means more than the stages
    "st X 0 2x8x8x8",
    "s1 S 10 2x8x8x8",
    "s1.b B 10 2x8x8x8",
    "s2 S 10 2x8x4x4",
    "s2.b B 10 2x8x4x4",
)


@pytest.mark.parametrize(
    ("found", "site", "operation", "names"),
    [
        (RESIDUAL, "every-stage", "after", ["a1", "a2"]),
        (RESIDUAL, "every-block", "after", ["a1.0", "a1.1", "a2.0", "a2.1"]),
        (RESIDUAL, "stem", "after", ["pool"]),
        (RESIDUAL, "before-head", "after", ["a2"]),
        (RESIDUAL, "before-head", "before", ["@pool"]),
        (RESIDUAL, "all(every-stage)", "after", ["a*"]),
        (RESIDUAL, "all(every-block)", "after", ["a*.*"]),
        (RESIDUAL, "a*", "after", ["a1", "a2"]),
        (RESIDUAL, "a2.-1", "after", ["a2.1"]),
        (RESIDUAL, "all(a*.0)", "after", ["a*.0"]),
        (PLAIN, "every-stage", "after", ["layers.0", "layers.1"]),
        (PLAIN, "every-block", "after", ["layers.0", "layers.1"]),
        (PLAIN, "stem", "after", ["embed"]),
        (PLAIN, "before-head", "after", ["norm"]),
        (PLAIN, "all(every-block)", "after", ["layers.*"]),
        (PLAIN, "layers.::2", "after", ["layers.0"]),
        (PLAIN, "l*", "after", ["layers"]),
        (STAGED, "every-stage", "after", ["stages.0", "stages.1"]),
        (STAGED, "every-block", "after", ["stages.0.parts.0", "stages.1.parts.0", "stages.1.parts.1"]),
        (STAGED, "all(every-block)", "after", ["stages.*.parts.*"]),
        (STAGED, "stem", "after", ["stem"]),
        (STAGED, "before-head", "after", ["stages"]),
        (MIXED, "every-stage", "after", ["s1", "s2"]),
        (LISTS, "every-stage", "after", ["all.0.0", "all.1.1"]),
        (LISTS, "every-stage", "before", ["all.0.0", "all.1.0"]),
        (LISTS, "every-block", "after", ["all.0.0", "all.1.0", "all.1.1"]),
    ],
)
def test_a_site_of_a_grid_is_names(found: Map, site: str, operation: str, names: list[str]) -> None:
    assert places.resolve(found, site, operation, "net.py") == names
    again = places.from_json(json.loads(json.dumps(places.as_json(found))))
    assert places.resolve(again, site, operation, "net.py") == names


@pytest.mark.parametrize(
    ("found", "site", "operation"),
    [
        (RESIDUAL, "nope", "after"),
        (RESIDUAL, "a3", "after"),
        (RESIDUAL, "a*.7", "after"),
        (PLAIN, "before-head", "before"),
        (model("conv Conv2d 10 2x8x8x8", "fc Linear 9 2x10"), "every-stage", "after"),
        (model("conv Conv2d 10 2x8x8x8", "fc Linear 9 2x10"), "stem", "after"),
        (model("fc Linear 9 2x10"), "before-head", "after"),
        (STAGED, "all(nope)", "after"),
        (AMBIGUOUS, "all(every-stage)", "after"),
    ],
)
def test_a_site_that_a_model_does_not_have_is_unknown(found: Map, site: str, operation: str) -> None:
    error = refused(lambda: places.resolve(found, site, operation, "net.py"))
    assert error.name == "unknown-site" and "net.py" in error.message


# --- which cells come out -------------------------------------------------------------------------------------------------


SETTINGS = Settings(Path("sweep"))


def planned(grid: Grid, found: Map = RESIDUAL, settings: Settings = SETTINGS) -> list[Item]:
    def look(source: Source, request: Request) -> Map:
        if "broken" in source.spec:
            raise CodegenError("source-fails", "it does not run", "mend it")
        return found

    return planning.plan(grid, planning.templates(grid, Limits()), settings, look)


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """net.py, other.py and mine.py in an empty folder, which is the working directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other.py").write_text(written(tmp_path).read_text())
    return tmp_path


def texts(items: Sequence[Item]) -> list[str]:
    return [item.text for item in items]


def test_a_grid_is_multiplied() -> None:
    items = planned(Grid(("net.py", "other.py"), ("se", "eca >> se"), ("every-stage", "conv1"), ("after", "beside")))
    assert len(items) == 2 * 2 * 3 * 2 and [item.cell.number for item in items] == [*range(24)]
    assert texts(items)[:4] == ["net.py se after a1", "net.py se after a2", "net.py se after conv1", "net.py se beside a1"]
    assert items[3].cell.request.combine == "add" and items[0].cell.request.dry_run
    assert len({item.name for item in items}) == len({item.cell.key for item in items}) == 24
    assert all(item.name.isidentifier() and len(item.name) < 100 for item in items)
    assert items[0].name.startswith("net_se_a1_") and items[0].cell.request.output == f"variants/{items[0].name}.py"


def test_a_cell_that_is_named_twice_is_one() -> None:
    grid = Grid(("net.py",), ("se",), ("a1", "every-stage", "a*", "a1"))
    assert texts(planned(grid)) == ["net.py se after a1", "net.py se after a2"]


def test_an_argument_goes_to_the_modules_that_have_it() -> None:
    args = (("reduction", ("4", "8")), ("ratio", ("1",)))
    grid = Grid(("net.py",), ("se", "eca", "mine.py:Mine", "se >> eca"), ("a1",), args=args)
    assert texts(planned(grid)) == [
        "net.py se after a1 reduction=4",
        "net.py se after a1 reduction=8",
        "net.py eca after a1",
        "net.py mine.py:Mine after a1 ratio=1",
        "net.py se >> eca after a1",
    ]


def test_patterns_leave_some_cells() -> None:
    grid: dict[str, Any] = {"sources": ("net.py", "other.py"), "modules": ("se", "eca"), "sites": ("a1", "a2")}
    grid |= {"args": (("reduction", ("4", "8")),)}
    assert len(planned(Grid(**grid))) == 12
    some = planned(Grid(**grid, include=("net.py se after a*", "* eca after a2"), exclude=("*reduction=8",)))
    assert texts(some) == [
        "net.py se after a1 reduction=4",
        "net.py se after a2 reduction=4",
        "net.py eca after a2",
        "other.py eca after a2",
    ]
    assert len(planned(Grid(**grid, exclude=("net.py se after a1",)))) == 10  # whatever its arguments
    for patterns in ({"include": ("vit*",)}, {"exclude": ("*",)}):
        error = refused(lambda patterns=patterns: planned(Grid(**grid, **patterns)))
        assert error.name == "empty-grid" and "net.py se after a1 reduction=4" in error.hint


def test_a_sample_is_the_same_every_time_and_another_with_another_seed() -> None:
    grid: dict[str, Any] = {"sources": ("net.py",), "modules": ("se", "eca", "cbam", "gc"), "sites": ("every-block", "a*")}
    drawn = [texts(planned(Grid(**grid, sample=6, seed=seed))) for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2] and len(drawn[0]) == 6
    whole = texts(planned(Grid(**grid)))
    assert [text for text in whole if text in drawn[0]] == drawn[0]
    assert texts(planned(Grid(**grid, sample=6, limit=2))) == drawn[0][:2]
    assert texts(planned(Grid(**grid, limit=3))) == whole[:3]
    more = {*texts(planned(Grid(**{**grid, "modules": (*grid["modules"], "gct")}, sample=6)))}
    assert more & {*drawn[0]}  # a larger grid does not deal anew


def test_shards_are_all_of_it_and_disjoint() -> None:
    items = planned(Grid(("net.py",), ("se", "eca", "cbam"), ("every-block",)))
    for n in (1, 2, 5, 12, 13):
        parts = [planning.shard(items, (i, n)) for i in range(1, n + 1)]
        assert [item for part in parts for item in part] == items
        assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_what_is_unknown_is_refused_by_name_and_the_rest_goes_on(folder: Path) -> None:
    (folder / "broken.py").write_text("import torch")
    items = planned(Grid(("net.py", "broken.py", "nowhere.py"), ("se",), ("a1", "nope")))
    found = {item.text: item.refusal and item.refusal.name for item in items}
    assert found == {
        "net.py se after a1": None,
        "net.py se after nope": "unknown-site",
        "broken.py se after a1": "source-fails",
        "broken.py se after nope": "source-fails",
        "nowhere.py se after a1": "unreadable-source",
        "nowhere.py se after nope": "unreadable-source",
    }
    assert refused(lambda: planning.demand_all_known(items)).name == "unknown-site"
    planning.demand_all_known(items[:1])


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"modules": ("se(",)}, "bad-expression"),
        ({"modules": ("se", "sse")}, "unknown-module"),
        ({"modules": ("nowhere.py:M",)}, "unreadable-source"),
        ({"args": (("redction", ("4",)),)}, "unknown-argument"),
        ({"modules": ()}, "empty-grid"),
        ({"sites": ()}, "empty-grid"),
        ({"combine": "gate"}, "usage"),
        ({"operations": ("beside",), "identity": True}, "usage"),
    ],
)
def test_what_no_cell_can_have_is_told_before_a_model_runs(changes: dict[str, Any], name: str) -> None:
    grid = Grid(**{"sources": ("net.py",), "modules": ("se",), "sites": ("a1",), **changes})
    assert refused(lambda: planning.templates(grid, Limits())).name == name


def test_a_key_says_what_a_variant_is_made_from(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    grid = Grid(("net.py",), ("se", "mine.py:Mine"), ("a1",))

    def keys(**changes: Any) -> list[str]:
        from codegen import imports

        imports.forget()
        return [item.cell.key for item in planned(grid, settings=Settings(Path("sweep"), **changes))]

    first, names = keys(), [item.name for item in planned(grid)]
    assert keys() == first == keys(isolate="fork", device="cuda")  # the device of a latency that is not measured
    assert not {*keys(full=True)} & {*first} and not {*keys(costs=("flops",))} & {*first}
    assert keys(costs=("latency",)) != keys(costs=("latency",), device="cuda")
    (folder / "mine.py").write_text((folder / "mine.py").read_text().replace("sigmoid", "tanh"))
    assert [key in first for key in keys()] == [True, False]
    (folder / "net.py").write_text((folder / "net.py").read_text() + "\n")
    assert [key in first for key in keys()] == [False, False]
    assert [item.name for item in planned(grid)] == names  # the same cells, made from something else
    monkeypatch.setattr(planning, "__version__", "99")
    assert {*keys()}.isdisjoint(first)


def test_the_same_grid_in_another_folder_has_the_same_keys(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    grid = Grid((str(folder / "net.py"),), (f"{folder}/mine.py:Mine",), ("a1",))
    plain = planned(Grid(("net.py",), ("mine.py:Mine",), ("a1",)))
    assert [(i.cell.key, i.name) for i in planned(grid)] == [(i.cell.key, i.name) for i in plain]


# --- real models ----------------------------------------------------------------------------------------------------------

STAGES = {  # source: stages, blocks, stem, what is before the head
    "timm:resnet18": (["layer1", "layer2", "layer3", "layer4"], 8, "maxpool", "layer4"),
    "timm:vit_tiny_patch16_224": ([f"blocks.{i}" for i in range(12)], 12, "norm_pre", "norm"),
    "timm:convnext_atto": ([f"stages.{i}" for i in range(4)], 12, "stem", "norm_pre"),
    "timm:swin_tiny_patch4_window7_224": ([f"layers.{i}" for i in range(4)], 12, "patch_embed", "norm"),
    "timm:efficientnet_lite0": ([f"blocks.{i}" for i in range(7)], 16, "bn1", "bn2"),
    "timm:regnetx_002": (["s1", "s2", "s3", "s4"], 13, "stem", "final_conv"),
    "timm:densenet121": ([f"features.denseblock{i}" for i in range(1, 5)], 58, "features.pool0", "features"),
    "torchvision:mobilenet_v2": ([f"features.{i}" for i in range(1, 18)], 17, "features.0", "features"),
    "torchvision:convnext_tiny": ([f"features.{i}" for i in (1, 3, 5, 7)], 18, "features.0", "features"),
    "torchvision:swin_t": ([f"features.{i}" for i in (1, 3, 5, 7)], 12, "features.0", "permute"),
    "torchvision:vit_b_16": ([f"encoder.layers.encoder_layer_{i}" for i in range(12)], 12, "encoder.dropout", "encoder"),
}


@pytest.mark.slow
def test_words_in_models_of_the_libraries() -> None:
    with Child(Limits()) as child:
        for spec, (stages, blocks, stem, head) in STAGES.items():
            found = places.of(traced(child, sources.resolve(spec), Request(spec)))
            assert places.resolve(found, "every-stage", "after", spec) == stages
            assert len(places.resolve(found, "every-block", "after", spec)) == blocks, spec
            assert places.resolve(found, "stem", "after", spec) == [stem]
            assert places.resolve(found, "before-head", "after", spec) == [head]
            assert places.resolve(found, "before-head", "before", spec)[0].endswith("@pool")


def test_blocks_that_stand_in_one_module_with_the_classifier() -> None:
    """As in CCT: the module that holds them returns a vector, and weighs more than what stands before it."""
    found = model(
        "tokenizer Tokenizer 1728 2x64x64",
        "tokenizer.layers Sequential 1728 2x64x8x8",
        "tokenizer.layers.0 Sequential 1728 2x64x8x8",
        "tokenizer.layers.0.0 Conv2d 1728 2x64x16x16",
        "classifier Classifier 70000 2x10",
        "classifier.blocks ModuleList 66000 2x64x64 0",
        "classifier.blocks.0 Block 33000 2x64x64",
        "classifier.blocks.0.norm LayerNorm 128 2x64x64",
        "classifier.blocks.0.mlp Mlp 32000 2x64x64",
        "classifier.blocks.1 Block 33000 2x64x64",
        "classifier.blocks.1.norm LayerNorm 128 2x64x64",
        "classifier.blocks.1.mlp Mlp 32000 2x64x64",
        "classifier.fc Linear 650 2x10",
    )
    assert places.resolve(found, "every-block", "after", "net.py") == ["classifier.blocks.0", "classifier.blocks.1"]
