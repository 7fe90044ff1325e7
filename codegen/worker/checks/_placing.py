"""Judge one run of a variant beside its base: the inserted modules run where, as often and on what they should.

The base, given hooks that do the insertion at its sites, must return what the variant returns. Never builds a model.
"""

from __future__ import annotations

import contextlib
import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import nn

from codegen.worker import composites, copies
from codegen.worker.checks import _compare
from codegen.worker.checks._sites import Change, Place, at_site, places
from codegen.worker.layouts import of_width
from codegen.worker.subject import Plan, Subject

Run = Callable[[nn.Module], Any]
COMBINED: dict[str, Callable[[Any, Any], Any]] = {  # what both return
    "+": operator.add,
    "*": operator.mul,
}
EXTRA = "extra"  # an extra head: the model goes on with the site's result, and returns the head's behind its own
Log = list[tuple[str, Any]]  # ("site" or "module", the tensor there), in the order of events


@dataclass(frozen=True)
class Verdict:
    """kind: "held"; "broken"; "idle" (the site did not run, nor did the module); "not run" (the base cannot)."""

    kind: str
    reason: str = ""
    output: Any = field(default=None, repr=False, compare=False)  # the variant's, where it held


@dataclass(frozen=True)
class Pair:
    """A base and its variant with equal weights, and the insertions in them (which may be parts of a wrapper).

    They run path after path: what a run leaves behind (running statistics, caches) it leaves on all sides alike.
    """

    base: nn.Module
    variant: nn.Module
    places: list[Place]
    doubles: list[nn.Module]  # of the inserted modules: they run in the base
    modes: list[dict[str, bool]]  # in which an inserted module and its parts ran last: training or not
    shapes: list[tuple[int, ...]]  # of what an inserted module got, where its site gives tensors of other widths too


def paired(base: nn.Module, variant: nn.Module, found: list[Place]) -> Pair:
    """Make two models ready to be judged."""
    modes: list[dict[str, bool]] = [{} for _ in found]
    for place, seen in zip(found, modes, strict=True):
        for part in composites.parts(place.inserted):
            part.register_forward_hook(_mark, prepend=True)  # copied below: both sides return, and tap, marked values
        composites.first(place.inserted).register_forward_pre_hook(_learning(place.inserted, seen))
    doubles = [copies.deepcopy(place.inserted) for place in found]
    return Pair(base, variant, found, doubles, modes, [()] * len(found))


def first_pair(subject: Subject) -> Pair:
    """The telling pair on which one check after the other judges its paths, for as long as its sides are alike."""
    return subject.once("variant", "telling", partial(telling_pair, subject))


def telling_pair(subject: Subject) -> Pair:
    """A fresh small pair, in eval, in which everything shows: see `make_telling`."""
    base = copies.deepcopy(subject.once("base", "telling", partial(_telling_base, subject)))
    variant = subject.matched().eval()
    _same_weights(base, variant)
    return paired(base, variant, places(subject.plan, base, variant))


def _telling_base(subject: Subject) -> nn.Module:
    base = subject.fresh("base").eval()
    _open(base)
    return base


def plain(subject: Subject, run: Run) -> Any:
    """What the base of a telling pair returns in `forward` without insertions, None where it does not run."""

    def ran() -> Any:
        return _attempt(run, copies.deepcopy(subject.once("base", "telling", partial(_telling_base, subject))))[0]

    return subject.once("base", "telling forward", ran)


def make_telling(base: nn.Module, variant: nn.Module, seed: int = 0) -> None:
    """Give both models the same weights with no gate closed: parameters near zero hide what happens before them."""
    _open(base, seed)
    _same_weights(base, variant)


def _open(base: nn.Module, seed: int = 0) -> None:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in base.parameters():
            if parameter.is_floating_point() and parameter.numel() and parameter.abs().max() < 0.01:
                parameter.copy_(torch.rand(parameter.shape, generator=generator) * 0.4 + 0.1)


def _same_weights(base: nn.Module, variant: nn.Module) -> None:
    others = dict(variant.named_parameters())
    with torch.no_grad():
        for name, parameter in base.named_parameters():
            if name in others and others[name].shape == parameter.shape:
                others[name].copy_(parameter)


def judge(plan: Plan, pair: Pair, run: Run) -> Verdict:
    """Run both models once and say whether the rule holds. `run` must give both the same random numbers.

    Where it does not hold, or the base cannot run, the sides may be unlike afterwards.
    """
    logs: list[Log] = [[] for _ in pair.places]
    counts, beside = [0] * len(pair.places), list[Any]()
    output, variant_error = _run_variant(plan, pair, run, logs)
    _tell_apart(plan, pair, logs)
    expected, error = _run_base(plan, pair, run, _insertions(plan, pair, counts, beside))
    expected = (expected, shaped(beside[0], output)) if len(beside) == 1 else expected
    if variant_error or error:
        _, plain_error = _attempt(run, pair.base)  # now without the insertions
        if plain_error:
            return Verdict("not run", plain_error)
        return Verdict("broken", f"the module cannot run here: {variant_error or error}")
    wrong = _events(plan, pair, logs, counts) or _compare.values(expected, output)
    if wrong:
        return Verdict("broken", wrong)
    return Verdict("held", output=output) if any(counts) else Verdict("idle")


def shaped(returned: Any, output: Any) -> Any:
    """What an extra head gave, flat where the model makes it so with its own result: as the second of `output` is."""
    second = output[1] if isinstance(output, tuple) and len(output) == 2 else None
    if not (isinstance(returned, torch.Tensor) and isinstance(second, torch.Tensor)):
        return returned
    alike = returned.shape[:1] == second.shape[:1] and returned.numel() == second.numel()
    return returned.reshape(second.shape) if alike else returned


