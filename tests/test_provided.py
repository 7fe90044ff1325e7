"""provided: modules of a project's files and of installed packages, under names, found by reading."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from conftest import ROOT, command, environment

from codegen import edits, emit, expressions, provided, recipes, requested, saving, sources, static
from codegen.cli import cli
from codegen.errors import CodegenError
from codegen.types import Request

NET = """
from torch import nn


class Net(nn.Module):
    def __init__(self, width=16):
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3, padding=1)
        self.act = nn.ReLU()

    def forward(self, x):
        return self.act(self.stem(x))
"""
GATES = '''
import enum

import torch
import torch.nn as nn
from torch.autograd import Function

raise SystemExit("nothing of this file is executed")


class _Base(nn.Module):
    def __init__(self, channels, reduction: int = 4, *, act="relu"):
        super().__init__()


class ToyGate(_Base):
    """A gate for each position.

    More of it.
    """


class MHGate(nn.Sequential):
    pass


class Mixed(Elsewhere):
    def forward(self, x):
        return x


class Way(enum.Enum):
    ONE = 1


class Plain:
    pass


class Straight(Function):
    @staticmethod
    def forward(ctx, x):
        return x


class Table(nn.Parameter):
    pass
'''
ONE = "from torch import nn\n\n\nclass {}(nn.Module):\n    def __init__(self, dim):\n        super().__init__()\n"
Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    files = {"net.py": NET, "mods/gates.py": GATES, "mods/deep/more.py": ONE.format("DeepGate")}
    files |= {"mods/_private.py": ONE.format("Unseen"), "single.py": ONE.format("Single")}
    files |= {"pyproject.toml": '[tool.codegen]\nmodules = ["mods/", "single.py"]\n'}
    write(tmp_path, files)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def package(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A distribution as pip installs it, with a package, a module and a class as entry points."""
    site = folder / "site"
    write(
        site,
        {
            "toy_pkg/__init__.py": "from toy_pkg.public import Shown\n\nraise SystemExit\n",
            "toy_pkg/public.py": ONE.format("Shown"),
            "toy_pkg/inner/__init__.py": "",
            "toy_pkg/inner/attn.py": ONE.format("InnerAttn"),
            "toy_two.py": ONE.format("First") + "\n\n" + ONE.format("Second").partition("\n\n\n")[2],
            "toy_mods-1.2.dist-info/METADATA": "Metadata-Version: 2.1\nName: toy-mods\nVersion: 1.2\n",
            "toy_mods-1.2.dist-info/entry_points.txt": "[codegen.modules]\nall = toy_pkg\none = toy_two:Second\n",
        },
    )
    monkeypatch.syspath_prepend(str(site))
    return site


@pytest.fixture
def call() -> Call:
    """call("modules", ...) -> (exit code, stdout, name of the error)."""

    def run(*words: str) -> tuple[int, str, str]:
        result = CliRunner().invoke(cli, words)
        error = result.exception
        return result.exit_code, result.output, error.name if isinstance(error, CodegenError) else ""

    return run


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def names() -> dict[str, str]:
    return {each.name: each.module for each in provided.everything()}


def error_of(function: Callable[[], object]) -> CodegenError:
    with pytest.raises(CodegenError) as caught:
        function()
    return caught.value


def test_the_public_modules_of_the_files(folder: Path) -> None:
    assert names() == {
        "deep_gate": "mods/deep/more.py:DeepGate",
        "mh_gate": "mods/gates.py:MHGate",
        "mixed": "mods/gates.py:Mixed",
        "single": "single.py:Single",
        "toy_gate": "mods/gates.py:ToyGate",
    }
    gate = next(each for each in provided.everything() if each.name == "toy_gate")
    assert (gate.origin, gate.summary) == ("pyproject.toml", "A gate for each position.")
    assert gate.arguments == (("channels", ""), ("reduction", "4"), ("act", "'relu'"))


def test_all_decides_where_a_file_has_it(folder: Path) -> None:
    (folder / "mods" / "gates.py").write_text(GATES.replace("raise", '__all__ = ["_Base"]\n\nraise'))
    assert "base" in names() and "toy_gate" not in names()


def test_paths_are_seen_from_here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "work").mkdir()
    monkeypatch.chdir(folder / "work")
    assert names()["single"] == "../single.py:Single"


def test_without_a_table_there_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert names() == {} and provided.expanded("se >> eca") == "se >> eca"


