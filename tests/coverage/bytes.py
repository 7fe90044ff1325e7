"""Shows that bytes outside the edits stay: every model file written back unchanged, every static insertion taken out again.

    python tests/coverage/bytes.py [--only vision_transformer]

Nothing of the files is executed. The table is bytes.md; a difference ends the run with exit code 1.
"""

from __future__ import annotations

import argparse
import ast
import io
import itertools
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from rich.console import Console
from rich.progress import track

from codegen import emit, rewrite, sources, static, syntax, undoing
from codegen.draft import Draft
from codegen.errors import CodegenError
from codegen.standalone import Addition, Parts, in_place
from codegen.syntax import Code
from codegen.types import Request, Source, SourceFile

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from undo import undone  # noqa: E402

CASES = HERE.parent / "cases"
PLACES = (("after", False), ("before", True))  # operation, in place: each of both once
NAME, WIDTH = "stitched", "64"  # a name that no file has; what is inserted is read, not run: any width will do
SAME, DIFFERS = "same", "DIFFERS"
SAMPLE, BY_HAND = 20, "# a line of a person"  # one such line for so many of the base's that stand there once


@dataclass(frozen=True)
class File:
    """A file under test: where it comes from, its path there, its path here."""

    folder: str
    name: str
    path: Path


@dataclass(frozen=True)
class Row:
    """What became of one insertion, or why a file has none. outcome: "same", "DIFFERS", or the error's name."""

    file: File
    what: str
    outcome: str
    detail: str = ""


def model_files() -> Iterator[File]:
    """Every model file of the two libraries, and the sources of our own cases."""
    roots = {"tests/cases": (CASES, "*/model.py")}
    for package in ("timm", "torchvision"):
        spec = find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            sys.exit(f"{package} is not installed")
        roots[f"{package}/models"] = (Path(spec.submodule_search_locations[0], "models"), "**/*.py")
    for folder, (root, pattern) in sorted(roots.items(), key=lambda item: item[0].startswith("tests")):
        yield from (File(folder, path.relative_to(root).as_posix(), path) for path in sorted(root.glob(pattern)))


def written_back(path: Path) -> str:
    """Read, taken apart and written without an edit: "same" where the bytes are."""
    file = sources.file(path)
    data = path.read_bytes()
    plain = rewrite.apply(Code(file.text, str(path)).text, []).encode(file.encoding)
    return SAME if plain == data == whole(file).encode(file.encoding) else DIFFERS


def whole(file: SourceFile) -> str:
    """The text that --in-place makes without an insertion; of a file without a class the text as it was read."""
    code = syntax.shared(file.text, file.path)
    name = next((node.name for node in code.tree.body if isinstance(node, ast.ClassDef)), "")
    return in_place(Parts(file, code, file, code, name, (), "all", ""), [], Addition()) if name else file.text


def children(path: Path) -> tuple[str, list[str]]:
    """A host, and the attributes that its `__init__` assigns and another method calls. Raises CodegenError.

    The default host; where it calls none, as where it only inherits, the last class that does.
    """
    source = sources.resolve(str(path))
    code = syntax.shared(source.file.text, source.file.path)
    default = static.host_class(source, "", code).name
    for name in [default, *(name for name, _ in reversed(code.classes))]:
        cls = syntax.find_class(code, name)
        init = syntax.method(cls, "__init__") if cls else None
        if cls is not None and init is not None and (found := called(cls, init)):
            return name, found
    return default, []


def called(cls: ast.ClassDef, init: syntax.Function) -> list[str]:
    """The attributes that `__init__` assigns and another method calls."""
    found = {n.attr for n in ast.walk(init) if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Store)}
    calls = [n for m in cls.body if m is not init for n in ast.walk(m) if isinstance(n, ast.Call)]
    names = dict.fromkeys(n.func.attr for n in calls if isinstance(n.func, ast.Attribute) and is_self(n.func.value))
    return [name for name in names if name in found]


