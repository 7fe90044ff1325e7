"""What a person should know of an insertion that held all its promises. Decides nothing."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from codegen import loops
from codegen.reading import Use
from codegen.traced import Call, Width
from codegen.types import Site


def about(site: Site, cls: ast.ClassDef, misfits: Sequence[Call], uses: Sequence[Use]) -> list[str]:
    """The notes on a site in its host's class. misfits: its calls whose tensor has another width, which stay as they are."""
    return [*of_width(site.width), *_of_host(site), *_of_calls(cls, misfits, uses)]


def of_width(width: Width) -> Iterator[str]:
    """The notes on how a width is said."""
    if width.kind == "literal":
        yield f"the width {width.expr} is a literal: no name in scope gives it"
    elif width.builds == 1:
        yield f"the width {width.expr} was seen at one size only ({width.value})"


def _of_host(site: Site) -> Iterator[str]:
    if site.host.inherited and site.chosen is None:
        yield f"{site.host.name} has the code that runs {site.name}: all classes derived from it get the module"


def _of_calls(cls: ast.ClassDef, misfits: Sequence[Call], uses: Sequence[Use]) -> Iterator[str]:
    nodes, conditions = loops.surveyed(cls)[0], {use.node: use.condition for use in uses}
    texts = set()
    for call in misfits:
        if (node := nodes.get(call.span)) is not None:
            left = f"only where {conditions[node]}, else" if node in conditions else "left as it is,"
            texts.add(f"{left} its tensor has another width: {call.method}:{call.span.line} `{ast.unparse(node)}`")
    yield from sorted(texts)
