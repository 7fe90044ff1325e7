"""The files that a variant is made of, the class that is edited, and what of them is kept. Reads only."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from codegen import expressions, sources, syntax
from codegen.errors import CodegenError
from codegen.foreign import Foreign
from codegen.standalone import Parts
from codegen.traced import Trace
from codegen.types import Request, Site, Source


def prepare(
    request: Request, source: Source, site: Site, build: str, chain: Iterable[tuple[str, str]] = ()
) -> tuple[Parts, ast.ClassDef]:
    """Find the host's class in its file and say what of the files is kept. chain: (file, name) of what makes it."""
    parts = files(request, source, site, build, chain)
    cls = syntax.find_class(parts.host, site.host.name, site.host.line)
    if cls is None:
        raise CodegenError(
            "host-not-found",
            f"{parts.host_file.path.name} does not define {site.host.name} as a class",
            "name another host: --class",
        )
    return parts, cls


def files(request: Request, source: Source, site: Site, build: str, chain: Iterable[tuple[str, str]] = ()) -> Parts:
    """The source's file and the host's, and what of them is kept."""
    main = syntax.shared(source.file.text, source.file.path)
    host_file, host = source.file, main
    if Path(site.host.file).resolve() != source.file.path.resolve():
        host_file = sources.file(Path(site.host.file))
        host = syntax.shared(host_file.text, host_file.path)
    defined = {n for s in main.tree.body for n in syntax.bound_names(s)}
    roots = tuple(sorted((syntax.used_names(ast.parse(build, mode="eval")) | {source.entry}) & defined))
    keep = request.keep or ("used" if source.library or source.distribution else "all")
    suffix = request.suffix or f"_{expressions.called(request.module, request.as_class)}"
    brought = _foreign(source, [(site.host.file, site.host.name), *chain])
    return Parts(source.file, main, host_file, host, site.host.name, roots, keep, suffix, brought)


def _foreign(source: Source, definitions: Iterable[tuple[str, str]]) -> tuple[Foreign, ...]:
    """Those definitions that stand in other files, by file."""
    names: dict[Path, dict[str, None]] = defaultdict(dict)
    for file, name in definitions:
        if Path(file).resolve() != source.file.path.resolve():
            names[Path(file)][name.split(".")[0]] = None
    files = {path: sources.file(path) for path in names}
    return tuple(Foreign(f, syntax.shared(f.text, f.path), tuple(names[path])) for path, f in files.items())


def chain(trace: Trace, site: Site) -> list[tuple[str, str]]:
    """The classes of the modules around the host's instances, from the model inwards: their code makes the host."""
    around = {path[:i] for path in site.host.instances for i, c in enumerate(f"{path}.") if c == "."} | {""}
    classes = [h for h in trace.hosts if around & set(h.instances) and not h.inherited]
    return [(h.file, h.name) for h in classes]
