"""The house rules of the package, read from its source: who imports whom, how long things are, how they are named."""

from __future__ import annotations

import ast
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "codegen"
FILES = sorted(PACKAGE.rglob("*.py"))

FILE_LINES = 300
FUNCTION_LINES = 50  # forty is the aim; the rest is for signatures and docstrings
PARAMETERS = 6

# From the top down; a module that is not named here is a stage. `worker` stands apart: see WORKER_MAY_IMPORT. "" is the
# package itself, which hands out the functions of the API when they are asked for.
LAYERS = {"__main__": 17, "ending": 16, "cli": 15, "": 14, "api": 13}
LAYERS |= {"benching": 14, "catalogued": 14, "repository": 14, "reporting": 14, "sweeping": 14}
LAYERS |= {"swept": 12, "timings": 12, "reports": 12, "comparing": 11, "sweeps": 11}
LAYERS |= {"show": 12, "kept": 12, "running": 11, "changes": 11, "wanted": 11, "updating": 11, "building": 10, "undoing": 10}
LAYERS |= {"variants": 9, "basing": 8, "growing": 8, "commandlines": 7, "static": 7, "steps": 7, "pipeline": 6}
LAYERS |= {"replacing": 5, "checkpointing": 5, "assembled": 5, "draft": 4, "ops": 3}
LAYERS |= {"selection": 1, "types": 1, "traced": 0, "limits": 0, "errors": 0, "version": 0}
STAGE = 2
WORKER_MAY_IMPORT = {"worker", "selection", "points", "syntax", "types", "traced", "errors"}  # what reads code, and no more
HEAVY = {"torch", "timm", "torchvision"}

BAD_MODULE = re.compile(r"(^|_)(utils?|managers?|helpers?)($|_)")
BAD_CLASS = re.compile(r"Utils?|Manager|Helper")

Function = ast.FunctionDef | ast.AsyncFunctionDef


def dotted(path: Path) -> str:
    """`codegen/ops/insert.py` -> `codegen.ops.insert`; a package is named without `__init__`."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {dotted(path): path for path in FILES}


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imported(path: Path, tree: ast.Module | None = None) -> Iterator[tuple[str, int]]:
    """Every module that a file imports, absolute, with its line; imports inside functions count too."""
    package = dotted(path).split(".")[: None if path.name == "__init__.py" else -1]
    for node in ast.walk(tree or tree_of(path)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                yield (inner if inner in MODULES else base), node.lineno


def head(module: str) -> str:
    """`codegen.ops.insert` -> `ops`: what decides the layer. The package itself is ""."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def layer(module: str) -> int:
    """0 is the lowest."""
    return LAYERS.get(head(module), STAGE)


def may_import(module: str, other: str) -> bool:
    """Down, or sideways among the stages, which share `syntax` (a cycle is caught by its own test)."""
    if head(other) == head(module):
        return True
    if head(module) == "worker":
        return head(other) in WORKER_MAY_IMPORT
    if head(other) == "worker":
        return False  # it is a process of its own, run by name
    sideways = layer(module) == layer(other) == STAGE
    return sideways or layer(other) < layer(module)


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.fixture(params=FILES, ids=named)
def path(request: pytest.FixtureRequest) -> Path:
    return Path(request.param)


def functions(path: Path) -> Iterator[Function]:
    return (node for node in ast.walk(tree_of(path)) if isinstance(node, Function))


def is_command(path: Path, function: Function) -> bool:
    """The signature of a command, and of the API's function beside it, is its table of options: it is not measured."""
    if path.parent.name == "api" and not function.name.startswith("_"):
        return True
    calls = (node.func if isinstance(node, ast.Call) else node for node in function.decorator_list)
    return any(isinstance(call, ast.Attribute) and call.attr in ("command", "callback") for call in calls)


def test_the_package_is_found() -> None:
    assert {"codegen.types", "codegen.errors", "codegen.cli"} <= set(MODULES)


def test_imports_go_down(path: Path) -> None:
    module = dotted(path)
    ours = [(other, line) for other, line in imported(path) if other.split(".")[0] == "codegen"]
    wrong = [f"{named(path)}:{line} imports {other}" for other, line in ours if not may_import(module, other)]
    assert not wrong


def test_only_the_worker_imports_torch(path: Path) -> None:
    heavy = [f"{named(path)}:{line} imports {other}" for other, line in imported(path) if other.split(".")[0] in HEAVY]
    assert not heavy or head(dotted(path)) == "worker", heavy


