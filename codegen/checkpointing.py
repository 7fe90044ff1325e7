"""Run a site under activation checkpointing: its calls change where they stand, and nothing is inserted."""

from __future__ import annotations

import ast
import shlex
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from codegen import (
    emit,
    foreign,
    imports,
    inputs,
    locating,
    plans,
    reading,
    registry,
    renaming,
    selection,
    standalone,
    syntax,
)
from codegen.collecting import chain, prepare
from codegen.draft import Draft, Lesson, texts
from codegen.errors import CodegenError
from codegen.ops import partly, ran
from codegen.ops.checkpointed import Runner, refused
from codegen.ops.partly import Run
from codegen.reading import Use
from codegen.standalone import Addition, Parts
from codegen.syntax import Code
from codegen.traced import Trace, TracedModule, Width
from codegen.types import Request, Site, Source, Variant

FUNCTION = "torch.utils.checkpoint.checkpoint"
ALIAS = "activation_checkpoint"  # where the file uses the function's own name for something else
LISTS = ("Sequential", "ModuleList")
COUNTER = "num_batches_tracked"  # a batch norm that keeps running statistics has it


@dataclass(frozen=True)
class Target:
    """A class that runs the site, with the calls that change and how many of its calls are checkpointed already."""

    site: Site
    cls: ast.ClassDef
    runs: tuple[Run, ...]
    before: int


def draft(
    request: Request, source: Source, trace: Trace, others: Sequence[Trace] = (), lessons: frozenset[Lesson] = frozenset()
) -> Draft:
    """Every call of the site, checkpointed. Raises CodegenError where one cannot be."""
    traces = (trace, *(other for other in others if _holds(other, request)))
    site = find(trace, request)
    makers = [*chain(trace, site), *((each.hosts[0].file, each.hosts[0].name) for each in traces[1:])]
    parts, _ = prepare(request, source, site, trace.build, makers)
    if Lesson.FACTORIES in lessons:
        parts = replace(parts, foreign=foreign.with_factories(parts.foreign, standalone.used_imports(parts)))
    targets = [*_targets(parts, traces, request)]
    runner, needed = _runner(parts, targets)
    edits = [edit for target in targets for edit in partly.plan(parts.host, target.runs, runner)]
    guarded = ("import torch",) if any(run.scripted for target in targets for run in target.runs) else ()
    base, text, origin = texts(request, parts, edits, Addition((needed, *guarded)), trace.build)
    names = {} if request.in_place else standalone.renames(parts)
    build = renaming.renamed_expression(trace.build, names)
    if not (request.in_place or request.edits):
        text = emit.headed(text, emit.header(request, source, site.host.name, build, inputs.recorded([request], source)))
    variant = Variant(base, text, source.file.encoding, build, build, "", "", site.host.name)
    proofs = []
    for each in traces:
        there, built = find(each, request), renaming.renamed_expression(each.build, names)
        own = replace(variant, build=built, base_build=built, host=there.host.name)
        proof = plans.made(request, source, there, own, each, names)
        proofs.append(proof if each is trace else {**proof, "entry": ""})
    called = call_sites(text, targets, runner)
    return Draft(site, variant, tuple(proofs), trace.input, called, tuple(_notes(targets)), False, origin)


def _holds(trace: Trace, request: Request) -> bool:
    try:
        find(trace, request)
    except CodegenError as error:
        if error.name in ("unknown-site", "site-never-called"):
            return False
        raise
    return True


