"""The live side of the libraries that register models by name: what is registered, and how their own loaders build.

The one module of the worker that knows such a library. Imports none that is not already there or asked for.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from codegen.worker import models, points
from codegen.worker.subject import Subject

TABLES = (  # module, its table of names, what the table is called in a report
    ("timm.models._registry", "_model_entrypoints", "timm"),
    ("timm.models._registry", "_model_pretrained_cfgs", "timm weights"),
    ("torchvision.models._api", "BUILTIN_MODELS", "torchvision"),
)


KEYS: dict[str, dict[str, str]] = {}  # see `_keys`


@dataclass(frozen=True)
class Entry:
    """A registered function with the class of the models that it builds and the arguments that make them small."""

    function: Callable[..., nn.Module]
    root: type
    small: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Wrapped:
    """A library's feature extractor and the model that it was made from."""

    model: nn.Module
    inside: nn.Module


def snapshot(library: str = "") -> dict[str, Any]:
    """What every registered name stands for now. `library` is imported first; others count where they are loaded."""
    if library:
        importlib.import_module(f"{library}.models")
    found: dict[str, Any] = {}
    for label, table in _live():
        keys = _keys(label, table)
        found.update((keys[name], value) for name, value in table.items())
    return found


def _keys(label: str, table: Mapping[str, Any]) -> Mapping[str, str]:
    """How a snapshot names what a table holds: thousands of names, asked for again with every variant."""
    keys = KEYS.setdefault(label, {})
    keys.update({name: f"{label}:{name}" for name in table.keys() - keys.keys()})
    return keys


def _live() -> Iterator[tuple[str, dict[str, Any]]]:
    """The tables of the libraries that are loaded, each with what it is called."""
    for module, table, label in TABLES:
        if module in sys.modules:
            yield label, vars(sys.modules[module]).get(table, {})


def overwritten(before: Mapping[str, Any]) -> tuple[str, ...]:
    """The library's own names of a snapshot that stand for something else now, or are gone."""
    now = snapshot()
    return tuple(sorted(n for n, value in before.items() if now.get(n) is not value and _is_the_librarys(n, before)))


def _is_the_librarys(name: str, entries: Mapping[str, Any]) -> bool:
    """Whether the library itself entered a name; a user's file may have entered others."""
    library = name.partition(":")[0].partition(" ")[0]
    return _registrant(name, entries).partition(".")[0] in (library, "")


def _registrant(name: str, entries: Mapping[str, Any]) -> str:
    """The module that entered a name (`timm weights:resnet50.a1`: that of the function `resnet50`), "" where none is known."""
    label, _, model = name.partition(":")
    function = entries.get(f"{label.partition(' ')[0]}:{model.partition('.')[0]}")
    return str(getattr(function, "__module__", ""))


def withdraw(module: str) -> None:
    """Take out what a module has registered, so that its file can be imported again."""
    entries = snapshot()
    forget({name: value for name, value in entries.items() if _registrant(name, entries) != module})


def forget(before: Mapping[str, Any]) -> None:
    """Put back what was registered at a snapshot, so that another file can register the names that came since."""
    for label, table in _live():
        keys = _keys(label, table)
        for name in [n for n in table if keys[n] not in before]:
            del table[name]
    now = snapshot()
    enter({key: value for key, value in before.items() if now.get(key) is not value})


def entered(before: Mapping[str, Any]) -> dict[str, Any]:
    """What was registered since a snapshot, by name."""
    return {name: value for name, value in snapshot().items() if before.get(name) is not value}


def enter(entered: Mapping[str, Any]) -> None:
    """Register again what a snapshot holds."""
    for label, table in _live():
        table.update({name.partition(":")[2]: value for name, value in entered.items() if name.startswith(f"{label}:")})


def entries(subject: Subject) -> tuple[Entry, Entry] | None:
    """The base's and the variant's registered functions; None where the library builds no wrappers or none is named."""
    plan = subject.plan
    base = getattr(subject.base, plan.entry, None) if plan.entry else None
    variant = getattr(subject.variant, plan.variant_entry, None) if plan.variant_entry else None
    if plan.library != "timm" or base is None or variant is None:
        return None
    root, other = type(subject.shown("base")), type(subject.shown("variant"))
    return Entry(base, root, plan.small), Entry(variant, other, plan.small)


def features_only(entry: Entry, small: bool, taps: tuple[int, ...] = ()) -> Wrapped:
    """Build the library's feature extractor. LookupError where the model inside it cannot be told.

    taps: the features that are asked for; those that it gives by default may be more than a small model has.
    """
    asked = {"out_indices": taps} if taps else {}
    made: list[nn.Module] = []
    with models.constructed(entry.root, made.append), models.overriding(entry.root, entry.small if small else {}):
        model = entry.function(features_only=True, **asked)
    if not made:
        raise LookupError(f"it builds no {entry.root.__name__}")
    points.fill(made[-1])
    return Wrapped(model, made[-1])


@dataclass(frozen=True)
class Extractor:
    """How the library extracts features. taps: modules tapped by name while the model's children run in their order, or
    (hooked) by hooks on them.

    other: whether it builds another class of the model's own file instead of the model.
    """

    taps: tuple[str, ...] = ()
    other: bool = False
    hooked: bool = False


def extractor(entry: Entry) -> Extractor:
    """What `features_only=True` makes of a model; nothing special where the model stays whole or cannot be wrapped."""
    try:
        wrapped = features_only(entry, small=True)
    except LookupError:
        model = entry.function(features_only=True)
        return Extractor(other=type(model).__module__ == entry.root.__module__)
    except Exception:  # noqa: BLE001 - a model that the library cannot wrap has no extractor
        return Extractor()
    if any(module is wrapped.inside for module in wrapped.model.modules()):
        kind = type(wrapped.inside)  # which may derive from the model's class, and run the children in a way of its own
        other = kind is not entry.root and kind.__module__ == entry.root.__module__
        hooked = type(wrapped.model).__name__ == "FeatureHookNet"
        return Extractor(_taps(wrapped.inside) if hooked else (), other, hooked)
    return Extractor(_taps(wrapped.inside))


def _taps(model: nn.Module) -> tuple[str, ...]:
    info = getattr(model, "feature_info", ())
    return tuple(str(f["module"]) for f in info if isinstance(f, dict) and f.get("module"))


def is_graph(model: nn.Module) -> bool:
    """Whether the model holds a traced graph, in which modules are no longer called."""
    return any(isinstance(module, torch.fx.GraphModule) for module in model.modules())


def load_pretrained(entry: Entry, saved: Path | dict[str, Any], classes: int) -> nn.Module:
    """A small model with the weights of a file, or of its content, put there by the library's own loader of such weights."""
    overlay = {
        **({"file": str(saved)} if isinstance(saved, Path) else {"state_dict": saved}),
        "custom_load": False,
        "num_classes": classes,  # the file's own: nothing of it is to be adapted
        "label_offset": 0,
    }
    with models.overriding(entry.root, entry.small):
        return entry.function(pretrained=True, pretrained_cfg_overlay=overlay)


def layers(model: nn.Module, coarse: bool) -> dict[str, int] | None:
    """Parameter -> its layer, by the library's own function; None where the model or the library gives none."""
    matcher = getattr(model, "group_matcher", None)
    if matcher is None:
        return None
    try:
        group = importlib.import_module("timm.models").group_parameters
    except (ImportError, AttributeError):  # not there, or too old
        return None
    try:
        patterns = matcher(coarse=coarse)
    except AssertionError:  # it says that it has no coarse layers
        return None
    return dict(group(model, patterns, reverse=True))
