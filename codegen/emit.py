"""Write a variant: the header, then all of the file or none of it. Never decides whether it should be written."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shlex
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from codegen import __version__
from codegen.errors import CodegenError
from codegen.syntax import COOKIE, Code, encodable
from codegen.types import Request, Source

COMMAND = re.compile(r"#     codegen (?=(?:insert|replace|head) )")
_COOKIE_LIKE = re.compile(r"(coding)([:=])")  # `after pos_encoding: host` would name an encoding (PEP 263)
WORDS = {"replace": "in the place of"}  # what an operation is called in a sentence, where its name does not do


def command(request: Request, source: str) -> str:
    """The command that makes a variant again, as text; options of this machine or this run are left out."""
    replaced = request.operation == "replace"
    verb = "insert" if request.edits or not replaced else "head" if request.layers else "replace"
    words = ["codegen", verb, source]
    for option, value in (("--class", request.host), ("--build", request.build), ("--input", request.input)):
        words += [option, value] if value else []
    words += [word for edit in request.edits for word in ("--edit", edit)] or _edit(request)
    options = (
        ("--name", request.name),
        ("--suffix", request.suffix),
        ("--keep", request.keep),
        ("--width", request.width),
        ("--out-width", request.out_width),
    )
    for option, value in options:
        words += [option, value] if value else []
    for option, on in (("--identity", request.identity), ("--static", request.static)):
        words += [option] if on else []
    return shlex.join(words)


def _edit(request: Request) -> list[str]:
    """What is put where."""
    words = ["--layers", request.layers] if request.layers else ["--module", portable(request.module)]
    words += ["--site" if request.operation == "replace" else f"--{request.operation}", request.site]
    words += ["--combine", request.combine] if request.combine not in ("", "add") else []
    return [*words, *(word for key, text in request.arguments for word in ("--arg", f"{key}={text}"))]


def header(request: Request, source: Source, host: str, build: str) -> str:
    """Comment lines that say what the file is and how to make it again. No date, no path of a machine.

    Raises CodegenError("not-encodable") where the source's encoding has no character for a name in the command.
    """
    path = source.file.path
    name = "/".join([*source.file.module.split(".")[:-1], path.name]) if source.file.module else path.name
    digest = hashlib.sha256(source.file.text.encode(source.file.encoding)).hexdigest()
    origin = f"{source.distribution}, " if source.distribution else ""
    spec = recorded_source(source)
    if spec != source.spec and source.file.module:
        request = replace(request, keep=request.keep or "all")  # what a path means, said for a module
    stem = source.entry or path.stem
    where = f"{WORDS.get(request.operation, request.operation)} {_plain(request.site)}"
    what = f"{_plain(request.layers or portable(request.module))} {where}"
    what = f"{len(request.edits)} edits" if request.edits else what
    lines = [
        f"# {_plain(stem)} with {what}: host {host}, built by {_plain(build)}.",
        f"# Made by codegen {__version__} from {_plain(origin + name)} (sha256 {digest[:16]}), changed, with",
        f"#     {_plain(command(request, _plain(spec)))}",
        "# The licence and copyright notices of the original file stay in force.",
    ]
    lines[:2] = [_COOKIE_LIKE.sub(r"\1 \2", line) for line in lines[:2]]
    return encodable("\n".join(lines), source.file.encoding, path.name)


def recorded_source(source: Source) -> str:
    """The SOURCE for the header: as given; an absolute path as the module or the relative path that it stands for."""
    if Path(source.spec).is_absolute() and source.file.module:
        return source.file.module
    return portable(source.spec)


def portable(spec: str) -> str:
    """A path, or path:Name, without folders of this machine: relative to the working directory, else the bare name."""
    path = Path(spec)
    if not path.is_absolute():
        return spec
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else path.name


def _plain(text: str) -> str:
    """Text that stays within a comment: no line ends, no control characters."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def with_header(text: str, lines: str) -> str:
    """The text with header lines on top, behind a shebang and a coding cookie (which must stay in the first two lines)."""
    code = Code(text)
    count = 1 if text.startswith("#!") else 0
    for index, line in enumerate(code.lines[:2]):
        if COOKIE.match(line):
            count = index + 1  # PEP 263: in the first two lines, behind a comment or a blank line
        elif line.strip() and not line.lstrip().startswith("#"):
            break
    top = "".join(code.lines[:count])
    block = lines.replace("\n", code.newline) + code.newline
    return top + block + text[len(top) :]


def header_of(text: str) -> str:
    """The header lines of a variant, "" where it has none."""
    lines = text.splitlines()
    for index, line in enumerate(lines[:12]):
        if COMMAND.match(line):
            return "\n".join(lines[index - 2 : index + 2])
    return ""


def recorded_command(text: str) -> list[str]:
    """The words behind `codegen` in a variant's header: ["insert", "vit.py", ...]. Raises CodegenError("no-recipe")."""
    try:
        for words in recorded_commands(text):
            return words
    except ValueError as error:
        raise CodegenError("no-recipe", f"the header's command is damaged: {error}", "--against SOURCE") from None
    raise CodegenError(
        "no-recipe", "the file has no header of codegen", "give a file that codegen insert wrote, or --against SOURCE"
    )


def recorded_commands(text: str) -> Iterator[list[str]]:
    """The same of all headers of a variant that was made of a variant, the latest first. ValueError: a damaged one."""
    for line in text.splitlines()[:12]:
        if found := COMMAND.match(line):
            yield shlex.split(line[found.end() :])


def check_target(path: Path, force: bool) -> None:
    """Refuse, before the model runs, an output that exists and a folder that cannot be written."""
    if path.is_dir():
        raise CodegenError("output-is-folder", f"{path} is a folder", "give a file name: -o FILE")
    if path.exists() and not force:
        raise CodegenError("output-exists", f"{path} exists", "--force replaces it, -o FILE writes elsewhere")
    parent = next(p for p in path.absolute().parents if p.exists())
    if not os.access(parent, os.W_OK):
        raise CodegenError("read-only", f"{parent} cannot be written to", "-o FILE writes elsewhere")


def write(path: Path, data: bytes) -> None:
    """Put the bytes in place in one step: a temporary file beside the target, flushed, then renamed over it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    except OSError as error:
        raise CodegenError("read-only", f"{path.parent}: {error.strerror}", "-o FILE writes elsewhere") from None
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(name, path.stat().st_mode & 0o7777 if path.exists() else 0o666 & ~umask)
        os.replace(name, path)
    except OSError as error:
        raise CodegenError("read-only", f"{path}: {error.strerror}", "-o FILE writes elsewhere") from None
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
