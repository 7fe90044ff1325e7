"""Small helpers over source text and `ast`: positions, definitions, imports. Only look; nothing here changes code."""

from __future__ import annotations

import ast
import io
import re
import symtable
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

from codegen import parsing
from codegen.errors import CodegenError
from codegen.traced import Span

COOKIE = re.compile(r"^[ \t\f]*#.*?coding[:=][ \t]*[-\w.]+")  # PEP 263
VARIANT = Path("the variant")  # what its text is called before it is a file
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Code:
    """A file's text with its tree, and the way from the tree's positions to characters of the text."""

    text: str
    name: str = "source"

    @cached_property
    def tree(self) -> ast.Module:
        """The syntax tree. Raises CodegenError("syntax-error") with line and column."""
        return parsing.tree(self.text, self.name)

    @cached_property
    def lines(self) -> list[str]:
        r"""Lines with their ends. Only \n, \r\n and \r end a line, as for the parser; form feeds do not."""
        return list(io.StringIO(self.text, newline=""))

    @cached_property
    def classes(self) -> list[tuple[str, ast.ClassDef]]:
        """(qualified name, node) of every class."""
        return list(classes(self.tree))

    @cached_property
    def _starts(self) -> list[int]:
        starts = [0]
        for line in self.lines:
            starts.append(starts[-1] + len(line))
        return starts

    def offset(self, line: int, column: int) -> int:
        """Character offset of a 1-based line and a column in UTF-8 bytes."""
        text = self.lines[line - 1] if line <= len(self.lines) else ""
        if not text.isascii():
            column = len(text.encode()[:column].decode())
        return self._starts[line - 1] + column

    def start(self, node: ast.AST) -> int:
        """Where a node begins (its first decorator included)."""
        first = min([node, *getattr(node, "decorator_list", [])], key=lambda n: n.lineno)
        if first is not node:
            return self.line_start(first) + self.indent_width(first)
        return self.offset(node.lineno, node.col_offset)

    def end(self, node: ast.AST) -> int:
        """Where a node ends."""
        return self.offset(node.end_lineno, node.end_col_offset)  # type: ignore[attr-defined]

    def segment(self, node: ast.AST) -> str:
        """The text of a node."""
        return self.text[self.start(node) : self.end(node)]

    def line_start(self, node: ast.AST) -> int:
        """Where the first line of a node begins."""
        return self._starts[node.lineno - 1]  # type: ignore[attr-defined]

    def line_end(self, node: ast.AST) -> int:
        """Behind the end of a node's last line."""
        return self._starts[min(node.end_lineno, len(self.lines))]  # type: ignore[attr-defined]

    def indent_width(self, node: ast.AST) -> int:
        """Characters of white space before a node's line."""
        line = self.lines[node.lineno - 1]  # type: ignore[attr-defined]
        return len(line) - len(line.lstrip(" \t\f"))

    def indent(self, node: ast.AST) -> str:
        """The white space before a node's line."""
        return self.lines[node.lineno - 1][: self.indent_width(node)].lstrip("\f")  # type: ignore[attr-defined]

    def stands_alone(self, node: ast.stmt) -> bool:
        """Whether a statement has its lines for itself: nothing before it, at most a comment behind it."""
        before = self.text[self.line_start(node) : self.start(node)]
        return not before.strip() and self.ends_its_line(node)

    def ends_its_line(self, node: ast.stmt) -> bool:
        """Whether at most a comment stands behind a statement."""
        behind = self.text[self.end(node) : self.line_end(node)].strip()
        return not behind or behind.startswith("#")

    @lru_cache(maxsize=2048)  # noqa: B019 - bounded; asked again for the variant what was asked for the base
    def names_read(self, node: ast.stmt) -> frozenset[str]:
        """The module-level names that a top-level statement reads; locals of its functions are none of them."""
        names = {n.id for n in _outside_functions(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
        first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
        for table in self._scopes:
            if first <= table.get_lineno() <= (node.end_lineno or first):
                names |= _globals(table)
        if not isinstance(node, (ast.Assign, ast.AugAssign, ast.Expr)):  # often large, and no annotation below it
            names |= _quoted_names(ast.walk(node))
        return frozenset(names)

    @cached_property
    def _scopes(self) -> list[symtable.SymbolTable]:
        return symtable.symtable(self.text, self.name, "exec").get_children()

    @cached_property
    def newline(self) -> str:
        """The file's first line end."""
        for line in self.lines:
            for ending in ("\r\n", "\n", "\r"):
                if line.endswith(ending):
                    return ending
        return "\n"

    @cached_property
    def indent_unit(self) -> str:
        """One step of indentation as the file has it first: a tab, two or four spaces."""
        return next(self._units(), "    ")

    def unit_at(self, indent: str) -> str:
        """One step below this indentation: a file that was written in two editors has tabs here and spaces there."""
        if len(set(indent)) != 1 or set(indent) == set(self.indent_unit):
            return self.indent_unit
        return next((unit for unit in self._units() if set(unit) == set(indent)), self.indent_unit)

    def _units(self) -> Iterator[str]:
        for node in ast.walk(self.tree):
            if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and node.body[0].lineno > node.lineno:
                unit = self.indent(node.body[0])[len(self.indent(node)) :]
                if unit:
                    yield unit


@lru_cache(maxsize=8)
def shared(text: str, path: Path) -> Code:
    """The Code of a file: the same object for the same text, so that a large file is parsed once in a run."""
    return Code(text, str(path))


def read(path: Path) -> tuple[str, str]:
    """(text, encoding) of a Python file, line ends kept. Raises CodegenError where it cannot be read as source."""
    data = parsing.read(path)
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        return data.decode(encoding), encoding
    except (SyntaxError, UnicodeDecodeError, LookupError) as error:
        hint = "give a Python file, with a coding cookie if not UTF-8"
        raise CodegenError("bad-encoding", f"{path}: {error}", hint) from None


def encodable(text: str, encoding: str, name: str) -> str:
    """The text, if the encoding of the file `name` can hold what came into it. Raises CodegenError("not-encodable")."""
    try:
        text.encode(encoding)
    except UnicodeEncodeError as error:
        line = text[: error.end].splitlines()[-1].strip()
        raise CodegenError(
            "not-encodable",
            f"{name} is written in {encoding}, which has no {text[error.start]!r}: {line}",
            f"save {name} as UTF-8 and take its coding cookie out, or do without the character",
        ) from None
    return text


def classes(tree: ast.AST) -> Iterator[tuple[str, ast.ClassDef]]:
    """(qualified name, node) of every class, outer ones first."""

    def visit(node: ast.AST, prefix: str) -> Iterator[tuple[str, ast.ClassDef]]:
        for child in _statements(node):
            if isinstance(child, ast.ClassDef):
                yield prefix + child.name, child
                yield from visit(child, prefix + child.name + ".")
            elif isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
                yield from visit(child, prefix + child.name + ".<locals>.")
            else:
                yield from visit(child, prefix)

    yield from visit(tree, "")


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """The statements directly below a node, without a look at its expressions."""
    for field in ("body", "orelse", "finalbody", "handlers", "cases"):
        value = getattr(node, field, None)
        if isinstance(value, list):
            yield from value


def find_class(code: Code, name: str, line: int = 0) -> ast.ClassDef | None:
    """The class of this qualified name; of several (conditional definitions), the one around `line`."""
    found = [node for qualified, node in code.classes if qualified == name]
    return next((node for node in found if node.lineno <= line <= (node.end_lineno or 0)), found[-1] if found else None)


def method(cls: ast.ClassDef, name: str) -> Function | None:
    """A method by its name."""
    for node in cls.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == name:
            return node
    return None


@lru_cache(maxsize=64)
def parents(root: ast.AST) -> dict[ast.AST, ast.AST]:
    """Child -> parent for every node below `root`: not to be changed."""
    return {child: node for node in ast.walk(root) for child in ast.iter_child_nodes(node)}


def span(node: ast.AST) -> Span:
    """The position of a node, as a Span."""
    return Span(node.lineno, node.col_offset, node.end_lineno, node.end_col_offset)  # type: ignore[attr-defined]


@lru_cache(maxsize=2048)  # asked of every statement of a file, by several stages
def bound_names(node: ast.stmt) -> frozenset[str]:
    """The names that a top-level statement binds in its module (inside `if` and `try` too)."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return frozenset({node.name})
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return frozenset(alias.asname or alias.name.split(".")[0] for alias in node.names)
    names: set[str] = set()
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt):
            names |= bound_names(child)
        elif isinstance(child, ast.ExceptHandler):
            names |= {name for statement in child.body for name in bound_names(statement)}
        else:
            names |= {n.id for n in ast.walk(child) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    return frozenset(names)


def used_names(node: ast.AST) -> set[str]:
    """The names that a node reads, locals and those in string annotations included."""
    nodes = list(ast.walk(node))
    return {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)} | _quoted_names(nodes)


def _outside_functions(node: ast.AST) -> Iterator[ast.AST]:
    """A node and what is below it, without the bodies of functions and classes (their decorators and defaults count)."""
    yield node
    for name, value in ast.iter_fields(node):
        inner = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)) and name == "body"
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not inner:
                yield from _outside_functions(child)


def _globals(table: symtable.SymbolTable) -> set[str]:
    own = {s.get_name() for s in table.get_symbols() if s.is_global() and (s.is_referenced() or s.is_declared_global())}
    return own.union(*(_globals(child) for child in table.get_children()))


def _quoted_names(nodes: Iterable[ast.AST]) -> set[str]:
    """The names in string annotations of these nodes."""
    names: set[str] = set()
    for node in nodes:
        if isinstance(node, (ast.arg, ast.AnnAssign, ast.FunctionDef, ast.AsyncFunctionDef)):
            annotation = node.annotation if isinstance(node, (ast.arg, ast.AnnAssign)) else node.returns
            for part in ast.walk(annotation) if annotation is not None else ():
                if isinstance(part, ast.Constant) and isinstance(part.value, str):
                    try:
                        names |= used_names(ast.parse(part.value, mode="eval"))
                    except SyntaxError:  # a string that is no annotation
                        continue
    return names


def imports(tree: ast.Module) -> dict[str, str]:
    """Name -> what it stands for: {"nn": "torch.nn", "F": "torch.nn.functional"}, of top-level imports without dots."""
    table: dict[str, str] = {}
    for node in tree.body:
        if isinstance(node, ast.Import):
            for alias in node.names:
                first = alias.name.split(".")[0]
                table[alias.asname or first] = alias.name if alias.asname else first
        elif isinstance(node, ast.ImportFrom) and not node.level:
            table.update({a.asname or a.name: f"{node.module}.{a.name}" for a in node.names})
    return table
