"""The oracle as a warm process: one original model, prepared once; a fork of it judges each variant.

    python tests/coverage/judge.py    # JSON lines: first the model, then a variant each; an answer for every line

Shares no code with codegen: the original is the library's own.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import select
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import torch  # noqa: E402
from oracle import Original, Place, build, load, make_inputs  # noqa: E402
from oracle_points import Point  # noqa: E402
from oracle_runs import Route, Subject, brief, outcome  # noqa: E402
from shorter import outermost, short  # noqa: E402
from torch.overrides import TorchFunctionMode  # noqa: E402

SIZES = (64, 96, 112, 128, 160, 192, 224, 256)  # of images smaller than the model's own, tried in this order
OPTIONS = ("img_size={0}", "image_size={0}", "input_size=({0}, {0})", "")  # how a model is built for such an image
# the routes of a cell that is not judged on all of them
SOME = ("eval forward()", "train forward()", "train with checkpointing forward()", "eval forward_intermediates()")
BIG = 50_000_000  # parameters: a model with more is built with two blocks, where it can be
SECONDS = 900  # for one variant
RANDOM = {"normal_", "uniform_", "trunc_normal_", "kaiming_uniform_", "kaiming_normal_", "xavier_uniform_", "xavier_normal_"}
METHODS = ("forward", "forward_features", "forward_intermediates")
Json = dict[str, Any]


@dataclass(frozen=True)
class Build:
    """How a model is built for the oracle: with which option, and whether with fewer blocks and narrow (see shorter.py)."""

    option: str = ""
    short: bool = False
    narrow: bool = False

    def __call__(self, module: Any, expression: str) -> tuple[Any, list[str]]:
        """The model, and the arguments that were cut for it."""
        expression = with_option(expression, self.option)
        cls = outermost(lambda: build(module, expression, 0)) if self.short else None
        with short(cls, self.narrow) as cut:
            return build(module, expression, 0), sorted(cut)


def prepared(model: Json) -> tuple[Original, Build, Json]:
    """The original on the smallest image that it takes, how it was built, and what is told of that: `option`, `shape`, `cut`.

    model: `namespace`, `original` (a build expression in it), `parameters`, `shape`, an image's or an expression, `whole`
    where none of its blocks may be left out, `short` where all but two of each stage may, and `sites` that it must have then.
    """
    module, shape = load(model["namespace"]), model["shape"]
    for shorten, narrow in ((True, True), (True, False), (False, False)) if model.get("short") else ((False, False),):
        base, built, cut = None, None, [""]
        for option, smaller in smaller_inputs(model | {"whole": model.get("whole") or shorten}):
            way = Build(option, shorten, narrow)
            if way != built:
                base, cut = attempt(way, module, model["original"])
                built = way
            if shorten and base and not (cut and has(base, model["sites"])):
                break
            if base and runs(base, smaller):
                return Original(base, make_inputs(smaller, 0), 0), way, {"option": option, "shape": smaller, "cut": cut}
    base, way = build(module, model["original"], 0), Build()
    return Original(base, make_inputs(shape, 0), 0), way, {"option": "", "shape": shape, "cut": []}


def has(model: Any, sites: list[str]) -> bool:
    """Whether a model has all modules of these names, `blocks.-1` being the last of `blocks`."""
    names = {name for name, _ in model.named_modules()} if model else set()
    return all(site in names or site.endswith(".-1") and site[: -len(".-1")] in names for site in sites)


def smaller_inputs(model: Json) -> Iterator[tuple[str, Any]]:
    """(option of the build, shape): square images from small to the model's own size, and what the model has anyway."""
    shape = model["shape"]
    image = not isinstance(shape, str) and len(shape) == 4
    sizes = [size for size in SIZES if size < shape[-1]] if image else []
    for depth in ("depth=2", "") if image and model["parameters"] > BIG and not model.get("whole") else ("",):
        for option in OPTIONS:
            for size in sizes:
                yield ", ".join(filter(None, [depth, option.format(size)])), [*shape[:2], size, size]
        yield depth, shape


def attempt(way: Build, module: Any, expression: str) -> tuple[Any, list[str]]:
    try:
        return way(module, expression)
    except Exception:  # no such option, or a size that the model cannot be built for
        return None, [""]


