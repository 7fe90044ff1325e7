"""Write a variant: the header, then all of the file or none of it. Never decides whether it should be written."""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from codegen import components, expressions, writing
from codegen.errors import CodegenError
from codegen.given import BASE
from codegen.syntax import COOKIE, Code, encodable, read
from codegen.types import Request, Source, SourceFile
from codegen.version import __version__

write, check_target = writing.write, writing.check_target
COMMAND = re.compile(r"#     codegen (?=(?:insert|replace|wrap|head|remove|base) )")
_HEADER = re.compile(
    r"# .*: host (?P<host>\S+), built by (?P<build>.*)\.\n"
    r"# Made by codegen (?P<version>\S+) from .*? \(sha256 (?P<digest>[0-9a-f]{16})\)"
    r"(?P<inputs>(?: and .+? \(sha256 [0-9a-f]{16}\))*), changed, with\n"
    r"#     codegen .*\n"
    r"# The licence and copyright notices of the original file stay in force\.(?: Body: sha256 (?P<body>[0-9a-f]{16})\.)?\n?"
)
_INPUT = re.compile(r" and (.+?) \(sha256 ([0-9a-f]{16})\)")
_COOKIE_LIKE = re.compile(r"(coding)([:=])")  # `after pos_encoding: host` would name an encoding (PEP 263)
WORDS = {"replace": "in the place of", "checkpoint": "around"}  # an operation in a sentence, where its name does not do


def command(request: Request, source: str) -> str:
    """The command that makes a variant again, as text; options of this machine or this run are left out."""
    verbs = {"replace": "remove" if components.removes(request) else "replace", "checkpoint": "wrap"}
    verb = "head" if request.layers else verbs.get(request.operation, "insert")
    words = ["codegen", "base" if request.base else "insert" if request.edits else verb, source]
    for option, value in (("--class", request.host), ("--build", request.build), ("--input", request.input)):
        words += [option, value] if value else []
    words += [word for edit in request.edits for word in ("--edit", edit)] or _edit(request)
    suffix = "" if request.base and request.suffix == BASE else request.suffix
    options = (
        ("--as-class", request.as_class),
        ("--name", "" if request.layers else request.name),
        ("--suffix", suffix),
        ("--keep", request.keep),
        ("--init", request.init),
        ("--width", request.width),
        ("--out-width", request.out_width),
    )
    for option, value in options:
        words += [option, value] if value else []
    words += ["--check", "script"] if guards(request) else []
    flags = {"--identity": request.identity, "--hook": request.hook, **inclusion(request)}
    flags |= {"--emit-groups": request.groups, "--static": request.static}
    words += [option for option, on in flags.items() if on]
    return shlex.join(words)


def guards(request: Request) -> bool:
    """Whether a check that was asked for says how the code is written: no checkpoint where torch.jit.script compiles it."""
    some = request.operation == "checkpoint" or any(edit.lstrip().startswith("checkpoint ") for edit in request.edits)
    return some and "script" in request.checks


def inclusion(request: Request) -> dict[str, bool]:
    """The options that say how a class of the user's own file comes in, and whether each is given."""
    return {"--import": request.inclusion == "import", "--accept-licence": request.inclusion == "copy"}


def _edit(request: Request) -> list[str]:
    """What is put where."""
    if request.base:
        return []
    if request.operation == "checkpoint":
        return ["--site", request.site, "--with", request.module]
    words = ["--layers", request.layers] if request.layers else ["--module", expressions.mapped(request.module, portable)]
    words = [] if components.removes(request) else words
    words += ["--site" if request.operation == "replace" or request.layers else f"--{request.operation}", request.site]
    element = "--output-index" if request.element.isdigit() else "--output-key"
    words += [element, request.element] if request.element else []
    if request.layers:  # beside the site: an extra head
        return [*words, *(["--extra", request.name] if request.combine else [])]
    words += ["--combine", request.combine] if request.combine not in ("", "add") else []
    return [*words, *(word for key, text in request.arguments for word in ("--arg", f"{key}={text}"))]


def header(request: Request, source: Source, host: str, build: str, inputs: Iterable[tuple[str, str]] = ()) -> str:
    """Comment lines that say what the file is and how to make it again. No date, no path of a machine.

    inputs: (name, digest) of the files beside the source that classes were copied from.
    Raises CodegenError("not-encodable") where the source's encoding has no character for a name in the command.
    """
    request, path = request.asked or request, source.file.path
    name = "/".join([*source.file.module.split(".")[:-1], path.name]) if source.file.module else path.name
    origin = f"{source.distribution}, " if source.distribution else ""
    files = [(origin + name, digest(source.file)), *inputs]
    made_from = " and ".join(f"{_plain(label)} (sha256 {its})" for label, its in files)
    count = len(request.edits)
    what = f"with {count} edit{'s' * (count > 1)}" if count else "standalone" if request.base else _what(request)
    lines = [
        f"# {_plain(source.entry or path.stem)} {_plain(what)}: host {host}, built by {_plain(build)}.",
        f"# Made by codegen {__version__} from {made_from}, changed, with",
        f"#     {recorded_line(request, source)}",
        "# The licence and copyright notices of the original file stay in force.",
    ]
    lines[:2] = [_COOKIE_LIKE.sub(r"\1 \2", line) for line in lines[:2]]
    return encodable("\n".join(lines), source.file.encoding, path.name)


