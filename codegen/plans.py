"""What the child needs to build base and variant alike and to prove the variant, as JSON."""

from __future__ import annotations

import json
from typing import Any

from codegen import branch, locating, selection
from codegen.traced import Trace
from codegen.types import Request, Site, Source, Variant


def made(
    request: Request, source: Source, site: Site, variant: Variant, trace: Trace | None, names: dict[str, str]
) -> dict[str, Any]:
    """The fields of `worker.subject.Plan`."""
    mixed = trace and request.operation != "replace" and locating.misfits(trace, site, request.sides)
    checkpoint = request.operation == "checkpoint"
    extra = request.combine == branch.EXTRA
    own = [name for name, on in {"groups": request.groups, "extra": extra, "checkpoint": checkpoint}.items() if on]
    small = json.loads(trace.small) if trace and trace.small else {}
    entry = names.get(source.entry, source.entry) if source.library else ""
    return {
        "base_build": variant.base_build,
        "build": variant.build,
        "host": "" if site.layered else site.host.name,
        "site": site.attribute,
        "attribute": variant.attribute,
        "class_name": f"`{request.module}`" if variant.parts else variant.class_name,
        "parts": [attribute for attribute, _ in variant.parts],
        "running": list(variant.running),
        "operation": request.operation,
        "input": trace.input if trace else request.input,
        "chosen": list(site.chosen.names) if site.chosen else [],
        "pattern": site.chosen.pattern if site.chosen else "",
        "point": dict(site.module.settings) if selection.is_point(site.attribute) else {},
        "whole": site.whole,
        "output_index": site.module.output_index,
        "input_argument": site.module.input_argument,
        "input_index": site.module.input_index,
        "in_place": site.module.in_place,
        "small": small.get("overrides", {}),
        "small_input": small.get("input", ""),
        "second_input": small.get("second", ""),
        "device": trace.device if trace else "cpu",
        "identity": request.identity,
        "init": request.init,
        "groups": variant.groups,
        "asked": [*request.checks, *own],
        "head": bool(request.layers) and not extra,
        "combine": branch.operator(request.combine, site) or request.combine,
        "channel_dim": site.layout.channel_dim if mixed else None,
        "library": source.library,
        "entry": entry,
        "variant_entry": entry,
    }
