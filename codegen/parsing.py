"""A file's bytes and its tree, or one error that says why it is no source: too large, a notebook, no Python. Runs nothing."""

from __future__ import annotations

import ast
import re
import sys
import warnings
from pathlib import Path

from codegen.errors import CodegenError

LARGEST = 16 << 20  # bytes: a tree takes a hundred times as much memory
CONFLICT = re.compile(r"^<{7}(?: .*)?$", re.MULTILINE)
NOTEBOOK = re.compile(r'\A\s*\{(?=.*"cells")(?=.*"nbformat")', re.DOTALL)

ARITHMETIC = frozenset({"int", "len", "max", "min", "round", "sum"})  # what a number of channels may call
PLAIN = (ast.Constant, ast.Name, ast.Attribute, ast.Subscript, ast.Slice, ast.Tuple, ast.List, ast.BinOp, ast.UnaryOp)
MARKS = (ast.expr_context, ast.operator, ast.unaryop)


def read(path: Path) -> bytes:
    """The bytes of a file. Raises CodegenError("unreadable-source", "source-too-large")."""
    try:
        with open(path, "rb") as stream:
            data = stream.read(LARGEST + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or str(error)
        raise CodegenError("unreadable-source", f"{path}: {reason}", "give a Python file that can be read") from None
    if len(data) > LARGEST:
        hint = "give the file of the model itself; data belongs into a file of its own"
        raise CodegenError("source-too-large", f"{path} has more than {LARGEST >> 20} MB", hint)
    return data


def tree(text: str, name: str) -> ast.Module:
    """The syntax tree. Raises CodegenError("syntax-error") with line and column."""
    try:
        with quiet():
            return ast.parse(text)  # a file that crashes or overflows a parser must fail here, by an exception
    except SyntaxError as error:
        raise refused(error, text, name) from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise CodegenError("syntax-error", f"{name}: {error}", "this is no Python source") from None


def refused(error: SyntaxError, text: str, name: str) -> CodegenError:
    """What a parser or a compiler says, as an error that says where."""
    hint = f"mend the file, then run again; it was read as Python {sys.version_info[0]}.{sys.version_info[1]}"
    if conflict := CONFLICT.search(text):
        hint = f"settle the merge conflict in line {text.count(chr(10), 0, conflict.start()) + 1}, then run again"
    return CodegenError("syntax-error", f"{name}:{error.lineno or 1}:{error.offset or 1}: {error.msg}", hint)


def demand_program(parsed: ast.Module, text: str, path: Path) -> None:
    """What a tree does not show: a `return` outside a function, a notebook. Raises CodegenError("syntax-error")."""
    if NOTEBOOK.search(text):
        hint = "make a Python file of it: jupyter nbconvert --to script"
        raise CodegenError("syntax-error", f"{path} is a notebook", hint)
    try:
        with quiet():
            compile(parsed, str(path), "exec", dont_inherit=True)
    except SyntaxError as error:
        raise refused(error, text, str(path)) from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise CodegenError("syntax-error", f"{path}: {error}", "it is nested too deeply to be run") from None


def expression(text: str) -> ast.expr | None:
    """The tree of a text that is one expression wherever it is put as an argument: no second one behind it, no comment."""
    try:
        with quiet():
            tree = ast.parse(f"f({text}, 1)", mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    if not isinstance(tree, ast.Call) or len(tree.args) != 2 or tree.keywords or ast.unparse(tree.func) != "f":
        return None
    return None if isinstance(tree.args[0], (ast.Starred, ast.NamedExpr)) else tree.args[0]


def is_plain(node: ast.expr, calls: frozenset[str] = frozenset()) -> bool:
    """Whether an expression is names, numbers, texts and operators, and calls of these functions at most."""
    called = [n for n in ast.walk(node) if isinstance(n, ast.Call)]
    if not all(isinstance(n.func, ast.Name) and n.func.id in calls and not n.keywords for n in called):
        return False
    parts = [n for n in ast.walk(node) if not isinstance(n, (*MARKS, ast.Call))]
    names = [getattr(n, "id", getattr(n, "attr", "")) for n in parts]
    return all(isinstance(n, PLAIN) for n in parts) and not any(name.startswith("__") for name in names)


def quiet() -> warnings.catch_warnings[None]:
    """What a compiler warns of is the user's own matter, and `python -W error` makes no error of it here."""
    return warnings.catch_warnings(action="ignore")