def test_no_import_cycle() -> None:
    graph = {module: {name for name, _ in imported(file)} & set(MODULES) - {module} for module, file in MODULES.items()}
    while leaves := {module for module, others in graph.items() if not others}:
        graph = {module: others - leaves for module, others in graph.items() if module not in leaves}
    assert not graph, f"in a cycle, or above one: {sorted(graph)}"


def test_file_length(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines < FILE_LINES, f"{named(path)} has {lines} lines"


def test_function_length(path: Path) -> None:
    for function in functions(path):
        first = function.body[0].lineno if is_command(path, function) else function.lineno
        lines = (function.end_lineno or first) - first + 1
        assert lines <= FUNCTION_LINES, f"{named(path)}:{function.lineno} {function.name} has {lines} lines"


def test_parameters(path: Path) -> None:
    for function in functions(path):
        every = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
        count = len([argument for argument in every if argument.arg not in ("self", "cls")])
        where = f"{named(path)}:{function.lineno} {function.name}"
        assert count <= PARAMETERS or is_command(path, function), f"{where} has {count} parameters"


def test_module_docstring(path: Path) -> None:
    assert ast.get_docstring(tree_of(path)), f"{named(path)} does not say what it is"


def test_names(path: Path) -> None:
    assert not BAD_MODULE.search(path.stem), f"{named(path)}: say what it does"
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.ClassDef):
            assert not BAD_CLASS.search(node.name), f"{named(path)}:{node.lineno} {node.name}: say what it is"


def test_type_ignore_has_a_code(path: Path) -> None:
    readline = io.StringIO(path.read_text(encoding="utf-8")).readline
    for token in tokenize.generate_tokens(readline):
        if token.type == tokenize.COMMENT:
            bare = re.search(r"type:\s*ignore(?!\[)", token.string)
            assert not bare, f"{named(path)}:{token.start[0]} ignores every type error"


@pytest.mark.parametrize(
    ("module", "other", "allowed"),
    [
        ("codegen.cli", "codegen.pipeline", True),
        ("codegen.pipeline", "codegen.cli", False),
        ("codegen.ops.insert", "codegen.syntax", True),
        ("codegen.locating", "codegen.ops.insert", False),
        ("codegen.locating", "codegen.syntax", True),
        ("codegen.locating", "codegen.pipeline", False),
        ("codegen.types", "codegen.locating", False),
        ("codegen.errors", "codegen.types", False),
        ("codegen.worker.trace", "codegen.types", True),
        ("codegen.worker.trace", "codegen.worker.paths", True),
        ("codegen.worker.points", "codegen.syntax", True),
        ("codegen.worker.trace", "codegen.reading", False),
        ("codegen.pipeline", "codegen.worker.trace", False),
        ("codegen.emit", "codegen", False),
        ("codegen.emit", "codegen.version", True),
        ("codegen", "codegen.api", True),
        ("codegen.api.making", "codegen.api.looking", True),
        ("codegen.api.making", "codegen.cli", False),
    ],
)
def test_the_rule_of_imports(module: str, other: str, allowed: bool) -> None:
    assert may_import(module, other) is allowed


def test_relative_imports_are_resolved() -> None:
    tree = ast.parse("from . import types\nfrom ..errors import CodegenError\nfrom .checks import shape")
    found = [name for name, _ in imported(PACKAGE / "worker" / "trace.py", tree)]
    assert found == ["codegen.worker", "codegen.errors", "codegen.worker.checks.shape"]


def test_the_command_line_starts_without_torch() -> None:
    code = f"import codegen.cli, sys; print(sorted({HEAVY} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize("page", [ROOT / "README.md", *sorted((PACKAGE / "guide").glob("*.md"))], ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    prose = re.sub(r"(?s)```.*?```|`[^`]*`", "", page.read_text(encoding="utf-8"))
    for target, anchor in re.findall(r"\]\(([\w./-]*)(?:#([\w-]+))?\)", prose):
        path = page.parent / target if target else page
        assert path.is_file(), f"{page.name}: {target}"
        headings = re.findall(r"(?m)^#+ (.+)$", path.read_text(encoding="utf-8")) if anchor else []
        anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
        assert not anchor or anchor in anchors, f"{page.name}: {target}#{anchor}"
