"""The catalogue: `templates/modules/NAME.py.jinja`, a class with a few holes under a TOML head, becomes a Component.

A file without a class is a layer of torch's: the expression that makes it. It never imports torch, and a setting reaches the
rendered text only as the literal that it is.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codegen import gating, nearest
from codegen.errors import CodegenError
from codegen.traced import Layout, Width
from codegen.types import Component

if TYPE_CHECKING:
    from jinja2 import Environment, Template

SUFFIX = ".py.jinja"
LARGEST = 2**31 - 1  # of an int argument: more is a slip of the keyboard
FORMULA = {"__builtins__": {}, "max": max, "gcd": math.gcd, "log2": math.log2, "int": int}  # what a formula may call

DIMS = {"NCL": 1, "NCDHW": 3, "NDHWC": 3}  # of a convolution over the positions; of others 2

Value = int | float | bool | str


@dataclass(frozen=True)
class Entry:
    """One module of the catalogue.

    `arguments` are (name, default as text); `imports` are what the class may need; `parameters` is the formula for
    their number, in terms of `channels` and the arguments.
    """

    name: str
    class_name: str
    summary: str
    paper: str
    url: str
    equation: str
    parameters: str
    licence: str
    layouts: tuple[str, ...]
    arguments: tuple[tuple[str, str], ...]
    imports: tuple[str, ...]

    def source(self, layout: str = "") -> str:
        """The class for a layout, by default the first that it fits, with its own settings. Raises what `render` raises."""
        kind = layout or self.layouts[0]
        grid = (14, 14) if kind == "NLC" else None
        return render(self, Layout(kind, 0, grid), {}, identity=False, factory=False)


def templates_folder() -> Path:
    """`codegen/templates` inside an installed wheel, `templates/` beside the package in a checkout."""
    package = Path(__file__).resolve().parent
    installed = package / "templates"
    return installed if installed.is_dir() else package.parent / "templates"


def names() -> list[str]:
    """What its modules are called."""
    return sorted(path.name.removesuffix(SUFFIX) for path in (templates_folder() / "modules").glob(f"*{SUFFIX}"))


def entries() -> tuple[Entry, ...]:
    """Every module of the catalogue, sorted by name: the folder is the registry, a file's name is the module's."""
    return tuple(_entry(name) for name in names())


def entry(name: str) -> Entry:
    """The module of that name. Raises `unknown-module` with the nearest names."""
    known = names()
    if name in known:
        return _entry(name)
    others = {each: _read(each)[0].get("aliases", ()) for each in known}
    raise CodegenError("unknown-module", f"no module `{name}` in the catalogue", nearest.hint(name, others))


def render(
    entry: Entry, layout: Layout, settings: Mapping[str, str], *, identity: bool, factory: bool, channels: int = 0
) -> str:
    """The class's text for one layout, with the settings as the constructor's defaults; black leaves it as it is. Of one of
    torch's layers the expression that makes it: `nn.LayerNorm(channels)`.

    `identity`: it starts as the identity. `factory`: its constructor takes `device` and `dtype`. `channels`: where known.
    Raises `module-does-not-fit`, `unknown-argument`, `bad-argument`.
    """
    head, body = _read(entry.name)
    holes = _holes(entry, head, layout)
    context = {
        "class_name": entry.class_name,
        "needs_grid": False,
        "prefix": layout.prefix if layout.kind == "NLC" else 0,
        "identity": identity,
        "factory": factory,
        "dd": ", **dd" if factory else "",
    }
    values = _values(entry, head, settings)
    for why in _lines(head.get("unfit", []), {**values, **holes, "channels": channels}):
        message = f"`{entry.name}` does not fit {layout.kind}: {why}"
        raise CodegenError("module-does-not-fit", message, f"codegen modules {entry.name} says what it takes where")
    return _template(body).render(context | holes | values)


def count(entry: Entry, channels: int, settings: Mapping[str, str], kind: str = "") -> int:
    """How many parameters it has for so many channels, where it does not start as the identity. kind: a layout's, where they
    have unlike numbers of `dims`.

    Raises `unknown-argument`, `bad-argument`.
    """
    head, _ = _read(entry.name)
    values = _values(entry, head, settings) if settings else head["arguments"]
    known: dict[str, Any] = {"channels": channels, **values}
    for name, text in head.get("sizes", {}).items():
        known[name] = _calculated(text, known)
    known["dims"] = DIMS.get(kind, 2)
    return int(_calculated(head["parameters"], known))


def needs_grid(name: str, layout: Layout) -> bool:
    """Whether the module has to know the rows and columns of tokens there."""
    head, _ = _read(entry(name).name)
    return bool(head["layouts"].get(layout.kind, {}).get("needs_grid"))


def replaces(name: str, layout: Layout) -> str:
    """The class of torch's layer in whose place it stands there, "" for a module that is inserted."""
    head, _ = _read(entry(name).name)
    return str(head["layouts"].get(layout.kind, {}).get("replaces", ""))


