"""The Python API: one function for each command, with its options; no behaviour lives in the command line."""

from __future__ import annotations

import ast
import doctest
import functools
import inspect
import io
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, environment

import codegen
from codegen import api, certificate, cli, ending, kept, records
from codegen.errors import CodegenError

PACKAGE = ROOT / "codegen"
COMMANDS = ("cli", "benching", "catalogued", "repository", "reporting", "sweeping")  # the modules of the commands
SHOWING = {"show_diff", "as_json", "verbose", "form"}  # options of the command line alone
FUNCTIONS = {name: getattr(api, name) for name in api.__all__}
NET = '''"""A net."""

import torch.nn as nn


class Net(nn.Module):
    def __init__(self, dim=8):
        super().__init__()
        self.stem = nn.Conv2d(3, dim, 3)
        self.body = nn.Conv2d(dim, dim, 3, padding=1)
        self.head = nn.Conv2d(dim, 10, 1)

    def forward(self, x):
        x = self.stem(x)
        return self.head(self.body(x))
'''
MINE = """import torch.nn as nn


class Mine(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.weigh = nn.Conv2d(channels, channels, 1)

    def forward(self, x):
        return x * self.weigh(x).sigmoid()
"""
STATIC: dict[str, Any] = {"module": "se", "after": "stem", "static": True}


