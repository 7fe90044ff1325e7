"""What is said of a variant that is not to be written: the error and its hint. Proves nothing, writes nothing."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict, replace

from codegen import branch, components, composing, elements, locating, pools, widening
from codegen.errors import CONTRACT, CodegenError
from codegen.traced import Trace
from codegen.types import Check, Report, Request

HOOK = "--hook lets a forward hook of the site run the module"
UNEDITABLE = {  # no code that runs the site can be edited so that the module runs exactly where it does
    *("site-not-editable", "hidden-call", "container-element", "inherited-forward", "made-elsewhere"),
}


def hookable(request: Request) -> bool:
    """Whether --hook is another way to make what was asked for."""
    return request.operation in ("after", "before", "beside") and not (request.hook or request.layers)


def hinted(error: CodegenError, request: Request, trace: Trace) -> CodegenError:
    """The error of a draft, or of its first run, with the way round it where there is one."""
    if pools.widens(request.layers) and error.name == "module-does-not-fit" and widening.HINT not in error.hint:
        return replace(error, hint=f"the code may count on the old width behind the pool; {widening.HINT}")
    if error.name == "site-not-editable" and request.combine == branch.EXTRA:
        instead = shlex.join(["codegen", "head", request.source, "--site", request.site, "--layers", request.layers])
        return replace(error, hint=f"{error.hint}; {instead} puts the layers in its place")
    if error.name == "container-element" and request.operation == "checkpoint":
        outer = request.site.partition(".")[0]
        instead = shlex.join(["codegen", "wrap", request.source, "--site", outer, "--with", "checkpoint"])
        return replace(error, hint=f"{instead} runs the whole of the outer list again")
    if error.name == "module-does-not-fit" and request.layers and "the shape must stay" in error.hint:
        hint = "the first layer takes what the site takes: of a map, put AdaptiveAvgPool2d(1), Flatten in front"
        return replace(error, hint=hint)
    if error.name not in UNEDITABLE or not hookable(request):
        return error
    try:
        elements.hooked(trace, request, locating.named(trace, request))
    except CodegenError:  # a hook would not see what the module is to get
        return error
    return replace(error, hint=f"{error.hint}; {HOOK}")


def failures(report: Report) -> list[Check]:
    return [check for check in report.checks if check.status == "failed"]


def _part(report: Report) -> str:
    """Where the module's tensor stands in what the site returns, "" where that is the tensor, or does not matter."""
    return report.site.module.output_index if report.site and report.request.operation != "before" else ""


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
    elif pools.widens(report.request.layers) and failed[0].name in ("shape", "placement"):
        name, what = "module-does-not-fit", f"twice the channels behind {report.request.site}: {what}"
        hint = f"nothing was written; {widening.HINT}"
    elif report.request.init and failed[0].name == "init":
        name, hint = "module-does-not-fit", f"nothing was written; leave --init {report.request.init} out, or give another way"
    elif (at := report.site) and (at.parted or at.layered) and f"{at.module.name}.0" in at.names:  # it is a list itself
        hint = f"nothing was written; choose its {'first' if report.request.operation == 'before' else 'last'} element: "
        hint += f"{report.request.site}.{0 if report.request.operation == 'before' else -1}"
    elif failed[0].name == "gradient" and (index := _part(report)):
        option = "--output-index" if index.isdigit() else "--output-key"
        hint = f"nothing was written; where the model makes no use of {index} of what the site returns, {option} names another"
    elif (at := report.site) and at.layout.grid and not at.layout.grid_expr and composing.needs_grid(report.request, at.layout):
        hint = f"no name in the code says the grid of the tokens at other input sizes ({at.layout.grid} here)"
        hint = f"nothing was written; {hint}: choose a module that needs none"
    elif at and at.layered and hookable(report.request):  # the code may count the layers of the list by position
        hint += f"; {HOOK}"
    if failed[0].name == "groups" and "layer" in failed[0].detail:
        name = "group-matcher"
        hint = "nothing was written; give another --name, or leave --emit-groups out and write the module there by hand"
    raise CodegenError(name, what, hint, CONTRACT, details=json.dumps([asdict(c) for c in report.checks], indent=2))
