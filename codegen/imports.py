"""Import statements: what names stand for, made absolute, trimmed to what is needed, added. Knows nothing of models."""

from __future__ import annotations

import ast
import functools
import importlib
import itertools
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace

from codegen import rewrite, sources, style, syntax
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
        if isinstance(node, ast.ImportFrom) and file.module and (node.level or node.names[0].name == "*"):
            module = absolute(file, node)
            names = public_names(module) if node.names[0].name == "*" else {a.asname or a.name: a.name for a in node.names}
            table.update({name: f"{module}.{original}" for name, original in names.items()})
    table.pop("*", None)
    return table


@functools.cache
def public_names(module: str) -> dict[str, str]:
    """What `from module import *` binds, by its `__all__` or else its public definitions; nothing of torch or builtins."""
    path = sources.module_path(module) if module.split(".", maxsplit=1)[0] not in ("torch", *sys.stdlib_module_names) else None
    body = syntax.shared(syntax.read(path)[0], path).tree.body if path is not None else []
    for node in body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets):
            listed = [e.value for e in ast.walk(node.value) if isinstance(e, ast.Constant) and isinstance(e.value, str)]
            return {name: name for name in listed}
    return {name: name for node in body for name in syntax.bound_names(node) if not name.startswith("_") and name != "*"}


def forget() -> None:
    """Read other files again, where they are asked for: in a long session they may have changed."""
    importlib.invalidate_caches()
    public_names.cache_clear()
    canonical.cache_clear()


@functools.cache
def canonical(meaning: str, *, in_torch: bool = False) -> str:
    """Where a name is defined: `timm.layers.Mlp`, which a package or a module exports again, is `timm.layers.mlp.Mlp`.

    in_torch: also what torch exports again; its names are left as they are known otherwise.
    """
    module, _, name = meaning.rpartition(".")
    path = sources.module_path(module) if module and (in_torch or not module.startswith("torch.")) else None
    if path is None:
        return meaning
    file = sources.file(path)
    for node in syntax.shared(file.text, path).tree.body:
        if isinstance(node, ast.ImportFrom):
            origin = absolute(replace(file, module=module), node)
            for alias in node.names:
                if (alias.asname or alias.name) == name:  # `from . import layers` binds the submodule itself
                    found = f"{origin}.{alias.name}"
                    return canonical(found, in_torch=in_torch) if found != meaning else meaning
                if alias.name == "*" and _defines(origin, name):
                    return canonical(f"{origin}.{name}", in_torch=in_torch)
    return meaning


def _defines(module: str, name: str) -> bool:
    path = sources.module_path(module)
    return path is not None and any(
        name in syntax.bound_names(n) for n in syntax.shared(syntax.read(path)[0], path).tree.body
    )


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


def merged(statements: Iterable[str], known: Callable[[str, str], bool], width: int) -> list[str]:
    """The statements without names that are known already (name, meaning), one for each module; comments keep theirs."""
    whole: list[str] = []
    names: dict[str, dict[str, str]] = defaultdict(dict)  # by module: as imported -> the text that imported it
    bound: set[tuple[str | None, str]] = set()  # `nn as nn` is the same as `nn`
    for text in dict.fromkeys(statements):
        node = ast.parse(text).body[0]
        single = isinstance(node, ast.ImportFrom) and node.names[0].name != "*" and "#" not in text
        if not single and all(known(*pair) for pair in syntax.imports(ast.parse(text)).items() or [("", "")]):
            continue
        if not (single and isinstance(node, ast.ImportFrom)):
            whole.append(text)
            continue
        for alias in node.names:
            name = alias.asname or alias.name
            if (node.module, name) not in bound and not known(name, f"{node.module}.{alias.name}"):
                names[node.module or ""][ast.unparse(alias)] = text
                bound.add((node.module, name))
    for module, found in names.items():
        text = next(iter(found.values()))
        alone = isinstance(node := ast.parse(text).body[0], ast.ImportFrom) and [*map(ast.unparse, node.names)] == [*found]
        line = f"from {module} import {', '.join(sorted(found, key=str.lower))}"
        fits = len(line) <= width  # else black says how to wrap it, which costs as much CPU as the rest of codegen
        whole.append(text if alone else line if fits else style.formatted(line, width).rstrip())
    return whole


def placed(code: Code, statements: list[str], gone: Collection[ast.stmt] = ()) -> list[Edit]:
    """New import statements where a sorted file has them: with their kind, plain ones above `from` ones.

    gone: imports of the file that are taken out, beside which nothing can stand.
    """
    new = sorted(statements, key=lambda text: _rank(ast.parse(text).body[0]))
    top = [n for n in _top(code) if n not in gone] or _top(code)
    if not top or _is_future(top[0]):
        return _first(code, top, new)
    edits = []
    for standard in (True, False):
        group = [text for text in new if _is_standard(ast.parse(text).body[0]) == standard]
        peers = [n for n in top if _is_standard(n) == standard]
        if group and peers:
            edits += [_beside(code, peers, text) for text in group]
        elif group and standard:
            at = code.line_start(top[0])
            edits.append(Edit(at, at, _lines(code, group) + code.newline, "imports"))
        elif group:
            at = code.line_end(top[-1])
            edits.append(Edit(at, at, code.newline + _lines(code, group), "imports"))
    return edits


def _beside(code: Code, peers: list[ast.stmt], text: str) -> Edit:
    """Behind the last import that sorts before this one, else in front of the first.

    `from torch import nn` is sorted among the imports of torch, where there are any; `import math` among plain imports.
    """
    node = ast.parse(text).body[0]
    close = [n for n in peers if (type(n) is ast.Import if isinstance(node, ast.Import) else _top_name(n) == _top_name(node))]
    smaller = [n for n in close or peers if _rank(n) < _rank(node)]
    at = code.line_end(smaller[-1]) if smaller else code.line_start((close or peers)[0])
    return Edit(at, at, _lines(code, [text]), "imports")


def _first(code: Code, futures: list[ast.stmt], new: list[str]) -> list[Edit]:
    """The first imports of a file, behind its docstring and what it takes from the future."""
    if not new:
        return []
    kinds = [[t for t in new if _is_standard(ast.parse(t).body[0]) == standard] for standard in (True, False)]
    block = code.newline.join(_lines(code, kind) for kind in kinds if kind)
    first = code.tree.body[0]
    above = futures[-1] if futures else first if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) else None
    if above is not None:
        return [Edit(code.line_end(above), code.line_end(above), code.newline + block, "imports")]
    at = code.start(first) - code.indent_width(first)
    return [Edit(at, at, block + code.newline, "imports")]


def _rank(node: ast.stmt) -> tuple[int, str]:
    """How import statements are sorted: plain ones first, then by module; a guarded import comes last."""
    if isinstance(node, ast.Import):
        return 0, node.names[0].name
    return (1, node.module or "") if isinstance(node, ast.ImportFrom) else (2, "")


def _top_name(node: ast.stmt) -> str:
    return _rank(node)[1].split(".")[0]


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
