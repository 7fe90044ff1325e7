"""A checkpointed site gives what it gave, trained or not, to the last bit; and in training it really runs a second time."""

from __future__ import annotations

import contextlib
import functools
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from codegen import selection
from codegen.worker import models, paths, registry, standing
from codegen.worker.checks import Outcome, _compare, failed, passed, skipped
from codegen.worker.checks._placing import Verdict, reason
from codegen.worker.checks._sites import hosts, meant
from codegen.worker.checks.paths import FEATURES, extractors
from codegen.worker.subject import Plan, Subject
from codegen.worker.tracer import forward_of

ORDER = 85
ON_REQUEST = True
RATE = 0.1  # of dropout that the model has switched off: its random numbers must be the same the second time


@dataclass(frozen=True)
class Step:
    """What one training step left behind, and how often each site ran before and after the backward pass began."""

    left: dict[str, Any]
    forward: Counter[str]
    backward: Counter[str]


def check(subject: Subject) -> Outcome:
    """Take one training step with both models, then run every public path in eval; count the site's runs in the step."""
    trained: list[str] = []
    for path in paths.PATHS:
        if path.run is not paths.PATHS[0].run or not path.train or not path.offered(subject.shown("base")):
            continue
        base, variant = subject.pair()
        try:
            wanted = _step(subject, base, path)
        except Exception as error:  # the base's own code
            if not path.checkpointing:
                return skipped(f"the base takes no training step: {reason(error)}")
            continue
        found = _step(subject, variant, path)
        chosen = meant(subject.plan, variant) if subject.plan.chosen else None
        wrong = _unlike(wanted, found) or ("" if path.checkpointing else _not_twice(variant, wanted, found, chosen))
        if wrong:
            return failed(f"{path.name}: {wrong}")
        trained.append(path.name)
        if not path.checkpointing and not found.forward:
            return skipped("the site does not run in forward (train)")
    ran: list[str] = []
    base, variant = subject.pair()
    wrong = next(standing.different(subject, base, variant, ran), "") or _features(subject, ran)
    if wrong:
        return failed(wrong)
    step = f"one step of {' and '.join(trained)}: the same gradients and buffers, and the site runs twice"
    return passed(f"{step}; the same values: {', '.join(ran)}")


def _step(subject: Subject, model: nn.Module, path: paths.Path) -> Step:
    """Forward and backward once, small, batch 2, in train mode."""
    for module in model.train().modules():
        if isinstance(module, nn.Dropout) and not module.p:
            module.p = RATE
    if path.checkpointing:
        model.set_grad_checkpointing(True)  # type: ignore[operator]
    given = models.same_input(subject.inputs())
    leaves = _compare.floating(given)
    for tensor in leaves:
        tensor.requires_grad_()
    counts: Counter[str] = Counter()
    torch.manual_seed(0)
    with _counting(subject.plan, model, counts):
        output = path.run(model, *models.same_input(given))
        forward = counts.copy()
        losses = [t.float().square().mean() for t in _compare.floating(output) if t.requires_grad]
        if not losses:
            raise RuntimeError("no output needs a gradient")
        torch.stack(losses).sum().backward()  # type: ignore[no-untyped-call]
    left = {"the output": output, "the random numbers behind the step": torch.get_rng_state()}
    left |= {f"the gradient of input {number}": tensor.grad for number, tensor in enumerate(leaves)}
    left |= {f"the gradient of {name}": parameter.grad for name, parameter in model.named_parameters()}
    left |= {f"the buffer {name}": buffer for name, buffer in model.named_buffers()}
    return Step(left, forward, counts - forward)


@contextlib.contextmanager
def _counting(plan: Plan, model: nn.Module, counts: Counter[str]) -> Iterator[None]:
    """Count the runs of each site by its name, and of the elements of one that is a list; of the elements alone, where some
    are meant.
    """
    with contextlib.ExitStack() as stack:
        for host in hosts(plan, model):
            name = selection.joined(host, plan.site)
            with contextlib.suppress(AttributeError):
                site = model.get_submodule(name)
                inside = site.named_children() if isinstance(site, (nn.Sequential, nn.ModuleList)) else ()
                itself = [] if plan.chosen else [(name, site)]
                for each, module in [*itself, *((f"{name}.{child}", module) for child, module in inside)]:
                    stack.enter_context(forward_of(module, _counted(counts, each, module.forward)))
        yield


def _counted(counts: Counter[str], name: str, own: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(own)
    def forward(*args: Any, **kwargs: Any) -> Any:
        counts[name] += 1
        return own(*args, **kwargs)

    return forward


def _unlike(wanted: Step, found: Step) -> str:
    """What the step left behind that is not as the base's step left it."""
    with torch.no_grad():
        for name, value in wanted.left.items():
            if (value is None) != (found.left.get(name) is None):
                return f"{name} is there in one of them only"
            if difference := _compare.values(value, found.left[name]) if value is not None else "":
                return f"{name} is another: {difference}"
    if wanted.forward != found.forward:
        name = next(iter((wanted.forward - found.forward) | (found.forward - wanted.forward)))
        return f"{name} runs {wanted.forward[name]} times in the base, {found.forward[name]} times in the variant"
    return ""


def _not_twice(model: nn.Module, wanted: Step, found: Step, chosen: Collection[str] | None) -> str:
    """A site, or an element of one that is run by its elements, that does not run again for each time that it ran; one that
    does, and is none of those that are meant.
    """
    # an element of a list that ran as a whole runs with it, as far as its tensors are needed
    tops = [name for name in found.forward if name.rpartition(".")[0] not in found.forward]
    again = [name for name in tops if found.backward[name] >= found.forward[name] + wanted.backward[name]]
    if chosen is not None:
        tops = [name for name in found.forward if name in chosen]
        if others := [name for name in found.forward if name not in chosen and found.backward[name] != wanted.backward[name]]:
            return f"{others[0]} runs again in the backward pass, and is not meant"
    for name in tops:
        trained = any(p.requires_grad for p in model.get_submodule(name).parameters())
        if name not in again and (trained or not again):
            return f"{name} does not run again in the backward pass: nothing of it is kept for that, and nothing is saved"
    return ""


def _features(subject: Subject, ran: list[str]) -> str:
    """The same of the library's feature extractor around both, where it has one."""
    entries = registry.entries(subject)
    if entries is None:
        return ""
    both = extractors(*entries)
    if isinstance(both, Verdict):
        return f"{FEATURES.name}: {both.reason}" if both.kind == "broken" else ""
    wrapped, other, small = both
    inputs = subject.inputs(small=small)
    try:
        wanted = paths.run(FEATURES, wrapped.model, inputs)
    except Exception:  # noqa: BLE001 - the base's own code
        return ""
    ran.append(FEATURES.name)
    difference = _compare.values(wanted, paths.run(FEATURES, other.model, inputs))
    return f"{FEATURES.name}: {difference}" if difference else ""
