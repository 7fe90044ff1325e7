"""The oracle: the original model with the inserted module wrapped around one site, compared with a variant bit by bit.

It shares no code with codegen and reads no source: it only runs the two models on every public path that they have.
"""

from __future__ import annotations

import copy
import fnmatch
import importlib
import importlib.util
import itertools
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from types import ModuleType
from typing import Any, cast

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Route:
    """One way through a model: which method with which arguments, in which mode."""

    method: str
    options: tuple[tuple[str, bool], ...] = ()
    train: bool = False
    checkpointing: bool = False

    def __str__(self) -> str:
        options = ", ".join(f"{name}={value}" for name, value in self.options)
        mode = "train" if self.train else "eval"
        return f"{mode}{' with checkpointing' if self.checkpointing else ''} {self.method}({options})"


@dataclass(frozen=True)
class Outcome:
    """What a run gave: the output or the error, and the buffers afterwards."""

    output: Any
    buffers: dict[str, Tensor]
    error: str = ""


class Subject:
    """A model with the modules beside it that run in it, always put back to its first state before a run."""

    def __init__(self, model: nn.Module, beside: Sequence[nn.Module] = ()) -> None:
        self.model: Any = model
        self.modules = nn.ModuleList([model, *beside])
        tensors = [*self.modules.parameters(), *self.modules.buffers()]
        self.state = [(tensor, tensor.detach().clone()) for tensor in tensors]

    def run(self, route: Route, x: Tensor, seed: int) -> Any:
        for tensor, saved in self.state:
            tensor.data.copy_(saved)
        self.modules.train(route.train)
        if hasattr(self.model, "set_grad_checkpointing"):
            self.model.set_grad_checkpointing(route.checkpointing)
        torch.manual_seed(seed)
        with nullcontext() if route.train else torch.no_grad():
            return getattr(self.model, route.method)(x.clone(), **dict(route.options))


def load(name: str) -> ModuleType:
    """A module from a file (`path/model.py`), or an installed one by its name."""
    if not name.endswith(".py"):
        return importlib.import_module(name)
    spec = importlib.util.spec_from_file_location(name.removesuffix(".py").replace(".", "_"), name)
    assert spec and spec.loader
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def compare(
    base_module: ModuleType,
    variant_module: ModuleType,
    base_build: str,
    variant_build: str,
    site: str,
    attribute: str,
    operation: str,
    input_shape: Sequence[int],
    *,
    seeds: Sequence[int] = (0,),
) -> list[str]:
    """All differences between the variant and the original with the module wrapped around its site; [] when equal."""
    differences: list[str] = []
    for seed in seeds:
        base, variant = build(base_module, base_build, seed), build(variant_module, variant_build, seed)
        inserted = find_inserted(base, variant, site, attribute)
        found = differences_of_weights(base, variant, inserted) if inserted else [f"no new module {attribute}"]
        if not found:
            stir(variant, seed)
            stirred = variant.state_dict()
            base.load_state_dict({name: stirred[name] for name in base.state_dict()})
            found = differences_of_runs((base, variant), inserted, operation, (tuple(input_shape), seed))
        differences += [f"seed {seed}: {difference}" if len(seeds) > 1 else difference for difference in found]
    return differences


