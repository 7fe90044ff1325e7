"""Models of timm by class and size, and what a width expression gives in one of them. Runs models on the meta device.

    python tests/coverage/width_of.py survey FILE
    python tests/coverage/width_of.py check < JOB

Prints one JSON object a model, as it comes. A job: {"models": [NAME], "sites": [{"site", "outgoing", "layout", "runner",
"expr"}], "seconds"}. Each model is built in a process of its own, forked from this one, which has timm in its memory.
"""

from __future__ import annotations

import importlib
import json
import multiprocessing
import sys
import warnings
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from typing import Any

import torch
from torch import nn

from codegen.traced import Layout
from codegen.worker import layouts, models, setup
from codegen.worker.observing import completed
from codegen.worker.scopes import Scopes, recording
from codegen.worker.tracer import tracing

SURVEY_SECONDS = 120  # for one model
RANKS = {"NCHW": 4, "NHWC": 4, "NLC": 3}
Json = dict[str, Any]


def built(name: str) -> tuple[nn.Module, Scopes]:
    """The registered model without numbers, and the scopes at the end of its constructors."""
    for device in setup.DEVICES:
        try:
            with recording() as scopes:
                return models.build(importlib.import_module("timm"), f"create_model({name!r})", device).eval(), scopes
        except (NotImplementedError, RuntimeError) as error:  # its constructor computes with numbers
            if device == setup.DEVICES[-1]:
                raise error
    raise AssertionError


def survey(name: str) -> Json:
    """The model's class and its size."""
    model, _ = built(name)
    cls = type(model)
    return {"class": f"{cls.__module__}.{cls.__qualname__}", "parameters": sum(p.numel() for p in model.parameters())}


def check(name: str, sites: list[Json]) -> Json:
    """What each site's expression gives at the end of the `__init__` of the class that runs the site, the model's or a base
    of it, and the widths that a forward shows there.
    """
    model, scopes = built(name)
    ends = {cls.__qualname__: scopes.at_end(model, cls) for cls in type(model).__mro__[::-1] if issubclass(cls, nn.Module)}
    device = next((p.device for p in model.parameters()), torch.device("meta"))
    configuration: Any = model.default_cfg
    with tracing(model, places=False) as seen, torch.no_grad():
        model(torch.empty(2, *configuration["input_size"], device=device))
    results = []
    for site in sites:
        calls = [event for event in completed(model, seen.events) if event.module == site["site"]]
        shapes = [call.output_shape if site["outgoing"] else call.input_shape for call in calls]
        alike = [shape for shape in shapes if shape and len(shape) == RANKS[site["layout"]]]
        scope = ends[site["runner"] or type(model).__qualname__]
        if scope is None:  # a pruned model: copied and changed behind its constructor
            results.append({**site, "value": None, "expected": [], "note": "not as its constructor made it"})
            continue
        expected = {layouts.channels(Layout(site["layout"]), shape) for shape in alike}
        results.append({**site, "value": value(site["expr"], scope), "expected": sorted(expected - {None})})  # type: ignore[type-var]
        results[-1]["note"] = "" if alike else "another layout" if any(shapes) else "not run"
    return {"results": results}


def value(expression: str, scope: Any) -> Any:
    """The expression's value where the module is made; the error as text where it has none."""
    try:
        return int(eval(expression, dict(scope.globals), dict(scope.locals)))
    except Exception as error:  # noqa: BLE001 - an expression that another model cannot evaluate is wrong there
        return f"{type(error).__name__}: {error}"


def forked(work: Callable[[], Json], seconds: float) -> Json:
    """What the work gives, done in a process of its own; {"error": why} where it gives nothing."""

    def answer(end: Connection) -> None:
        try:
            end.send(work())
        except Exception as error:  # any code of any model
            end.send({"error": f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"})

    context = multiprocessing.get_context("fork")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=answer, args=(there,))
    process.start()
    there.close()
    try:
        found: Json = here.recv() if here.poll(seconds) else {"error": f"not done in {seconds:g} s"}
    except EOFError:
        found = {"error": "the process died"}
    process.kill()
    process.join()
    return found


def answers() -> Iterator[Json]:
    if sys.argv[1] == "survey":
        registry = importlib.import_module("timm.models._registry")
        known = set(registry._module_to_models[sys.argv[2]]) - set(registry._deprecated_models)
        for name in sorted(known & set(registry._model_entrypoints)):
            yield {"model": name, **forked(lambda name=name: survey(name), SURVEY_SECONDS)}  # type: ignore[misc]
        return
    job = json.load(sys.stdin)
    for name in job["models"]:
        yield {"model": name, **forked(lambda name=name: check(name, job["sites"]), job["seconds"])}  # type: ignore[misc]


def main() -> None:
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    importlib.import_module("timm")
    for answer in answers():
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
