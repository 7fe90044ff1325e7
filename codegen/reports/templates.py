"""The templates of a report, filled with escaping on. What a sweep says is data in them, never markup."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from codegen import catalogue

if TYPE_CHECKING:
    from jinja2 import Environment


@functools.cache
def _environment() -> Environment:
    import jinja2

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(catalogue.templates_folder() / "report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def rendered(name: str, /, **values: Any) -> str:
    """A template of `templates/report/`, filled; every value is escaped but those that are Markup."""
    return _environment().get_template(name).render(**values)


def read(name: str) -> str:
    """A style sheet or script of `templates/report/`, as it is."""
    return (catalogue.templates_folder() / "report" / name).read_text(encoding="utf-8")
