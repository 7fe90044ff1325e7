"""Command lines as text, of an edit, a header or a recipe -> Requests, read as the command itself would read them."""

from __future__ import annotations

import dataclasses
from typing import Any

import click

from codegen import provided, requested
from codegen.errors import CodegenError
from codegen.types import Request

OF_ONE_EDIT = ("module", "after", "before", "beside", "combine", "arguments", "name", "identity", "width", "host", "static")
OF_ONE_INSERTION = ("as_class", "imported", "accept_licence", "output_index", "output_key", "call", "groups")


def several(source: str, *, edits: tuple[str, ...], **options: Any) -> tuple[Request, ...]:
    """The Requests of `codegen insert --edit ... --edit ...`. Raises CodegenError("usage", "bad-edit")."""
    from codegen.edits import mapped, words

    edits = tuple(mapped(edit, provided.expanded) for edit in edits)
    foreign = [name for name in (*OF_ONE_EDIT, *OF_ONE_INSERTION) if options.get(name) not in (None, "", (), False)]
    if foreign:
        names = {"arguments": "arg", "host": "class", "groups": "emit-groups", "imported": "import"}
        option = names.get(foreign[0], foreign[0].replace("_", "-"))
        if option == "static":
            raise CodegenError("usage", "--static makes one edit, and proves none", "leave --edit or --static out")
        raise CodegenError("usage", f"--{option} belongs to one edit", f'write it there: "after SITE: M --{option} ..."')
    shared = {name: value for name, value in options.items() if value and name not in (*OF_ONE_EDIT, *OF_ONE_INSERTION)}
    commands = [words(edit) for edit in edits]
    requests = (parsed(verb, [source, *rest], shared)[0] for verb, *rest in commands)
    return tuple(dataclasses.replace(request, edits=edits, suffix=options.get("suffix") or "") for request in requests)


def recorded(text: str, against: str, **options: Any) -> tuple[Request, ...]:
    """The Requests that a variant's header records, with what the command line says otherwise."""
    from codegen import emit

    verb, *words = emit.recorded_command(text)
    return parsed(verb, words, {**options, "source": against})


def parsed(verb: str, words: list[str], changed: dict[str, Any]) -> tuple[Request, ...]:
    """The Requests of a command line; `changed` are options that say otherwise, where they say anything."""
    requests = {"replace": requested.replacement, "head": requested.headed, "remove": requested.removal}
    root = click.get_current_context().find_root().command
    assert isinstance(root, click.Group)
    command, request = root.commands.get(verb, root.commands["insert"]), requests.get(verb, requested.insertion)
    context = command.make_context(verb, words)
    options = {k: v for k, v in context.params.items() if k not in ("show_diff", "as_json", "verbose", "against", "save")}
    options.update({k: v for k, v in changed.items() if v})
    return several(**options) if options.get("edits") else (request(**options),)