def with_option(expression: str, option: str) -> str:
    """`vit()` -> `vit(img_size=96)`."""
    if not option:
        return expression
    return expression.removesuffix(")") + ("" if expression.endswith("()") else ", ") + option + ")"


def runs(model: Any, shape: Any) -> bool:
    """Whether every method that the model has takes an input of this shape, and `forward` also in training."""
    subject, inputs = Subject(model), make_inputs(shape, 0)
    routes = [Route(method) for method in METHODS if hasattr(model, method)]
    errors = [outcome(subject, route, inputs, 0).error for route in [*routes, Route("forward", train=True)]]
    subject.reset()
    return not any(errors)


def called(original: Original) -> list[str]:
    """The modules whose `forward` runs on some route, with the containers whose elements do."""
    ran = {key for *_, keys in original.plain for key in keys}
    names = [name for name, module in original.model.named_modules(remove_duplicate=False) if id(module) in ran and name]
    return sorted({name.rpartition(".")[0] for name in names if name.rpartition(".")[2].isdigit()} | set(names) - {""})


class Undrawn(TorchFunctionMode):
    """While active, parameters get zeros where they would get random numbers: the original's are loaded into them, the
    inserted module's are stirred. Drawing them is most of the time that building a large model takes.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if getattr(func, "__name__", "") in RANDOM and args and isinstance(args[0], torch.nn.Parameter):
            with torch.no_grad():
                return args[0].zero_()
        return func(*args, **(kwargs or {}))


def judge(original: Original, way: Build, job: Json) -> Json:
    """The differences that the variant of a job shows, and on how many routes they were looked for."""
    point = Point(**{**job["point"], "position": tuple(job["point"]["position"])}) if job.get("point") else None
    words = (job["host"], job["file"], point)
    places = [Place(job["site"], name, how, *words, tuple(sites), parted) for name, sites, parted, how in job["modules"]]
    if job.get("some"):
        original.plain = [run for run in original.plain if str(run[0]) in SOME]
    about = {"routes": len(original.plain), "short": way.short}
    try:
        module = load(job["variant"])
        with Undrawn():
            variant, _ = way(module, job["build"])
    except Exception as error:  # any code of any model
        return about | {"differences": [f"the variant cannot be built: {brief(error)}"]}
    return about | {"differences": original.differences(variant, *places)[:8]}


def forked(original: Original, way: Build, job: Json) -> Json:
    """The judgement, made in a fork: whatever it does to the model or the process is gone afterwards."""
    read, write = os.pipe()
    process = os.fork()
    if not process:
        gc.disable()  # it ends soon; a collection would touch, and so copy, all pages of the parent
        with contextlib.suppress(BaseException):
            os.write(write, json.dumps(judge(original, way, job)).encode())
        os._exit(0)
    os.close(write)
    text = b""
    deadline = time.monotonic() + SECONDS
    while select.select([read], [], [], max(0.0, deadline - time.monotonic()))[0]:
        chunk = os.read(read, 1 << 16)
        text += chunk
        if not chunk:
            break
    else:
        os.kill(process, signal.SIGKILL)
    os.close(read)
    status = os.waitpid(process, 0)[1]
    return json.loads(text) if text and not status else {"error": f"the oracle ended with status {status}"}


def main() -> None:
    torch.set_num_threads(1)
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what the models print goes elsewhere
    try:
        original, way, about = prepared(model := json.loads(sys.stdin.readline()))
    except Exception as error:  # any code of any model
        print(json.dumps({"error": brief(error)}), file=answers)
        return
    routes = [str(route) for route, *_ in original.plain]
    print(json.dumps({**about, "routes": routes, "called": called(original)}), file=answers)
    whole: tuple[Original, Build] | None = None
    for line in sys.stdin:
        start, job = time.perf_counter(), json.loads(line)
        if job.get("exact") and whole is None:  # the model itself
            whole = prepared(model | {"short": False})[:2]
        answer = forked(*(whole if whole and job.get("exact") else (original, way)), job)
        print(json.dumps({**answer, "seconds": time.perf_counter() - start}), file=answers)


if __name__ == "__main__":
    main()