def test_codegen_toml_says_it_too(folder: Path) -> None:
    (folder / "codegen.toml").write_text('modules = ["single.py"]\n[variants.a]\nsource = "n.py"\nedits = ["after a: se"]\n')
    assert [*names()] == ["single"] and len(recipes.read(folder / "codegen.toml").recipes) == 1


def test_installed_packages_declare_theirs(package: Path) -> None:
    found = {each.name: (each.module, each.origin) for each in provided.everything()}
    assert found["shown"] == ("toy_pkg:Shown", "toy-mods 1.2")
    assert found["inner_attn"] == ("toy_pkg.inner.attn:InnerAttn", "toy-mods 1.2")
    assert found["second"] == ("toy_two:Second", "toy-mods 1.2") and "first" not in found
    assert "toy_pkg" not in sys.modules


@pytest.mark.parametrize("value", ["no_such_pkg", "toy_two:Missing"])
def test_an_entry_point_that_is_not_there_is_told(value: str, package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (package / "toy_mods-1.2.dist-info" / "entry_points.txt").write_text(f"[codegen.modules]\nx = {value}\n")
    provided._declared.cache_clear()
    error = error_of(provided.everything)
    assert error.name == "unknown-module" and "toy-mods 1.2" in error.message
    assert provided.expanded("se") == "se"
    provided._declared.cache_clear()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("toy_gate", "mods/gates.py:ToyGate"),
        ("se", "se"),
        ("torch.nn:Dropout", "torch.nn:Dropout"),
        ("se >> toy_gate(reduction=2)", "se >> mods/gates.py:ToyGate(reduction=2)"),
        ("residual(toy_gate + single) * se", "residual(mods/gates.py:ToyGate + single.py:Single) * se"),
        ("scale(0.1)(toy_gate) >> my.py:toy_gate", "scale(0.1)(mods/gates.py:ToyGate) >> my.py:toy_gate"),
        ("cat(toy_gate,\n    single)", "cat(mods/gates.py:ToyGate,     single.py:Single)"),
    ],
)
def test_names_in_expressions(text: str, said: str, folder: Path) -> None:
    made = provided.expanded(text)
    assert made == said
    expressions.parse(made)


def test_a_path_with_spaces_is_quoted_in_a_composition(folder: Path) -> None:
    (folder / "my mods").mkdir()
    (folder / "single.py").rename(folder / "my mods" / "single.py")
    (folder / "pyproject.toml").write_text('[tool.codegen]\nmodules = ["my mods"]\n')
    assert provided.expanded("single") == "my mods/single.py:Single"
    assert provided.expanded("se >> single") == 'se >> "my mods/single.py:Single"'


@pytest.mark.parametrize("class_name", ["Se", "SE", "Residual", "DropPath"])
def test_a_name_of_the_catalogues_own_is_not_shadowed(class_name: str, folder: Path, call: Call) -> None:
    (folder / "single.py").write_text(ONE.format(class_name))
    name = expressions.attribute_name(class_name)
    error = error_of(lambda: provided.expanded(f"{name} >> eca" if name in ("se",) else name))
    assert error.name == "name-clash" and f"single.py:{class_name}" in error.message
    assert call("modules")[2] == "name-clash"
    assert provided.expanded("toy_gate >> eca") == "mods/gates.py:ToyGate >> eca"


def test_two_classes_of_one_name_are_refused(folder: Path) -> None:
    (folder / "single.py").write_text(ONE.format("ToyGate"))
    error = error_of(lambda: provided.expanded("toy_gate"))
    assert error.name == "name-clash" and "single.py" in error.message + error.hint and "gates.py" in error.message


@pytest.mark.parametrize("name", ["toy_gat", "TOY_GATE", "sse", "nothing_like_it"])
def test_unknown_names_get_the_nearest(name: str, folder: Path) -> None:
    error = error_of(lambda: provided.expanded(name))
    assert error.name == "unknown-module" and error.hint


def test_a_broken_file_is_told_where_it_matters(folder: Path) -> None:
    (folder / "mods" / "broken.py").write_text("class A(:\n")
    assert error_of(lambda: provided.expanded("toy_gate")).name == "syntax-error"
    assert provided.expanded("se") == "se"


