"""What is said of a variant that is not to be written: the error and its hint. Proves nothing, writes nothing."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

from codegen import components, composing
from codegen.errors import CONTRACT, CodegenError
from codegen.types import Check, Report, Request

HOOK = "--hook lets a forward hook of the site run the module"
UNEDITABLE = {  # no code that runs the site can be edited so that the module runs exactly where it does
    *("site-not-editable", "hidden-call", "container-element", "inherited-forward", "made-elsewhere"),
}


def hookable(request: Request) -> bool:
    """Whether --hook is another way to make what was asked for."""
    return request.operation in ("after", "before", "beside") and not (request.hook or request.layers)


def hinted(error: CodegenError, request: Request) -> CodegenError:
    """The error of a draft, with the way round it where there is one."""
    if error.name not in UNEDITABLE or not hookable(request):
        return error
    return replace(error, hint=f"{error.hint}; {HOOK}")


def failures(report: Report) -> list[Check]:
    return [check for check in report.checks if check.status == "failed"]


def _is_dead(check: Check) -> bool:
    return check.name == "gradient" and "gets no gradient" in check.detail


def demand(report: Report) -> None:
    """Raise CodegenError("contract-failed") where a check failed; "module-does-not-fit" where what is left out is missed."""
    failed = failures(report)
    if not failed:
        return
    name, what = "contract-failed", "; ".join(f"{c.name}: {c.detail}" for c in failed)
    hint = "nothing was written; choose another site or module, or report it"
    if components.removes(report.request) and failed[0].name == "shape":
        name, what = "module-does-not-fit", f"{report.request.site} cannot be left out: {what}"
        hint = "nothing was written; codegen replace and codegen head put something else there"
    elif report.request.init and failed[0].name == "init":
        name, hint = "module-does-not-fit", f"nothing was written; leave --init {report.request.init} out, or give another way"
    elif (at := report.site) and (at.parted or at.layered) and f"{at.module.name}.0" in at.names:  # it is a list itself
        hint = f"nothing was written; choose its {'first' if report.request.operation == 'before' else 'last'} element: "
        hint += f"{report.request.site}.{0 if report.request.operation == 'before' else -1}"
    elif (at := report.site) and at.layout.grid and not at.layout.grid_expr and composing.needs_grid(report.request, at.layout):
        hint = f"no name in the code says the grid of the tokens at other input sizes ({at.layout.grid} here)"
        hint = f"nothing was written; {hint}: choose a module that needs none"
    elif at and at.module.output_index.isdigit() and all(_is_dead(check) for check in failed):
        hint = "nothing was written; the model goes on without this one of the site's results: choose another, --output-index N"
    elif at and at.layered and hookable(report.request):  # the code may count the layers of the list by position
        hint += f"; {HOOK}"
    if failed[0].name == "groups" and "layer" in failed[0].detail:
        name = "group-matcher"
        hint = "nothing was written; give another --name, or leave --emit-groups out and write the module there by hand"
    raise CodegenError(name, what, hint, CONTRACT, details=json.dumps([asdict(c) for c in report.checks], indent=2))
