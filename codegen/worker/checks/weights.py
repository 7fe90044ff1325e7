"""The base's checkpoints load into the variant, however they are loaded; damaged ones of the variant are refused."""

from __future__ import annotations

import copy
import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

from codegen.worker import copies, registry
from codegen.worker.checks import Outcome, _compare, failed, passed
from codegen.worker.checks._placing import reason
from codegen.worker.checks._sites import inserted_places, replaced
from codegen.worker.subject import Subject

ORDER = 50
QUICK = True

State = dict[str, Any]
FILLED = "num_batches_tracked"  # torch makes up this buffer of a batch norm where an old checkpoint lacks it


def check(subject: Subject) -> Outcome:
    """Look at the keys, load a base checkpoint in every way, then whole and damaged ones of the variant."""
    base, variant = subject.shown("base"), subject.fresh("variant")
    saved, own = base.state_dict(), _kept(variant.state_dict())
    modules = [[name for name, _ in place] for place in inserted_places(subject.plan, variant)]
    names = [name for place in modules for name in place]
    groups = {place[0]: [k for k in own if k.startswith(tuple(f"{name}." for name in place))] for place in modules}
    new = [key for keys in groups.values() for key in keys]
    gone = [key for key in saved if replaced(subject.plan, key)]
    kept = {key: value for key, value in saved.items() if key not in gone}
    wrong = _keys(kept, own, {*new, *_aliases(variant, names)})
    if wrong:
        return failed(wrong)
    notes: list[str] = []
    expected = {**kept, **_expected(saved, own, new, gone)}
    if gone:
        loaded = any(expected.get(key) is saved[key] for key in gone)
        what = "what the base has for the old one goes into it" if loaded else "left out of the base"
        notes.append(f"{what}: {', '.join(gone[:3])}{' ...' * (len(gone) > 3)}")
    base_loads = itertools.chain(_base_loads(variant, saved, own, expected), _nested(variant, saved, kept))
    found = itertools.chain(base_loads, _variant_loads(variant, own, groups, {*gone}, notes))
    wrong = next(found, "") or library(subject, base, notes)
    return failed(wrong) if wrong else passed("; ".join([f"{len(new)} new keys" if new else "no state", *notes]))


def _kept(state: State) -> State:
    """The values as they are now, with what else comes with a state_dict."""
    kept = copy.copy(state)
    for key, value in state.items():
        kept[key] = value.clone() if isinstance(value, torch.Tensor) else copies.deepcopy(value)
    return kept


def _expected(saved: State, own: State, new: list[str], gone: list[str]) -> State:
    """What the new keys hold after a base checkpoint: their own values, or the base's where all of these fit."""
    fits = bool(gone) and all(key in own and not _compare.shapes(saved[key], own[key]) for key in gone)
    return {key: saved[key] if fits and key in gone else own[key] for key in new}


def _aliases(variant: nn.Module, names: list[str]) -> list[str]:
    """The keys of the inserted modules by every name that they have: two blocks may share the module that holds one."""
    inserted = {id(variant.get_submodule(name)) for name in names}
    every = [(name, module) for name, module in variant.named_modules(remove_duplicate=False) if id(module) in inserted]
    return [f"{name}.{key}" for name, module in every for key in module.state_dict()]


def _keys(saved: State, own: State, new: set[str]) -> str:
    for key, value in saved.items():
        if key not in own:
            return f"{key} of the base is not in the variant"
        if _compare.shapes(value, own[key]):
            return f"{key}: {_compare.shapes(value, own[key])}"
    extra = [key for key in own if key not in saved and key not in new]
    return f"{extra[0]} is new but not of the inserted module" if extra else ""


def _load(model: nn.Module, state: State, strict: bool = True) -> str:
    try:
        model.load_state_dict(state, strict=strict)
    except RuntimeError as error:
        return " ".join(str(error).split())
    return ""


def _without(state: State, *keys: str) -> State:
    smaller = copy.copy(state)  # keeps the versions that come with a state_dict
    for key in keys:
        del smaller[key]
    return smaller


def _unlike(model: nn.Module, state: State) -> str:
    """The first of these tensors that the model does not hold."""
    own = model.state_dict()
    values = {key: value for key, value in state.items() if isinstance(value, torch.Tensor)}
    return next((key for key, value in values.items() if not _compare.same(value, own.get(key))), "")


