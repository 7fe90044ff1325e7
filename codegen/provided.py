"""Modules that the catalogue gets from elsewhere: files that the recipes' file names, packages with an entry point.

[tool.codegen]
modules = ["my_modules/"]

Their classes are found by reading; nothing of them is executed, and no name of the catalogue's own is shadowed.
"""

from __future__ import annotations

import ast
import contextlib
import difflib
import functools
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from codegen import catalogue, closure, expressions, recipes, sources, syntax
from codegen.errors import CodegenError
from codegen.syntax import Code

GROUP = "codegen.modules"  # of entry points: NAME = pkg.module, a package, or pkg.module:Class


@dataclass(frozen=True)
class Provided:
    """A class of a file or a package under a name. module: what --module takes for it; origin: who says so, for people."""

    name: str
    class_name: str
    module: str
    origin: str
    summary: str
    arguments: tuple[tuple[str, str], ...]  # name, default as text: "" where it has none
    text: str

    @property
    def description(self) -> str:
        """What it can be found by, in small letters."""
        return "\n".join([self.name, self.class_name, self.summary, self.module, self.origin]).lower()


def everything() -> tuple[Provided, ...]:
    """All that the project here and the installed packages provide, sorted by name.

    Raises CodegenError("name-clash") where two have one name, or one that means something already, "unknown-module" where
    something is not there, and what reading the files raises.
    """
    found = tuple(sorted(_found(), key=lambda each: (each.name, each.module)))
    for each in found:
        _demand_free(each, found)
    return found


def expanded(text: str) -> str:
    """A module expression with every provided name said in full: `se >> my_attn` -> `se >> my_modules/attn.py:MyAttn`.

    Raises CodegenError("unknown-module", "name-clash") for a name that means nothing, or two things.
    """
    names = {leaf.module for leaf in expressions.leaves(expressions.parse(text)) if ":" not in leaf.module}
    own = names <= {*catalogue.names()}
    found: list[Provided] = []
    if names:
        with contextlib.suppress(CodegenError) if own else contextlib.nullcontext():
            found.extend(_found())  # where all names are the catalogue's own, a broken file elsewhere is no matter
    meant = [each for each in found if each.name in names]
    for each in meant:
        _demand_free(each, found)
    known = {each.name: each.module for each in meant}
    for name in sorted(names - known.keys()):
        near = difflib.get_close_matches(name.lower(), [each.name for each in found], 3)
        if near and name not in catalogue.names():
            hint = f"did you mean {' or '.join(near)}? codegen modules lists them"
            raise CodegenError("unknown-module", f"no module `{name}` in the catalogue", hint)
        catalogue.entry(name)
    return expressions.replaced(text, known)


def arguments(module: str) -> tuple[str, ...] | None:
    """The names of the arguments of one module, a name of the catalogue or a class; None where its class does not say them.

    Raises CodegenError("unknown-module") and what `sources.resolve` raises.
    """
    if ":" not in module:
        return tuple(name for name, _ in catalogue.entry(module).arguments)
    source = sources.resolve(module)
    classes = _classes(source.file.text, str(source.file.path))
    return next((tuple(name for name, _ in each.arguments) for each in classes if each.class_name == source.entry), ()) or None


def _demand_free(each: Provided, found: Sequence[Provided]) -> None:
    """Raise CodegenError("name-clash") where the name means something else, too."""
    taken = each.name in (*catalogue.names(), *expressions.WORDS)
    other = next((o.module for o in found if o.name == each.name and o.module != each.module), "")
    if taken or other:
        what = f"{each.module} ({each.origin}) would be named {each.name}, as {other or 'something in the catalogue itself'} is"
        raise CodegenError("name-clash", what, f"rename the class, or leave it out there and give --module {each.module}")


def _found() -> Iterator[Provided]:
    try:
        config = recipes.find(Path.cwd())
    except CodegenError:  # no project
        config = None
    for path in recipes.module_paths(config) if config else ():
        for file in _files(path):
            spec = Path(os.path.relpath(file)).as_posix()
            for each in _classes(syntax.read(file)[0], str(file)):
                yield replace(each, module=f"{spec}:{each.class_name}", origin=config.name if config else "")
    for value, origin in _declared(tuple(sys.path)):
        for each in _of_package(value, origin):
            yield replace(each, origin=origin)


def _files(path: Path) -> list[Path]:
    """A file, or the public Python files of a folder and those below it."""
    if path.is_file():
        return [path]
    below = {file: file.relative_to(path).parts for file in sorted(path.rglob("*.py"))}
    private = {file for file, parts in below.items() if any(part.startswith(("_", ".")) for part in parts)}
    return [file for file in below if file not in private or below[file] == ("__init__.py",)]


