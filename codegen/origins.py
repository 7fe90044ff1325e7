"""Where the names are defined that a loose file takes from files beside it. Follows imports from file to file; reads only."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from codegen import closure, imports, scoping, sources, syntax
from codegen.errors import CodegenError
from codegen.imports import is_import
from codegen.syntax import Code
from codegen.types import SourceFile


@dataclass(frozen=True)
class Origin:
    """Where a name is defined: in a sibling, or (imported) by an import statement of it."""

    path: Path
    name: str
    imported: bool = False


@dataclass(eq=False)
class Sibling:
    """A file, what it takes from others, and what of it is needed."""

    file: SourceFile
    code: Code
    statements: set[ast.stmt] = field(default_factory=set)  # imports of siblings
    links: dict[str, tuple[Path, str]] = field(default_factory=dict)  # local name -> file, name there; "": the file itself
    stars: list[Path] = field(default_factory=list)
    roots: list[str] = field(default_factory=list)
    imported: set[str] = field(default_factory=set)  # names that its other import statements bind, and that are needed
    local: dict[str, Origin] = field(default_factory=dict)  # local names that are defined in other files
    attributes: dict[ast.Attribute, Origin] = field(default_factory=dict)  # layers.ConvBlock

    def bound(self, *, by_import: bool) -> set[str]:
        """The names that the file's own statements bind."""
        own = [s for s in self.code.tree.body if s not in self.statements and is_import(s) == by_import]
        return {name for s in own for name in syntax.bound_names(s)}

    def needs(self) -> closure.Needs:
        """What of the file is needed."""
        return closure.needs(self.code, self.roots, self.statements)


class Search:
    """Follows names from file to file."""

    def __init__(self, home: SourceFile) -> None:
        self.home = home
        self.files: dict[Path, Sibling] = {}

    def read(self, sibling: Sibling) -> Sibling:
        """Learn what a file imports from others beside it."""
        for statement in sibling.code.tree.body:
            for node in _alternatives(statement, loose="." not in sibling.file.module):
                if self._links(sibling, node):
                    sibling.statements.add(statement)
        return sibling

    def _links(self, sibling: Sibling, node: ast.stmt) -> bool:
        before = len(sibling.links) + len(sibling.stars)
        if isinstance(node, ast.Import):
            paths = [self._path(sibling, alias.name, 0) for alias in node.names]
            if any(paths) and not all(paths):
                raise _refused(sibling, node, "imports a file beside it and others in one statement")
            for alias, path in zip(node.names, paths, strict=True):
                if path:
                    sibling.links[alias.asname or alias.name] = path, ""
        elif isinstance(node, ast.ImportFrom):
            module = imports.absolute(sibling.file, node)
            path = self._path(sibling, module, node.level)
            for alias in node.names:
                inner = self._path(sibling, f"{module}.{alias.name}", node.level)
                if path and alias.name == "*":
                    sibling.stars.append(path)
                elif inner and not (path and alias.name in self._public(path)):
                    sibling.links[alias.asname or alias.name] = inner, ""
                elif path:
                    sibling.links[alias.asname or alias.name] = path, alias.name
        return len(sibling.links) + len(sibling.stars) > before

    def _path(self, sibling: Sibling, module: str, level: int) -> Path | None:
        root = sibling.file.root if level else None
        return path_of(self.home, module, root)

    def load(self, path: Path) -> Sibling:
        """The file at a path, read once."""
        key = path.resolve()
        if key not in self.files:
            file = sources.file(path)
            self.files[key] = Sibling(file, syntax.shared(file.text, path))
            self.read(self.files[key])
        return self.files[key]

    def _public(self, path: Path) -> set[str]:
        """The names that a star takes from a file."""
        sibling = self.load(path)
        for node in sibling.code.tree.body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
                return {n.value for n in ast.walk(node.value) if isinstance(n, ast.Constant) and isinstance(n.value, str)}
        names = sibling.bound(by_import=False) | sibling.bound(by_import=True) | sibling.links.keys()
        return {n for n in names if not n.startswith("_")}.union(*(self._public(star) for star in sibling.stars))

    def follow(self, sibling: Sibling, names: Iterable[str], statements: Iterable[ast.stmt]) -> None:
        """Note where these names of a file come from, and the attributes of sibling modules that the statements use."""
        own = sibling.bound(by_import=False) | sibling.bound(by_import=True)
        for name in sorted(set(names)):
            link = sibling.links.get(name)
            if link is None and name not in own:
                link = next(((star, name) for star in reversed(sibling.stars) if name in self._public(star)), None)
            if link is not None and link[1]:
                sibling.local[name] = self.demand(self.load(link[0]), link[1])
        modules = {name: path for name, (path, inner) in sibling.links.items() if not inner}
        for statement in statements if modules else ():
            for node, path in _attributes(sibling, statement, modules):
                sibling.attributes[node] = self.demand(self.load(path), node.attr)

    def demand(self, sibling: Sibling, name: str) -> Origin:
        """Where a name of a file is defined; what its definition needs is needed too."""
        if name in sibling.bound(by_import=False):
            if name not in sibling.roots:
                sibling.roots.append(name)
                found = closure.needs(sibling.code, [name], sibling.statements)
                self.follow(sibling, found.names, found.statements)
            return Origin(sibling.file.path, name)
        if name in sibling.bound(by_import=True):
            sibling.imported.add(name)
            return Origin(sibling.file.path, name, imported=True)
        self.follow(sibling, [name], [])
        if name not in sibling.local:
            raise _refused(sibling, sibling.code.tree.body[0], f"does not define {name}")
        return sibling.local[name]

    def use(self, sibling: Sibling, names: Iterable[str]) -> None:
        """Names that new code in a file reads: those that mean something there are needed."""
        own = sibling.bound(by_import=False) | sibling.bound(by_import=True)
        for name in sorted(set(names)):
            if name in own:
                self.demand(sibling, name)
        self.follow(sibling, names, [])

    def ordered(self) -> list[Sibling]:
        """The needed files, each behind those that it takes from."""
        left = [s for s in self.files.values() if s.roots or s.imported]
        done: list[Sibling] = []
        while left:
            paths = {s.file.path for s in left}
            for each in left:
                origins = [*each.local.values(), *each.attributes.values()]
                if not {o.path for o in origins if not o.imported} & (paths - {each.file.path}):
                    break
            else:
                raise _refused(left[0], left[0].code.tree.body[0], f"and {left[-1].file.path.name} import each other")
            left.remove(each)
            done.append(each)
        return done


