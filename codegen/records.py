"""What a script sees of a Trace, a Report, the catalogue: values for JSON, and diffs. Prints nothing, imports no rich."""

from __future__ import annotations

import difflib
import io
from dataclasses import asdict
from typing import Any

from codegen import catalogue, selection
from codegen.provided import Provided
from codegen.traced import Layout, Trace, TracedModule
from codegen.types import Report


def unified(base: str, variant: str, name: str, sides: tuple[str, str] = ("base", "variant")) -> list[str]:
    """The unified diff of two texts, line ends left out. A form feed ends no line."""
    old, new = ([line.rstrip("\r\n") for line in io.StringIO(text, newline="")] for text in (base, variant))
    before, behind = sides
    return list(difflib.unified_diff(old, new, f"{before}/{name}", f"{behind}/{name}", lineterm=""))


def report_json(report: Report) -> dict[str, Any]:
    """The fixed fields of a command that makes a variant; of a base those that it has."""
    site, variant = report.site, report.variant
    assert variant is not None
    if site is None:
        whole = {"output": report.output, "host": variant.host, "build": variant.build, "input": report.input}
        return {**whole, "parameters": report.parameters, **_proved(report)}
    width = {"expr": site.width.expr, "value": site.width.value, "kind": site.width.kind, "builds": site.width.builds}
    steps = {"edits": [report_json(step) for step in report.steps]} if report.steps else {}
    return {
        "output": report.output,
        "host": variant.host,
        "site": site.name,
        "attribute": variant.attribute,
        "class_name": variant.class_name,
        **({"parts": [{"attribute": name, "class_name": class_} for name, class_ in variant.parts]} if variant.parts else {}),
        "build": variant.build,
        "input": report.input,
        "width": width,
        "layout": layout_json(site.layout),
        "call_sites": [{"method": method, "line": line} for method, line in report.call_sites],
        "new_parameters": report.new_parameters,
        "parameters": report.parameters,
        "drift": report.drift,
        **_proved(report),
        **steps,
    }


def _proved(report: Report) -> dict[str, Any]:
    return {
        "checks": [{"name": c.name, "status": c.status, "detail": c.detail} for c in report.checks],
        "notes": list(report.notes),
        "seconds": {name: round(seconds, 3) for name, seconds in report.seconds},
    }


def layout_json(layout: Layout) -> dict[str, Any]:
    """What the dims of a tensor mean; the grid as [rows, columns]."""
    return {"kind": layout.kind, "prefix": layout.prefix, "grid": layout.grid, "grid_expr": layout.grid_expr}


def call_sites(trace: Trace, module: TracedModule) -> list[dict[str, Any]]:
    """Where a module is called: method, line, and the public paths that ran through there (none: a twin that did not run)."""
    found: dict[tuple[str, int], list[str]] = {}
    for call in trace.calls:
        if call.module == module.name:
            paths = found.setdefault((call.method, call.span.line), [])
            paths += [call.path] if call.path else []
    return [{"method": m, "line": line, "paths": paths} for (m, line), paths in sorted(found.items())]


def sites_json(trace: Trace) -> dict[str, Any]:
    """Everything that `codegen sites` knows."""
    return {
        "build": trace.build,
        "input": trace.input,
        "host": trace.hosts[0].name if trace.hosts else "",
        "parameters": next((m.parameters for m in trace.modules if not m.name), 0),
        "paths": list(trace.paths),
        "sites": [
            {
                "name": selection.shown(m.name),
                "class_name": "" if selection.SIGN in m.name else m.class_name,
                "output_kind": m.output_kind,
                "output_shape": list(m.output_shape),
                "input_shape": list(m.input_shape),
                "layout": layout_json(m.after),
                "width": asdict(m.width_after) if m.width_after else None,
                "width_before": asdict(m.width_before) if m.width_before else None,
                "calls": m.calls,
                "order": m.order,
                "parameters": m.parameters,
                "call_sites": call_sites(trace, m),
            }
            for m in trace.modules
            if m.name
        ],
    }


def module_json(each: catalogue.Entry | Provided, layout: str) -> dict[str, Any]:
    """One module of the catalogue, of the project or of a package."""
    return provided_json(each) if isinstance(each, Provided) else entry_json(each, layout)


def entry_json(entry: catalogue.Entry, layout: str) -> dict[str, Any]:
    """One catalogue module with its rendered source."""
    cost = {"formula": entry.parameters, "at_64": catalogue.count(entry, 64, {})}
    made = {"arguments": dict(entry.arguments), "parameters": cost, "source": entry.source(layout)}
    return {**asdict(entry), **made, "module": entry.name, "origin": "catalogue"}


def provided_json(each: Provided) -> dict[str, Any]:
    """A class of a project or a package under the same keys; what only the catalogue knows of its own is empty."""
    unknown: dict[str, Any] = {"layouts": [], "imports": [], "parameters": None}
    unknown |= dict.fromkeys(("paper", "url", "equation", "licence"), "")
    own = {"name": each.name, "class_name": each.class_name, "summary": each.summary, "arguments": dict(each.arguments)}
    return {**own, **unknown, "source": each.text, "module": each.module, "origin": each.origin}
