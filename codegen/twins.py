"""The calls of a model's children that stand in the code but were reached by no run. Reads only."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from pathlib import Path

from codegen import between, syntax
from codegen.errors import CodegenError
from codegen.traced import Call, Layout, Trace, TracedModule, Width
from codegen.types import Site


def unreached(trace: Trace) -> list[Call]:
    """The calls of the hosts' children that stand in the code but were reached by no run, with path ""."""
    found = []
    children: dict[str, dict[str, list[TracedModule]]] = defaultdict(lambda: defaultdict(list))
    for module in trace.modules:
        owner, _, name = module.name.rpartition(".")
        if module.name:
            children[owner][name].append(module)
    for host in trace.hosts:
        path = Path(host.file)
        if path.suffix != ".py" or host.inherited:
            continue
        code = syntax.shared(syntax.read(path)[0], path)
        cls = syntax.find_class(code, host.name, host.line)
        if cls is None:
            continue
        for name, modules in children[host.instances[0]].items():
            site = Site(name, name, host, modules[0], Layout(""), Width("", 0, ""))
            with contextlib.suppress(CodegenError):  # a measured call that cannot be edited: insert names it
                for use in between.uses(code, cls, site, trace.calls, ("after",)):
                    if not use.observed:
                        method = f"{host.name}.{use.method.name}"
                        at = syntax.span(use.node)
                        found.append(Call(modules[0].name, host.instances[0], host.file, method, at, True, "", 0))
    return found
