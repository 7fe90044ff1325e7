"""recipes, build, check, eject: what a repository keeps, whether it is still so, and how it is made again."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from conftest import ROOT, environment

from codegen import emit, recipes
from codegen.cli import cli
from codegen.errors import CodegenError

NET = """
from torch import nn


class Net(nn.Module):
    def __init__(self, width=16):
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3, padding=1)
        self.act = nn.ReLU()
        self.fc = nn.Linear(width, 4)

    def forward(self, x):
        x = self.act(self.stem(x))
        return self.fc(x.mean((2, 3)))
"""
CONFIG = """
# ours
[tool.codegen.variants.net_se]
source = "net.py"
edits = ["after stem: se"]
input = "1x3x16x16"

[tool.codegen.variants.net_two]
source = "net.py"
edits = ["after stem: se >> eca --as-class Both", "replace act: torch.nn:GELU"]
input = "1x3x16x16"
output = "models/two.py"
"""
Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "net.py").write_text(NET)
    (tmp_path / "pyproject.toml").write_text(CONFIG)
    monkeypatch.setenv("CODEGEN_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def call() -> Call:
    """call("check", ...) -> (exit code, stdout, name of the error)."""

    def run(*words: str) -> tuple[int, str, str]:
        result = CliRunner().invoke(cli, words)
        error = result.exception
        return result.exit_code, result.output, error.name if isinstance(error, CodegenError) else ""

    return run


def test_recipes_say_what_the_command_line_says(folder: Path) -> None:
    one, two = recipes.read(folder / "pyproject.toml").recipes
    assert one.words == ("insert", "net.py", "--after", "stem", "--module", "se", "--input", "1x3x16x16")
    assert two.words[:4] == ("insert", "net.py", "--edit", "after stem: se >> eca --as-class Both")
    assert (one.output, two.output) == (Path("generated/net_se.py"), Path("models/two.py"))
    assert (one.line, two.line) == (3, 8)


def test_codegen_toml_has_the_same_tables_without_the_prefix(folder: Path) -> None:
    (folder / "codegen.toml").write_text(CONFIG.replace("tool.codegen.", ""))
    (folder / "deep" / "er").mkdir(parents=True)
    found = recipes.find(folder / "deep" / "er")
    assert found == folder / "codegen.toml"
    assert [r.name for r in recipes.read(found).recipes] == ["net_se", "net_two"]
    assert recipes.read(folder / "pyproject.toml").recipes == recipes.read(found).recipes


TABLE = "[tool.codegen.variants.a]\n"
BAD = {
    "[tool.codegen.variants.a\n": "pyproject.toml: Expected ']'",
    "\n[tool.codegen]\nmodule = 1\n": "pyproject.toml:3: unknown key module",
    "[tool.codegen]\nvariants = 3\n": "pyproject.toml:2: variants is no table of tables",
    TABLE + 'source = "net.py"\n': "pyproject.toml:1: a has no edits",
    TABLE + 'edits = ["after x: se"]\n': "pyproject.toml:1: a has no source",
    TABLE + 'source = "net.py"\nedits = "after x: se"\n': "pyproject.toml:3: edits of a is not a list of strings",
    TABLE + 'source = "net.py"\nedits = []\n': "pyproject.toml:3: edits of a is not a list of strings, not empty",
    TABLE + 'source = 3\nedits = ["after x: se"]\n': "pyproject.toml:2: source of a is not a string",
    TABLE + 'source = "net.py"\nedits = ["after x: se"]\nsurce = ""\n': "pyproject.toml:4: unknown key surce in a",
    TABLE + 'source = "net.py"\nedits = ["after x: se"]\nkeep = "some"\n': "pyproject.toml:4: keep of a is 'some'",
    TABLE + 'source = "net.py"\nedits = ["behind x: se"]\n': "pyproject.toml:3: a: 'behind x: se' is not OPERATION SITE",
    TABLE + 'source="a"\nedits=["after x: se"]\noutput="o.py"\n[tool.codegen.variants.b]\nsource="b"\nedits=["after x: se"]\n'
    'output="o.py"\n': "pyproject.toml:5: b and a write the same file, o.py",
}


@pytest.mark.parametrize("text", BAD, ids=lambda text: text.strip()[-25:])
def test_a_bad_recipe_is_one_error_with_its_line(text: str, tmp_path: Path) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text(text)
    with pytest.raises(CodegenError) as caught:
        recipes.read(path)
    assert caught.value.name == "bad-recipe" and caught.value.message.startswith(BAD[text]) and caught.value.hint


def test_the_schema_knows_every_key(call: Call) -> None:
    code, output, _ = call("schema")
    variant = json.loads(output)["properties"]["variants"]["additionalProperties"]
    assert code == 0 and set(variant["properties"]) == set(recipes.KEYS) and variant["required"] == ["source", "edits"]


def test_no_recipes_and_unknown_names(folder: Path, call: Call) -> None:
    assert call("check", "nothing")[2] == "unknown-recipe"
    assert call("build", "net_s")[2] == "unknown-recipe"
    (folder / "pyproject.toml").write_text("[project]\nname = 'a'\n")
    assert call("check")[2] == "no-recipes"
    assert call("check", "--config", "other.toml")[2] == "no-recipes"
    (folder / "pyproject.toml").write_text(CONFIG.replace("--as-class Both", "--call much"))
    assert call("check")[2] == "bad-recipe"


def test_build_makes_what_is_not_there_and_check_tells_what_changed(folder: Path, call: Call) -> None:
    code, output, _ = call("check", "--json")
    kinds = [[p["kind"] for p in v["problems"]] for v in json.loads(output)["variants"]]
    assert code == 3 and kinds == [["missing"], ["missing"]]

    code, output, _ = call("build")
    assert code == 0 and "2 made" in output
    made = {path: path.read_bytes() for path in (folder / "generated/net_se.py", folder / "models/two.py")}
    assert call("check")[0] == 0
    code, output, _ = call("build")
    assert code == 0 and "2 up to date" in output

    def problems() -> list[list[str]]:
        variants = json.loads(call("check", "--json")[1])["variants"]
        return [[problem["kind"] for problem in variant["problems"]] for variant in variants]

    path = folder / "generated/net_se.py"
    path.write_bytes(made[path].replace(b"\n", b"\r\n"))  # as git may write it
    assert problems() == [[], []]
    path.write_bytes(made[path] + b"# mine\n")
    assert problems() == [["edited-by-hand"], []]
    code, output, _ = call("build")
    assert code == 2 and "error[edited-by-hand]" in output and path.read_bytes().endswith(b"# mine\n")
    assert call("build", "--force", "net_se")[0] == 0 and path.read_bytes() == made[path]

    (folder / "pyproject.toml").write_text(CONFIG.replace("after stem: se >> eca", "after stem: eca >> se"))
    assert problems() == [[], ["recipe-changed"]]
    code, output, _ = call("check", "--diff")
    assert "-codegen insert net.py --input 1x3x16x16 --edit 'after stem: se >> eca" in output and code == 3
    (folder / "pyproject.toml").write_text(CONFIG)

    (folder / "net.py").write_text(NET + "\n\nLATER = 1\n")
    assert problems() == [["upstream-changed"]] * 2
    (folder / "net.py").unlink()
    assert problems() == [["source-missing"]] * 2
    (folder / "net.py").write_text(NET)
    path.write_bytes(made[path].replace(b"Made by codegen 0.1.0", b"Made by codegen 0.0.9"))
    assert problems() == [["other-version"], []]
    assert call("build", "generated/net_se.py")[0] == 0 and path.read_bytes() == made[path]  # by its header alone
    path.write_text(NET)
    assert problems() == [["no-header"], []]
    assert call("build", "net_se")[0] == 2 and path.read_text() == NET


@pytest.mark.slow
def test_one_that_fails_stops_no_other(folder: Path, call: Call) -> None:
    (folder / "pyproject.toml").write_text(CONFIG.replace("after stem: se >> eca", "after stam: se >> eca"))
    code, output, _ = call("build", "--json")
    found = {variant["name"]: variant for variant in json.loads(output)["variants"]}
    assert code == 2 and found["net_se"]["status"] == "made" and found["net_se"]["checks"]
    assert found["net_two"]["error"]["name"] == "unknown-site" and not (folder / "models").exists()


def test_what_ci_reads(folder: Path, call: Call) -> None:
    code, output, _ = call("check", "--format", "github", "net_se")
    assert code == 3 and output.startswith("::error file=generated/net_se.py,line=1,title=codegen missing::the file is not")
    found = json.loads(call("check", "--format", "sarif", "net_se")[1])["runs"][0]
    assert found["results"][0]["ruleId"] == "missing" and "missing" in {r["id"] for r in found["tool"]["driver"]["rules"]}


@pytest.mark.slow
def test_eject_takes_the_header_off(folder: Path, call: Call) -> None:
    assert call("build", "net_se")[0] == 0
    path = folder / "generated/net_se.py"
    body = emit.without_header(path.read_text())
    assert call("eject", "generated/net_se.py")[0] == 0 and path.read_text() == body
    assert call("eject", "generated/net_se.py")[2] == "no-recipe"


def test_a_check_imports_no_torch(folder: Path) -> None:
    code = "import sys; from codegen.cli import cli; cli(['check'], standalone_mode=False)"
    told = "print(end.code, 'torch' in sys.modules, 'timm' in sys.modules)"
    text = f"try:\n    exec({code!r})\nexcept SystemExit as end:\n    {told}"
    result = subprocess.run([sys.executable, "-c", f"import sys\n{text}"], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "3 False False"


@pytest.mark.slow
def test_the_hook_of_pre_commit(folder: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run by pre-commit itself, from a repository that holds the hook, in one that holds variants."""
    hooks = folder / "hooks"
    hooks.mkdir()
    shutil.copy(ROOT / ".pre-commit-hooks.yaml", hooks)
    for name in ("GIT_AUTHOR", "GIT_COMMITTER"):
        monkeypatch.setenv(f"{name}_NAME", "a")
        monkeypatch.setenv(f"{name}_EMAIL", "a@example.org")
    monkeypatch.setenv("PRE_COMMIT_HOME", str(folder / "store"))
    for key, value in environment().items():
        monkeypatch.setenv(key, value)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{environment()['PATH']}")
    assert call("build", "net_se")[0] == 0
    (folder / "pyproject.toml").write_text(CONFIG.partition("\n[tool.codegen.variants.net_two]")[0])
    for where in (hooks, folder):
        subprocess.run(["git", "init", "-q"], cwd=where, check=True)
        subprocess.run(["git", "add", "--", *(p.name for p in where.iterdir() if p.is_file())], cwd=where, check=True)
        subprocess.run(["git", "commit", "-q", "-m", "first"], cwd=where, check=True)

    def hooked() -> tuple[int, str]:
        command = [sys.executable, "-m", "pre_commit", "try-repo", str(hooks), "codegen-check", "--all-files"]
        result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        return result.returncode, result.stdout + result.stderr

    assert hooked()[0] == 0
    path = folder / "generated/net_se.py"
    path.write_text(path.read_text() + "# mine\n")
    code, output = hooked()
    assert code == 1 and "generated/net_se.py: edited-by-hand" in output


