"""What objects held when their `__init__` ended, where the code that made them changed them later. Changes none of them."""

from __future__ import annotations

import copy
from typing import Any

from torch import nn

Held = dict[int, tuple[nn.Module, dict[str, Any]]]  # by id: a module and its attributes
LATER = ("training",)  # every model that is run is switched to eval
ABSENT = object()


def held(module: nn.Module) -> Held:
    """What a module and all modules inside it hold now."""
    found: Held = {}
    left = [module]
    while left:
        one = left.pop()
        if id(one) not in found:
            attributes = {name: copy.copy(value) if name == "_modules" else value for name, value in vars(one).items()}
            found[id(one)] = one, attributes
            left += _children(attributes).values()
    return found


def as_held(module: nn.Module, then: Held) -> nn.Module:
    """A likeness of the module as it was then; the module itself where nothing inside it has changed.

    self.roi_heads.mask_head = mask_head    # in another class: RoIHeads could not know it when its __init__ ended
    """
    if not any(_has_changed(one, attributes) for one, attributes in then.values()):
        return module
    likenesses = {key: object.__new__(type(one)) for key, (one, _) in then.items()}
    for key, (_, attributes) in then.items():
        vars(likenesses[key]).update(attributes)
        children = attributes.get("_modules", {})
        for name, child in _children(attributes).items():
            children[name] = likenesses[id(child)]
    return likenesses[id(module)]


def _children(attributes: dict[str, Any]) -> dict[str, nn.Module]:
    children = attributes.get("_modules")
    return {n: c for n, c in children.items() if c is not None} if isinstance(children, dict) else {}


def _has_changed(module: nn.Module, then: dict[str, Any]) -> bool:
    now = vars(module)
    if then.get("_modules") != now.get("_modules"):
        return True
    names = (then.keys() | now.keys()) - {"_modules", *LATER}
    return any(then.get(name, ABSENT) is not now.get(name, ABSENT) for name in names)