def find(trace: Trace, request: Request) -> Site:
    """The site, in the one class whose code runs it. Where all elements of lists are meant, the lists.

    Raises CodegenError("unknown-site", "site-never-called", "not-measured", "several-sites", "site-not-editable", "batch-norm",
    "changes-input") and what `locating.host_of` raises.
    """
    meant = locating.named(trace, request)
    locating.demand_operation(request)
    if trace.hosts and trace.hosts[0].variable and "" in trace.hosts[0].instances:
        what = f"{trace.hosts[0].name} returns an nn.Sequential, which has no forward of its own that could checkpoint a layer"
        raise CodegenError("site-not-editable", what, "write a class around it")
    if trace.chosen is None or not trace.chosen.names:
        raise CodegenError("not-measured", f"{request.site} was not looked at for itself", "trace the model for this site")
    _demand_repeatable(request, meant)
    ran = [call.module for call in trace.calls]
    if not any(f"{name}.".startswith(f"{module.name}.") for module in meant for name in ran):
        what = f"{request.site} ({meant[0].class_name}) is in the model but no public path calls it"
        raise CodegenError("site-never-called", what, "choose a site with call sites: codegen sites SOURCE lists them")
    lists = _lists(trace, meant)
    modules = lists or meant
    outer = {module.name.rpartition(".")[0] for module in lists}
    if any(module.name in outer and module.class_name in LISTS for module in trace.modules):
        what = f"{request.site} means elements of {lists[0].name}, a list in a list, which a loop takes apart"
        raise CodegenError("site-not-editable", what, f"choose what runs the lists: {lists[0].name.split('.')[0]}")
    lasts = dict.fromkeys(module.name.rpartition(".")[2] for module in modules)
    if len(lasts) > 1:
        each = ", ".join(selection.joined(request.site.rpartition(".")[0], last) for last in lasts)
        raise CodegenError("several-sites", f"{request.site} means {each}", "checkpoint them one after the other")
    attribute = next(iter(lasts))
    host = locating.host_of(trace, request, modules, attribute)
    names = tuple(module.name for module in trace.modules)
    objects = next(h for h in trace.hosts if (h.name, h.file, h.inherited) == (host.name, host.file, host.inherited)).instances
    holding = [path for path in objects if selection.joined(path, attribute) in names]
    if len(host.instances) < len(holding):
        count = f"{len(host.instances)} of {len(holding)} objects of class {host.name}"
        what = f"{request.site} means {count}, which share their code"
        every = selection.joined(attribute, request.site.rpartition(".")[2] if lists else "")
        raise CodegenError("site-not-editable", what, f"give all of them: --class {host.name} --site {shlex.quote(every)}")
    chosen = trace.chosen if lists else None
    return Site(request.site, attribute, host, modules[0], meant[0].after, Width("", 0, ""), chosen=chosen, names=names)


def _demand_repeatable(request: Request, meant: Sequence[TracedModule]) -> None:
    """Raises CodegenError("batch-norm", "changes-input") where a second run would find, or leave, something else."""
    if counting := next((f"{m.name}.{k}" for m in meant for k in m.keys if k.endswith(COUNTER)), ""):
        norm = counting.rpartition(".")[0]
        what = f"{norm} is a batch norm: run again in the backward pass, it would update its running statistics twice a step"
        raise CodegenError("batch-norm", what, "choose a site without one: codegen sites SOURCE lists the modules")
    if changing := next((m.name for m in meant if m.in_place), ""):
        what = f"{changing} changes its input in place: run again in the backward pass, it would get the changed one"
        raise CodegenError("changes-input", what, "choose the module around it")


def _lists(trace: Trace, meant: list[TracedModule]) -> list[TracedModule]:
    """The lists of torch's whose elements are meant; [] where the modules are no elements."""
    known = {module.name: module for module in trace.modules}
    own = {path for h in trace.hosts for path in h.instances}
    holders = [*dict.fromkeys(module.name.rpartition(".")[0] for module in meant)]
    if not all(name and name not in own and known[name].class_name in LISTS for name in holders):
        return []
    return [known[name] for name in holders]


def _targets(parts: Parts, traces: Sequence[Trace], request: Request) -> Iterator[Target]:
    """The classes of the file that run the site: the host, and others that the library builds from the same entry."""
    seen = set()
    for trace in traces:
        site = find(trace, request)
        if (site.host.name, site.host.line) in seen:
            continue
        seen.add((site.host.name, site.host.line))
        cls = syntax.find_class(parts.host, site.host.name, site.host.line)
        if cls is None or Path(site.host.file).resolve() != parts.host_file.path.resolve():
            what = f"{site.host.name}, which runs {request.site}, is no class of {parts.host_file.path.name}"
            raise CodegenError("host-not-found", what, "name another host: --class")
        yield _target(parts, cls, site, trace, request)