def reason(error: BaseException) -> str:
    """`RuntimeError: the first line of what it says`."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else ''}".rstrip(": ")


def _attempt(run: Run, model: nn.Module) -> tuple[Any, str]:
    try:
        return run(model), ""
    except Exception as error:  # judged by the caller: whether the base runs decides what it means
        return None, reason(error)


def _mark(module: nn.Module, args: Any, output: Any) -> Any:
    """Make a module's result unlike its input, or an identity's dropped result could not be told from a used one."""
    if not (isinstance(output, torch.Tensor) and output.is_floating_point()):
        return output
    ramp = torch.arange(output.numel(), dtype=torch.float32, device=output.device).sin().reshape(output.shape)
    return output + ramp.to(output.dtype)


def _run_variant(plan: Plan, pair: Pair, run: Run, logs: list[Log]) -> tuple[Any, str]:
    with contextlib.ExitStack() as stack:
        for place, log in zip(pair.places, logs, strict=True):
            stack.enter_context(_recording(place, plan, log))
        return _attempt(run, pair.variant)


def _run_base(plan: Plan, pair: Pair, run: Run, changes: list[Change]) -> tuple[Any, str]:
    with contextlib.ExitStack() as stack:
        for place, change in zip(pair.places, changes, strict=True):
            stack.enter_context(at_site(place.base_site, plan, change))
        return _attempt(run, pair.base)


def _learning(inserted: nn.Module, modes: dict[str, bool]) -> Callable[[nn.Module, Any], None]:
    return lambda module, args: modes.update({name: part.training for name, part in inserted.named_modules()})


def _tell_apart(plan: Plan, pair: Pair, logs: list[Log]) -> None:
    """Where a site gives tensors of several widths, those of the width that its module got are the site's; drop others."""
    if plan.channel_dim is None:
        return
    for number, log in enumerate(logs):
        got = [tuple(value.shape) for kind, value in log if kind == "module"]
        pair.shapes[number] = pair.shapes[number] or (got[0] if got else ())
        log[:] = [event for event in log if event[0] == "module" or _is_meant(plan, pair, number, event[1])]


def _is_meant(plan: Plan, pair: Pair, number: int, value: Any) -> bool:
    usual = pair.shapes[number]
    return plan.channel_dim is None or not usual or of_width(tuple(value.shape), plan.channel_dim, usual)


def _insertions(plan: Plan, pair: Pair, counts: list[int], beside: list[Any]) -> list[Change]:
    """What does in the base what the variant should do: run the module's copy, in the mode in which the module ran. beside:
    gets what an extra head gives.
    """

    def insertion(number: int) -> Change:
        def instead(*args: Any, **kwargs: Any) -> Any:
            counts[number] += 1
            _set_mode(pair, number)
            return pair.doubles[number](*args, **kwargs)

        def change(value: Any, *returned: Any) -> Any:
            if not _is_meant(plan, pair, number, value):
                return None
            counts[number] += 1
            _set_mode(pair, number)
            if plan.combine == EXTRA:
                beside.append(pair.doubles[number](value))
                return None
            if join := COMBINED.get(plan.combine):
                return join(returned[0], pair.doubles[number](value))
            return pair.doubles[number](value, *returned)

        return instead if plan.operation == "replace" else change

    return [insertion(number) for number in range(len(pair.doubles))]


def _set_mode(pair: Pair, number: int) -> None:
    """The copy is in training, or not, as the module itself was when it ran."""
    for name, part in pair.doubles[number].named_modules():
        part.training = pair.modes[number].get(name, pair.base.training)


@contextlib.contextmanager
def _recording(place: Place, plan: Plan, log: Log) -> Iterator[None]:
    """While active, every event at a place of the variant is written down, in order, with a copy of its tensor."""

    def note(kind: str, value: Any) -> None:
        log.append((kind, value.detach().clone() if isinstance(value, torch.Tensor) else value))

    def received(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        note("module", next(iter([*args, *kwargs.values()]), None))

    def ran(given: Any, result: Any) -> None:
        note("module", result if plan.operation == "before" else given)

    if plan.operation == "before" or plan.parts:
        handles = composites.watch(place.inserted, ran)
    else:
        handles = [place.inserted.register_forward_pre_hook(received, with_kwargs=True)]
    try:
        if plan.whole:  # it returns what the inserted module gives: only what comes out of the model can tell
            yield
        else:
            with at_site(place.variant_site, plan, lambda value, *_: note("site", value)):
                yield
    finally:
        for handle in handles:
            handle.remove()


def _events(plan: Plan, pair: Pair, logs: list[Log], counts: list[int]) -> str:
    """What is wrong with the order, number or tensors of the events, "" where nothing."""
    first, second = ("module", "site") if plan.operation == "before" else ("site", "module")
    did = "returned" if plan.operation == "after" else "received"
    for place, log, count in zip(pair.places, logs, counts, strict=True):
        kinds = [kind for kind, _ in log]
        if not plan.whole and kinds.count("site") != count:
            return f"the site of {place.name} runs {_times(kinds.count('site'))}, in the base {_times(count)}"
        if kinds.count("module") != count:
            return f"{place.name} runs {_times(kinds.count('module'))}, its site {_times(count)}"
        if plan.whole:
            continue
        orders = [(first, second), (second, first)] if plan.operation == "beside" else [(first, second)]
        if any(pair not in orders for pair in zip(kinds[::2], kinds[1::2], strict=True)):
            return f"{place.name} does not run directly {plan.operation} its site: {' '.join(kinds)}"
        for i in range(count):
            one, other = log[2 * i][1], log[2 * i + 1][1]
            if not _compare.same(one, other):
                return f"call {i + 1} of {place.name} is not on what its site {did}: {_compare.values(one, other)}"
    return ""


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