def component(
    name: str, layout: Layout, width: Width, settings: Mapping[str, str], *, identity: bool, factory: str
) -> Component:
    """A catalogue module for one site, ready to be written: class text, imports, and the expression that makes it.

    `factory`: how `device` and `dtype` are passed in the host (`**dd`, `device=device, dtype=dtype`), or "".
    Raises what `entry` and `render` raise; `module-does-not-fit` too where the module needs a grid and none is known.
    """
    module = entry(name)
    code = render(module, layout, settings, identity=identity, factory=bool(factory), channels=max(width.value, 0))
    head, _ = _read(name)
    notes = []
    if width.value > 0:  # 0: the width was never measured
        known = {"channels": width.value, "identity": identity, **_values(module, head, settings)}
        notes = _lines(head["notes"], known)
    passed = [width.expr] * (2 if replaces(name, layout) else 1)
    if _holes(module, head, layout).get("needs_grid"):
        grid, note = _grid(module, layout)
        passed.append(f"grid_size={grid}")
        notes += note
    passed += [factory] if factory else []
    if found := re.search(r"^class (\w+)", code, re.MULTILINE):
        imports = tuple(line for line in module.imports if re.search(rf"\b{line.split()[-1]}\.", code))
        made = Component(name, found[1], f"{found[1]}({', '.join(passed)})", imports, code, tuple(notes))
    else:
        made = _layer(name, code, width.expr, factory)
        made = replace(made, notes=tuple(notes), stateful=count(module, max(width.value, 1), settings) > 0)
    return gating.zero_gated(made, factory) if identity and head.get("gated") else made


def _layer(name: str, text: str, width: str, factory: str) -> Component:
    """One of torch's layers: `nn.LayerNorm(channels, **dd)` in the host's names."""
    construct = re.sub(r"\bchannels\b", lambda _: width, text.strip()).replace("**dd", factory)
    return Component(name, construct.partition("(")[0].removeprefix("nn."), construct, ("from torch import nn",))


def _calculated(formula: str, known: Mapping[str, Any]) -> Any:
    """By Python: the formula is ours, in a file of the catalogue, and to import jinja takes longer than to list it all."""
    return eval(formula, FORMULA, known)  # nosec B307


@functools.cache
def _read(name: str) -> tuple[dict[str, Any], str]:
    """A catalogue file: the TOML head in its first jinja comment, and the class below it."""
    text = (templates_folder() / "modules" / f"{name}{SUFFIX}").read_text(encoding="utf-8")
    head, _, body = text.removeprefix("{#").partition("#}\n")
    return tomllib.loads(head), body


def _entry(name: str) -> Entry:
    head, _ = _read(name)
    sizes = [f"{size} = {text}" for size, text in head.get("sizes", {}).items()]
    return Entry(
        name=name,
        class_name=head["class_name"],
        summary=head["summary"],
        paper=head["paper"],
        url=head["url"],
        equation=head["equation"],
        parameters=", ".join([head["parameters"], *sizes]),
        licence=head["licence"],
        layouts=tuple(head["layouts"]),
        arguments=tuple((argument, repr(default)) for argument, default in head["arguments"].items()),
        imports=tuple(head["imports"]),
    )