def build(module: ModuleType, expression: str, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return cast(nn.Module, eval(expression, vars(module)))


def find_inserted(base: nn.Module, variant: nn.Module, site: str, attribute: str) -> dict[str, str]:
    """The new module's path for every site that the name (`layer2`, `blocks.*`) stands for: beside it or inside it."""
    known, new = dict(base.named_modules()), dict(variant.named_modules())
    found = {}
    for name in fnmatch.filter(known, site):
        paths = [f"{owner}.{attribute}".lstrip(".") for owner in (name.rpartition(".")[0], name)]
        paths = [path for path in paths if path in new and path not in known]
        if paths and name.count(".") == site.count("."):
            found[name] = paths[0]
    return found


def differences_of_weights(base: nn.Module, variant: nn.Module, inserted: dict[str, str]) -> list[str]:
    """Loads the base's weights into the variant. Only what is under a new module may be missing."""
    try:
        keys = variant.load_state_dict(base.state_dict(), strict=False)
    except RuntimeError as error:
        return [f"weights: {brief(error)}"]
    prefixes = tuple(f"{path}." for path in inserted.values())
    missing = [key for key in keys.missing_keys if not key.startswith(prefixes)]
    return [f"weights: {key} is not in both" for key in missing + keys.unexpected_keys]


def stir(model: nn.Module, seed: int) -> None:
    """Noise on every constant parameter (zero-init branches, layer scales, identity starts): no signal stays dead."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        if parameter.numel() and bool((parameter == parameter.flatten()[0]).all()):
            parameter.data.add_(0.1 * torch.randn(parameter.shape, generator=generator))


def differences_of_runs(
    models: tuple[nn.Module, nn.Module], inserted: dict[str, str], operation: str, sample: tuple[tuple[int, ...], int]
) -> list[str]:
    """Every route through both models on the same input; the base's site is wrapped anew for each route.

    A module that changes no output on any route shows nothing, and counts as a difference.
    """
    (base, variant), (shape, seed) = models, sample
    modules = {site: variant.get_submodule(path) for site, path in inserted.items()}
    copies = {site: copy.deepcopy(module) for site, module in modules.items()}
    original, edited = Subject(base, list(copies.values())), Subject(variant)
    image = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    differences, alive = [], False
    for route in routes(base):
        x = original.run(Route("forward_features"), image, seed) if route.method == "forward_head" else image
        with watch(base.modules()) as ran:
            plain = outcome(original, route, x, seed)
        if plain.error:  # the original does not support this route
            continue
        with ExitStack() as stack:
            targets = {site: target(base.get_submodule(site), ran, operation) for site in inserted}
            calls = [stack.enter_context(through(targets[site], copies[site], operation)) for site in inserted]
            expected = outcome(original, route, x, seed)
        with watch(modules.values()) as seen:
            got = outcome(edited, route, x, seed)
        found = differences_of_outcomes(expected, got)
        if sum(map(len, calls)) != len(seen):
            found.append(f"the site ran {sum(map(len, calls))} times, the inserted module {len(seen)} times")
        differences += [f"{route}: {difference}" for difference in found]
        alive = alive or bool(differing(plain.output, expected.output, ""))
    return differences if alive else [*differences, "the inserted module changes no output on any path"]


def routes(model: nn.Module) -> Iterator[Route]:
    """Every public path that the model has, in eval and train mode and with checkpointing."""
    methods = [name for name in ("forward", "forward_features", "forward_intermediates") if hasattr(model, name)]
    if hasattr(model, "forward_features") and hasattr(model, "forward_head"):
        methods.append("forward_head")
    modes = [(False, False), (True, False)]
    modes += [(True, True)] if hasattr(model, "set_grad_checkpointing") else []
    for method, (train, checkpointing) in itertools.product(methods, modes):
        yield Route(method, (), train, checkpointing)
        if method == "forward_intermediates":
            yield Route(method, (("norm", True),), train, checkpointing)
            yield Route(method, (("intermediates_only", True),), train, checkpointing)


def outcome(subject: Subject, route: Route, x: Tensor, seed: int) -> Outcome:
    try:
        output, error = subject.run(route, x, seed), ""
    except Exception as raised:  # any code of any model
        output, error = None, brief(raised)
    return Outcome(output, {name: buffer.clone() for name, buffer in subject.model.named_buffers()}, error)


def differences_of_outcomes(expected: Outcome, got: Outcome) -> list[str]:
    if expected.error or got.error:
        return [f"the wrapped original: {expected.error or 'ran'}; the variant: {got.error or 'ran'}"]
    found = differing(expected.output, got.output, "output")
    for name, buffer in expected.buffers.items():
        found += differing(buffer, got.buffers.get(name), f"buffer {name}")
    return found


def differing(expected: Any, got: Any, where: str) -> list[str]:
    """Differences in nested outputs, compared bit by bit."""
    if isinstance(expected, Tensor) and isinstance(got, Tensor):
        if expected.shape != got.shape:
            return [f"{where} has shape {tuple(got.shape)}, not {tuple(expected.shape)}"]
        distance = (expected.double() - got.double()).abs().max().item() if expected.numel() else 0.0
        return [] if torch.equal(expected, got) else [f"{where} differs by up to {distance:.3g}"]
    if type(expected) is not type(got):
        return [f"{where} is a {type(got).__name__}, not a {type(expected).__name__}"]
    if isinstance(expected, dict | list | tuple):
        keys, others = (list(v) if isinstance(v, dict) else list(range(len(v))) for v in (expected, got))
        if keys != others:
            return [f"{where} has elements {others}, not {keys}"]
        return [line for key in keys for line in differing(expected[key], got[key], f"{where}[{key!r}]")]
    return [] if expected == got else [f"{where} is {got!r}, not {expected!r}"]


# --- watching and wrapping: `forward` of single instances is replaced for the time of a run ---


@contextmanager
def replaced(module: nn.Module, forward: Callable[..., Any]) -> Iterator[None]:
    attributes = vars(module)
    own = {"forward": attributes["forward"]} if "forward" in attributes else {}  # a model may have replaced it too
    attributes["forward"] = forward
    try:
        yield
    finally:
        del attributes["forward"]
        attributes.update(own)


@contextmanager
def watch(modules: Any) -> Iterator[list[int]]:
    """The ids of the modules whose own `forward` ran, once for each run."""
    ran: list[int] = []
    with ExitStack() as stack:
        for module in dict.fromkeys(modules):

            def forward(*args: Any, _module: nn.Module = module, _forward: Any = module.forward, **kwargs: Any) -> Any:
                ran.append(id(_module))
                return _forward(*args, **kwargs)

            stack.enter_context(replaced(module, forward))
        yield ran


def target(site: nn.Module, ran: list[int], operation: str) -> nn.Module | None:
    """The module to wrap: the site, or where it is run element by element its last (before: first) element."""
    if id(site) in ran or not isinstance(site, nn.Sequential | nn.ModuleList) or not len(site):
        return site if id(site) in ran else None
    return target(site[-1 if operation == "after" else 0], ran, operation)


@contextmanager
def through(module: nn.Module | None, inserted: nn.Module, operation: str) -> Iterator[list[int]]:
    """The module's output (after) or first tensor argument (before) goes through the inserted module."""
    calls: list[int] = []
    own: Any = module and module.forward

    def forward(*args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        if operation == "after":
            return first_through(own(*args, **kwargs), inserted)
        if any(isinstance(value, Tensor) for value in args):
            args = first_through(args, inserted)
        else:
            kwargs = first_through(kwargs, inserted)
        return own(*args, **kwargs)

    with replaced(module, forward) if module else nullcontext():
        yield calls


def first_through(value: Any, inserted: nn.Module) -> Any:
    """The value with its first tensor gone through the module."""
    if isinstance(value, Tensor):
        return inserted(value)
    changed = dict(value if isinstance(value, dict) else enumerate(value))
    first = next(key for key in changed if isinstance(changed[key], Tensor))
    changed[first] = inserted(changed[first])
    kind = getattr(value, "_make", type(value))
    return kind(changed if isinstance(value, dict) else changed.values())


def brief(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]


if __name__ == "__main__":  # one JSON object of compare's arguments, modules by name; prints the list of differences
    job = json.loads(sys.argv[1])
    job["base_module"], job["variant_module"] = load(job["base_module"]), load(job["variant_module"])
    print(json.dumps(compare(**job)))