def path_of(home: SourceFile, module: str, root: Path | None = None) -> Path | None:
    """The sibling that a module name means: a file beside a loose file that nothing else on the path provides."""
    if home.module or not module:
        return None
    base = (root or home.path.parent).joinpath(*module.split("."))
    path = next((p for p in (base.with_suffix(".py"), base / "__init__.py") if p.is_file()), None)
    return path if path and sources.module_path(module) in (None, path) else None


def is_beside(home: SourceFile, path: Path) -> bool:
    """Whether a file is a sibling of a loose file, by the name under which the loose file would import it."""
    folder = home.path.parent.resolve()
    if not path.resolve().is_relative_to(folder):
        return False
    parts = path.resolve().relative_to(folder).with_suffix("").parts
    found = path_of(home, ".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return found is not None and found.resolve() == path.resolve()


def _alternatives(statement: ast.stmt, *, loose: bool) -> list[ast.stmt]:
    """The imports that a statement makes.

    try: from .layers import Block  (which no loose file can)  except ImportError: from layers import Block
    """
    if not isinstance(statement, ast.Try):
        return [statement] if is_import(statement) else []
    handled = [n for handler in statement.handlers for n in handler.body]
    if not all(map(is_import, [*statement.body, *handled])) or statement.orelse or statement.finalbody:
        return []
    relative = any(isinstance(n, ast.ImportFrom) and n.level for n in statement.body)
    return handled if relative and loose else statement.body


def _attributes(sibling: Sibling, statement: ast.stmt, modules: dict[str, Path]) -> Iterator[tuple[ast.Attribute, Path]]:
    """Every `layers.ConvBlock` below a statement, where `layers` is a sibling. Raises CodegenError("sibling-import")."""
    above = syntax.parents(statement)
    for name in scoping.references(statement, {module.split(".")[0] for module in modules}):
        node: ast.AST = name
        while isinstance(node, (ast.Name, ast.Attribute)) and ast.unparse(node) not in modules:
            node = above[node]
        outer = above.get(node)
        if not isinstance(node, (ast.Name, ast.Attribute)) or not (
            isinstance(outer, ast.Attribute) and isinstance(outer.ctx, ast.Load)
        ):
            raise _refused(sibling, statement, f"uses {getattr(name, 'id', 'a sibling')} as a whole")
        yield outer, modules[ast.unparse(node)]


def _refused(sibling: Sibling, node: ast.stmt, what: str) -> CodegenError:
    where = f"{sibling.file.path.name}:{node.lineno}"
    return CodegenError("sibling-import", f"{where} {what}", "import the names that are used: from FILE import NAME")