@pytest.mark.parametrize("value", ['"mods"', "[1]", '["missing/"]', '["pyproject.toml"]', "{}", '[""]'])
def test_a_bad_list_is_a_bad_recipe_with_its_line(value: str, folder: Path, call: Call) -> None:
    (folder / "pyproject.toml").write_text(f"# ours\n[tool.codegen]\nmodules = {value}\n")
    error = error_of(provided.everything)
    assert error.name == "bad-recipe" and "pyproject.toml:3" in error.message
    assert call("modules")[2] == "bad-recipe"


def test_the_schema_knows_it(call: Call) -> None:
    assert json.loads(call("schema")[1])["properties"]["modules"]["type"] == "array"


def test_the_list_and_one_of_it(package: Path, call: Call) -> None:
    _, text, _ = call("modules")
    assert "of pyproject.toml" in text and "mods/gates.py:ToyGate" in text and "of toy-mods 1.2" in text and "simam" in text
    assert "toy_gate" in call("modules", "each", "position")[1] and "toy_gate" not in call("modules", "--no-params")[1]
    assert "class ToyGate(_Base):" in call("modules", "toy_gate")[1]
    one = json.loads(call("modules", "second", "--json")[1])
    assert (one["name"], one["module"], one["arguments"]) == ("second", "toy_two:Second", {"dim": ""})
    listed = {each["name"]: each["origin"] for each in json.loads(call("modules", "--json")[1])}
    assert listed["se"] == "catalogue" and listed["toy_gate"] == "pyproject.toml" and listed["second"] == "toy-mods 1.2"


def test_the_list_imports_no_torch(package: Path) -> None:
    code = "import sys; from click.testing import CliRunner; from codegen.cli import cli; "
    code += "print(CliRunner().invoke(cli, ['modules']).exit_code, {'torch', 'black', 'jinja2'} & set(sys.modules))"
    path = f"{ROOT}:{package}"
    done = subprocess.check_output([sys.executable, "-c", code], cwd=package.parent, env={**environment(), "PYTHONPATH": path})
    assert done.split() == [b"0", b"set()"]


def test_a_variant_by_name_says_the_file_in_its_header(folder: Path) -> None:
    given = {"after": "stem", "before": "", "beside": "", "arguments": (), "combine": None, "module": "single"}
    request = requested.insertion("net.py", **given)
    text = static.drafted(request, sources.resolve("net.py")).variant.text
    assert "class Single(nn.Module)" in text and "self.single = Single(width)" in text
    assert "single.py:Single" in emit.recorded_command(text)


def test_names_in_edits(folder: Path) -> None:
    def mapped(edit: str) -> str:
        return edits.mapped(edit, provided.expanded)

    assert mapped("after stem: toy_gate reduction=2 --name a") == "after stem: mods/gates.py:ToyGate reduction=2 --name a"
    assert mapped("after stem: 'se >> single' --import") == "after stem: se >> single.py:Single --import"
    for same in ("head fc: Linear(10)", "remove act", "after stem: se reduction=8", "nonsense"):
        assert mapped(same) == same


def test_saved_edits_say_paths_from_the_folder_of_the_recipes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "work").mkdir()
    monkeypatch.chdir(folder / "work")
    said = (edits.mapped("after stem: se >> single", provided.expanded), "after act: toy.py:A --import", "head fc: Linear(2)")
    assert said[0] == "after stem: se >> ../single.py:Single"
    saving.save("two", [Request("../net.py", edits=said)], folder / "generated" / "two.py")
    text = (folder / "pyproject.toml").read_text()
    assert '["after stem: se >> single.py:Single", "after act: work/toy.py:A --import", "head fc: Linear(2)"]' in text


@pytest.mark.slow
def test_the_command(package: Path) -> None:
    (package / "toy_two.py").write_text(ONE.format("Second") + "\n    def forward(self, x):\n        return x\n")
    words = ("insert", "net.py", "--input", "1x3x8x8", "--edit", "after stem: second", "--edit", "before act: single >> se")
    (package.parent / "single.py").write_text(ONE.format("Single") + "\n    def forward(self, x):\n        return x\n")
    path = {**environment(), "PYTHONPATH": f"{ROOT}:{package}"}
    subprocess.run(command(*words, "-o", "made.py"), cwd=package.parent, env=path, capture_output=True, check=True)
    text = (package.parent / "made.py").read_text()
    assert "from toy_two import Second\n" in text and "class Single(nn.Module)" in text
