"""What looks at a model, a module or a variant, and writes no code: sites, modules, certify, verify, diff."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from codegen import given, requested
from codegen.catalogue import Entry
from codegen.errors import CodegenError
from codegen.given import Arguments, Device, Spec, Ways
from codegen.traced import Trace
from codegen.types import Report

if TYPE_CHECKING:
    from codegen.certifying import Certificate
    from codegen.changes import Diff
    from codegen.comparing import Bench
    from codegen.provided import Provided


def sites(
    source: Spec,
    *,
    static: bool = False,
    class_: str = "",
    build: str = "",
    input: str = "",
    timeout: float = 600.0,
    memory: str = "",
    svg: Spec = "",
    html: Spec = "",
    force: bool = False,
) -> Trace:
    """Every site of a model, measured by running it once in a child process: `codegen sites`.

    static: run nothing, and list what the code of the host shows: its own children, without shapes.
    source, class_, build, input, timeout, memory: as in `codegen.insert`.
    svg, html: files for a picture of the structure, alone and in a page where a press copies a site's name; force: over one
    that exists.

    Returns a Trace: `modules` (of each its name, class, shapes, layout `after` and `before`, `width_after`, `calls`), `calls`
    (where in the code each is called), `build`, `input`. The first of `modules`, with the name "", is the model itself.
    Raises CodegenError("usage", "unknown-source", "source-fails", "output-exists" ...).
    """
    options = given.checked(locals())
    files, force = {kind: file for kind in ("svg", "html") if (file := options.pop(kind))}, options.pop("force")
    if static:
        from codegen import static as reading

        return reading.look(requested.made(**options))
    from codegen import pipeline
    from codegen.reports import structure

    structure.check(files, force=force)
    trace = pipeline.look(requested.made(**options))
    structure.write(files, trace, options["source"])
    return trace


def modules(*words: str, layout: str = "", no_params: bool = False) -> tuple[Entry | Provided, ...]:
    """The catalogue, sorted by name; with words, the modules that have them all: `codegen modules`.

    words: the name of a module, which gives this one alone; else what its name, summary, paper or equation has: "channel".
    layout: only those that are defined for "NCHW", "NHWC", "NLC", "NC" ... no_params: only those without parameters.

    Returns an Entry for each, never none: `name`, `layouts`, `arguments`, `parameters`, `paper`, `equation`; its
    `source(layout)` is the class as it is written into a model. Behind them a Provided for each class of the project's own
    modules and of packages: `name`, `module`, `origin`, `text`.
    Raises CodegenError("unknown-module", "unknown-layout").
    """
    from codegen import finding

    options = given.checked({"layout": layout})
    wanted = tuple(" ".join(given.texts("words", words)).split())
    return tuple(finding.meant(wanted, options["layout"], free=no_params))


def certify(
    module: str,
    *,
    width: int = 64,
    layout: str = "",
    args: Arguments = (),
    timeout: float = 600.0,
    memory: str = "",
) -> Certificate:
    """Try a module out by itself, in every layout that it takes: `codegen certify`.

    module: as in `codegen.insert`. width: the channels that it is made for. layout: only this one: "NCHW", "NLC", "NHWC",
    "NC", "NCL". args: its arguments, {"reduction": 8}.

    Returns a Certificate: `layouts` (what the module makes of each), `checks`, `parameters`, `failed`. It does not raise
    where a check failed. Raises CodegenError("usage", "unknown-module", "unknown-layout" ...).
    """
    from codegen import certifying

    options = given.checked({"module": module, "args": args, "layout": layout, "timeout": timeout, "memory": memory})
    given.at_least_one("width", width)
    if options.pop("layout") not in ("", *certifying.KINDS):
        what = f"--layout {layout} is none of {', '.join(certifying.KINDS)}"
        raise CodegenError("unknown-layout", what, "leave it out, and each is tried")
    return certifying.run(requested.certification(**options), width, layout)


def verify(
    file: Spec,
    *,
    against: Spec = "",
    checks: Sequence[Ways] = (),
    class_: str = "",
    build: str = "",
    input: str = "",
    timeout: float = 600.0,
    memory: str = "",
) -> Report:
    """The contract, again, of a variant that exists, beside the base that its header names: `codegen verify`.

    against: another base. checks: beyond the contract, as in `codegen.insert`; class_, build, input, timeout, memory too.

    Returns a Report. It does not raise where a check failed: `[check for check in report.checks if check.status == "failed"]`.
    Raises CodegenError("no-recipe", "unknown-source" ...).
    """
    options = given.checked(locals())
    from codegen import running

    return running.verify(Path(options.pop("file")), options.pop("against"), **options)


def bench(
    *files: Spec,
    device: Device = "cpu",
    compile: bool = False,
    train: bool = False,
    batch: int = 1,
    runs: int = 30,
    threads: int | None = None,
    input: str = "",
    timeout: float = 600.0,
    memory: str = "",
) -> tuple[Bench, ...]:
    """What variants cost beside the bases that their headers name, measured in one process and in turns: `codegen bench`.

    files: variants that codegen wrote. device: "cpu" or "cuda". compile: by torch.compile. train: forward and backward, not a
    forward alone. batch: samples of a run. runs: how many rounds. threads: of torch on the CPU, None for its own choice.
    input, timeout, memory: as in `codegen.insert`.

    Returns a Bench for each base: `base` and `variants`, of each `parameters`, `flops`, `memory`, `seconds` and `ratio`
    (lower quartile, median, upper quartile), `verdict`.
    Raises CodegenError("usage", "no-recipe", "no-gpu", "cannot-run", "unknown-source" ...).
    """
    names = {"device": device, "train": train, "batch": batch, "runs": runs, "threads": threads, "compile": compile}
    options = given.checked({**names, "input": input, "timeout": timeout, "memory": memory})
    from codegen import comparing

    way = {name: options.pop(name) for name in names}
    way |= {"compiled": way.pop("compile"), "threads": threads or 0}
    return comparing.run(given.texts("files", files), comparing.Way(**way), **options)


def diff(file: Spec | Report, *, against: Spec = "") -> Diff:
    """What a variant changes of its base, as a unified diff; nothing is run: `codegen diff`.

    file: one that codegen wrote, or the Report of a run, one with dry_run too.
    against: of a file: the base, where it is not what the header names.

    Returns a Diff: `lines`; `str(diff)` is the whole, which `patch` takes.
    Raises CodegenError("no-recipe", "unknown-source" ...).
    """
    from codegen import changes

    if isinstance(file, Report):
        given.demand_none({"against": str(against)}, "a file")
        return changes.of_report(file)
    options = given.checked({"file": file, "against": against})
    return changes.of_file(Path(options["file"]), options["against"])