def _holes(entry: Entry, head: dict[str, Any], layout: Layout) -> dict[str, Any]:
    """What the file's head puts into the class for this layout."""
    if layout.kind in entry.layouts:
        return dict(head["layouts"][layout.kind])
    fits = f"`{entry.name}` fits {_listed(entry.layouts, 'and')}"
    if not layout.kind:
        message = f"`{entry.name}` needs a known layout, and the one at this site could not be measured"
        raise CodegenError("module-does-not-fit", message, f"{fits}: choose a site with such a layout")
    why = head.get("misfits", {}).get(layout.kind, "the module is not defined there")
    others = [f"`{each.name}`" for each in entries() if layout.kind in each.layouts]
    hint = f"{fits}; for {layout.kind} there is {_listed(others)}" if others else fits
    raise CodegenError("module-does-not-fit", f"`{entry.name}` does not fit the layout {layout.kind}: {why}", hint)


def grid(layout: Layout) -> tuple[str, list[str]]:
    """The expression for the grid of tokens, "" where none is known, and what a person should know about it."""
    if layout.grid_expr or not layout.grid:
        return layout.grid_expr, []
    return repr(layout.grid), [f"the token grid is written as {layout.grid}: it holds for this input size only"]


def _grid(entry: Entry, layout: Layout) -> tuple[str, list[str]]:
    found, notes = grid(layout)
    if found:
        return found, notes
    raise CodegenError(
        "module-does-not-fit",
        f"`{entry.name}` needs the grid of the tokens, and none is known at this site",
        f"choose a module that needs no grid, or a site before the map is flattened (`{entry.name}` fits NCHW)",
    )


def _values(entry: Entry, head: dict[str, Any], settings: Mapping[str, str]) -> dict[str, Value]:
    """Every argument's value: the user's where given, else the default. Checked by the file's own `refusals`."""
    defaults: dict[str, Value] = head["arguments"]
    known = _listed([f"{name}={default}" for name, default in entry.arguments], "and")
    for name in settings:
        if name not in defaults:
            raise CodegenError("unknown-argument", f"`{entry.name}` has no argument `{name}`", f"it takes {known}")
    given = {name: _value(entry.name, name, text, defaults[name]) for name, text in settings.items()}
    values = defaults | given
    for complaint in _lines(head["refusals"], values):
        raise CodegenError("bad-argument", f"`{entry.name}`: {complaint}", f"the defaults are {known}")
    return values


def _value(module: str, name: str, text: str, default: Value) -> Value:
    """A setting's text as a literal of the default's type."""
    kind = type(default)
    value: Any = None
    with contextlib.suppress(ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        value = ast.literal_eval(text.strip())
    if kind is float and type(value) is int:
        value = float(value)
    value = text.strip() if kind is str and value is None else value  # kind=batch
    fits = type(value) is kind and (isinstance(value, str) or abs(value) <= LARGEST)
    if fits:
        fitting: Value = value
        return fitting
    shown = text if len(text) <= 40 else f"{text[:40]}..."
    message = f"`{module}`: {name}={shown!r} is not a usable {kind.__name__}"
    raise CodegenError("bad-argument", message, f"give {name} as in {name}={default!r}")


@functools.cache
def _environment() -> Environment:
    from jinja2 import Environment, StrictUndefined

    made = Environment(undefined=StrictUndefined, keep_trailing_newline=True, trim_blocks=True, lstrip_blocks=True)
    made.filters["repr"] = repr
    made.globals["log2"] = math.log2
    return made


@functools.lru_cache(maxsize=512)
def _template(text: str) -> Template:
    return _environment().from_string(text)


def _lines(texts: list[str], context: Mapping[str, Value]) -> list[str]:
    """Those of the head's conditional lines that say something."""
    said = (_template(text).render(context).strip() for text in texts)
    return [line for line in said if line]


def _listed(names: list[str] | tuple[str, ...], last: str = "or") -> str:
    """`a, b or c`"""
    return f" {last} ".join(filter(None, [", ".join(names[:-1]), names[-1]])) if names else "nothing"
