"""Which models and which cells a coverage run has: read from the models themselves, built without their weights.

    python tests/coverage/plan.py timm [--all]

Prints one JSON object. A cell is a child of the model, or a child of a class of blocks, once in the whole run; with --all it
is the stem, the first and the last stage or block, or the last norm, of every model.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import inspect
import json
import sys
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

NAMESPACES = {"timm": "timm", "torchvision": "torchvision.models"}  # where `original` is built
CLIPS = {"mvit": (16, 224), "s3d": (16, 224), "resnet": (8, 64), "swin_transformer": (8, 64)}  # frames and size
# boxes of the image, of its half and of a tenth: every level of a pyramid has a part in the losses
BOXES = "[[2.0, 2.0, 94.0, 94.0], [8.0, 8.0, 60.0, 60.0], [70.0, 70.0, 80.0, 80.0]]"
TARGET = f'"boxes": torch.tensor({BOXES}), "labels": torch.tensor([1, 2, 3])'
MORE_TARGETS = {  # detectors that learn more than boxes
    "mask_rcnn": ', "masks": torch.ones(3, 96, 96)',
    "keypoint_rcnn": ', "keypoints": torch.full((3, 17, 3), 30.0)',
}
KEYPOINTS = "detection.keypoint_rcnn"  # knows persons only, and runs its head on every detection of an untrained net
# what fills weights with numbers: nobody looks at them here, and memory that nothing is written to costs nothing
FILLING = """
    add_ clamp_ constant_ copy_ div_ erfinv_ fill_ kaiming_normal_ kaiming_uniform_ mul_ normal_ ones_ orthogonal_ sub_
    trunc_normal_ uniform_ xavier_normal_ xavier_uniform_ zero_ zeros_
    """.split()  # noqa: SIM905
Json = dict[str, Any]


class Unfilled(TorchFunctionMode):
    """While active, the weights that a constructor makes stay as the memory was that they got."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if getattr(func, "__name__", "") in FILLING and args and isinstance(args[0], nn.Parameter):
            return args[0]
        return func(*args, **(kwargs or {}))


class TooBig(Exception):
    """A model has more parameters than the smallest one seen so far."""


@contextlib.contextmanager
def counting(limit: float, weights: bool) -> Iterator[list[int]]:
    """While active, parameters are counted, and without `weights` put on the meta device; TooBig above the limit."""
    register, count = nn.Module.register_parameter, [0]

    def counted(self: nn.Module, name: str, parameter: nn.Parameter | None) -> None:
        register(self, name, parameter)
        if parameter is not None:
            count[0] += parameter.numel()
            if not weights:
                self._parameters[name] = nn.Parameter(parameter.to("meta"), requires_grad=parameter.requires_grad)
        if count[0] > limit:
            raise TooBig

    nn.Module.register_parameter = counted  # type: ignore[method-assign]
    try:
        yield count
    finally:
        nn.Module.register_parameter = register  # type: ignore[method-assign]


def timm_files() -> dict[str, list[Json]]:
    """timm's models by their file, without the deprecated names."""
    registry = importlib.import_module("timm.models._registry")
    files = {}
    for file, names in sorted(registry._module_to_models.items()):
        known = sorted(set(names) & set(registry._model_entrypoints) - set(registry._deprecated_models))
        files[file] = [{"name": name, "original": f"create_model({name!r})"} for name in sorted(known, key=len)]
    return files


def torchvision_files() -> dict[str, list[Json]]:
    """torchvision's models by their file, with what `--build` and `--input` have to say for them."""
    models = importlib.import_module("torchvision.models")
    files: dict[str, list[Json]] = {}
    for name in models.list_models():
        function = models.get_model_builder(name)
        file = function.__module__.removeprefix("torchvision.models.")
        options = [f"{key}=None" for key in inspect.signature(function).parameters if key.startswith("weights")]
        build = len(options) > 1  # a backbone would be downloaded
        if file.startswith("detection.") and ".ssd" not in file:
            options += ["min_size=96", "max_size=128", *["box_detections_per_img=8"] * (file == KEYPOINTS)]
        entry = {"name": name, "original": f"get_model({', '.join([repr(name), *options])})"}
        entry |= {"build": f"{name}({', '.join(options)})"} if build else {}
        files.setdefault(file, []).append(entry | torchvision_input(file))
    return dict(sorted(files.items()))


