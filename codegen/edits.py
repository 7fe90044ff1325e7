"""Several edits in one command: what `--edit "after layer1: se"` means, and that nothing is inserted twice by accident.

Runs nothing and reads no model: `steps` makes the edits, one after the other.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from codegen import components, emit, expressions, selection
from codegen.errors import CodegenError
from codegen.traced import Trace
from codegen.types import Request

EDIT = re.compile(r"\s*(?P<operation>after|before|beside|replace|head)\s+(?P<site>\S+)\s*:\s+(?P<what>\S.*?)\s*")
FLAGS = ("--identity", "--hook", "--import", "--accept-licence", "--emit-groups")
OF_THE_SITE = ("--class", "--call", "--output-index", "--output-key")
OPTIONS = (*OF_THE_SITE, "--arg", "--as-class", "--name", "--combine", "--init", "--width", "--out-width", *FLAGS)
REMOVE = re.compile(r"\s*remove\s+(?P<site>\S+)\s*")
CHECKPOINT = re.compile(r"\s*checkpoint\s+(?P<site>\S+)\s*")


def words(edit: str) -> list[str]:
    """What the command line says instead: `after layer1: se reduction=8` -> insert --after layer1 --module se --arg
    reduction=8. Raises CodegenError("bad-edit").
    """
    if removed := REMOVE.fullmatch(edit):
        return ["remove", "--site", removed["site"]]
    if run_again := CHECKPOINT.fullmatch(edit):
        return ["wrap", "--site", run_again["site"], "--with", "checkpoint"]
    found = EDIT.fullmatch(edit)
    if found is None:
        hint = 'for example --edit "after layer1: se reduction=8" or --edit "head fc: Linear(10)"'
        raise CodegenError("bad-edit", f"{edit!r} is not OPERATION SITE: MODULE", hint)
    operation, site, what = found["operation"], found["site"], found["what"]
    if operation == "head":
        layers, _, extra = what.partition(" --extra ")
        return ["head", "--site", site, "--layers", layers.strip(), *(["--extra", extra.strip()] if extra else [])]
    try:
        module, rest = _parted(what)
    except ValueError as error:
        raise CodegenError("bad-edit", f"{edit!r}: {error}", "close the quotes") from None
    if foreign := [word for word in rest if word.startswith("-") and word.partition("=")[0] not in OPTIONS]:
        what = f"{foreign[0]} in {edit!r} is no option of one edit"
        raise CodegenError("bad-edit", what, f"of one edit are {', '.join(OPTIONS)}; others stand behind the command")
    place = ["replace", "--site", site] if operation == "replace" else ["insert", f"--{operation}", site]
    return [*place, "--module", module, *_options(rest)]


def _parted(what: str) -> tuple[str, list[str]]:
    """The module expression, and the words behind it: from the first option or `K=V` on that stands in no brackets."""
    end = _end(what)
    return _bare(what[:end]), shlex.split(what[end:])


def _end(what: str) -> int:
    """Where the module expression ends."""
    depth, quote = 0, ""
    for index, char in enumerate(what):
        quote = "" if char == quote else quote or (char if char in "'\"" else "")
        depth += 0 if quote else (char == "(") - (char == ")")
        if not (quote or depth) and re.match(r"\s+(-|\w+=)", what[index:]):
            return index
    return len(what)


def mapped(edit: str, change: Callable[[str], str]) -> str:
    """The edit with its module expression changed; as it is where nothing changes, or where it has none."""
    found = EDIT.fullmatch(edit)
    if found is None or found["operation"] == "head":
        return edit
    what = found["what"]
    try:
        module = _bare(what[: _end(what)])
    except ValueError:  # `words` tells what is wrong
        return edit
    other = change(module)
    return edit if other == module else f"{found['operation']} {found['site']}: {other}{what[_end(what) :]}"


def _bare(module: str) -> str:
    """The module expression without the quotes around the whole of it."""
    words = shlex.split(module)
    return words[0] if len(words) == 1 and module[0] in "'\"" and module[-1] == module[0] else module.strip()


def _options(rest: Sequence[str]) -> Iterator[str]:
    """`reduction=8` as `--arg reduction=8`; options as they are."""
    expected = False  # a value of the option before
    for word in rest:
        argument = not expected and not word.startswith("-") and "=" in word
        yield from ("--arg", word) if argument else (word,)
        expected = not expected and word.startswith("--") and "=" not in word and word not in FLAGS


def of_each_call(trace: Trace, request: Request) -> tuple[str, ...]:
    """The edits that give each call of a site a module of its own.

    Raises CodegenError("usage") where the site is called in one place.
    """
    known, count = [module.name for module in trace.modules], 0
    roots = [path for h in trace.hosts if h.name == request.host for path in h.instances] if request.host else [""]
    while any(selection.select(known, selection.internal(f"{request.site}{selection.SIGN}{count + 1}"), r) for r in roots):
        count += 1
    if count < 2:
        what = f"--separate: {request.site} is not called in several places of its owner's code"
        raise CodegenError("usage", what, "leave it out; codegen sites SOURCE lists the calls")
    sites = [f"{request.site}{selection.SIGN}{number}" for number in range(1, count + 1)]
    return tuple(map(said, one_by_one(request, sites)))


def one_by_one(request: Request, sites: Sequence[str]) -> tuple[Request, ...]:
    """The same edit at each of these sites; with a --name the second one is called NAME2."""
    names = [f"{request.name}{number if number > 1 else ''}" if request.name else "" for number in range(1, len(sites) + 1)]
    return tuple(replace(request, site=site, name=name) for site, name in zip(sites, names, strict=True))


def said(request: Request) -> str:
    """An edit in the words of `--edit`: `after layer1: se reduction=8 --class Net`, `head fc: Linear(10)`, `remove act`."""
    if request.layers:
        return f"head {request.site}: {request.layers}"
    if components.removes(request):
        return f"remove {request.site}"
    if request.operation == "checkpoint":
        return f"checkpoint {request.site}"
    element = "--output-index" if request.element.isdigit() else "--output-key"
    given = [("--class", request.host), ("--as-class", request.as_class), (element, request.element)]
    given += [("--width", request.width), ("--out-width", request.out_width)]
    given += [("--combine", request.combine), ("--name", request.name), ("--init", request.init)]
    options = [f"{key}={value}" for key, value in request.arguments]
    options += [word for name, value in given if value for word in (name, value)]
    flags = {"--identity": request.identity, "--hook": request.hook, **emit.inclusion(request), "--emit-groups": request.groups}
    options += [option for option, on in flags.items() if on]
    return f"{request.operation} {request.site}: {shlex.join([request.module, *options])}"


def refuse_twice(requests: Sequence[Request], text: str) -> None:
    """Raises CodegenError("inserted-already") where two edits, or one and the header of the source, say the same.

    text: of the source, which may be a variant itself. A `--name` says that a second one is meant.
    """
    made = [*_recorded(text)]
    for request in requests:
        own = _of(request)
        if own in made and request.operation == "checkpoint":
            what = f"{request.site} is checkpointed already"
            raise CodegenError("checkpointed-already", what, "choose a module around it or inside it")
        if own in made and not request.name:
            what = f"{request.layers or request.module} is there already: {request.operation} {request.site}"
            raise CodegenError("inserted-already", what, "give the second one a --name if it is meant")
        made.append(own)


def _of(request: Request) -> frozenset[tuple[str, str]]:
    """What of an edit says where it goes and what goes there, as options and their values."""
    place = ("--site" if request.operation in ("replace", "checkpoint") else f"--{request.operation}", request.site)
    what = ("--layers", request.layers) if request.layers else ("--module", expressions.mapped(request.module, emit.portable))
    what = ("--with", request.module) if request.operation == "checkpoint" else what
    said = {place} if components.removes(request) else {place, what}
    said |= {("--output", request.element)} if request.element else set()
    return frozenset(said | ({("--class", request.host)} if request.host else set()))


def _recorded(text: str) -> Iterator[frozenset[tuple[str, str]]]:
    """The same of every edit that the headers of a variant record."""
    names = {"--site", "--after", "--before", "--beside", "--with", "--layers", "--module", "--class"}
    names |= {"--output-index", "--output-key"}
    shared = {"--output-index": "--output", "--output-key": "--output"}
    for command in emit.recorded_commands(text):
        pairs = [*zip(command, command[1:], strict=False)]
        edits = [words(value) for name, value in pairs if name == "--edit"]
        for one in [[*zip(edit, edit[1:], strict=False)] for edit in edits] or [pairs]:
            yield frozenset((shared.get(name, name), value) for name, value in one if name in names)
