"""A base and its variant side by side, built alike: what every check of the contract looks at. Never judges."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from functools import partial
from types import ModuleType
from typing import Any, TypeVar

import torch
from torch import nn

from codegen.worker import copies, models, resizing

T = TypeVar("T")
SEEDS = {"base": 0, "variant": 1}  # of the models that are compared: each must get its weights from somewhere else


@dataclass(frozen=True)
class Plan:
    """How the base and the variant are built and where the insertion is (JSON from the parent process)."""

    base_build: str
    build: str
    host: str  # name of the edited class
    site: str  # attribute of the site in the host, "" where the host's objects are the sites themselves
    attribute: str  # attribute of the inserted module in the host
    class_name: str  # of a composition that the host's own code runs: what was asked for
    operation: str  # "after", "before", "beside", "replace" or "checkpoint"
    input: str
    chosen: tuple[str, ...] = ()  # the sites that are meant, where not all objects of the class get the module
    pattern: str = ""  # what means them in every build
    point: dict[str, str] = field(default_factory=dict)  # of a place between modules: what finds it in the host's code
    whole: bool = False  # the inserted module runs inside the site's own `forward`
    output_index: str = ""  # where the tensor stands in the site's output, "" for a bare tensor
    input_argument: str = "0"  # which argument of the site is the tensor: a position or a keyword
    input_index: str = ""  # where the tensor stands in that argument, "" for a bare tensor
    channel_dim: int | None = None  # where the site gives other tensors too, on some path: the dim that tells them apart
    in_place: bool = False  # the site changes the tensor that it gets
    small: dict[str, Any] = field(default_factory=dict)  # constructor arguments of a small build
    small_input: str = ""
    second_input: str = ""  # another resolution that the base accepts, "" where it accepts none
    device: str = "cpu"  # the cheapest one on which the full base runs
    identity: bool = False
    init: str = ""  # how the inserted module starts, "" where it is its own way
    head: bool = False  # what the model returns may have another width
    combine: str = ""  # beside: how what both return becomes one: "+", "*", "extra"; others are the inserted module's own work
    library: str = ""
    entry: str = ""  # name of the base's registered function, "" where the build is something else
    variant_entry: str = ""
    parts: tuple[str, ...] = ()  # attributes of the modules of such a composition, in the order in which they run
    running: tuple[str, ...] = ()  # statements over `self` and `x` that run them; the last is what becomes of `x`
    groups: str = ""  # the method that gives the new parameters
    asked: tuple[str, ...] = ()  # checks that are made on request
    quick: bool = False  # only what the quick contract looks at, on the small build
    drift: bool = True  # is measured

    @property
    def inserts(self) -> bool:
        """Whether the variant has modules that the base has not: a checkpoint only changes how one is run."""
        return self.operation != "checkpoint"


@dataclass(frozen=True)
class Subject:
    """Both modules imported, with models of both built on demand. Models are kept: take a copy before a change."""

    plan: Plan
    base: ModuleType
    variant: ModuleType
    overwritten: tuple[str, ...] = ()  # registry entries of the library that importing the variant changed
    of_base: dict[Hashable, Any] = field(default_factory=dict)  # what `once` made of it, for other variants of it too
    of_variant: dict[Hashable, Any] = field(default_factory=dict, init=False)

    def in_full(self) -> Subject:
        """The same without a small build."""
        return replace(self, plan=replace(self.plan, small={}, small_input=""), of_base={})

    def in_depth(self) -> Subject:
        """The same with all the blocks of the model, narrow as they are: so figures of different sites can be compared."""
        small = resizing.narrow_only(self.plan.small)
        if small == self.plan.small:
            return self
        return replace(self, plan=replace(self.plan, small=small), of_base=self.of_base.setdefault("in depth", {}))

    def once(self, which: str, what: Hashable, make: Callable[[], T]) -> T:
        """What `make` gives, made once and kept under the name `what`: not to be changed."""
        kept = self.of_base if which == "base" else self.of_variant
        if what not in kept:
            kept[what] = make()
        value: T = kept[what]
        return value

    def build(self, which: str, *, small: bool = True, device: str = "cpu", seed: int = 0) -> nn.Module:
        """A fresh base or variant ("base", "variant") under a seed."""
        module = self.base if which == "base" else self.variant
        expression = self.plan.base_build if which == "base" else self.plan.build
        overrides = self.plan.small if small else {}
        # type(model), found by building: a factory may return any class, and may draw random numbers
        root = type(self.full(which)) if overrides else None
        models.seed(seed)
        with models.overriding(root, overrides):
            return models.build(module, expression, device)

    def full(self, which: str, device: str = "") -> nn.Module:
        """The full-size model itself, on the first device on which its constructor runs. Only to be run without arithmetic."""
        for cheap in () if device else ("meta", "meta-parameters"):
            try:
                return self.full(which, cheap)
            except Exception:  # many constructors compute with real numbers
                continue
        return self.once(which, device or "cpu", partial(self.build, which, small=False, device=device or "cpu"))

    def shown(self, which: str) -> nn.Module:
        """The model itself that `fresh` copies: to be looked at, never run or changed."""
        return self.once(which, "small", partial(self.build, which, seed=SEEDS[which]))

    def fresh(self, which: str) -> nn.Module:
        """A copy of a small base made under seed 0, or of a small variant made under seed 1, as its constructor left it."""
        return copies.deepcopy(self.shown(which))

    def worked(self) -> tuple[nn.Module, dict[str, torch.Tensor]]:
        """A small variant made under seed 0 that any check may run, and what it started from. Nothing rests on its values."""
        return self.once("variant", "worked", self._worked)

    def _worked(self) -> tuple[nn.Module, dict[str, torch.Tensor]]:
        model = self.build("variant", seed=0)
        tensors = itertools.chain(model.named_parameters(), model.named_buffers())
        return model, {name: tensor.detach().clone() for name, tensor in tensors}

    def matched(self) -> nn.Module:
        """A fresh copy of the small variant with the base's weights."""
        variant = self.fresh("variant")
        variant.load_state_dict(self.shown("base").state_dict(), strict=False)
        return variant

    def pair(self) -> tuple[nn.Module, nn.Module]:
        """Fresh copies of a small base and its variant with the same backbone weights."""
        return copies.deepcopy(self.once("variant", "pair", self._pair))

    def _pair(self) -> tuple[nn.Module, nn.Module]:
        return self.shown("base"), self.matched()

    def inputs(self, batch: int = 2, *, small: bool = True, device: str = "cpu", seed: int = 0) -> Any:
        """(args, kwargs) for both models, the same at every call with the same arguments."""
        spec = self.plan.small_input if small and self.plan.small_input else self.plan.input
        return models.make_input(self.base, spec, device, batch, seed)
