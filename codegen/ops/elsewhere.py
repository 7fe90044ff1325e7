"""The edits of another class of the same file that runs the site too: what the library builds instead of the host."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import replace

from codegen import between, branch, construct, initialising, locating, naming, syntax
from codegen.errors import CodegenError
from codegen.ops import beside, extra, insert
from codegen.ops.insert import Place
from codegen.reading import Use
from codegen.traced import Trace
from codegen.types import Component, Edit, Request


def plan(request: Request, place: Place, component: Component, trace: Trace, known: Sequence[Use]) -> list[Edit]:
    """trace: of the other class; known: what is edited already. Raises CodegenError("other-class")."""
    site = locating.find(trace, request)
    cls = syntax.find_class(place.code, site.host.name, site.host.line)
    what = f"{trace.build} builds {trace.hosts[0].name}, where {site.name} "
    if cls is None:
        raise _refused(f"{what}is run by code of another file")
    inherited = [call for call in trace.calls if cls is not place.cls and call.method.startswith(f"{place.cls.name}.")]
    own = [call for call in trace.calls if call not in inherited]
    uses = between.uses(place.code, cls, site, own, request.sides)
    edited = {syntax.span(use.node) for use in known}
    lines = {call.span.line for call in inherited if call.module == site.module.name and call.span not in edited}
    if cls is place.cls:
        lines = {use.node.lineno for use in uses if syntax.span(use.node) not in edited}
    if lines:
        raise _refused(f"{what}is run in another place of {place.cls.name} too: line {min(lines)}")
    if cls is place.cls:  # it inherits the code that runs the site
        return []
    there = replace(place, cls=cls, site=site)
    if request.combine == branch.EXTRA:
        edits = extra.plan(there, uses, extra.children(site, trace))
    else:
        edits = (beside if request.combine else insert).plan(there, uses)
    if any(ast.unparse(base) == place.cls.name for base in cls.bases):  # its module is made in the class it derives from
        return edits
    made = branch.component(request, site, inline=bool(component.parts))
    fitted = naming.fitted(made, place.code)
    if made.code and fitted.code != component.code:
        raise _refused(f"{what}takes another form of the module")
    hook = [line for line, _ in construct.hooks(component, place.named, request)]
    named = [*zip(place.attributes, fitted.parts or (replace(made, construct=fitted.construct),), strict=True)]
    statements = [initialising.filled(line, place.code, cls) for line in construct.statements(named)]
    return [*edits, construct.plan(place.code, cls, [*statements, *hook])]


def _refused(what: str) -> CodegenError:
    return CodegenError("other-class", what, "choose a site that both classes run alike")
