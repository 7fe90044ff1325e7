"""The nouns of what running a model showed, frozen: its modules, the calls that ran them, what their dims mean -> Trace.

They come from the child process, as JSON.
"""

from __future__ import annotations

from dataclasses import dataclass


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
    input_kind: str = "tensor"  # what that argument is: a "tuple", "list" or "dict" that holds the tensor
    input_index: str = ""  # where it stands there
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
    single: bool = False  # its forward takes one argument
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