@pytest.fixture
def net(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """net.py in an empty folder, which is the working directory."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "net.py"
    path.write_text(NET)
    return path


@pytest.fixture(autouse=True)
def silence() -> Iterator[None]:
    """No function of the API prints."""
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
        yield
    assert not out.getvalue() and not err.getvalue()


def said(monkeypatch: pytest.MonkeyPatch, *words: str) -> Any:
    """What a command prints with --json, as values."""
    monkeypatch.setattr(sys, "argv", ["codegen", *words, "--json"])
    with redirect_stdout(io.StringIO()) as out:
        try:
            ending.main()
        except SystemExit as leaving:
            assert leaving.code in (0, 3), out.getvalue()
    return json.loads(out.getvalue())


def refused(call: Callable[[], object]) -> CodegenError:
    with pytest.raises(CodegenError) as caught:
        call()
    assert caught.value.hint
    return caught.value


# --- the package ------------------------------------------------------------------------------------------------------


def test_no_public_name_is_a_module_of_the_package() -> None:
    """`import codegen.X` would put the module in the place of the function."""
    assert not {path.stem for path in PACKAGE.iterdir()} & set(codegen.__all__)


def test_the_package_hands_out_every_function_and_nothing_else() -> None:
    assert set(FUNCTIONS) <= set(codegen.__all__) <= set(dir(codegen))
    assert all(getattr(codegen, name) is function for name, function in FUNCTIONS.items())
    assert codegen.CodegenError is CodegenError and re.match(r"\d+\.\d+", codegen.__version__)
    assert not hasattr(codegen, "inserted")
    tree = ast.parse((PACKAGE / "__init__.py").read_text())
    typed = {alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert set(codegen.__all__) <= typed  # for type checkers
    assert (PACKAGE / "py.typed").is_file()


def test_importing_the_package_is_instant() -> None:
    code = "import codegen, sys; print(sorted(name for name in sys.modules if name.startswith(('codegen', 'click', 'black'))))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment())
    assert ast.literal_eval(found.stdout) == ["codegen", "codegen.version"]
    code = "import codegen, sys; codegen.insert; print({'torch', 'timm', 'black', 'rich', 'jinja2'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment())
    assert found.stdout.strip() == "set()"


# --- the command line is a thin layer over it -------------------------------------------------------------------------


@functools.cache
def commands() -> dict[str, ast.FunctionDef]:
    trees = [ast.parse((PACKAGE / f"{module}.py").read_text()) for module in COMMANDS]
    functions = [node for tree in trees for node in tree.body if isinstance(node, ast.FunctionDef)]
    return {node.name: node for node in functions if node.name in cli.cli.commands}


def test_every_command_is_a_function() -> None:
    assert set(commands()) == set(cli.cli.commands) == set(FUNCTIONS)


@pytest.mark.parametrize("module", COMMANDS)
def test_a_module_of_commands_imports_the_api_and_what_shows_its_results(module: str) -> None:
    """Without the stages at hand nothing can be decided there."""
    allowed = {"api", "options", "errors", "types", "version", "show", "records", "kept", "certificate", "building", *COMMANDS}
    allowed |= {"swept", "timings"}
    tree = ast.parse((PACKAGE / f"{module}.py").read_text())
    froms = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("codegen")]
    names = {n for f in froms for n in ([a.name for a in f.names] if f.module == "codegen" else [str(f.module).split(".")[1]])}
    assert names <= allowed
    plain = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert plain <= {"click", "dataclasses", "json", "sys"}


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_a_command_hands_its_options_on_and_looks_at_none(name: str) -> None:
    """It calls the one function of its name; what is not about showing is an argument there (or of what shows it)."""
    command = commands()[name]
    calls = [node for node in ast.walk(command) if isinstance(node, ast.Call)]
    ours = [c for c in calls if isinstance(c.func, ast.Attribute) and ast.unparse(c.func.value) == "api"]
    assert [ast.unparse(call.func) for call in ours] == [f"api.{name}"]
    given = {a.arg for a in [*command.args.args, *command.args.kwonlyargs]} - SHOWING
    given |= {command.args.kwarg.arg} if command.args.kwarg else set()
    inside = {node for node in ast.walk(ours[0]) if isinstance(node, ast.Name)}
    outside = [n for n in ast.walk(command) if isinstance(n, ast.Name) and n.id in given and n not in inside]
    shown = {"modules", "sites"}  # one module that was named is shown whole; pictures that were written are named
    assert not outside or name in shown, [f"{n.id}:{n.lineno}" for n in outside]


def options_of(name: str) -> dict[str, Any]:
    """The options of a command by their names, with the value that each has where it is not given."""
    command = cli.cli.commands[name]
    context = command.make_context(name, [], resilient_parsing=True)
    needed = {p.name for p in command.params if p.required}
    return {key: ... if key in needed else value for key, value in context.params.items() if key not in SHOWING}


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_the_parameters_are_the_options(name: str) -> None:
    parameters = inspect.signature(FUNCTIONS[name]).parameters
    plain = {key: p for key, p in parameters.items() if key != "done"}  # the command line tells of each as it ends
    many = {key for key, p in plain.items() if p.kind is p.VAR_POSITIONAL}
    mine = {key: ... if p.default is p.empty else p.default for key, p in plain.items() if key not in many}
    theirs = options_of(name)
    assert {key: value for key, value in theirs.items() if key not in many} == mine
    assert many <= set(theirs)


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_help_is_documentation(name: str) -> None:
    doc = inspect.getdoc(FUNCTIONS[name]) or ""
    assert "Raises" in doc or name in ("schema", "replace", "wrap", "head"), "what may go wrong"
    known = doc + (inspect.getdoc(codegen.insert) or "" if "`codegen.insert`" in doc else "")
    known += (inspect.getdoc(codegen.build) or "") if "`codegen.build`" in doc else ""
    parameters = inspect.signature(FUNCTIONS[name]).parameters
    assert [p for p in parameters if not re.search(rf"\b{p}\b", known)] == []


def test_what_a_command_prints_is_what_the_function_returns(net: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = records.report_json(codegen.insert(net, **STATIC, args={"reduction": 2}, output=Path("a.py")))
    words = ["insert", "net.py", "--module", "se", "--after", "stem", "--static", "--arg", "reduction=2", "-o", "b.py"]
    other = said(monkeypatch, *words)
    assert {**report, "output": "b.py", "seconds": {}} == {**other, "seconds": {}}
    found = codegen.diff("a.py")
    assert said(monkeypatch, "diff", "a.py") == {"file": "a.py", "diff": [*found.lines]}
    assert said(monkeypatch, "check", "a.py") == json.loads(kept.as_json(codegen.check("a.py")))
    assert said(monkeypatch, "modules", "se") == json.loads(json.dumps(records.entry_json(codegen.modules("se")[0], "")))
    assert len(said(monkeypatch, "modules")) == len(codegen.modules())
    assert said(monkeypatch, "eject", "b.py")["headers"] == codegen.eject("a.py").headers == 1


@pytest.mark.slow
def test_the_same_of_commands_that_run_a_model(net: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    look = {"input": "1x3x16x16"}
    assert said(monkeypatch, "sites", "net.py", "--input", "1x3x16x16") == records.sites_json(codegen.sites(net, **look))
    codegen.insert(net, module="se", after="stem", output="se.py", **look)
    timeless = {"seconds": {}}
    report = records.report_json(codegen.verify("se.py"))
    assert {**report, **timeless} == {**said(monkeypatch, "verify", "se.py"), **timeless}
    mine = certificate.as_json(codegen.certify("scale", layout="NC"))
    theirs = said(monkeypatch, "certify", "scale", "--layout", "NC")
    assert mine.keys() == theirs.keys() and mine["parameters"] == theirs["parameters"]
    assert [check["status"] for check in mine["checks"]] == [check["status"] for check in theirs["checks"]]


# --- what is given ----------------------------------------------------------------------------------------------------

WRONG: dict[str, dict[str, Any]] = {
    "a class": {"module": CodegenError},
    "a path for a site": {"after": Path("stem")},
    "a number for a width": {"width": 8},
    "no place": {"after": ""},
    "two places": {"before": "head"},
    "an unknown way": {"after": "", "beside": "stem", "combine": "sum"},
    "an unknown check": {"static": False, "checks": ["jit"]},
    "a text of checks": {"static": False, "checks": "script"},
    "a text of edits": {"edits": "after stem: se"},
    "a call from 0": {"call": 0},
    "a call that is true": {"call": True},
    "an index of text": {"output_index": "1"},
    "a set of arguments": {"args": {"reduction": {1, 2}}},
    "a class as argument": {"args": {"act": CodegenError}},
    "no number": {"args": {"reduction": float("inf")}},
    "a text of arguments": {"args": "reduction=8"},
    "arguments without a value": {"args": ["reduction"]},
    "a number as key": {"args": {3: 8}},
    "no time": {"timeout": 0},
    "a time of text": {"timeout": "60"},
    "no memory": {"memory": "much"},
    "separate and edits": {"module": "", "after": "", "static": False, "edits": ["after stem: se"], "separate": True},
    "unknown keep": {"keep": "some"},
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_value_is_a_usage_error(what: str, net: Path) -> None:
    error = refused(lambda: codegen.insert(net, **{**STATIC, **WRONG[what]}))
    assert error.name == "usage" and not Path("generated").exists()


def test_other_functions_check_what_they_are_given(net: Path) -> None:
    assert refused(lambda: codegen.wrap(net, site="stem", with_="glue")).name == "usage"  # type: ignore[arg-type]
    assert refused(lambda: codegen.certify("se", width=0)).name == "usage"
    assert refused(lambda: codegen.certify("se", layout="HW")).name == "unknown-layout"
    assert refused(lambda: codegen.build(jobs=0)).name == "usage"
    assert refused(codegen.build).name == "no-recipes"
    assert refused(lambda: codegen.check(net)).name == "no-recipe"
    assert refused(lambda: codegen.remove(net)).name == "usage"
    assert refused(lambda: codegen.remove(net, site="stem", against="net.py")).name == "usage"
    assert refused(lambda: codegen.remove(net, name="se", build="Net()")).name == "usage"
    assert refused(lambda: codegen.modules("qqq")).name == "unknown-module"
    assert refused(lambda: codegen.sites("nowhere.py")).name == "unreadable-source"
    assert refused(lambda: codegen.diff(3)).name == "usage"  # type: ignore[arg-type]
    assert refused(lambda: codegen.verify(net)).name == "no-recipe"


def test_a_header_that_says_an_unknown_option_is_an_error_of_ours(net: Path) -> None:
    codegen.insert(net, **STATIC, output="se.py")
    text = Path("se.py").read_text()
    Path("se.py").write_text(text.replace("--static", "--statically"))
    assert refused(lambda: codegen.diff("se.py")).name == "usage"


@pytest.mark.parametrize(
    ("value", "text"),
    [(8, "8"), (0.1, "0.1"), (-1, "-1"), (True, "True"), (None, "None"), ((1, 2), "(1, 2)"), ("nn.GELU", "nn.GELU")],
)
def test_a_value_is_the_text_of_an_option(value: object, text: str, net: Path) -> None:
    report = codegen.insert(net, **{**STATIC, "module": "torch.nn:Conv2d"}, args={"kernel_size": value}, dry_run=True)
    assert report.request.arguments == (("kernel_size", text),)


def test_nothing_is_written_by_a_dry_run_and_the_report_has_the_text(net: Path) -> None:
    report = codegen.insert(net, **STATIC, dry_run=True)
    assert report.variant and "self.se = SqueezeExcite(" in report.variant.text and not Path("generated").exists()
    lines = codegen.diff(report).lines
    assert lines[:2] == ("--- base/generated/net_se.py", "+++ variant/generated/net_se.py")
    assert "+        x = self.se(x)" in lines
    assert refused(lambda: codegen.diff(report, against="net.py")).name == "usage"


# --- a long session ---------------------------------------------------------------------------------------------------


def test_files_that_change_in_a_session_are_read_again(net: Path) -> None:
    Path("mine.py").write_text(MINE)
    mine = {**STATIC, "module": "mine.py:Mine", "dry_run": True}
    first = codegen.insert(net, **mine).variant
    Path("mine.py").write_text(MINE.replace("sigmoid", "tanh"))
    net.write_text(NET.replace("3, dim, 3)", "3, dim, 5)"))
    second = codegen.insert(net, **mine).variant
    assert first and second and ".sigmoid()" in first.text and "dim, 3)\n        self.body" in first.text
    assert ".tanh()" in second.text and ".sigmoid()" not in second.text and "dim, 5)" in second.text


def test_recipes_are_read_from_elsewhere_and_the_working_directory_stays(
    net: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    Path("codegen.toml").write_text('[variants.net_se]\nsource = "net.py"\nedits = ["after stem: se"]\n')
    elsewhere = tmp_path / "notebooks"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    for states in (codegen.check(), codegen.check("net_se", config=tmp_path / "codegen.toml")):
        assert [(s.name, s.output, s.kinds) for s in states] == [("net_se", Path("generated/net_se.py"), {"missing"})]
    assert refused(lambda: codegen.check("net_ese")).name == "unknown-recipe"
    assert Path.cwd() == elsewhere


# --- the guide --------------------------------------------------------------------------------------------------------


def examples() -> doctest.DocTest:
    text = (ROOT / "codegen/guide/python.md").read_text(encoding="utf-8")
    return doctest.DocTestParser().get_doctest(text, {}, "From Python", "python.md", 0)


def test_the_guide_calls_functions_by_parameters_that_they_have() -> None:
    trees = [ast.parse(example.source) for example in examples().examples]
    calls = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call)]
    ours = [call for call in calls if ast.unparse(call.func).startswith("codegen.")]
    assert len(ours) >= 4
    for call in ours:
        signature = inspect.signature(getattr(codegen, ast.unparse(call.func).removeprefix("codegen.")))
        signature.bind(*call.args, **{str(keyword.arg): keyword.value for keyword in call.keywords})


@pytest.mark.slow
def test_the_example_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    told: list[str] = []
    failed, tried = doctest.DocTestRunner().run(examples(), out=told.append)
    assert tried and not failed, "".join(told)


@pytest.mark.slow
def test_a_type_checker_knows_the_functions(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import codegen\n"
        "width: int = codegen.insert('net.py', module='se', after='stem').new_parameters\n"
        "codegen.insert('net.py', combine='sum')\n"
        "codegen.inserted\n"
    )
    words = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--cache-dir", str(tmp_path / "cache"), str(script)]
    found = subprocess.run(words, capture_output=True, text=True, check=False, env=environment(), cwd=tmp_path)
    lines = [line.split(":")[1] for line in found.stdout.splitlines() if "error:" in line]
    assert lines == ["3", "4"], found.stdout
