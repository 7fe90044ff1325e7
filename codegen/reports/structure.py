"""`codegen sites --svg` and `--html`: a model as a picture, alone or in a page where a press copies a site's name."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from codegen import emit, records
from codegen.errors import CodegenError
from codegen.reports import formats, page, pictures, templates
from codegen.reports.pictures import Look
from codegen.traced import Trace
from codegen.version import __version__


def check(files: Mapping[str, str], *, force: bool) -> None:
    """Refuse a file that exists before the model runs. files: by "svg" or "html".

    Raises CodegenError("usage", "output-exists", "output-is-folder", "read-only").
    """
    for kind, file in files.items():
        if Path(file).suffix != f".{kind}":
            raise CodegenError("usage", f"--{kind} {file}: the suffix is not .{kind}", f"for example --{kind} structure.{kind}")
        try:
            emit.check_target(Path(file), force)
        except CodegenError as error:
            raise replace(error, hint=error.hint.replace("-o FILE", f"--{kind} FILE")) from None


def write(files: Mapping[str, str], trace: Trace, source: str) -> None:
    """Draw a model into each of the files."""
    structure = records.sites_json(trace)
    for kind, file in files.items():
        text = html(structure, source) if kind == "html" else pictures.svg(structure, source)
        emit.write(Path(file), text.encode())


def html(structure: Mapping[str, Any], source: str) -> str:
    """A page that needs nothing else."""
    from markupsafe import Markup

    script = templates.read("shared.js") + templates.read("picture.js")
    parts = [structure["host"], structure["build"], f"input {structure['input']}"]
    total = structure.get("parameters", 0)
    parts += [f"{formats.count(total)} parameters"] if total else []
    return templates.rendered(
        "picture.html.jinja",
        source=source,
        command=shlex.quote(source),
        version=__version__,
        facts=" · ".join(parts),
        policy=page.policy(script),
        style=Markup(templates.read("page.css") + templates.read("picture.css")),
        script=Markup(script),
        picture=Markup(pictures.svg(structure, source, look=Look(styled=False, live=True))),
    )
