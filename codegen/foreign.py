"""Classes that stand in other files of installed packages, brought into the variant: which, in what order. Reads only."""

from __future__ import annotations

import ast
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from codegen import closure, imports, naming, registry, scoping, sources, syntax
from codegen.closure import Needs
from codegen.errors import CodegenError
from codegen.syntax import Code
from codegen.types import Edit, SourceFile


@dataclass(frozen=True)
class Foreign:
    """A file that is not the source's own, and the classes of it that the variant has for itself."""

    file: SourceFile
    code: Code
    names: tuple[str, ...]

    @property
    def table(self) -> dict[str, str]:
        """What the file's imported names stand for."""
        return imports.meanings(self.file, self.code)

    def needs(self, names: Iterable[str] = ()) -> Needs:
        """What the classes (`names` where given) need of the file."""
        return closure.needs(self.code, names or self.names, self.staying)

    @property
    def staying(self) -> list[ast.stmt]:
        """The statements that stay in the library: classes whose identity it tests, further names of its models."""
        table = self.table
        return [n for n in self.code.tree.body if registry.stays_in_library(n, table) or registry.is_alias(n, table)]


@dataclass(frozen=True)
class Gathered:
    """What stands in for other files: import statements, definitions, and what these are called where they come from."""

    imports: tuple[str, ...]
    body: str
    names: Mapping[str, str]  # what is called how: {"timm.layers.mlp.Mlp": "Mlp"}


def gather(
    foreign: Sequence[Foreign],
    edits: Mapping[Path, Iterable[Edit]],
    user: Mapping[str, str],
    taken: Collection[str] = (),
) -> Gathered:
    """The definitions of all these files with what they need, edits applied inside them, in an order in which they stand.

    user: the names that the source's own file needs, and what they stand for. taken: names that it defines. A helper whose
    name means something else already gets another. Raises CodegenError("name-clash") where that would be a class asked for.
    """
    if not foreign:
        return Gathered((), "", {})  # to look where the user's names are defined takes a look at many files
    whole = [_with_sharing(f, [user, *(o.table for o in foreign if o is not f)]) for f in foreign]
    order = _ordered(whole, {f.file.path: _defined(f) for f in whole})
    everything = sorted(frozenset().union(*map(_defined, whole)))
    asked = [f"{f.file.module}.{name}" for f in foreign for name in f.names]
    other = {name for name, meaning in user.items() if imports.canonical(meaning) not in everything}
    called = _called(asked, everything, {*taken, *other})
    texts: list[str] = []
    bodies: list[str] = []
    for each in order:
        here = {n: called[real] for n, m in each.table.items() if (real := imports.canonical(m)) in called}
        unregistered = {n for n, m in each.table.items() if m in registry.REGISTRARS}
        own = {meaning.rpartition(".")[2]: called[meaning] for meaning in _defined(each)}
        changes = [*edits.get(each.file.path, ()), *_unregistered(each), *_renamed(each, here | own)]
        brought = closure.bring(each.file, each.code, each.names, changes, frozenset(here) | unregistered, each.staying)
        texts += [text for text in brought.imports if text not in texts]
        bodies.append(brought.body)
    return Gathered(tuple(texts), "\n\n".join(bodies), called)


def _called(asked: Iterable[str], everything: Iterable[str], taken: Collection[str]) -> dict[str, str]:
    """A name for everything that is defined: its own, where that means nothing else."""
    called = {meaning: meaning.rpartition(".")[2] for meaning in asked}
    names = [*taken, *called.values()]
    clash = next((name for name in called.values() if names.count(name) > 1), "")
    if clash:
        raise CodegenError("name-clash", f"two files define {clash}", "choose a site in a class of the source's own file")
    for meaning in everything:
        name = meaning.rpartition(".")[2]
        if meaning not in called:
            called[meaning] = naming.free(name, names)
            names.append(called[meaning])
    return called


def _unregistered(foreign: Foreign) -> list[Edit]:
    """Without `@register_model`: the library has a model of that name."""
    code, table = foreign.code, foreign.table
    functions = [n for n in foreign.needs().statements if isinstance(n, ast.FunctionDef)]
    gone = [d for f in functions for d in f.decorator_list if registry.is_registrar(d, table)]
    return [Edit(code.line_start(d), code.line_end(d), "", "not registered") for d in gone]


def _renamed(foreign: Foreign, called: Mapping[str, str]) -> list[Edit]:
    """`SqueezeExcitation as SElayer`: where the class is brought in, it has one name only."""
    names = {name: own for name, own in called.items() if name != own}
    return [edit for s in foreign.needs().statements for edit in scoping.renamed(foreign.code, s, names)]


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
    shared = foreign.needs().statements
    mine = f"{foreign.file.module}."
    more = {
        meaning.removeprefix(mine)
        for table in users
        for meaning in map(imports.canonical, table.values())
        if meaning.startswith(mine) and "." not in meaning.removeprefix(mine)
    }
    sharing = [n for n in sorted(more - {*foreign.names}) if foreign.needs([n]).statements & shared]
    return replace(foreign, names=(*foreign.names, *sharing))


def _defined(foreign: Foreign) -> frozenset[str]:
    found = foreign.needs().statements
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
    names = foreign.needs().names
    return {n: m for n, m in foreign.table.items() if n in names}


def local_names(table: Mapping[str, str], brought: Gathered, name: str) -> frozenset[str]:
    """The imported names of the source's file `name` that stand for brought definitions. Raises CodegenError("name-clash")."""
    if not brought.names:
        return frozenset()  # to look where names are defined takes a look at many files
    local = {n: brought.names[own] for n, m in table.items() if (own := imports.canonical(m)) in brought.names}
    other = sorted((frozenset(brought.names.values()) & table.keys()) - local.keys())
    renamed = sorted(n for n, own in local.items() if n != own)
    if other or renamed:
        what = f"uses the name {other[0]} for {table[other[0]]}" if other else f"imports {table[renamed[0]]} as {renamed[0]}"
        raise CodegenError("name-clash", f"{name} {what}", "choose a site in a class of the source's own file")
    return frozenset(local)