@pytest.mark.slow
def test_save_adds_the_command_as_a_recipe_and_leaves_the_file_as_it_is(folder: Path, call: Call) -> None:
    old = (folder / "pyproject.toml").read_text()
    place = ("insert", "net.py", "--after", "stem", "--input", "1x3x16x16")
    assert call(*place, "--module", "se >> eca", "--save", "net_both", "--as-class", "Both", "-o", "out/both.py")[0] == 0
    adapter = ("--module", "adapter", "--arg", "bottleneck=8", "--identity", "--suffix", "_a")
    assert call(*place, *adapter, "--save", "net_a")[0] == 0
    text = (folder / "pyproject.toml").read_text()
    assert text.startswith(old.rstrip("\n")) and "edits = [\"after stem: 'se >> eca' --as-class Both\"]" in text
    assert call("check", "net_both", "net_a")[:2] == (0, "2 of 2 variants are what their recipes make\n")
    assert call(*place, "--module", "se", "--save", "net_se")[2] == "recipe-exists"
    assert call(*place, "--module", "se", "--save", "net se")[2] == "usage"
    assert call(*place, "--module", "se", "--save", "other", "--static", "--force")[2] == "usage"
    (folder / "pyproject.toml").unlink()
    edits = ("--edit", "before act: se", "--edit", "after stem: eca")
    assert call("insert", "net.py", *edits, "--input", "1x3x16x16", "--save", "two")[0] == 0
    assert call("check")[0] == 0 and (folder / "codegen.toml").read_text().startswith("[variants.two]\n")