def _target(parts: Parts, cls: ast.ClassDef, site: Site, trace: Trace, request: Request) -> Target:
    """The calls of the site in one class. Raises CodegenError("hidden-call", "site-not-editable", "checkpointed-already")."""
    scripted = "script" in request.checks or "torch.jit.is_scripting()" in parts.host.text
    runs, before = list[Run](), 0
    for use in reading.uses(parts.host, cls, site, trace.calls, ()):
        if not ran.is_callee(site, use):
            runner = ast.unparse(use.call.func)
            if "checkpoint" not in runner.rpartition(".")[2]:
                raise refused(use, f"{runner} runs the site, which it is given")
            before += 1
            continue
        only = "" if ran.by_element(site, use) else use.condition
        if not only:
            _demand_alone(site, use, trace)
        run = ran.elements(site, use, request.site) if site.chosen else Run(use)
        run = replace(run, only=only) if run else None
        runs += [replace(run, scripted=scripted)] if run else []
    if not runs:
        what = f"{cls.name} runs {request.site} under checkpointing already"
        raise CodegenError("checkpointed-already", what, "choose a module around it or inside it")
    return Target(site, cls, tuple(runs), before)


def _demand_alone(site: Site, use: Use, trace: Trace) -> None:
    """Raises CodegenError("site-not-editable") where the same call runs other modules, too."""
    own = tuple(selection.joined(path, site.attribute) for path in site.host.instances)
    inside = tuple(f"{name}." for name in own)
    place = syntax.span(use.node)
    for call in trace.calls:
        here = call.span == place and call.file == site.host.file and call.direct
        if here and call.module not in own and not call.module.startswith(inside):
            raise refused(use, f"it runs {call.module}, too")


def _runner(parts: Parts, targets: Iterable[Target]) -> tuple[Runner, str]:
    """How the host's file names the function that checkpoints, and the import statement for it."""
    code = parts.host
    bound = {name for target in targets for name in _bound(target.cls)}
    for name, meaning in imports.meanings(parts.host_file, code).items():
        module, _, original = meaning.rpartition(".")
        if name in bound or module.startswith("torch.utils.checkpoint."):
            continue
        alone = imports.canonical(meaning) in registry.CHECKPOINTS
        if meaning == FUNCTION or alone:
            alias = "" if name == original else f" as {name}"
            return Runner(name, alone), f"from {module} import {original}{alias}"
        if f"{meaning}.checkpoint" == FUNCTION:
            return Runner(f"{name}.checkpoint"), f"import {meaning} as {name}"
    for node in code.tree.body:
        for alias_ in node.names if isinstance(node, ast.Import) else ():
            if f"{alias_.name}.checkpoint" == FUNCTION and alias_.asname is None:
                return Runner(FUNCTION), f"import {alias_.name}"
    module, _, name = FUNCTION.rpartition(".")
    taken = bound | {n for each in (code, parts.main) for s in each.tree.body for n in syntax.bound_names(s)}
    if name not in taken:
        return Runner(name), f"from {module} import {name}"
    return Runner(ALIAS), f"from {module} import {name} as {ALIAS}"


def _bound(cls: ast.ClassDef) -> Collection[str]:
    """The names that the methods of a class bind: arguments and variables."""
    stored = {n.id for n in ast.walk(cls) if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)}
    return stored | {n.arg for n in ast.walk(cls) if isinstance(n, ast.arg)}


def call_sites(text: str, targets: Sequence[Target], runner: Runner) -> tuple[tuple[str, int], ...]:
    """(method, line) of every checkpointed call of the site in the variant's classes."""
    subjects = {partly.called(run) for target in targets for run in target.runs}
    hosts = {target.site.host.name for target in targets}
    found = [
        (f"{name}.{method.name}", node.lineno)
        for name, cls in Code(text, "variant").classes
        if name in hosts
        for method in cls.body
        if isinstance(method, (ast.FunctionDef, ast.AsyncFunctionDef))
        for node in ast.walk(method)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == runner.name
        if node.args and ast.unparse(node.args[0]) in subjects
    ]
    return tuple(sorted(found, key=lambda c: c[1]))


def _notes(targets: Iterable[Target]) -> Iterator[str]:
    for target in targets:
        if target.before:
            yield f"{target.cls.name} has a switch of its own that checkpoints {target.site.name}: that part is left as it is"