def torchvision_input(file: str) -> Json:
    """`input` of the command and `shape` of the oracle's input, where the models of a file do not take one image of 224."""
    if file == "inception":  # its auxiliary head takes no smaller one
        return {"input": "1x3x299x299", "shape": [2, 3, 299, 299]}
    kind, _, name = file.rpartition(".")
    if kind == "quantization":
        return {"left_out": "a quantized model"}
    if kind == "optical_flow":
        return {"input": "1x3x128x128,1x3x128x128", "shape": "[torch.rand(2, 3, 128, 128) for _ in range(2)]"}
    if kind == "detection":
        images = f"([torch.rand(3, 96, 96)] * 2, [{{{TARGET + MORE_TARGETS.get(name, '')}}}] * 2)"
        images = images.replace("[1, 2, 3]", "[1, 1, 1]") if file == KEYPOINTS else images
        return {"input": images, "shape": images}
    if kind == "video":
        frames, size = CLIPS[name]
        return {"input": f"1x3x{frames}x{size}x{size}", "shape": [2, 3, frames, size, size]}
    return {}


def built(entries: list[Json], namespace: Json, every: bool, left_out: list[Json]) -> Iterator[tuple[Json, nn.Module]]:
    """The smallest model of a file, or every one, one at a time; `left_out` gets those that cannot be built, and why."""
    smallest: list[tuple[Json, nn.Module]] = []
    limit = float("inf")
    for entry in entries:
        try:
            model, count = build(entry, namespace, limit)
        except TooBig:
            continue
        except Exception as error:  # any code of any model
            reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
            left_out.append({"name": entry["name"], "reason": entry.get("left_out", reason)})
            continue
        if every:
            yield entry | {"parameters": count}, model
        else:
            limit, smallest = count, [(entry | {"parameters": count}, model)]
    yield from smallest


def build(entry: Json, namespace: Json, limit: float) -> tuple[nn.Module, int]:
    """The model and how many parameters it has: on the meta device, with some real tensors or with real weights, as far as
    its constructor computes with them.
    """
    if "left_out" in entry:
        raise NotImplementedError
    ways = ((torch.device("meta"), False), (contextlib.nullcontext(), False), (Unfilled(), True))
    for way, weights in ways:
        try:
            with counting(limit, weights) as count, way:
                return eval(entry["original"], namespace), count[0]
        except (NotImplementedError, RuntimeError):
            if weights:
                raise
    raise AssertionError(ways)


def shape_of(model: nn.Module) -> list[int]:
    """The oracle's input: two images of the size that the model's own configuration names."""
    return [2, *getattr(model, "default_cfg", {}).get("input_size", (3, 224, 224))]


def blocks(model: nn.Module, file: str) -> list[Json]:
    """The children of the classes that a model is made of, each once.

    named: `--class` means this class and no other here. own: the class stands in the model's own file.
    """
    by_name = {type(model).__qualname__: type(model)}
    found: dict[tuple[str, str, str], Json] = {}
    for module in model.modules():
        cls = type(module)
        if cls is type(model) or cls.__module__.split(".")[0] == "torch":
            continue
        path = getattr(sys.modules[cls.__module__], "__file__", "") or ""
        named = by_name.setdefault(cls.__qualname__, cls) is cls
        own = cls.__module__.endswith(f".models.{file}")
        for name in children(module):
            cell = {"site": name, "host": cls.__qualname__, "file": path, "list": is_list(module, name)}
            cell |= {"named": named, "own": own}
            found.setdefault(identity(cell), cell)
    return list(found.values())


def shared_out(models: list[Json]) -> list[Json]:
    """Gives each child of a class to one model: the first of the class's own file, else the first that has it.

    Returns those that no model can name.
    """
    known = [(model, cell) for model in models for cell in model.pop("blocks")]
    claimed: set[tuple[str, str, str]] = set()
    for own in (True, False):
        for model, cell in known:
            if cell["named"] and cell["own"] >= own and identity(cell) not in claimed:
                claimed.add(identity(cell))
                model["cells"].append({key: cell[key] for key in ("site", "host", "file", "list")})
    lost = {identity(cell): {"source": model["source"], **cell} for model, cell in known}
    return [cell for key, cell in lost.items() if key not in claimed]


