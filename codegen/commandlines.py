"""Command lines as text, of an edit, a header or a recipe -> Requests, read as the command itself would read them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import click

from codegen import given, provided, requested
from codegen.errors import CodegenError
from codegen.options import RECORDED
from codegen.types import Request

OF_ONE_EDIT = ("module", "after", "before", "beside", "combine", "args", "name", "identity", "width", "class_", "static")
OF_ONE_INSERTION = (
    *("init", "as_class", "import_", "accept_licence", "output_index", "output_key", "call", "hook", "emit_groups"),
)
REQUESTS: dict[str, Callable[..., Request]] = {
    "insert": requested.insertion,
    "replace": requested.replacement,
    "head": requested.headed,
    "remove": requested.removal,
    "wrap": requested.wrapped,
}


def several(source: str, *, edits: tuple[str, ...], **options: Any) -> tuple[Request, ...]:
    """The Requests of `codegen insert --edit ... --edit ...`. Raises CodegenError("usage", "bad-edit")."""
    from codegen.edits import mapped, words

    edits = tuple(mapped(edit, provided.expanded) for edit in edits)
    foreign = [name for name in (*OF_ONE_EDIT, *OF_ONE_INSERTION) if options.get(name) not in (None, "", (), False)]
    if foreign:
        if foreign[0] == "static":
            raise CodegenError("usage", "--static makes one edit, and proves none", "leave --edit or --static out")
        option = given.flag(foreign[0])
        raise CodegenError("usage", f"{option} belongs to one edit", f'write it there: "after SITE: M {option} ..."')
    shared = {name: value for name, value in options.items() if value and name not in (*OF_ONE_EDIT, *OF_ONE_INSERTION)}
    commands = [words(edit) for edit in edits]
    requests = (parsed(verb, [source, *rest], shared)[0] for verb, *rest in commands)
    return tuple(dataclasses.replace(request, edits=edits, suffix=options.get("suffix") or "") for request in requests)


def based(source: str, *, edits: tuple[str, ...] = (), suffix: str = "", **options: Any) -> tuple[Request, ...]:
    """The Requests of `codegen base`: one, or those of the edits that were made to the base."""
    options |= {"base": True, "suffix": suffix or given.BASE}
    return several(source, edits=edits, **options) if edits else (requested.made(source, **options),)


def recorded(text: str, against: str, **options: Any) -> tuple[Request, ...]:
    """The Requests that a variant's header records, with what the command line says otherwise."""
    from codegen import emit

    verb, *words = emit.recorded_command(text)
    return parsed(verb, words, {**options, "source": against})


def parsed(verb: str, words: list[str], changed: dict[str, Any]) -> tuple[Request, ...]:
    """The Requests of a command line; `changed` are options that say otherwise, where they say anything.

    Raises CodegenError("usage").
    """
    command = click.command(verb, add_help_option=False)(RECORDED[verb](lambda **options: None))
    try:
        options = given.checked(command.make_context(verb, words).params)
    except click.ClickException as error:
        raise CodegenError("usage", error.format_message(), f"see codegen {verb} --help") from None
    options = {name: value for name, value in options.items() if name not in ("against", "save")}
    options.update({k: v for k, v in changed.items() if v})
    if verb == "base":
        return based(**options)
    return several(**options) if options.get("edits") else (REQUESTS[verb](**options),)