@pytest.mark.slow
def test_save_says_paths_from_the_folder_of_the_recipes(folder: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = folder / "sub"
    deep.mkdir()
    text = "from torch import nn\n\n\nclass Mine(nn.Module):\n    def forward(self, x):\n        return 2 * x\n"
    (deep / "mine.py").write_text(text)
    monkeypatch.chdir(deep)
    words = ("--module", "mine.py:Mine", "--after", "stem", "--input", "1x3x16x16", "--save", "mine")
    assert call("insert", "../net.py", *words)[0] == 0
    found = next(r for r in recipes.read(folder / "pyproject.toml").recipes if r.name == "mine")
    assert found.output == Path("sub/generated/net_mine.py")
    assert found.words[1] == "net.py" and "sub/mine.py:Mine" in found.words


@pytest.mark.slow
def test_every_command_that_makes_a_variant_can_be_saved(folder: Path, call: Call) -> None:
    (folder / "pyproject.toml").unlink()
    assert call("replace", "net.py", "--site", "stem", "--module", "lora", "--save", "one")[0] == 0
    assert call("head", "net.py", "--site", "fc", "--layers", "Linear(3)", "--save", "two", "-o", "two.py")[0] == 0
    assert call("wrap", "net.py", "--site", "act", "--with", "residual", "--save", "two")[2] == "recipe-exists"
    assert call("remove", "net.py", "--name", "se", "--save", "three")[2] == "usage"
    saved = (folder / "codegen.toml").read_text()
    assert 'edits = ["replace stem: lora"]' in saved and 'edits = ["head fc: Linear(3)"]' in saved
    assert call("check")[0] == 0