def recorded_line(request: Request, source: Source) -> str:
    """The command that the header records: `codegen insert timm:resnet50 --module se --after layer1`."""
    if request.edits:  # what belongs to the first of them stands in it
        shared = ("source", "build", "input", "keep", "suffix", "edits", "base", "checks")
        request = Request(**{name: getattr(request, name) for name in shared})
    spec = recorded_source(source)
    if spec != source.spec and source.file.module:
        request = replace(request, keep=request.keep or "all")  # what a path means, said for a module
    return _plain(command(request, _plain(spec)))


def digest(file: SourceFile) -> str:
    """What the header records of a source's bytes: the first 16 hex digits of their sha256."""
    return hashlib.sha256(file.text.encode(file.encoding)).hexdigest()[:16]


def _what(request: Request) -> str:
    """`with se after stem`, `without layer3.0.act2`."""
    if components.removes(request):
        return f"without {request.site}"
    made = request.layers or expressions.mapped(request.module, portable)
    return f"with {made} {WORDS.get(request.operation, request.operation)} {request.site}"


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


def headed(text: str, lines: str) -> str:
    """The text with a new header on top, which records what stands below it: an edit by hand can be told from it."""
    return with_header(text, f"{lines} Body: sha256 {body_digest(text)}.")


def body_digest(text: str) -> str:
    """The first 16 hex digits of the sha256 of a text, whichever line ends it has."""
    return hashlib.sha256(re.sub(r"\r\n?", "\n", text).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def header_of(text: str) -> str:
    """The header lines of a variant, "" where it has none."""
    lines = text.splitlines()
    for index, line in enumerate(lines[:12]):
        if COMMAND.match(line):
            return "\n".join(lines[index - 2 : index + 2])
    return ""


@dataclass(frozen=True)
class Header:
    """The header lines of a variant as they stand: where, and what they say."""

    line: int  # the first of its four, from 0
    version: str  # of codegen
    digest: str  # of the source
    host: str
    words: tuple[str, ...]  # behind `codegen` in its command
    body: str = ""  # the digest of what stood below it, "" in headers of before
    inputs: tuple[tuple[str, str], ...] = ()  # (name, digest) of the user's files that classes were copied from
    build: str = ""  # the expression that builds the variant


def headers(text: str) -> list[Header]:
    """Every header of a variant, and of the variants that it was made from: the last insertion's first.

    Raises CodegenError("no-recipe") where there is none, or one is damaged.
    """
    lines = Code(text).lines
    found = []
    for index, line in enumerate(lines):
        if index >= 2 and COMMAND.match(line):
            block = "".join(lines[index - 2 : index + 2])
            said = _HEADER.fullmatch(re.sub(r"\r\n?", "\n", block))
            if said is None:
                what = f"the header is not as codegen wrote it: {line.strip()}"
                raise CodegenError("no-recipe", what, "put its four lines back as they were")
            words, others = recorded_command(line), tuple(_INPUT.findall(said["inputs"]))
            plain = (said["version"], said["digest"], said["host"], tuple(words), said["body"] or "")
            found.append(Header(index - 2, *plain, others, said["build"]))
        elif line.strip() and not line.startswith("#"):
            break
    if not found:
        what = "the file has no header of codegen, which would say what was put into it"
        raise CodegenError("no-recipe", what, "give a file that codegen wrote; --site leaves out a module of a model's own")
    return found


def without_header(text: str) -> str:
    """A variant's text without the header of the last insertion. Raises what `headers` raises."""
    lines, first = Code(text).lines, headers(text)[0].line
    return "".join([*lines[:first], *lines[first + 4 :]])


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
    for line in text.splitlines():
        if found := COMMAND.match(line):
            yield shlex.split(line[found.end() :])
        elif line.strip() and not line.startswith("#"):
            break  # headers stand on top, as many as there are


@dataclass(frozen=True)
class Ejected:
    """A file that is no variant any more, and how many headers it had."""

    output: str
    headers: int


def eject(path: Path) -> Ejected:
    """Take every header off a file. Raises CodegenError("no-recipe", "unreadable-source")."""
    text, encoding = read(path)
    count = len(headers(text))
    for _ in range(count):
        text = without_header(text)
    write(path, text.encode(encoding))
    return Ejected(str(path), count)
