"""Classes that stand in other files of installed packages, brought into the variant: which, in what order. Reads only."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from codegen import closure, imports, sources, syntax
from codegen.closure import needs
from codegen.errors import CodegenError
from codegen.syntax import Code
from codegen.types import Edit, SourceFile


@dataclass(frozen=True)
class Foreign:
    """A file that is not the source's own, and the classes of it that the variant has for itself."""

    file: SourceFile
    code: Code
    names: tuple[str, ...]


@dataclass(frozen=True)
class Gathered:
    """What stands in for other files: import statements, definitions, and what these are called where they come from."""

    imports: tuple[str, ...]
    body: str
    meanings: frozenset[str]  # "timm.layers.mlp.Mlp"

    @property
    def names(self) -> frozenset[str]:
        """The names that the definitions bind."""
        return frozenset(meaning.rpartition(".")[2] for meaning in self.meanings)


def gather(foreign: Sequence[Foreign], edits: Mapping[Path, Iterable[Edit]], user: Mapping[str, str]) -> Gathered:
    """The definitions of all these files with what they need, edits applied inside them, in an order in which they stand.

    user: the names that the source's own file needs, and what they stand for. Raises CodegenError("name-clash").
    """
    whole = [_with_sharing(f, [user, *(imports.meanings(o.file, o.code) for o in foreign if o is not f)]) for f in foreign]
    defined = {f.file.path: _defined(f) for f in whole}
    everything = frozenset().union(*defined.values())
    clash = [n for n in (m.rpartition(".")[2] for m in everything) if sum(m.endswith(f".{n}") for m in everything) > 1]
    if clash:
        raise CodegenError("name-clash", f"two files define {clash[0]}", "choose a site in a class of the source's own file")
    texts: list[str] = []
    bodies: list[str] = []
    for each in _ordered(whole, defined):
        table = imports.meanings(each.file, each.code)
        local = frozenset(n for n, m in table.items() if imports.canonical(m) in everything)
        brought = closure.bring(each.file, each.code, each.names, edits.get(each.file.path, ()), local)
        texts += [text for text in brought.imports if text not in texts]
        bodies.append(brought.body)
    return Gathered(tuple(texts), "\n\n".join(bodies), everything)


def with_factories(foreign: Sequence[Foreign], user: Mapping[str, str]) -> tuple[Foreign, ...]:
    """With the functions and classes of further files that name the classes: `create_attn`, which makes one of many.

    user: the names that the source's own file needs, and what they stand for.
    """
    found = {each.file.path: each for each in foreign}
    while True:
        targets = {f"{f.file.module}.{name}" for f in found.values() for name in f.names}
        tables = [user, *map(_used, found.values())]
        meanings = {imports.canonical(m) for table in tables for m in table.values()} - targets
        new = [each for meaning in sorted(meanings) if (each := _factory(meaning, targets)) is not None]
        if not new:
            return tuple(found.values())
        for each in new:
            known = found.get(each.file.path)
            names = known.names if known else ()
            found[each.file.path] = replace(each, names=tuple(dict.fromkeys([*names, *each.names])))


def _factory(meaning: str, targets: Collection[str]) -> Foreign | None:
    """The definition with this meaning, where its code names one of the targets."""
    module, _, name = meaning.rpartition(".")
    path = sources.module_path(module) if module and module.split(".")[0] not in ("torch", *sys.stdlib_module_names) else None
    if path is None:
        return None
    file = sources.file(path)
    made = Foreign(file, syntax.shared(file.text, path), (name,))
    return made if {imports.canonical(m) for m in _used(made).values()} & {*targets} else None


def _with_sharing(foreign: Foreign, users: Iterable[Mapping[str, str]]) -> Foreign:
    """With what others import from this file and what shares definitions with its classes: a table of blocks must not be
    there twice.
    """
    shared = needs(foreign.code, foreign.names).statements
    mine = f"{foreign.file.module}."
    more = {
        meaning.removeprefix(mine)
        for table in users
        for meaning in map(imports.canonical, table.values())
        if meaning.startswith(mine) and "." not in meaning.removeprefix(mine)
    }
    sharing = [n for n in sorted(more - {*foreign.names}) if needs(foreign.code, [n]).statements & shared]
    return replace(foreign, names=(*foreign.names, *sharing))


def _defined(foreign: Foreign) -> frozenset[str]:
    found = needs(foreign.code, foreign.names).statements
    return frozenset(f"{foreign.file.module}.{name}" for s in found for name in syntax.bound_names(s))


def _ordered(foreign: Sequence[Foreign], defined: Mapping[Path, frozenset[str]]) -> list[Foreign]:
    """Each file behind those whose definitions it uses."""
    left, found = list(foreign), []
    while left:
        for each in left:
            used = {imports.canonical(m) for m in _used(each).values()}
            if not any(used & defined[o.file.path] for o in left if o is not each):
                break
        else:
            names = " and ".join(o.file.path.name for o in left)
            raise CodegenError("name-clash", f"{names} use each other's classes", "choose a site in another class")
        left.remove(each)
        found.append(each)
    return found


def _used(foreign: Foreign) -> dict[str, str]:
    names = needs(foreign.code, foreign.names).names
    return {n: m for n, m in imports.meanings(foreign.file, foreign.code).items() if n in names}


def local_names(table: Mapping[str, str], brought: Gathered, name: str) -> frozenset[str]:
    """The imported names of the source's file `name` that stand for brought definitions. Raises CodegenError("name-clash")."""
    if not brought.meanings:
        return frozenset()  # to look where names are defined takes a look at many files
    local = frozenset(n for n, m in table.items() if imports.canonical(m) in brought.meanings)
    other = sorted((brought.names & table.keys()) - local)
    renamed = sorted(n for n in local if n not in brought.names)
    if other or renamed:
        what = f"uses the name {other[0]} for {table[other[0]]}" if other else f"imports {table[renamed[0]]} as {renamed[0]}"
        raise CodegenError("name-clash", f"{name} {what}", "choose a site in a class of the source's own file")
    return local
