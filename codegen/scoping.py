"""Where a piece of code means a module-level name: locals, parameters and class attributes of that name are others."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator, Mapping

from codegen.errors import CodegenError
from codegen.syntax import Code
from codegen.types import Edit

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
Names = frozenset[str]


def references(node: ast.AST, names: Collection[str]) -> Iterator[ast.Name | Definition | ast.Global]:
    """Every node below (and with) `node` that reads, binds, defines or declares one of these names of the module."""
    return _visit(node, frozenset(names), frozenset(names))


def renamed(code: Code, node: ast.AST, names: Mapping[str, str]) -> list[Edit]:
    """The edits that give names of the module other names below a node. Raises CodegenError("name-clash")."""
    edits = []
    for found in references(node, names.keys()) if names else ():
        if isinstance(found, ast.Global):
            text = "global " + ", ".join(names.get(name, name) for name in found.names)
            edits.append(Edit(code.start(found), code.end(found), text, "renamed"))
            continue
        name = found.id if isinstance(found, ast.Name) else found.name
        start = code.offset(found.lineno, found.col_offset)
        match = re.compile(rf"\b{name}\b").search(code.text, start)
        if match is None or isinstance(found, ast.Name) and match.start() != start:
            # before Python 3.12 a name inside an f-string has no exact position
            where = f"{code.name}:{found.lineno}"
            raise CodegenError("name-clash", f"{where} uses {name} inside a string", "rename it in its file")
        edits.append(Edit(match.start(), match.end(), names[name], "renamed"))
    return edits


def _visit(node: ast.AST, names: Names, nested: Names) -> Iterator[ast.Name | Definition | ast.Global]:
    """names: those that mean the module's here; nested: in functions below (they do not see a class's names)."""
    if isinstance(node, ast.Name):
        if node.id in names:
            yield node
    elif isinstance(node, ast.Global):
        if nested & set(node.names):
            yield node
    elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
        yield from _function(node, names, nested)
    elif isinstance(node, ast.ClassDef):
        if node.name in names:
            yield node
        for part in (*node.decorator_list, *node.bases, *node.keywords):
            yield from _visit(part, names, nested)
        for index, statement in enumerate(node.body):
            for found in _visit(statement, names - _bound(node.body[:index]), nested):
                if not _binds_here(statement, found):
                    yield found
    elif isinstance(node, (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
        yield from _comprehension(node, names, nested)
    else:
        for child in ast.iter_child_nodes(node):
            yield from _visit(child, names, nested)


def _binds_here(statement: ast.stmt, node: ast.AST) -> bool:
    """Whether a node of a class's statement makes an attribute of the class."""
    if node is statement:
        return True
    if not (isinstance(node, ast.Name) and isinstance(node.ctx, (ast.Store, ast.Del))):
        return False
    functions = [n for n in ast.walk(statement) if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))]
    return not any(node is inner for function in functions for inner in ast.walk(function))


def _function(node: Function, names: Names, nested: Names) -> Iterator[ast.Name | Definition | ast.Global]:
    if not isinstance(node, ast.Lambda):
        if node.name in names:
            yield node
        for part in (*node.decorator_list, *([node.returns] if node.returns else [])):
            yield from _visit(part, names, nested)
    yield from _visit(node.args, names, nested)  # defaults and annotations
    body = [node.body] if isinstance(node, ast.Lambda) else node.body
    arguments = {n.arg for n in ast.walk(node.args) if isinstance(n, ast.arg)}
    inner = nested - arguments - _bound(body)
    inner |= nested & {n for s in body for g in ast.walk(s) if isinstance(g, ast.Global) for n in g.names}
    for statement in body:
        yield from _visit(statement, inner, inner)


def _comprehension(node: Comprehension, names: Names, nested: Names) -> Iterator[ast.Name | Definition | ast.Global]:
    first = node.generators[0].iter
    yield from _visit(first, names, nested)
    inner = nested - _bound([generator.target for generator in node.generators])
    for child in ast.walk(node):
        if child in node.generators:
            parts = [*child.ifs, *([child.iter] if child.iter is not first else [])]
            for part in parts:
                yield from _visit(part, inner, inner)
    for part in (node.key, node.value) if isinstance(node, ast.DictComp) else (node.elt,):
        yield from _visit(part, inner, inner)


def _bound(nodes: Collection[ast.AST]) -> set[str]:
    """The names that these nodes bind in their own scope."""
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Name) and isinstance(node.ctx, (ast.Store, ast.Del)):
            found.add(node.id)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.add(node.name)
            continue
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            found |= {alias.asname or alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)) and node.name:
            found.add(node.name)
        elif isinstance(node, ast.MatchMapping) and node.rest:
            found.add(node.rest)
        elif isinstance(node, ast.Lambda):
            continue
        if isinstance(node, (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
            found |= {n.target.id for n in ast.walk(node) if isinstance(n, ast.NamedExpr)}
            continue
        found |= _bound(list(ast.iter_child_nodes(node)))
    return found