@functools.cache
def _declared(path: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """(pkg.module[:Class], distribution) of every entry point of the group. path: where Python looks for packages."""
    lists = (file for folder in path for file in Path(folder or ".").glob("*-info/entry_points.txt"))
    if not any(GROUP.encode() in file.read_bytes() for file in lists):
        return ()  # without a look at any metadata, which takes as long as everything else
    import importlib.metadata

    points = importlib.metadata.entry_points(group=GROUP)
    return tuple(sorted({(p.value.replace(" ", ""), f"{p.dist.name} {p.dist.version}" if p.dist else "") for p in points}))


def _of_package(value: str, origin: str) -> Iterator[Provided]:
    """What an entry point provides: one class, or all of a module or a package."""
    module, _, wanted = value.partition(":")
    file = sources.module_path(module)
    if file is None:
        what = f"{origin} declares {GROUP} in {module}, and there is no such module"
        raise CodegenError("unknown-module", what, "install it again, or uninstall it")
    public = {name for node in Code(syntax.read(file)[0], str(file)).tree.body for name in syntax.bound_names(node)}
    seen = False
    for path in _files(file.parent) if file.stem == "__init__" else [file]:
        inside = path.relative_to(file.parent).with_suffix("").parts if path != file else ()
        dotted = ".".join([module, *(inside[:-1] if inside[-1:] == ("__init__",) else inside)])
        for each in _classes(syntax.read(path)[0], str(path)):
            if wanted in ("", each.class_name):
                seen = True
                yield replace(each, module=f"{module if each.class_name in public else dotted}:{each.class_name}")
    if wanted and not seen:
        what = f"{origin} declares {GROUP} = {value}, and {module} has no such nn.Module"
        raise CodegenError("unknown-module", what, "install another version, or uninstall it")


@functools.lru_cache(maxsize=256)
def _classes(text: str, name: str) -> tuple[Provided, ...]:
    """The public modules of a file: classes with a base of torch.nn or of the file, or with a base and a `forward`."""
    code = Code(text, name)
    table, known, found = syntax.imports(code.tree), dict[str, ast.ClassDef](), []
    listed = _listed(code.tree)
    for node in code.tree.body:
        if isinstance(node, ast.ClassDef) and _is_module(node, table, known):
            known[node.name] = node
            if node.name in listed if listed is not None else not node.name.startswith("_"):
                summary = (ast.get_docstring(node) or "").partition("\n")[0]
                own = code.text[closure.block_start(code, node) : code.line_end(node)]
                named = expressions.attribute_name(node.name)
                found.append(Provided(named, node.name, "", "", summary, tuple(_arguments(node, known)), own))
    return tuple(found)


def _listed(tree: ast.Module) -> set[str] | None:
    """The names in `__all__`, None where there is none."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets):
            return {e.value for e in ast.walk(node.value) if isinstance(e, ast.Constant) and isinstance(e.value, str)}
    return None


def _is_module(node: ast.ClassDef, table: dict[str, str], known: dict[str, ast.ClassDef]) -> bool:
    bases = [ast.unparse(base).partition("[")[0] for base in node.bases]
    first = {base: base.partition(".") for base in bases}
    meant = [f"{table.get(head, head)}{dot}{rest}" for head, dot, rest in first.values()]
    if any(name.startswith(("torch.autograd.", "torch.nn.Parameter")) for name in meant):
        return False  # a Function has a `forward`, too
    of_torch = any(name.startswith("torch.nn.") for name in meant)
    return of_torch or bool({*bases} & known.keys()) or bool(bases) and syntax.method(node, "forward") is not None


def _arguments(node: ast.ClassDef, known: dict[str, ast.ClassDef]) -> Iterator[tuple[str, str]]:
    """(name, default) of the constructor's arguments, those of the class that it inherits it from in the same file."""
    init = syntax.method(node, "__init__")
    if init is None:
        parent = next((known[b.id] for b in node.bases if isinstance(b, ast.Name) and b.id in known), None)
        if parent is not None and parent is not node:
            yield from _arguments(parent, known)
        return
    positional = [*init.args.posonlyargs, *init.args.args]
    defaults = [*[None] * (len(positional) - len(init.args.defaults)), *init.args.defaults]
    pairs = [*zip(positional, defaults, strict=True)][1:]
    pairs += zip(init.args.kwonlyargs, init.args.kw_defaults, strict=True)
    yield from ((argument.arg, ast.unparse(default) if default else "") for argument, default in pairs)
