"""Names that clash with nothing in the file, the same from run to run. Reads the file, changes only our own text."""

from __future__ import annotations

import ast
import keyword
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace

from codegen import closure, defaults, rewrite, scoping, syntax
from codegen.errors import CodegenError
from codegen.syntax import Code
from codegen.types import Component, Edit, Request

# what every nn.Module has: an attribute of that name would break the model
MODULE_NAMES = frozenset("""
    add_module apply bfloat16 buffers children compile cpu cuda double eval extra_repr float forward get_buffer
    get_parameter get_submodule half load_state_dict modules named_buffers named_children named_modules named_parameters
    parameters register_buffer register_module register_parameter requires_grad_ share_memory state_dict to to_empty
    train training type zero_grad
    """.split())  # noqa: SIM905


def attribute(wanted: str, cls: ast.ClassDef | ast.FunctionDef, children: Collection[str], fixed: bool) -> str:
    """`se`, or `se2` where the host has an `se` already. A name that the user chose is not changed but refused."""
    taken = {*children, *MODULE_NAMES, *(n.attr for n in ast.walk(cls) if isinstance(n, ast.Attribute))}
    taken |= {n for statement in cls.body for n in syntax.bound_names(statement)}
    wanted = wanted if fixed or not keyword.iskeyword(wanted) else f"{wanted}_"  # of a class Lambda
    usable = wanted.isidentifier() and not keyword.iskeyword(wanted) and not wanted.startswith("_")
    if fixed and (wanted in taken or not usable):
        why = "is taken in" if wanted in taken else "is no attribute name for"
        raise CodegenError("name-clash", f"{wanted} {why} {cls.name}", "choose another name: --name, of an extra head --extra")
    return free(wanted, taken)


def attributes(
    request: Request, component: Component, cls: ast.ClassDef, children: Collection[str]
) -> tuple[tuple[str, Component], ...]:
    """What is inserted, by the attributes that hold it: one module, or the parts of a composition."""
    if not component.parts:
        return ((attribute(request.name or component.name, cls, children, bool(request.name)), component),)
    made: dict[str, Component] = {}
    for part in component.parts:
        made[attribute(part.name, cls, {*children, *made}, fixed=False)] = part
    return tuple(made.items())


def stateful(named: Iterable[tuple[str, Component]]) -> tuple[str, ...]:
    """The attributes of what has a state."""
    return tuple(attribute for attribute, part in named if part.stateful)


def in_method(method: syntax.Function) -> Collection[str]:
    """All names that a method uses."""
    found = {n.id for n in ast.walk(method) if isinstance(n, ast.Name)}
    return found | {n.arg for n in ast.walk(method.args) if isinstance(n, ast.arg)}


def free(wanted: str, taken: Collection[str]) -> str:
    """`name`, or `name2` where that means something else."""
    name, number = wanted, 2
    while name in taken:
        name, number = f"{wanted}{number}", number + 1
    return name


def fitted(component: Component, *files: Code) -> Component:
    """The component with definitions that the file has already left out, and others of the same name renamed."""
    if component.parts:
        parts: list[Component] = []
        for part in component.parts:
            parts.append(fitted(part, *files, *(Code(made.code) for made in parts)))
        text = "\n\n\n".join(made.code.strip("\n") for made in parts if made.code.strip())
        return replace(component, parts=tuple(parts), code=f"{text}\n" if text else "")
    existing: dict[str, ast.stmt] = {}
    for code in files:
        for node in code.tree.body:
            existing.update(dict.fromkeys(syntax.bound_names(node), node))
        if star := existing.pop("*", None):  # from torch.nn import *: a name that is read may come from there
            existing = {**dict.fromkeys(syntax.used_names(code.tree), star), **existing}
    code = Code(component.code)
    defined = {name: node for node in code.tree.body for name in syntax.bound_names(node)}
    clashing = defined.keys() & existing.keys()
    settings = defaults.settings(existing.get(component.class_name), defined.get(component.class_name))
    same = {name for name in clashing if ast.dump(existing[name]) == ast.dump(defined[name])}
    same |= {component.class_name} if settings else set()
    while changed := {n for n in same if code.names_read(defined[n]) & (clashing - same)}:
        same -= changed  # equal text over another helper is another definition
    names: dict[str, str] = {}
    for name in sorted(clashing - same):
        names[name] = free(name, {*existing, *defined, *names.values()})
    edits = [Edit(code.start(node), _end(code, node), "", "already there") for node in (defined[n] for n in same)]
    edits += _comments(code, same, files)
    gone = [(e.start, e.end) for e in edits]
    edits += [e for e in scoping.renamed(code, code.tree, names) if not any(start <= e.start < end for start, end in gone)]
    construct = Code(defaults.given(component, settings if component.class_name in same else {}))
    renamed = scoping.renamed(construct, construct.tree, names)
    return replace(
        component,
        code=rewrite.apply(component.code, edits).strip("\n") + "\n" if component.code else "",
        construct=rewrite.apply(construct.text, renamed),
        class_name=names.get(component.class_name, component.class_name),
    )


def of_class(made: Component, other: Component) -> Component:
    """The component, made of the class that the file has for the other one: it may take a device, where this one gives none."""
    construct = re.sub(rf"\b{made.class_name}\b", other.class_name, made.construct)
    return replace(made, construct=construct, class_name=other.class_name)


def _end(code: Code, node: ast.stmt) -> int:
    """Where a definition ends, with the comment behind its last line."""
    behind = code.text[code.end(node) : code.line_end(node)].rstrip("\r\n") if code.ends_its_line(node) else ""
    return code.end(node) + len(behind)


def holds(text: str, *files: Code) -> bool:
    """Whether a file has this very function already."""
    function = next(n for n in Code(text).tree.body if isinstance(n, ast.FunctionDef))
    known = (n for code in files for n in code.tree.body if isinstance(n, ast.FunctionDef) and n.name == function.name)
    return any(ast.dump(node) == ast.dump(function) for node in known)


def apart(made: tuple[str, str], *files: Code) -> tuple[str, str]:
    """(statement, function that it calls): the function renamed where a file has another one of that name."""
    statement, text = made
    function = next(n for n in Code(text).tree.body if isinstance(n, ast.FunctionDef))
    known = {name: node for code in files for node in code.tree.body for name in syntax.bound_names(node)}
    if function.name not in known or ast.dump(known[function.name]) == ast.dump(function):
        return made
    name = free(function.name, known)
    own = re.compile(rf"\b{function.name}\b")
    return own.sub(name, statement), own.sub(name, text)


def _comments(code: Code, same: Collection[str], files: Collection[Code]) -> Iterator[Edit]:
    """Edits that take out the comments above definitions which the file has already, and licence notices that it has."""
    texts = ["\n".join(each.text.splitlines()) for each in files]
    all_gone = all(syntax.bound_names(node) <= {*same} for node in code.tree.body)
    for node in code.tree.body:
        start, end = closure.block_start(code, node), code.start(node)
        block = code.text[start:end].rstrip("\n")
        parts = block.split("\n#\n")  # a notice, and behind it what stood above the definition
        above = ("\n#\n".join(parts[:count]) for count in range(len(parts), 0, -1))
        there = next((text for text in above if closure.NOTICE.search(text) and any(text in each for each in texts)), "")
        left = block.removeprefix(there).removeprefix("\n#").lstrip("\n")
        if syntax.bound_names(node) & {*same} and (all_gone or not closure.NOTICE.search(left)):
            left = ""
        if left != block:
            yield Edit(start, end, f"{left}\n" if left else "", "already there")
