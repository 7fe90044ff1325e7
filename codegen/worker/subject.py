"""A base and its variant side by side, built alike: what every check of the contract looks at. Never judges."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from functools import cached_property
from types import ModuleType
from typing import Any

import torch
from torch import nn

from codegen.worker import models


@dataclass(frozen=True)
class Plan:
    """How the base and the variant are built and where the insertion is (JSON from the parent process)."""

    base_build: str
    build: str
    host: str  # name of the edited class
    site: str  # attribute of the site in the host, "" where the host's objects are the sites themselves
    attribute: str  # attribute of the inserted module in the host
    class_name: str
    operation: str  # "after", "before", "beside" or "replace"
    input: str
    chosen: tuple[str, ...] = ()  # the sites that are meant, where not all objects of the class get the module
    pattern: str = ""  # what means them in every build
    whole: bool = False  # the inserted module runs inside the site's own `forward`
    output_index: str = ""  # where the tensor stands in the site's output, "" for a bare tensor
    input_argument: str = "0"  # which argument of the site is the tensor: a position or a keyword
    channel_dim: int | None = None  # where the site gives other tensors too, on some path: the dim that tells them apart
    in_place: bool = False  # the site changes the tensor that it gets
    small: dict[str, Any] = field(default_factory=dict)  # constructor arguments of a small build
    small_input: str = ""
    second_input: str = ""  # another resolution that the base accepts, "" where it accepts none
    device: str = "cpu"  # the cheapest one on which the full base runs
    identity: bool = False
    head: bool = False  # what the model returns may have another width
    combine: str = ""  # beside: how what both return becomes one: "+", "*"; others are the inserted module's own work
    library: str = ""
    entry: str = ""  # name of the base's registered function, "" where the build is something else
    variant_entry: str = ""


@dataclass(frozen=True)
class Subject:
    """Both modules imported, with models of both built on demand. Models are cached: take `copy.deepcopy` before a change."""

    plan: Plan
    base: ModuleType
    variant: ModuleType
    overwritten: tuple[str, ...] = ()  # registry entries of the library that importing the variant changed

    def build(self, which: str, *, small: bool = True, device: str = "cpu", seed: int = 0) -> nn.Module:
        """A fresh base or variant ("base", "variant") under a seed."""
        module = self.base if which == "base" else self.variant
        expression = self.plan.base_build if which == "base" else self.plan.build
        root = self._root_class(which)  # found by a build, which may draw random numbers
        torch.manual_seed(seed)
        with models.overriding(root, self.plan.small if small else {}):
            return models.build(module, expression, device)

    def _root_class(self, which: str) -> type | None:
        if not self.plan.small:
            return None
        return self._roots[which]

    @cached_property
    def _roots(self) -> dict[str, type]:
        # type(model), found once by building: a factory may return any class
        return {"base": _root(self.base, self.plan.base_build), "variant": _root(self.variant, self.plan.build)}

    @cached_property
    def _fresh(self) -> dict[str, nn.Module]:
        return {"base": self.build("base", seed=0), "variant": self.build("variant", seed=1)}

    def shown(self, which: str) -> nn.Module:
        """The model itself that `fresh` copies: to be looked at, never run or changed."""
        return self._fresh[which]

    def fresh(self, which: str) -> nn.Module:
        """A copy of a small base made under seed 0, or of a small variant made under seed 1, as its constructor left it."""
        return copy.deepcopy(self._fresh[which])

    @cached_property
    def _pair(self) -> tuple[nn.Module, nn.Module]:
        base, variant = self._fresh["base"], self.fresh("variant")
        variant.load_state_dict(base.state_dict(), strict=False)
        return base, variant

    def pair(self) -> tuple[nn.Module, nn.Module]:
        """Fresh copies of a small base and its variant with the same backbone weights."""
        return copy.deepcopy(self._pair)

    def inputs(self, batch: int = 2, *, small: bool = True, device: str = "cpu", seed: int = 0) -> Any:
        """(args, kwargs) for both models, the same at every call with the same arguments."""
        spec = self.plan.small_input if small and self.plan.small_input else self.plan.input
        return models.make_input(self.base, spec, device, batch, seed)


def _root(module: ModuleType, expression: str) -> type:
    try:
        return type(models.build(module, expression, "meta-parameters"))
    except Exception:  # noqa: BLE001 - a constructor that computes with its weights needs real ones
        return type(models.build(module, expression))