def _base_loads(variant: nn.Module, saved: State, own: State, expected: State) -> Iterator[str]:
    new = [key for key in own if key not in saved or key in expected and expected[key] is own[key]]
    if error := _load(variant, saved):
        yield f"a base checkpoint is refused with strict=True: {error}"
    if key := _unlike(variant, expected):
        yield f"{key} is not what it should be after loading a base checkpoint"
    result = variant.load_state_dict(saved, strict=False)
    # the hook that excuses new keys cannot know of strict=False: all are reported, or none
    unreported = set(new) - set(result.missing_keys) if result.missing_keys else set()
    foreign = set(result.missing_keys) - set(new)
    if foreign or result.unexpected_keys or not all(key.endswith(FILLED) for key in unreported):
        yield f"strict=False reports {[*result.missing_keys, *result.unexpected_keys]}, the new keys are {new}"
    first = next((key for key in saved if expected.get(key) is saved[key]), "")
    if first and not _load(variant, _without(saved, first)):
        yield f"a base checkpoint without {first} is accepted with strict=True"


def _nested(variant: nn.Module, saved: State, kept: State) -> Iterator[str]:
    outer = nn.ModuleDict({"backbone": nn.Sequential(variant)})
    state = type(saved)({f"backbone.0.{key}": value for key, value in saved.items()})
    if versions := getattr(saved, "_metadata", None):
        state._metadata = {f"backbone.0.{key}".rstrip("."): value for key, value in versions.items()}  # type: ignore[attr-defined]
    if error := _load(outer, state):
        yield f"a base checkpoint is refused where the variant is part of another module: {error}"
    if key := _unlike(outer, {f"backbone.0.{key}": value for key, value in kept.items()}):
        yield f"{key} is not loaded where the variant is part of another module"


def _variant_loads(
    variant: nn.Module, own: State, groups: dict[str, list[str]], gone: set[str], notes: list[str]
) -> Iterator[str]:
    if error := _load(variant, own):
        yield f"its own checkpoint is refused: {error}"
    if key := _unlike(variant, own):
        yield f"{key} is not loaded from its own checkpoint"
    others: list[str] = []  # a key of each of the other modules
    for number, keys in enumerate(groups.values()):
        alike = [key for key in keys if {*keys} - {key} == {k for k in gone if k in keys}]  # without it, as the base has it
        if len(keys) == 1 or alike:  # the host's hook sees one missing key of one new key: a base checkpoint looks the same
            note = "damage not checked where a module has one key: without it, it looks like a base checkpoint"
            note = note.replace("one key", "one new key") if alike else note
            notes.extend([] if note in notes else [note])
        telling = [key for key in keys if len(keys) > 1 and key not in alike]
        others += telling[:1] if number else []
        for key in telling if number == 0 else []:  # the modules are alike: the first is damaged in every way
            if not _load(variant, _without(own, key)):
                yield f"its own checkpoint without {key} is accepted with strict=True"
    error = _load(variant, _without(own, *others)) if others else ""
    yield from (f"its own checkpoint without {key} is accepted with strict=True" for key in others if f'"{key}"' not in error)


def library(subject: Subject, base: nn.Module, notes: list[str]) -> str:
    """The host library's own loader of pretrained weights, where there is one."""
    entries = registry.entries(subject)
    if entries is None:
        return ""
    with tempfile.TemporaryDirectory() as folder:
        file, classes = _checkpoint(subject, base, folder), int(getattr(base, "num_classes", 0) or 0)
        try:
            loaded = subject.once("base", "loaded", lambda: registry.load_pretrained(entries[0], file, classes).state_dict())
        except Exception as error:  # then nothing is promised for the variant either
            notes.append(f"not loaded by the base's own library: {reason(error)}")
            return ""
        try:
            variant = registry.load_pretrained(entries[1], file, classes)
        except Exception as error:  # said: the base can be loaded so
            return f"the library's own loader refuses a base checkpoint: {reason(error)}"
    kept = {key: value for key, value in base.state_dict().items() if not replaced(subject.plan, key)}
    expected = {key: value for key, value in kept.items() if _compare.same(value, loaded.get(key))}
    if not expected:
        notes.append("not loaded by the base's own library")
    key = _unlike(variant, expected)
    return f"{key} is not loaded by the library's own loader" if key else ""


def _checkpoint(subject: Subject, base: nn.Module, folder: str) -> Path | State:
    """What the library's loader gets: a file, and in the quick contract what would stand in it."""
    if subject.plan.quick:
        return dict(base.state_dict())
    file = Path(folder) / "base.pth"
    torch.save(base.state_dict(), file)
    return file
