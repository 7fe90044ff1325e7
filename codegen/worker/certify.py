"""What a module is asked by itself, outside of any model: does it fit a layout, and everything in `certificate/`."""

from __future__ import annotations

import contextlib
import importlib
import itertools
import pkgutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from codegen.traced import Layout
from codegen.worker import certificate, models
from codegen.worker.certificate import Specimen, _sizes, builds, cost, fresh, given, run, samples, shape, telling
from codegen.worker.checks import Outcome, failed, skipped
from codegen.worker.checks._placing import reason

Check = Callable[[Specimen], Outcome]
FITTING = ("builds", "shape", "samples")
SAMPLES = 64
IMPORTS = itertools.count()


def checks() -> dict[str, Check]:
    """Every check in the folder, in order: a check is found by being there."""
    names = [m.name for m in pkgutil.iter_modules(certificate.__path__) if not m.name.startswith("_")]
    modules = {name.rstrip("_"): importlib.import_module(f"{certificate.__name__}.{name}") for name in names}
    ordered = sorted(modules, key=lambda name: (modules[name].ORDER, name))
    return {name: modules[name].check for name in ordered}


def fit(request: dict[str, Any]) -> dict[str, Any]:
    """request: text, make (a function there: width and grid -> module), construct, layout, width.

    Whether it builds, keeps the shape, and each sample by itself. grid: where it runs, None where nowhere; near: see `_sizes`;
    sample: some values that it computes; parameters: how many.
    """
    with _specimen(request) as specimen:
        built = _made("builds", builds.check, specimen)
        if built["status"] == "failed":
            return {"checks": [built, _idle("shape"), _idle("samples")], "grid": None, "near": 0, "sample": [], "parameters": 0}
        kept = _made("shape", shape.check, specimen)
        grid = _sizes.usable(specimen)
        at_grid = replace(specimen, grid=grid or specimen.grid)
        return {
            "checks": [built, kept, _made("samples", samples.check, at_grid) if grid else _idle("samples")],
            "grid": grid,
            "near": _sizes.nearness(specimen),
            "sample": _sample(specimen) if kept["status"] == "passed" else [],
            "parameters": cost.count(fresh(specimen)),
        }


def certify(request: dict[str, Any]) -> list[dict[str, str]]:
    """All other checks. request: as of `fit`, with the grid that it found, and the names of checks to leave out."""
    wanted = {name: check for name, check in checks().items() if name not in (*FITTING, *request["without"])}
    if request["grid"] is None:
        return [_idle(name) for name in wanted]
    with _specimen(request) as specimen:
        return [_made(name, check, specimen) for name, check in wanted.items()]


def _idle(name: str) -> dict[str, str]:
    outcome = skipped("the module does not run")
    return {"name": name, "status": outcome.status, "detail": outcome.detail}


@contextlib.contextmanager
def _specimen(request: dict[str, Any]) -> Iterator[Specimen]:
    """The text imported under a name of its own: torch.jit remembers classes by their names, and reads their file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"certified{next(IMPORTS) or ''}.py")
        path.write_text(request["text"], encoding="utf-8")
        module = models.import_file(path, path.stem)
        layout = Layout(request["layout"]["kind"], request["layout"]["prefix"])
        make, grid = getattr(module, request["make"]), request.get("grid") or certificate.sizes(request["width"])[0]
        yield Specimen(make, request["construct"], layout, request["width"], tuple(grid))


def _made(name: str, check: Check, specimen: Specimen) -> dict[str, str]:
    try:
        outcome = check(specimen)
    except Exception as error:  # said, never swallowed: what cannot be confirmed is not certified
        outcome = failed(reason(error))
    return {"name": name, "status": outcome.status, "detail": outcome.detail}


def _sample(specimen: Specimen) -> list[float]:
    """Some of the values that it gives for the one content that all layouts show it, channels first; else none."""
    if specimen.layout.kind == "NC" or specimen.layout.prefix:
        return []
    with torch.no_grad():
        output: Tensor = run(telling(fresh(specimen)).eval(), given(specimen))
    first = output if specimen.layout.kind in ("NCHW", "NCL") else output.movedim(-1, 1)
    values = first.flatten()
    chosen: list[float] = values[:: max(1, len(values) // SAMPLES)].tolist()
    return chosen
