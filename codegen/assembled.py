"""Put a module into the nn.Sequential that a function returns: what changes is the end of the function.

The list runs its layers in the order of their registration: the module is put behind its site, and no key moves.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import replace

from codegen import (
    branch,
    collecting,
    composing,
    construct,
    draft,
    emit,
    initialising,
    inputs,
    locating,
    loops,
    naming,
    notes,
    ordering,
    plans,
    reaching,
    renaming,
    selection,
    siblings,
    standalone,
    style,
)
from codegen.draft import Draft, Lesson
from codegen.errors import CodegenError
from codegen.selection import CHOSEN
from codegen.standalone import Addition
from codegen.syntax import Code
from codegen.traced import Trace
from codegen.types import Component, Edit, Request, Site, Source, Variant


def made(
    request: Request, source: Source, trace: Trace, others: Sequence[Trace] = (), lessons: frozenset[Lesson] = frozenset()
) -> Draft:
    """`draft.draft`, also of a site that a list holds which a function makes."""
    if not trace.hosts or not trace.hosts[0].variable:
        return draft.draft(request, source, trace, others, lessons)
    site = locating.find(trace, request)
    if not site.host.variable:
        return draft.draft(request, source, trace, others, lessons)
    _demand(request, site)
    parts = collecting.files(request, source, site, trace.build)
    function = _function(parts.host, site)
    resolved = composing.resolve(request, site)
    component = naming.fitted(resolved, parts.host, parts.main, *siblings.codes(parts.file, parts.main))
    component = replace(component, stateful=component.stateful and Lesson.STATELESS not in lessons)
    holder, _, key = site.module.name.rpartition(".")
    children = selection.children_of(site.names)[holder]
    attribute = naming.attribute(request.name or component.name, function, children, bool(request.name))
    hook = construct.hook(attribute) if component.stateful else None
    order = naming.apart(ordering.placed(replace(site, attribute=key), (attribute,), request.operation), parts.host)
    addition = _addition(component, parts.host, [order, *([hook] if hook else [])])
    edits = ending(parts.host, function, site.host.variable, _statements(site, holder, attribute, component, hook))
    base, text, origin = draft.texts(request, parts, edits, addition, trace.build)
    names = {} if request.in_place else standalone.renames(parts)
    build = renaming.renamed_expression(trace.build, names)
    if not (request.in_place or request.edits):
        text = emit.headed(text, emit.header(request, source, site.host.name, build, inputs.recorded([request], source)))
    variant = Variant(base, text, source.file.encoding, build, build, attribute, component.class_name, site.host.name)
    known = replace(site, chosen=trace.chosen)
    proof = plans.made(request, source, known, replace(variant, attribute=selection.joined(holder, attribute)), trace, names)
    about = (*component.notes, *notes.of_width(site.width))
    return Draft(site, variant, (proof,), trace.input, (), about, hook is not None, origin)


def _demand(request: Request, site: Site) -> None:
    """Raises CodegenError("site-not-editable") where what is asked for takes more than another layer in the list."""
    asked = {"--extra": request.combine == branch.EXTRA, "--beside": request.operation == "beside"}
    asked |= {"--emit-groups": request.groups}
    if request.init == initialising.HOST:
        what = f"{site.host.name} is a function: its nn.Sequential has no function that initialises one module"
        raise CodegenError("no-init-function", what, "--init host needs one; codegen insert --help has other ways")
    asked |= {"a place between modules": selection.is_point(site.attribute), "--output-index": bool(request.element)}
    if wrong := [what for what, on in asked.items() if on]:
        raise CodegenError(
            "site-not-editable",
            f"{site.host.name} returns an nn.Sequential, which has no forward of its own for {wrong[0]}",
            "insert --after or --before one of its layers, or write a class around it",
        )


def _function(code: Code, site: Site) -> ast.FunctionDef:
    """The function of the file that makes the model. Raises CodegenError("host-not-found")."""
    found = [n for n in code.tree.body if isinstance(n, ast.FunctionDef) and n.name == site.host.name]
    if not found:
        what = f"the model is an nn.Sequential that {site.host.name} makes, which is no function of {code.name}"
        raise CodegenError("host-not-found", what, "give the file that has the function, or --build EXPR with one that does")
    return found[-1]


def _statements(
    site: Site, holder: str, attribute: str, component: Component, hook: tuple[str, str] | None
) -> list[str]:
    """`model.se = SqueezeExcite(width)`, its place behind the site, the load hook."""
    me = site.host.variable
    target = me if not holder else re.sub(r"^self\b", me, reaching.one(holder, site.dicts))
    made = re.sub(rf"\b{CHOSEN}\b", re.sub(r"^self\b", me, reaching.one(site.module.name, site.dicts)), component.construct)
    lines = [f"{target}.{attribute} = {made}", f"place_{attribute}({target})"]
    return [*lines, hook[0].replace("self", target, 1)] if hook else lines


def _addition(component: Component, code: Code, functions: Sequence[tuple[str, str]]) -> Addition:
    pieces = [component.code, *(text for _, text in functions)]
    text = "\n\n\n".join(style.reindented(piece, code).strip("\n") for piece in pieces if piece.strip())
    return Addition((*component.imports, "from torch import nn"), text)


def ending(code: Code, function: ast.FunctionDef, variable: str, lines: Sequence[str]) -> list[Edit]:
    """Statements at the end of a function, on what it returns. Raises CodegenError("site-not-editable") where it has other
    ways out.

    return nn.Sequential(...)  ->  model = nn.Sequential(...)
                                   model.se = SqueezeExcite(width)
                                   return model
    """
    ways = [n for n in loops.own_nodes(function) if isinstance(n, ast.Return)]
    last = function.body[-1]
    used = {getattr(n, "id", getattr(n, "arg", "")) for n in ast.walk(function)}
    named = isinstance(last, ast.Return) and isinstance(last.value, ast.Name)
    if ways != [last] or not code.stands_alone(last) or not named and variable in used:
        what = f"{function.name}:{function.lineno} does not end in its only return, on a line of its own"
        raise CodegenError("site-not-editable", what, "let it make the model, give it a name and return that at its end")
    assert isinstance(last, ast.Return) and last.value is not None
    where, indent = f"end of {function.name}", code.indent(last)
    if named:
        start = code.line_start(last)
        return [Edit(start, start, style.block("\n".join(lines), code, indent), where)]
    start = code.start(last)
    block = style.block("\n".join([*lines, f"return {variable}"]), code, indent)
    return [Edit(start, start + len("return"), f"{variable} =", where), style.below(code, last, block, where)]
