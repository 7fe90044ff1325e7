"""`--with-test`: a test file beside a variant, plain pytest and torch, which its repository can keep."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from codegen import catalogue, emit, selection, selfcheck, sources, style, syntax, writing
from codegen.calls import held
from codegen.errors import CodegenError
from codegen.types import Report, Request, Site, Source

SHAPES = re.compile(r"\d+(x\d+)*(:\w+)?(,\d+(x\d+)*(:\w+)?)*")


def path(target: Path) -> Path:
    """`generated/net_se.py` -> `generated/test_net_se.py`."""
    return target.with_name(f"test_{target.name}")


def check_target(target: Path, request: Request) -> None:
    """Refuse, before the model runs, what `emit.check_target` refuses, and a test where there is none to be written."""
    emit.check_target(target, request.force or request.in_place)
    if not request.test:
        return
    emit.check_target(path(target), request.force)
    if request.operation not in ("after", "before", "beside") or request.in_place or request.static:
        what = "--with-test is of an insertion into a file of its own, which was run"
        raise CodegenError("usage", what, "leave it out")


def write(report: Report, target: Path, source: Source) -> None:
    """Put the variant in place, and its test where one is asked for. source: as it was read when the work began."""
    variant = report.variant
    assert variant
    test = text(report, target) if report.request.test else ""
    selfcheck.demand_parses(syntax.Code(variant.text, target.name))
    if report.request.in_place:
        demand_unchanged(target, source)
    replaces = report.request.force or report.request.in_place
    writing.write(target, variant.text.encode(variant.encoding), replaces=replaces)
    if test:
        writing.write(path(target), test.encode(), replaces=report.request.force)


def demand_unchanged(target: Path, source: Source) -> None:
    """Raises CodegenError("source-changed") where the source itself is written, and is no more what was read."""
    if target == source.file.path:
        writing.demand_unchanged(target, source.file.text.encode(source.file.encoding))


def text(report: Report, target: Path) -> str:
    """The test file of a variant that is written to `target`."""
    import jinja2

    variant, request = report.variant, report.request
    assert variant
    source = sources.resolve(request.source)
    steps = report.steps or (report,)
    variants = [(step.variant, step.site) for step in steps if step.variant and step.site]
    made = [(name, site) for its, site in variants for name in held(its)]
    inserted = {name: its for attribute, site in made for name, its in _names(attribute, site)}
    plain = len(made) == len(variants)  # of several, only that which runs first gets what the site gives
    plain &= all(site.attribute and not selection.is_point(site.attribute) and not site.dicts for _, site in made)
    operations = {step.request.operation for step in steps}
    module = source.file.module
    template = (catalogue.templates_folder() / "test" / "variant.py.jinja").read_text(encoding="utf-8")
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True, trim_blocks=True)
    environment.filters["repr"] = repr
    rendered = environment.from_string(template).render(
        file=target.name,
        library=source.library,
        inserted=inserted,
        base_module=module,
        roots=[*_roots(source, report, target)],
        base_file="" if module else _relative(source.file.path, target),
        build=variant.build,
        base_build=request.build or (f"{source.entry}()" if source.entry else _base_build(source, variant.build)),
        inputs=_inputs(report.input),
        shapes=SHAPES.fullmatch(report.input) is not None,
        encoding=variant.encoding,
        stateful=report.new_parameters > 0,
        operation=min(operations),
        placed=plain and len(operations) == 1 and operations <= {"after", "before"} and _is_tensor(report),
        identity=all(step.request.identity for step in steps),
    )
    return style.formatted(rendered, 120)


def _names(attribute: str, site: Site) -> Iterator[tuple[str, str]]:
    """(inserted module, its site) by their dotted names."""
    owners = [selection.parted(name, site.attribute) for name in site.chosen.names] if site.chosen else site.host.instances
    for owner in owners:
        its = selection.joined(owner, site.attribute)
        if its in site.names or not site.attribute or selection.is_point(site.attribute):
            yield selection.joined(owner, attribute), its


def _is_tensor(report: Report) -> bool:
    return all(step.site and step.site.module.output_kind == "tensor" for step in report.steps or (report,))


def _roots(source: Source, report: Report, target: Path) -> Iterator[str]:
    """The folders from which base and variant are imported, seen from the test; none for what is installed."""
    if not (source.library or source.distribution):
        yield _relative(source.file.root if source.file.module and source.file.root else source.file.path.parent, target)
    if any(step.request.inclusion == "import" for step in report.steps or (report,)):
        yield _relative(Path.cwd(), target)


def _relative(path: Path, target: Path) -> str:
    return Path(os.path.relpath(path.absolute(), target.absolute().parent)).as_posix()


def _base_build(source: Source, build: str) -> str:
    """What builds the base in the source's own namespace: `net()` for `net_se()`, where it is a registered function."""
    name, bracket, rest = build.partition("(")
    functions = re.findall(r"^def (\w+)\(", source.file.text, re.MULTILINE)
    return max((f for f in functions if f"{name}_".startswith(f"{f}_")), key=len, default=name) + bracket + rest


def _inputs(spec: str) -> str:
    """The arguments of the model as code: `(torch.randn(batch, 3, 32, 32),)`."""
    if SHAPES.fullmatch(spec) is None:
        return f"eval({spec!r}, {{**NAMES, 'torch': torch}})"
    made = []
    for part in spec.split(","):
        dims, _, dtype = part.partition(":")
        shape = ", ".join(["batch", *dims.split("x")[1:]])
        floating = dtype in ("", "float32")
        made.append(f"torch.randn({shape})" if floating else f"torch.zeros({shape}, dtype=torch.{dtype})")
    return f"({', '.join(made)},)"
