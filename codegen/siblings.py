"""Definitions that a loose file takes from files beside it: brought in, so that the variant imports by itself.

Each keeps its name, or gets a free one where two files use one name for two things. Reads only.
"""

from __future__ import annotations

import ast
import builtins
import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from codegen import closure, imports, naming, rewrite, scoping, syntax
from codegen.errors import CodegenError
from codegen.imports import is_import
from codegen.origins import Origin, Search, Sibling
from codegen.syntax import Code
from codegen.types import Edit, SourceFile


@dataclass(frozen=True)
class Gathered:
    """What stands in for the imports of siblings: import statements, definitions, and edits of the file itself."""

    imports: tuple[str, ...] = ()
    bodies: tuple[str, ...] = ()  # of `codes`, then what gives definitions a second name
    codes: tuple[Code, ...] = ()
    statements: frozenset[ast.stmt] = frozenset()  # the import statements of the file itself
    edits: tuple[Edit, ...] = ()  # layers.ConvBlock -> ConvBlock
    attributes: tuple[tuple[str, str], ...] = ()  # ("layers.ConvBlock", "ConvBlock")

    def translated(self, edits: Iterable[Edit]) -> list[Edit]:
        """Edits of the file itself, whose text may say `config.WIDTH`, as they are said without the sibling."""
        return [replace(edit, text=_translated(edit.text, dict(self.attributes), {})) for edit in edits]


@dataclass(frozen=True)
class Edited:
    """A sibling with classes that are edited: these stand in the variant even where only other siblings name them."""

    path: Path
    classes: tuple[str, ...]
    edits: tuple[Edit, ...]


def gather(file: SourceFile, code: Code, found: closure.Needs | None, edited: Iterable[Edited] = ()) -> Gathered:
    """Everything that `file` takes from its siblings. found: what of the file is needed, None for all.

    Raises CodegenError("sibling-import", "name-clash").
    """
    if file.module:
        return Gathered()
    search = Search(file)
    main = search.read(Sibling(file, code))
    if not main.links and not main.stars:
        return Gathered()
    own = [s for s in code.tree.body if not is_import(s) and s not in main.statements]
    statements = [s for s in own if found is None or s in found.statements]
    read = {name for s in statements for name in code.names_read(s)}
    search.follow(main, read | (main.links.keys() if found is None else set(found.names)), statements)
    changes = {search.load(each.path).file.path: each for each in edited}
    hosts = [search.demand(search.load(each.path), name) for each in changes.values() for name in each.classes]
    for each in changes.values():
        search.use(search.load(each.path), {name for edit in each.edits for name in _read(edit.text)})
    order = search.ordered()
    names = _named(main, order, read, hosts)
    edits_of = {path: each.edits for path, each in changes.items()}
    rooted = [each for each in order if each.roots]
    bodies = [_body(each, names, edits_of.get(each.file.path, ())) for each in rooted]
    bodies += [f"{name} = {names[origin]}\n" for name, origin in main.local.items() if names[origin] != name]
    edits = [Edit(code.start(n), code.end(n), names[o], "from a sibling") for n, o in main.attributes.items()]
    said = tuple((ast.unparse(n), names[o]) for n, o in main.attributes.items())
    files = tuple(each.code for each in rooted)
    return Gathered(tuple(_imports(order)), tuple(bodies), files, frozenset(main.statements), tuple(edits), said)


def _parsed(text: str) -> tuple[Code, int]:
    """Our own statements as code, and how many characters stand above them; nothing for a piece of an expression."""
    for above in ("", "if True:\n"):
        code = Code(above + text)
        with contextlib.suppress(CodegenError):
            return (code, len(above)) if code.tree.body else (code, 0)
    return Code(""), 0


def _read(text: str) -> set[str]:
    return syntax.used_names(_parsed(text)[0].tree)


def _translated(text: str, attributes: Mapping[str, str], names: Mapping[str, str]) -> str:
    """Our own statements with other names; a piece of an expression, which names nothing of a file, stays."""
    code, above = _parsed(text)
    if not code.text:
        return text
    edits = scoping.renamed(code, code.tree, names)
    found = [n for n in ast.walk(code.tree) if isinstance(n, ast.Attribute)]
    whole = [(n, attributes[said]) for n in found if (said := ast.unparse(n)) in attributes]
    edits += [Edit(code.start(n), code.end(n), name) for n, name in whole]
    return rewrite.apply(code.text, edits)[above:]


