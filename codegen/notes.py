"""What a person should know of an insertion that held all its promises. Decides nothing."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from codegen import loops
from codegen.types import Call, Site, Width


def about(site: Site, cls: ast.ClassDef, misfits: Sequence[Call]) -> list[str]:
    """The notes on a site in its host's class. misfits: its calls whose tensor has another width, which stay as they are."""
    return [*_of_width(site.width), *_of_host(site), *_of_calls(cls, misfits)]


def _of_width(width: Width) -> Iterator[str]:
    if width.kind == "literal":
        yield f"the width {width.expr} is a literal: no name in scope gives it"
    elif width.builds == 1:
        yield f"the width {width.expr} was seen at one size only ({width.value})"


def _of_host(site: Site) -> Iterator[str]:
    if site.host.inherited:
        yield f"{site.host.name} has the code that runs {site.name}: all classes derived from it get the module"


def _of_calls(cls: ast.ClassDef, misfits: Sequence[Call]) -> Iterator[str]:
    nodes = loops.surveyed(cls)[0]
    texts = {f"{c.method}:{c.span.line} `{ast.unparse(nodes[c.span])}`" for c in misfits if c.span in nodes}
    yield from (f"left as it is, its tensor has another width: {text}" for text in sorted(texts))