def is_self(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "self"


def rows(file: File, limit: int = 1000) -> Iterator[Row]:
    """Every insertion of a file, at `limit` of its children."""
    try:
        host, sites = children(file.path)
    except CodegenError as error:
        yield Row(file, "", error.name, error.message)
        return
    if not sites:
        yield Row(file, host, "no-call", "no class calls a self.X that its __init__ assigns")
    for site in sites[:limit]:
        for operation, inside in PLACES:
            what = f"{host} --{operation} {site}{' --in-place' if inside else ''}"
            request = Request(str(file.path), operation, site, "se", host, name=NAME, keep="all", width=WIDTH, dry_run=True)
            try:
                yield Row(file, what, *inserted(replace(request, in_place=inside), file.path))
            except CodegenError as error:
                yield Row(file, what, error.name, error.message)


def inserted(request: Request, path: Path) -> tuple[str, str]:
    """(outcome, detail) of one insertion that is taken out again. Raises CodegenError where there is no insertion."""
    source = sources.resolve(request.source)
    made = static.drafted(request, source)
    variant = made.variant
    if variant.text == variant.base:
        return DIFFERS, "nothing was inserted"
    found = undone(variant.text, variant.base, variant.attribute)
    if found != variant.base:
        pairs = enumerate(zip(found.splitlines(), variant.base.splitlines(), strict=False), 1)
        line, (ours, theirs) = next((p for p in pairs if p[1][0] != p[1][1]), (0, ("", "")))
        return DIFFERS, f"line {line}: {ours!r} for {theirs!r}"
    if request.in_place and found.encode(variant.encoding) != path.read_bytes():
        return DIFFERS, "the base is not the file"
    return removed(made, source) if not request.in_place else (SAME, "")


def removed(made: Draft, source: Source) -> tuple[str, str]:
    """The same by `codegen remove`: as the variant is, and with lines of a person beside every line that is the base's."""
    name, text, newline = source.file.path.name, made.variant.text, syntax.shared(source.file.text, source.file.path).newline
    lines, base = ([*io.StringIO(t, newline="")] for t in (emit.without_header(text), source.file.text))
    if undoing.undone(made, source, text, name).text.encode(source.file.encoding) != source.file.path.read_bytes():
        return DIFFERS, "codegen remove gives another file"
    alone = {line for line, count in (Counter(base) & Counter(lines)).items() if count == 1 == base.count(line)}
    alone -= {line for before, line in itertools.pairwise(lines) if before.rstrip().endswith("\\")} | {lines[0]}
    for line in [line for line in base if line in alone and lines.count(line) == 1][::SAMPLE]:
        for each in (lines, base):
            each.insert(each.index(line), f"{BY_HAND}{newline}")
    try:
        found = undoing.undone(made, source, emit.with_header("".join(lines), emit.header_of(text)), name).text
    except CodegenError as error:
        return error.name, f"with lines of a person: {error.message}"
    return (SAME, "") if found == "".join(base) else (DIFFERS, "codegen remove moves or loses lines of a person")


def table(back: list[Row], made: list[Row]) -> str:
    """The counts, then every outcome that is not "same", by its name."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("timm", "torchvision"))
    lines = [
        "# Bytes outside the edits",
        "",
        f"Every model file of {packages}, and the sources of this project's cases, read and written back without",
        "an edit; and `insert --static --module se --keep all` at every child that a method of the host calls, once",
        "behind it in a file of its own and once in front of it in place, taken out again by `undo.py`, which shares no code",
        "with codegen; those in files of their own by `codegen remove` too, as they are and with a line of a person above",
        "every twentieth line that the base has once. Made by `python tests/coverage/bytes.py`.",
        "",
        "| files | read | written back equal | with an insertion | insertions | base back | refused | differ |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for folder in [*dict.fromkeys(row.file.folder for row in back), ""]:
        files = [row for row in back if folder in ("", row.file.folder)]
        mine = [row for row in made if folder in ("", row.file.folder) and "--" in row.what]
        same, differ = ([r for r in mine if r.outcome == outcome] for outcome in (SAME, DIFFERS))
        cells = [len(files), sum(r.outcome == SAME for r in files), len({r.file for r in same + differ})]
        cells += [len(mine), len(same), len(mine) - len(same) - len(differ), len(differ)]
        lines.append(f"| {folder or 'all'} | {' | '.join(map(str, cells))} |")
    return "\n".join([*lines, *reasons([row for row in back + made if row.outcome != SAME])]) + "\n"


def reasons(others: list[Row]) -> Iterator[str]:
    """Everything that is no success, by its name: how often, and each place."""
    by_name: dict[str, list[Row]] = defaultdict(list)
    for row in others:
        by_name[row.outcome].append(row)
    for name, count in Counter(row.outcome for row in others).most_common():
        yield from ("", f"**{name}** ({count})", "")
        for row in by_name[name]:
            detail = row.detail.replace("|", "¦")
            yield f"- `{row.file.folder}/{row.file.name}`{f' `{row.what}`' if row.what else ''}: {detail}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", metavar="SUBSTRING", help="files whose path contains this")
    parser.add_argument("--table", type=Path, default=HERE / "bytes.md", metavar="FILE")
    chosen = parser.parse_args()
    files = [file for file in model_files() if chosen.only in f"{file.folder}/{file.name}"]
    back: list[Row] = []
    made: list[Row] = []
    for file in track(files, "files", console=Console(stderr=True)):
        back.append(Row(file, "", written_back(file.path), "not written back equal"))
        made += rows(file)
    chosen.table.write_text(table(back, made), encoding="utf-8")
    return int(any(row.outcome == DIFFERS for row in back + made))


if __name__ == "__main__":
    sys.exit(main())
