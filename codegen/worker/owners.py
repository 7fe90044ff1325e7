"""Whose code runs a module: of an element of a list of torch's, the object that holds the list. Runs nothing."""

from __future__ import annotations

from torch import nn


def held(model: nn.Module, name: str) -> tuple[str, str]:
    """(the object, the way to the module from there): ("blocks.0", "mlp.1") where `mlp` is an nn.Sequential, else its parent
    and the last part of its name.
    """
    owner, _, attribute = name.rpartition(".")
    while owner and _is_torchs(model, owner):
        owner, _, holder = owner.rpartition(".")
        attribute = f"{holder}.{attribute}"
    return owner, attribute


def neighbours(model: nn.Module, name: str) -> list[str]:
    """The other elements of a list of torch's that are of an element's class, and hold what it holds."""
    holder, module = name.rpartition(".")[0], model.get_submodule(name)
    if not holder or not _is_torchs(model, holder):
        return []
    children = model.get_submodule(holder).named_children()
    return [f"{holder}.{key}" for key, child in children if child is not module and _makeup(child) == _makeup(module)]


def _makeup(module: nn.Module) -> list[type]:
    return [type(module), *map(type, module.children())]


def stands_for(model: nn.Module, other: nn.Module, name: str, there: str) -> bool:
    """Whether a layer of another build is what the first has in its place: in a list, the first may be a pooling there and a
    convolution here.
    """
    if "." not in held(model, name)[1]:
        return True
    return type(model.get_submodule(name)) is type(other.get_submodule(there))


def _is_torchs(model: nn.Module, name: str) -> bool:
    return type(model.get_submodule(name)).__module__.split(".")[0] == "torch"
