"""What `placement` asks of `forward` holds on every other public path, and in the library's own feature extractors."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from codegen.worker import models, paths, registry
from codegen.worker.checks import Outcome, failed, passed, skipped
from codegen.worker.checks._placing import Pair, Verdict, first_pair, judge, make_telling, paired, reason, telling_pair
from codegen.worker.checks._sites import places
from codegen.worker.meta import Shortcuts
from codegen.worker.subject import Subject

ORDER = 40
OF_INSERTED = True

WORDS = {"held": "", "idle": "the site does not run", "not run": "not run by the base", "not seen": "not checked"}
Way = tuple[bool, tuple[int, ...]]  # how the library wraps a model: a small one, which features it asks for
FEATURES = paths.Path("features_only", lambda model, args, kwargs: model(*args, **kwargs), lambda model: True)
ALL: tuple[Way, ...] = ((True, ()), (True, (0, 1)), (False, ()))  # tried in this order
FIRST: tuple[Way, ...] = ((True, (0,)),)  # it may leave out all that runs behind it, and the site too; of a small model only


def check(subject: Subject) -> Outcome:
    """Judge each path by itself; the detail names them all."""
    verdicts = dict(_verdicts(subject))
    broken = [f"{name}: {verdict.reason}" for name, verdict in verdicts.items() if verdict.kind == "broken"]
    if broken:
        return failed("; ".join(broken))
    detail = "; ".join(_summary(verdicts))
    return passed(detail) if any(v.kind in ("held", "idle") for v in verdicts.values()) else skipped(detail)


def _summary(verdicts: dict[str, Verdict]) -> Iterator[str]:
    """`forward_features, forward (train)`, then what was not checked and why."""
    held = [name for name, verdict in verdicts.items() if verdict.kind == "held"]
    if held:
        yield ", ".join(held)
    for kind, words in WORDS.items():
        names = [n + (f" ({v.reason})" if v.reason else "") for n, v in verdicts.items() if v.kind == kind != "held"]
        if names:
            yield f"{words}: {', '.join(names)}"


def _verdicts(subject: Subject) -> Iterator[tuple[str, Verdict]]:
    pair = first_pair(subject)
    for path in paths.PATHS[1:]:
        if not path.offered(pair.base):
            continue
        if not path.offered(pair.variant):
            yield path.name, Verdict("broken", "the base offers it, the variant does not")
            continue
        if not pair.places:
            yield path.name, Verdict("not seen", "the small build does not hold the site")
            continue
        verdict = _verdict(subject, pair, path)
        if verdict.kind in ("not run", "broken"):
            pair = telling_pair(subject)
        if verdict.kind == "not run" and subject.plan.small and _may_run_in_full(subject, path):
            full = subject.in_full()
            verdict = _verdict(full, telling_pair(full), path)
        yield path.name, verdict
    entries = registry.entries(subject)
    if entries is not None:
        yield FEATURES.name, _features(subject, *entries)
        yield f"{FEATURES.name} (first)", _features(subject, *entries, FIRST)


def _verdict(subject: Subject, pair: Pair, path: paths.Path) -> Verdict:
    """Of one path. Where it starts in the middle of the model, both run on what the base makes for it."""
    try:
        inputs = subject.once("base", path.behind, lambda: paths.given(path, subject.fresh("base"), subject.inputs()))
    except Exception as error:  # the base's own code
        return Verdict("not run", reason(error))
    return judge(subject.plan, pair, partial(paths.run, path, inputs=inputs))


def _may_run_in_full(subject: Subject, path: paths.Path) -> bool:
    """Whether only the small build is too small for a path: told without computing, where the model allows that."""
    try:
        base = subject.build("base", small=False, device=subject.plan.device)
        with Shortcuts():
            inputs = subject.inputs(small=False, device=subject.plan.device)
            paths.run(path, base, paths.given(path, base, inputs))
    except Exception:  # noqa: BLE001 - the model's own code
        return False
    return True


def _features(subject: Subject, base: registry.Entry, variant: registry.Entry, ways: tuple[Way, ...] = ALL) -> Verdict:
    """The library's wrapper around both models: it may take them apart, so the sites are known by the model inside."""
    both = extractors(base, variant, ways)
    if isinstance(both, Verdict):
        return both
    wrapped, other, small = both
    found = places(subject.plan, wrapped.inside, other.inside)
    if not found and ways is ALL:
        return Verdict("not seen", "the model inside does not hold the site")
    pair = paired(wrapped.model, other.model, found)
    return judge(subject.plan, pair, partial(paths.run, FEATURES, inputs=subject.inputs(small=small)))


def extractors(
    base: registry.Entry, variant: registry.Entry, ways: tuple[Way, ...] = ALL
) -> Verdict | tuple[registry.Wrapped, registry.Wrapped, bool]:
    """The library's wrapper around both, with the same weights, and whether they are small; a Verdict where there are none."""
    tried = ((way, _wrap(base, way)) for way in ways)
    way, (wrapped, error) = next((found for found in tried if found[1][0] is not None), (ways[-1], _wrap(base, ways[0])))
    if wrapped is None and error.startswith("LookupError"):
        return Verdict("not seen", "it builds another class, which is checked by itself")
    if wrapped is None:
        return Verdict("not run", error)
    other, error = _wrap(variant, way)
    if other is None:
        return Verdict("broken", f"it cannot be built: {error}")
    if registry.is_graph(wrapped.model) or registry.is_graph(other.model):
        return Verdict("not seen", "the library turns the model into a graph without modules")
    make_telling(wrapped.inside, other.inside)
    return wrapped, other, way[0]


def _wrap(entry: registry.Entry, way: Way) -> tuple[registry.Wrapped | None, str]:
    try:
        models.seed(0)
        return registry.features_only(entry, *way), ""
    except Exception as error:  # judged by the caller: the base or the variant cannot be wrapped
        return None, reason(error)