def codes(file: SourceFile, code: Code) -> list[Code]:
    """The siblings that a loose file takes from, with those that they take from: their names can clash with new ones."""
    search = Search(file)
    todo = [search.read(Sibling(file, code))] if not file.module else []
    for each in todo:
        paths = [*each.stars, *(path for path, _ in each.links.values())]
        todo += [other for path in dict.fromkeys(paths) if (other := search.load(path)) not in todo]
    return [each.code for each in todo[1:]]


def _named(main: Sibling, order: list[Sibling], read: set[str], hosts: list[Origin]) -> dict[Origin, str]:
    """The name of every definition and import that is brought in: its own, where that means nothing else."""
    names: dict[Origin, str] = {}
    taken = {*main.bound(by_import=False), *main.bound(by_import=True), *main.links, *main.local, *(read & _BUILTINS)}
    redefined = main.bound(by_import=False)
    for name, origin in main.local.items():
        if name == origin.name and name not in redefined:
            names[origin] = name
    for each in order:
        path = each.file.path
        names.update({Origin(path, n, imported=True): n for n in each.imported})
        taken |= {n for text in _imports([each]) for n in syntax.imports(ast.parse(text))}
    for each in order:
        found = each.needs()
        foreign = set().union(*(o.needs().names for o in order if o is not each)) & _BUILTINS
        for name in sorted({n for s in found.statements for n in syntax.bound_names(s)}):
            origin = Origin(each.file.path, name)
            if origin not in names:
                names[origin] = naming.free(name, taken | foreign)
            taken.add(names[origin])
    for host in hosts:
        if names[host] != host.name:
            what = f"{host.name} of {host.path.name} is the name of something else too"
            raise CodegenError("name-clash", what, "rename one of the two in its file")
    return names


_BUILTINS = frozenset(vars(builtins))


def _body(sibling: Sibling, names: dict[Origin, str], edited: Iterable[Edit]) -> str:
    """The needed definitions of a file, every name as it is called in the variant."""
    found = sibling.needs()
    path, code = sibling.file.path, sibling.code
    new = {o.name: text for o, text in names.items() if o.path == path and not o.imported and o.name != text}
    new |= {local: names[origin] for local, origin in sibling.local.items() if names[origin] != local}
    said = {ast.unparse(n): names[origin] for n, origin in sibling.attributes.items()}
    edits = [replace(edit, text=_translated(edit.text, said, new)) for edit in edited]
    edits += [edit for s in found.statements for edit in scoping.renamed(code, s, new)]
    edits += [Edit(code.start(n), code.end(n), names[o]) for n, o in sibling.attributes.items()]
    edits += [Edit(code.start(s), code.end(s), "") for s in sibling.statements if not is_import(s)]
    return closure.bring(sibling.file, code, sibling.roots, edits).body.replace("\r\n", "\n").replace("\r", "\n")


def _imports(order: Iterable[Sibling]) -> list[str]:
    """The import statements that the needed definitions need. Raises CodegenError("name-clash") where two disagree."""
    found: list[str] = []
    meanings: dict[str, str] = {}
    for each in order:
        needed = (each.needs().names if each.roots else frozenset()) | each.imported
        needed -= {*each.local, *(name.split(".")[0] for name in each.links)}
        stars = {ast.unparse(s) for s in each.statements if syntax.bound_names(s) == {"*"}}
        for text in imports.needed(each.file, each.code, frozenset(needed)):
            if ast.unparse(ast.parse(text)) in stars or text in found:
                continue
            for name, meaning in syntax.imports(ast.parse(text)).items():
                if meanings.setdefault(name, meaning) != meaning:
                    what = f"{each.file.path.name} uses {name} for {meaning}, another file for {meanings[name]}"
                    raise CodegenError("name-clash", what, "rename one of the two in its file")
            found.append(text)
    return found
