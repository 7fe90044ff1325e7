"""Names that clash with nothing in the file, the same from run to run. Reads the file, changes only our own text."""

from __future__ import annotations

import ast
from collections.abc import Collection
from dataclasses import replace

from codegen import rewrite, syntax
from codegen.errors import CodegenError
from codegen.syntax import Code
from codegen.types import Component, Edit


def attribute(wanted: str, cls: ast.ClassDef, children: Collection[str], fixed: bool) -> str:
    """`se`, or `se2` where the host has an `se` already. A name that the user chose is not changed but refused."""
    taken = set(children) | {n.attr for n in ast.walk(cls) if isinstance(n, ast.Attribute)}
    taken |= {n for statement in cls.body for n in syntax.bound_names(statement)}
    if fixed and (wanted in taken or not wanted.isidentifier()):
        why = "is taken in" if wanted in taken else "is no attribute name for"
        raise CodegenError("name-clash", f"{wanted} {why} {cls.name}", "choose another --name")
    return _free(wanted, taken)


def _free(wanted: str, taken: Collection[str]) -> str:
    name, number = wanted, 2
    while name in taken:
        name, number = f"{wanted}{number}", number + 1
    return name


def fitted(component: Component, *files: Code) -> Component:
    """The component with definitions that the file has already left out, and others of the same name renamed."""
    existing: dict[str, ast.stmt] = {}
    for code in files:
        for node in code.tree.body:
            existing.update(dict.fromkeys(syntax.bound_names(node), node))
    code = Code(component.code)
    names: dict[str, str] = {}
    edits: list[Edit] = []
    for node in code.tree.body:
        for name in syntax.bound_names(node) & existing.keys():
            if ast.dump(existing[name]) == ast.dump(node):
                edits.append(Edit(code.start(node), code.end(node), "", "already there"))
            else:
                names[name] = _free(name, existing)
    gone = {(e.start, e.end) for e in edits}
    for inner in ast.walk(code.tree):
        edits += [e for e in _rename(code, inner, names) if not any(s <= e.start < t for s, t in gone)]
    construct = Code(component.construct)
    renamed = [e for n in ast.walk(construct.tree) for e in _rename(construct, n, names)]
    return replace(
        component,
        code=rewrite.apply(component.code, edits).strip("\n") + "\n" if component.code else "",
        construct=rewrite.apply(component.construct, renamed),
        class_name=names.get(component.class_name, component.class_name),
    )


def _rename(code: Code, node: ast.AST, names: dict[str, str]) -> list[Edit]:
    if isinstance(node, ast.Name) and node.id in names:
        return [Edit(code.start(node), code.end(node), names[node.id])]
    if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and node.name in names:
        at = code.text.index(node.name, code.offset(node.lineno, node.col_offset) + len("def "))
        return [Edit(at, at + len(node.name), names[node.name])]
    return []