def identity(cell: Json) -> tuple[str, str, str]:
    return cell["host"], cell["file"], cell["site"]


def children(module: nn.Module) -> list[str]:
    return [name for name, child in module._modules.items() if child is not None]


def landmarks(model: nn.Module) -> list[str]:
    """The stem, the first and the last stage or block, the last norm: as far as a model has them, each once.

    Stages are the children whose elements are of one class with those of the largest child, or the elements of that child.
    """
    modules = {name: child for name, child in model.named_children() if has_weights(child)}
    if not modules:
        return []
    kinds = {name: {type(element) for element in child.children()} for name, child in modules.items()}
    largest = max(modules, key=lambda name: (bool(kinds[name]), sum(p.numel() for p in modules[name].parameters())))
    alike = [n for n, child in modules.items() if type(child) is type(modules[largest]) and kinds[n] & kinds[largest]]
    alike = alike or [largest]
    elements = [name for name, element in modules[largest].named_children() if has_weights(element)]
    if len(alike) == 1 and isinstance(modules[largest], nn.Sequential | nn.ModuleList | nn.ModuleDict) and len(elements) > 1:
        last = "-1" if elements[-1].isdigit() and elements[-1] == [*modules[largest]._modules][-1] else elements[-1]
        alike = [f"{largest}.{elements[0]}", f"{largest}.{last}"]
    vectors = {name for name, child in modules.items() if all(p.ndim <= 1 for p in child.parameters())}
    norms = [name for name in modules if name in vectors and "norm" in type(modules[name]).__name__.lower()]
    return list(dict.fromkeys([next(iter(modules)), alike[0], alike[-1], *norms[-1:]]))


def has_weights(module: nn.Module) -> bool:
    return any(True for _ in module.parameters())


def lists(model: nn.Module) -> list[Json]:
    """The lists of a model: their names, those of the elements, and the children that all have."""
    found = []
    for name, module in model.named_modules():
        if name and isinstance(module, nn.Sequential | nn.ModuleList | nn.ModuleDict) and children(module):
            elements = [child for child in module._modules.values() if child is not None]
            plain = [e for e in elements if type(e).__module__.startswith("torch.") or isinstance(e, nn.Sequential)]
            inside = [] if plain else [n for n in children(elements[0]) if all(n in children(e) for e in elements)]
            inside = [n for n in inside if not any(is_list(e, n) for e in elements)]
            found.append({"name": name, "elements": children(module), "inside": inside})
    return found


def is_list(module: nn.Module, name: str) -> bool:
    """Whether a child cannot be called: a ModuleList or ModuleDict, whose elements the code around it runs."""
    return type(module._modules[name]).forward is nn.Module.forward


def plan(library: str, every: bool) -> Json:
    files = timm_files() if library == "timm" else torchvision_files()
    namespace = vars(importlib.import_module(NAMESPACES[library]))
    models, left_out = [], []
    for number, (file, entries) in enumerate(files.items(), 1):
        failed: list[Json] = []
        for entry, model in built(entries, namespace, every, failed):
            about = {"file": file, "source": f"{library}:{entry['name']}", "shape": shape_of(model), **entry}
            sites = landmarks(model) if every else children(model)
            own = [{"site": n, "host": "", "file": "", "list": "." not in n and is_list(model, n)} for n in sites]
            about |= {} if every else {"lists": lists(model)}
            models.append({"build": "", "input": "", **about, "cells": own, "blocks": [] if every else blocks(model, file)})
        left_out += [{"file": file, **failure} for failure in failed]
        print(f"{number}/{len(files)} {file}", file=sys.stderr)
    about = {"library": library, "version": importlib.import_module(library).__version__}
    about |= {"namespace": NAMESPACES[library], "hidden": shared_out(models)}
    return about | {"models": models, "left_out": left_out}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("library", choices=sorted(NAMESPACES))
    parser.add_argument("--all", action="store_true", help="four places of every model, not all of the smallest of each file")
    chosen = parser.parse_args()
    print(json.dumps(plan(chosen.library, chosen.all)))


if __name__ == "__main__":
    main()
