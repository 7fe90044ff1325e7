"""Import statements: what names stand for, made absolute, trimmed to what is needed, added. Knows nothing of models."""

from __future__ import annotations

import ast
import itertools
import re
import sys

from codegen import rewrite, syntax
from codegen.errors import CodegenError
from codegen.syntax import Code
from codegen.types import Edit, SourceFile

FROM = re.compile(r"from\b.*?\bimport\b", re.DOTALL)  # no name can be `import`, no comment can stand before it


def is_import(node: ast.stmt) -> bool:
    """Whether a statement is a plain import."""
    return isinstance(node, (ast.Import, ast.ImportFrom))


def meanings(file: SourceFile, code: Code) -> dict[str, str]:
    """What the file's imported names stand for, relative imports resolved."""
    table = syntax.imports(code.tree)
    for node in code.tree.body:
        if isinstance(node, ast.ImportFrom) and node.level and file.module:
            table.update({a.asname or a.name: f"{absolute(file, node)}.{a.name}" for a in node.names})
    return table


def absolute(file: SourceFile, node: ast.ImportFrom) -> str:
    """`._builder` in timm.models.resnet -> `timm.models._builder`. Raises CodegenError("relative-import")."""
    if not node.level:
        return node.module or ""
    parts = file.module.split(".") if file.module else []
    keep = len(parts) - node.level + (1 if file.path.stem == "__init__" else 0)
    if not parts or keep < 1:
        raise CodegenError(
            "relative-import",
            f"{file.path.name}:{node.lineno} imports from {'.' * node.level}{node.module or ''}, but is in no package",
            "give the file where it stands in its package (with __init__.py), or pkg.module",
        )
    return ".".join([*parts[:keep], *([node.module] if node.module else [])])


def needed(file: SourceFile, code: Code, names: frozenset[str]) -> list[str]:
    """The file's import statements as far as these names need them, without dots."""
    kept = []
    for node in code.tree.body:
        if is_import(node) and not (isinstance(node, ast.ImportFrom) and node.module == "__future__"):
            text = trimmed(file, code, node, names)
            if text:
                kept.append(text)
        elif isinstance(node, (ast.Try, ast.If)) and syntax.bound_names(node) & names and _imports_only(node):
            start, end = code.start(node), code.end(node)
            edits = rewrite.inside(absolute_edits(file, code, node), start, end)
            kept.append(rewrite.apply(code.text[start:end], edits))
    return kept


def _imports_only(node: ast.stmt) -> bool:
    return all(is_import(n) for n in ast.walk(node) if isinstance(n, ast.stmt) and n is not node)


def trimmed(file: SourceFile, code: Code, node: ast.stmt, names: frozenset[str] | set[str]) -> str:
    """One import statement with only the names that are needed, absolute, its layout and comments kept; "" for none."""
    assert isinstance(node, (ast.Import, ast.ImportFrom))
    if {"*"} == syntax.bound_names(node):
        return f"from {absolute(file, node)} import *" if isinstance(node, ast.ImportFrom) else ""
    wanted = [(a.asname or a.name.split(".")[0]) in names for a in node.names]
    if not any(wanted):
        return ""
    starts = [code.start(alias) for alias in node.names]
    pieces = [code.text[start:following] for start, following in itertools.pairwise(starts)]
    *kept, last = itertools.compress(range(len(wanted)), wanted)
    head = code.text[code.start(node) : starts[0]]
    if isinstance(node, ast.ImportFrom):
        head = FROM.sub(f"from {absolute(file, node)} import", head, count=1)
    # a name goes with its comma and what stands behind that; what stood before the closing bracket stays there
    tail = code.text[code.end(node.names[-1]) : code.end(node)]
    return "".join([head, *(pieces[index] for index in kept), code.segment(node.names[last]), tail])


def placed(code: Code, statements: list[str]) -> list[Edit]:
    """New import statements, each behind the last of its kind: the standard library's above, all others below."""
    standard = [s for s in statements if _is_standard(ast.parse(s).body[0])]
    top = _top(code)
    anchor = next((n for n in reversed(top) if _is_standard(n)), None)
    edits = []
    if standard and anchor is None and top and not _is_future(top[0]):
        at = code.line_start(top[0])
        edits.append(Edit(at, at, _lines(code, standard) + code.newline, "imports"))
    elif standard and anchor is not None:
        edits.append(Edit(code.line_end(anchor), code.line_end(anchor), _lines(code, standard), "imports"))
    others = [s for s in statements if not edits or s not in standard]
    if others and top:
        edits.append(Edit(code.line_end(top[-1]), code.line_end(top[-1]), _lines(code, others), "imports"))
    elif others:
        first = code.tree.body[0]
        docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
        at = code.line_end(first) if docstring else code.start(first) - code.indent_width(first)
        block = _lines(code, others)
        edits.append(Edit(at, at, f"{code.newline}{block}" if docstring else block + code.newline, "imports"))
    return edits


def _lines(code: Code, statements: list[str]) -> str:
    return "".join(line + code.newline for text in statements for line in text.splitlines())


def _top(code: Code) -> list[ast.stmt]:
    """The imports at the top of the file, `__future__` left out where others follow."""
    found: list[ast.stmt] = []
    for node in code.tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            break
        if is_import(node):
            found.append(node)
    return [n for n in found if not _is_future(n)] or found


def _is_future(node: ast.stmt) -> bool:
    return isinstance(node, ast.ImportFrom) and node.module == "__future__"


def _is_standard(node: ast.stmt) -> bool:
    """Whether an import is of the standard library."""
    if isinstance(node, ast.ImportFrom):
        return not node.level and (node.module or "").split(".")[0] in sys.stdlib_module_names - {"__future__"}
    return isinstance(node, ast.Import) and all(a.name.split(".")[0] in sys.stdlib_module_names for a in node.names)


def absolute_edits(file: SourceFile, code: Code, node: ast.stmt) -> list[Edit]:
    """`from ._builder import x` -> `from timm.models._builder import x`, inside functions too."""
    edits: list[Edit] = []
    if not re.search(r"\bfrom[\s\\]*\.", code.segment(node)):
        return edits
    for found in ast.walk(node):
        if isinstance(found, ast.ImportFrom) and found.level:
            start = code.start(found)
            match = FROM.match(code.text, start)
            assert match is not None
            edits.append(Edit(start, match.end(), f"from {absolute(file, found)} import", "absolute import"))
    return edits
