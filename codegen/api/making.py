"""What makes a file: insert, replace, wrap, head, remove, base. Each is its signature, and one call of what does it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from codegen import commandlines, given, requested
from codegen.errors import CodegenError
from codegen.given import Arguments, Combine, Init, Keep, Pool, Spec, Way, Ways
from codegen.types import Report, Request


def insert(
    source: Spec,
    *,
    module: str = "",
    as_class: str = "",
    import_: bool = False,
    accept_licence: bool = False,
    after: str = "",
    before: str = "",
    beside: str = "",
    combine: Combine | None = None,
    call: int | None = None,
    separate: bool = False,
    hook: bool = False,
    output_index: int | None = None,
    output_key: str = "",
    emit_groups: bool = False,
    with_test: bool = False,
    static: bool = False,
    name: str = "",
    identity: bool = False,
    init: Init | None = None,
    edits: Sequence[str] = (),
    args: Arguments = (),
    suffix: str = "",
    keep: Keep | None = None,
    width: str = "",
    output: Spec = "",
    in_place: bool = False,
    force: bool = False,
    dry_run: bool = False,
    checks: Sequence[Ways] = (),
    save: str = "",
    class_: str = "",
    build: str = "",
    input: str = "",
    timeout: float = 600.0,
    memory: str = "",
) -> Report:
    """Insert a module after, before or beside a site of a model, prove the result, and write it as one standalone file.

    source: "path/vit.py", "timm:resnet50", "torchvision:resnet50" or "pkg.module:Class"; a Path, too.
    module: of the catalogue ("se"), a class of your own ("my.py:MyAttn"), an importable one ("timm.layers:CbamModule"), or
        several: "se >> eca". as_class: the name of a class that holds them.
    import_, accept_licence: import a class of your own, do not copy it; copy it even from a file under the GPL or the AGPL.
    after, before, beside: the site, one of the three, as `codegen.sites` names it: "layer2", "blocks.*.attn".
    combine: how beside: "add" (default), "mul", "cat" or "gate".
    call, separate: only the N-th call of a site; a module of its own for each of its calls.
    hook: a forward hook of the site runs the module; so it is anyway where the code that runs the site cannot be edited.
    output_index, output_key: which tensor of a tuple, or of a dict.
    args: the module's arguments, {"reduction": 8}. A text is an expression where it is one: "nn.GELU", "{width} // 2".
    name, identity: the attribute's name; start as the identity.
    init: how its weights start: "paper" (default, its own way), "kaiming", "xavier", "trunc_normal", "zero_last" or "host".
    edits: instead of a module and a place, any number of ["after layer1: se reduction=8", "head fc: Linear(10)"].
    output, in_place, force, dry_run: where to write (default generated/<source>_<module>.py); into the source itself; over a
        file that exists; nowhere: the Report's `variant.text` has the file.
    emit_groups, with_test, save: also a method that gives the new parameters; a test file beside the variant; a recipe.
    suffix, keep: what is appended to registered names; "all" of the source's file or what is "used" of it.
    static, width: never run the model, so that nothing is proved; the channel count where it is not measured: "dim".
    checks: beyond the contract: "script", "fx", "export", "onnx", "compile".
    class_, build, input: the host class; how the model is built, "ViT(depth=2)"; its input, "1x3x224x224".
    timeout, memory: seconds and memory ("8G") for the process that runs the model.

    Returns a Report: `output`, `variant.build` (the expression that builds the variant), `site`, `checks`, `new_parameters`,
    `drift`; `codegen.diff(report)` is what changed.
    Raises CodegenError, and has written nothing then: "usage", "unknown-source", "unknown-site", "unknown-module",
    "output-exists" ..., and "contract-failed" where the variant does not hold its contract.
    """
    options = given.checked(locals())
    save = options.pop("save")
    if options["edits"]:
        given.demand_none({"separate": options["separate"]}, "one insertion")
        requests = commandlines.several(**options)
    else:
        one = requested.insertion(**options)
        requests = _of_each_call(one, options) if separate else (one,)
    return _run(*requests, save=save)


def replace(
    source: Spec,
    *,
    module: str = "",
    as_class: str = "",
    import_: bool = False,
    accept_licence: bool = False,
    site: str,
    args: Arguments = (),
    init: Init | None = None,
    suffix: str = "",
    keep: Keep | None = None,
    width: str = "",
    output: Spec = "",
    in_place: bool = False,
    force: bool = False,
    dry_run: bool = False,
    checks: Sequence[Ways] = (),
    out_width: str = "",
    save: str = "",
    class_: str = "",
    build: str = "",
    input: str = "",
    timeout: float = 600.0,
    memory: str = "",
) -> Report:
    """Put a module in the place of a site of a model, prove the result, and write it: `codegen replace`.

    site: whose place is taken, in the model's own `__init__`: "act", "layer4.*.conv2".
    width, out_width: the channels that come in and go out, where they cannot be measured.
    All else, what is returned and what is raised are as in `codegen.insert`.
    """
    options = given.checked(locals())
    save = options.pop("save")
    return _run(requested.replacement(**options), save=save)


def wrap(
    source: Spec,
    *,
    site: str,
    with_: Way,
    name: str = "",
    identity: bool = False,
    args: Arguments = (),
    suffix: str = "",
    keep: Keep | None = None,
    width: str = "",
    output: Spec = "",
    in_place: bool = False,
    force: bool = False,
    dry_run: bool = False,
    checks: Sequence[Ways] = (),
    save: str = "",
    class_: str = "",
    build: str = "",
    input: str = "",
    timeout: float = 600.0,
    memory: str = "",
) -> Report:
    """Put a residual connection, a gate, a scale, stochastic depth or checkpointing around a site: `codegen wrap`.

    with_: "residual": what the site receives is added to what it returns. "gate": what it returns is scaled by one learned
        number that starts at 0 (args={"init": 1.0}); "scale": by one for each channel that starts at 0.00001. "drop_path":
        in training whole samples of it are zeros (args={"p": 0.1}). "checkpoint": its calls run under activation checkpointing;
        nothing is inserted, and the Report's `variant.attribute` is "".
    All else, what is returned and what is raised are as in `codegen.insert`.
    """
    options = given.checked(locals())
    save = options.pop("save")
    return _run(requested.wrapped(**options), save=save)


def head(
    source: Spec,
    *,
    site: str,
    layers: str = "",
    pool: Pool | None = None,
    extra: str = "",
    suffix: str = "",
    keep: Keep | None = None,
    width: str = "",
    output: Spec = "",
    in_place: bool = False,
    force: bool = False,
    dry_run: bool = False,
    checks: Sequence[Ways] = (),
    save: str = "",
    class_: str = "",
    build: str = "",
    input: str = "",
    timeout: float = 600.0,
    memory: str = "",
) -> Report:
    """Put other layers in the place of a model's classifier; the first takes what that took: `codegen head`.

    site: the classifier: "fc", "head", "classifier.6".
    layers: of torch.nn: "Linear(256), ReLU, Dropout(0.1), Linear(10)". pool: instead, another pool in the place of the site;
        "catavgmax" gives twice the channels, and the linear layers behind it are made anew for that.
    extra: the name of a second classifier on the site's input, of these layers; the model returns (what it returned, its own).
    All else, what is returned and what is raised are as in `codegen.insert`.
    """
    options = given.checked(locals())
    save = options.pop("save")
    return _run(requested.headed(**options), save=save)


def remove(
    source: Spec,
    *,
    site: str = "",
    name: str = "",
    against: Spec = "",
    suffix: str = "",
    keep: Keep | None = None,
    output: Spec = "",
    in_place: bool = False,
    force: bool = False,
    dry_run: bool = False,
    checks: Sequence[Ways] = (),
    save: str = "",
    class_: str = "",
    build: str = "",
    input: str = "",
    timeout: float = 600.0,
    memory: str = "",
) -> Report:
    """Leave a site of a model out, or take an insertion out of a file again: `codegen remove`.

    site: of a model: the modules to leave out; an nn.Identity stands there, and all other names stay.
    name: of a file that codegen made: the insertion to take out, "se" or "Block.se". What comes out is the file that it was
        made from, byte for byte, with whatever was changed by hand elsewhere. against: the base, where it is not what
        the file's header names. The options of a run of a model say nothing here.
    output: by default generated/<source>_identity.py; with name generated/<source>.py, and in_place is the file itself.
    Returns a Report. Raises what `codegen.insert` raises; with name also "no-recipe", "source-changed", "unknown-name",
    "edited-by-hand", "still-used", "several-edits".
    """
    if bool(name) == bool(site):
        what = "give one of --site SITE and --name ATTR"
        raise CodegenError("usage", what, "--site leaves a module of a model out, --name takes out what codegen inserted")
    options = given.checked(locals())
    save = options.pop("save")
    if site:
        given.demand_none({key: options.pop(key) for key in ("against", "name")}, "--name")
        return _run(requested.removal(**options), save=save)
    options["save"] = save
    of_a_model = ("site", "class_", "build", "input", "suffix", "keep", "checks", "save")
    given.demand_none({key: options.pop(key) for key in of_a_model}, "--site")
    from codegen import running

    return running.undo(Path(options.pop("source")), options.pop("name"), options.pop("against"), **options)


def base(
    source: Spec,
    *,
    edits: Sequence[str] = (),
    suffix: str = "",
    keep: Keep | None = None,
    output: Spec = "",
    force: bool = False,
    dry_run: bool = False,
    build: str = "",
    input: str = "",
    timeout: float = 600.0,
    memory: str = "",
) -> Report:
    """Write a model's source as one standalone file, without any edit, and prove that it is the same model: `codegen base`.

    A repository can commit it and review a variant as the few lines that `codegen.insert(file, ..., in_place=True)` changes;
    the recipe in the file's header then has the insertion, too, and `codegen.remove(file, name=...)` gives the base back.

    edits: what was made of it since, as its header says: ["after layer1: se"]. suffix: appended to registered names, so that
    nothing of the library is overwritten (default "_base"). output: default generated/<source>_base.py.
    All else is as in `codegen.insert`.

    Returns a Report without a site: `output`, `variant.text`, `variant.build`, `checks`.
    Raises CodegenError, and has written nothing then: "unknown-source", "output-exists", "contract-failed" ...
    """
    return _run(*commandlines.based(**given.checked(locals())))


def _run(*requests: Request, save: str = "") -> Report:
    """The Report; with `save` there is a recipe of it, whose name is looked at before the model runs."""
    from codegen import running, saving

    if save:
        saving.demand_free(save, requests)
    report = running.run(requests)
    if save and not requests[0].dry_run:
        saving.save(save, requests, Path(report.output))
    return report


def _of_each_call(request: Request, options: dict[str, object]) -> tuple[Request, ...]:
    from codegen import running

    return running.of_each_call(request, options)
