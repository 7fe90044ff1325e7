"""What a site is in the code of its host: the calls of a module, or a place between modules. Changes nothing."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence

from codegen import points, reading, selection, syntax
from codegen.errors import CodegenError
from codegen.reading import Use
from codegen.syntax import Code
from codegen.traced import Call
from codegen.types import Site


def uses(code: Code, cls: ast.ClassDef, site: Site, calls: Iterable[Call], sides: Sequence[str]) -> list[Use]:
    """See `reading.uses`; of a place between modules the sums, or the operand. Raises what that raises."""
    if selection.is_point(site.attribute):
        return [*_at_point(cls, site, [*calls])]
    return reading.uses(code, cls, site, calls, sides)


def _at_point(cls: ast.ClassDef, site: Site, calls: Sequence[Call]) -> Iterator[Use]:
    """A place between modules: what the measured point is in the code. Raises CodegenError("inherited-forward")."""
    names = {selection.joined(owner, site.attribute) for owner in site.host.instances}
    mine = [c for c in calls if c.module in names]
    strange = [c for c in mine if c.file != site.host.file or c.method.split(".")[-2:-1] != [cls.name]]
    point = points.again(cls, dict(site.module.settings))
    if strange or point is None:
        where = f"{strange[0].method}:{strange[0].span.line}" if strange else "other code"
        what = f"{selection.shown(site.name)} is in {where}, outside class {cls.name}"
        raise CodegenError("inherited-forward", what, "edit the class that has it: --class NAME")
    child = site.attribute.strip(selection.SIGN).partition(selection.SIGN)[0]
    names = {selection.joined(owner, child) for owner in site.host.instances}
    if hidden := [c for c in calls if c.module in names and not c.direct]:
        what = f"{hidden[0].method}:{hidden[0].span.line} runs {child} inside a call of other code ({hidden[0].path})"
        raise CodegenError("hidden-call", what, f"insert at all calls of {child}: leave the number out")
    method = syntax.method(cls, point.method)
    assert method is not None
    for node in point.nodes:
        argument = node if isinstance(node, ast.expr) and point.around is not None else None
        yield Use(node, method, method.args.args[0].arg, argument=argument)
