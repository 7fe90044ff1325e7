"""The nouns of codegen, frozen, in the order in which a run makes them. Read this file first: Request -> Source -> Trace (in
`traced`) -> Site -> Component -> Edits -> Variant -> Report.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from codegen.limits import Limits
from codegen.traced import Chosen, HostClass, Layout, TracedModule, Width


# --- 1. what the user asked for ---------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Request:
    """One command of the user, as given; everything that was not given is empty."""

    source: str
    operation: str = ""  # "after", "before", "beside", "replace" or "checkpoint"
    site: str = ""
    module: str = ""
    host: str = ""  # --class
    build: str = ""
    input: str = ""
    arguments: tuple[tuple[str, str], ...] = ()  # --arg reduction=8
    name: str = ""
    identity: bool = False
    suffix: str = ""
    keep: str = ""  # "all" or "used"
    width: str = ""
    output: str = ""
    in_place: bool = False
    force: bool = False
    dry_run: bool = False
    static: bool = False
    combine: str = ""  # beside: "add", "mul", "cat" or "gate"
    out_width: str = ""
    element: str = ""  # --output-index, --output-key: where the tensor stands in what the site returns
    layers: str = ""  # head: "Linear(256), ReLU, Linear(10)"
    edits: tuple[str, ...] = ()  # --edit: all edits of the run, of which this is one
    asked: Request | None = None  # the command as it was given, where a name of it was split into several edits
    later: bool = False  # made in what earlier edits of the run left: one file, which takes in the classes of others
    inclusion: str = ""  # of a class of the user's file: "import" (--import), "copy" (--accept-licence: whatever its licence)
    base: bool = False  # of `codegen base`: the source standalone, and the edits that were made to that
    as_class: str = ""  # what the class of a composition is called
    test: bool = False  # --with-test: a test file beside the variant
    init: str = ""  # --init, "" is the module's own
    hook: bool = False  # --hook: a forward hook of the site runs the module
    groups: bool = False  # --emit-groups: a method that gives the new parameters
    checks: tuple[str, ...] = ()  # --check: beyond the contract
    limits: Limits = field(default_factory=Limits)

    @property
    def sides(self) -> tuple[str, ...]:
        """Where the site's tensor matters: that which the module takes first."""
        return (self.operation,) if self.operation in ("after", "before") else ("before", "after")


# --- 2. the source, found but never imported ----------------------------------------------------------------------------
@dataclass(frozen=True)
class SourceFile:
    """A Python file: its text with line ends as they are, and how to write it back byte for byte."""

    path: Path
    text: str = field(repr=False)
    encoding: str = "utf-8"  # "utf-8-sig" where the file starts with a BOM
    module: str = ""  # dotted name under which it is imported, "" for a loose file
    root: Path | None = None  # folder that makes `module` importable


@dataclass(frozen=True)
class Source:
    """A SOURCE argument resolved: the file that it names and what of it is meant."""

    spec: str  # as the user wrote it: `timm:resnet50`, `path/vit.py`
    file: SourceFile
    entry: str = ""  # the function or class that SOURCE names
    library: str = ""  # "timm", "torchvision" or ""
    distribution: str = ""  # "timm 1.0.31"


# --- 3. what stands in the code, and what is stitched in ---------------------------------------------------------------
@dataclass(frozen=True)
class Site:
    """A module of the model where something can be stitched in, with every place that calls it."""

    name: str  # as the user gave it
    attribute: str  # the name in the host: `patch_embed`
    host: HostClass
    module: TracedModule
    layout: Layout
    width: Width
    leaving: Width | None = None  # the width of what the site returns, where `width` is that of what it receives
    chosen: Chosen | None = None  # only these objects get a module, from the model; the others of the class an nn.Identity
    whole: bool = False  # the host's objects themselves are meant, not a child of theirs
    parted: bool = False  # `features.3`: an element of a list of torch's, which the host runs as a whole
    is_list: bool = True  # of modules: what runs its elements one by one runs it
    layered: bool = False  # the module becomes a layer of an nn.Sequential of torch's: of the sites (`whole`), or beside one
    hooked: bool = False  # a forward hook of the site runs the module, which stands in the site: no code that runs it is edited
    ordered: bool = False  # the host inherits torch's nn.Sequential.forward, which runs the site (`whole`: the layers in it)
    names: tuple[str, ...] = ()  # of all modules of the model, for sites in lists
    dicts: dict[str, str] = field(default_factory=dict)  # of those whose elements are reached by key or name: how
    everywhere: bool = True  # False: some objects of the host's class do not have this child, and get no module


@dataclass(frozen=True)
class Component:
    """A module ready to be written into the variant."""

    name: str  # the attribute that it wants: "se"
    class_name: str
    construct: str  # the expression that makes it, with the width in place: `SqueezeExcite(embed_dim, reduction=8)`
    imports: tuple[str, ...] = ()  # statements that it needs
    code: str = ""  # the class (with its helpers), "" for an importable class
    notes: tuple[str, ...] = ()  # what a person should know: a hidden width that was raised, say
    stateful: bool = True  # has parameters or buffers in its state_dict
    placeholder: str = "nn.Identity()"  # what stands in the objects of the class that are not chosen
    parts: tuple[Component, ...] = ()  # of a composition in the host's own code: its modules, in the order in which they run
    running: tuple[str, ...] = ()  # and the statements that run them: see `inlining`


# --- 4. what changes, and what comes out -------------------------------------------------------------------------------
@dataclass(frozen=True, order=True)
class Edit:
    """Put `text` in place of the characters start..end of a file (start == end: an insertion)."""

    start: int
    end: int
    text: str
    what: str = ""  # for people: "call after VisionTransformer.forward_features:1288"


@dataclass(frozen=True)
class Check:
    """One promise of the contract."""

    name: str
    status: str  # "passed", "failed" or "skipped"
    detail: str = ""


@dataclass(frozen=True)
class Variant:
    """The base and the variant as text, and how each is built."""

    base: str = field(repr=False)
    text: str = field(repr=False)
    encoding: str
    build: str  # the expression that builds the variant in its own namespace
    base_build: str
    attribute: str
    class_name: str
    host: str
    groups: str = ""  # the method that gives the new parameters
    parts: tuple[tuple[str, str], ...] = ()  # of a composition in the host's own code: (attribute, class), the first above too
    running: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """What a run did; `cli` shows it."""

    output: str
    request: Request
    site: Site | None = None
    variant: Variant | None = None
    input: str = ""
    call_sites: tuple[tuple[str, int], ...] = ()  # method, line in the variant
    checks: tuple[Check, ...] = ()
    new_parameters: int = 0
    parameters: int = 0
    drift: float | None = None
    notes: tuple[str, ...] = ()
    seconds: tuple[tuple[str, float], ...] = ()
    steps: tuple[Report, ...] = ()  # of several edits
    costs: dict[str, object] = field(default_factory=dict)  # what was measured beyond that, by name
