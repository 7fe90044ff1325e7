"""The nouns of codegen, frozen, in the order in which a run makes them. Read this file first: Request -> Source -> Trace ->
Site -> Component -> Edits -> Variant -> Report."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from codegen.limits import Limits


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


# --- 3. what was measured in the child process ----------------------------------------------------------------------------
@dataclass(frozen=True)
class Span:
    """A piece of source: 1-based lines, columns in UTF-8 bytes (as `ast` and `co_positions()` count)."""

    line: int
    column: int
    end_line: int
    end_column: int


@dataclass(frozen=True)
class Call:
    """One place in the source that ran a module, on one public path, under the tracer."""

    module: str  # dotted path as in named_modules()
    owner: str  # dotted path of the module whose method holds the place
    file: str
    method: str  # qualified name of the function: `VisionTransformer.forward_features`
    span: Span  # of the call expression in that method
    direct: bool  # False: the module ran inside a function called there, such as `checkpoint(blk, x)`
    path: str  # "forward", "forward_intermediates", ...; "" for a twin: read in the code, reached by no run
    count: int
    names: tuple[tuple[str, str], ...] = ()  # local names there that hold this module or one around it
    misfits: tuple[str, ...] = ()  # "after", "before": where the tensor is of another width than in the model's `forward`


@dataclass(frozen=True)
class Layout:
    """What the dims of a tensor mean."""

    kind: str  # "NCHW", "NHWC", "NLC" (tokens), "NCL", "NC"; clips "NCDHW", "NDHWC"; heads "NXXC", "NCXX"; "" (unknown)
    prefix: int = 0  # class and register tokens before the grid's (NLC)
    grid: tuple[int, int] | None = None  # (rows, columns) of the tokens
    grid_expr: str = ""  # an expression for it at the end of the host's `__init__`, "" where none was found

    @property
    def channel_dim(self) -> int | None:
        """The dim that holds the channels, None where the layout is unknown."""
        return self.kind.index("C") if self.kind else None


@dataclass(frozen=True)
class Width:
    """The channel count at a site. kind: "name", "attribute" or "literal"; builds: how many sizes agreed on `expr`."""

    expr: str
    value: int
    kind: str
    builds: int = 1


@dataclass(frozen=True)
class TracedModule:
    """One entry of named_modules(), as it ran. Shapes are of the first tensor in and out, at batch 2."""

    name: str
    class_name: str
    calls: int  # in one eval `forward`
    input_shape: tuple[int, ...] = ()
    output_shape: tuple[int, ...] = ()
    output_kind: str = "tensor"  # "tensor", "tuple", "namedtuple", "list", "dict", "dataclass", "other"
    output_index: str = ""  # where the tensor stands in a tuple: "0"; in a dict: its key; in a dataclass: its field
    input_argument: str = "0"  # which argument is the tensor: position, or name of a keyword
    in_place: bool = False  # it changes the tensor that it gets
    settings: tuple[tuple[str, str], ...] = ()  # what it was made with: ("stride", "2")
    keys: tuple[str, ...] = ()  # of its state_dict
    parameters: int = 0
    mixed: tuple[str, ...] = ()  # "after", "before": where a forward shows several widths, or some path another layout
    runner: str = ""  # the base class whose code runs it, where the class of the object that holds it inherits that code
    after: Layout = Layout("")
    before: Layout = Layout("")
    width_after: Width | None = None
    width_before: Width | None = None
    order: int = -1  # its place among the calls of that `forward` as they ended, -1 where none was seen


@dataclass(frozen=True)
class Chosen:
    """What a site's name means; width and grid there in names of the model's `__init__` (`selection.CHOSEN`: the module)."""

    names: tuple[str, ...]
    pattern: str  # what means them in any build, "" where only their names do
    width_after: Width | None = None
    width_before: Width | None = None
    grid_after: str = ""  # of a sequence of tokens
    grid_before: str = ""


@dataclass(frozen=True)
class HostClass:
    """A class whose code runs sites (or a function that makes the model), and where it stands."""

    name: str
    file: str
    line: int
    instances: tuple[str, ...]  # dotted paths of the model's modules that are exactly of this class; "" is the model
    inherited: bool = False  # `instances` are also those of derived classes
    indexed: bool = False  # its objects are lists of modules: `self[0]` is a child
    keyed: bool = False  # likewise by name: `self["0"]`
    variable: str = ""  # it is no class but a function that returns the model, an nn.Sequential of torch's, and calls it so
    factory: str = ""  # how device and dtype reach a new child: "**dd", "device=device, dtype=dtype" or ""


@dataclass(frozen=True)
class Trace:
    """Everything that running the model showed."""

    build: str  # the expression that built it, in the namespace of the source's file
    input: str
    hosts: tuple[HostClass, ...]  # the first is the model's own class
    modules: tuple[TracedModule, ...]
    calls: tuple[Call, ...]
    paths: tuple[str, ...]  # public paths that the model has
    small: str = ""  # JSON: constructor arguments that make a small build, for the checks that compare values
    device: str = "meta"
    other_build: str = ""  # builds the class of the file that the library makes instead of the host (features_only)
    restless: tuple[str, ...] = ()  # classes that do not keep what they make: the model initialises its weights behind them
    early: tuple[str, ...] = ()  # classes whose objects run while the model is constructed
    chosen: Chosen | None = None  # what the site's name means
    behind: tuple[Chosen, ...] = ()  # each module that takes what the site, a pool, gives; where that is to be wider
    taps: tuple[str, ...] = ()  # modules that a wrapper taps by name while it runs the children in their order
    hooked: bool = False  # it taps by hooks, and the model runs as ever


# --- 4. what stands in the code, and what is stitched in ---------------------------------------------------------------
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
    layered: bool = False  # the module becomes a layer of an nn.Sequential of torch's: of the sites (`whole`), or beside one
    hooked: bool = False  # a forward hook of the site runs the module, which stands in the site: no code that runs it is edited
    names: tuple[str, ...] = ()  # of all modules of the model, for sites in lists
    dicts: tuple[str, ...] = ()  # of those whose elements are reached by key
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


# --- 5. what changes, and what comes out -------------------------------------------------------------------------------
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
