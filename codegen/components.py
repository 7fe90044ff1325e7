"""One module -> Component: a catalogue name, a user's class `my.py:MyAttn`, an importable `pkg.module:Class`."""

from __future__ import annotations

import ast
import difflib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from codegen import catalogue, expressions, gating, owned, sources, syntax
from codegen.errors import CodegenError
from codegen.syntax import Code
from codegen.types import Component, Request, Site

# constructor parameters that take the channel count, as the field names them
CHANNELS = [
    "channels",
    "channel",
    "dim",
    "in_channels",
    "in_planes",
    "inplanes",
    "inp",
    "in_chs",
    "in_ch",
    "in_dim",
    "in_features",
    "d_model",
    "embed_dim",
    "embed_dims",
    "hidden_dim",
    "hidden_size",
    "num_features",
    "num_channels",
    "num_feats",
    "n_channels",
    "planes",
    "input_dim",
    "in_c",
    "c1",
    "c",
    "nf",
    "features",
    "filters",
    "feature_dim",
    "normalized_shape",
]
OUTGOING = [
    "planes",
    "oup",
    "out_channels",
    "out_planes",
    "out_chs",
    "out_ch",
    "out_dim",
    "out_features",
    "outp",
    "output_dim",
    "out_c",
    "c2",
]

USUAL = {"stride": "1", "dilation": "1", "groups": "1", "padding": "0"}  # settings that need not be given
IDENTITY = "torch.nn:Identity"  # what stands where a module was removed

@dataclass(frozen=True)
class Constructor:
    """A class's parameters, in order, without `self`: (name, has a default)."""

    parameters: tuple[tuple[str, bool], ...]
    keywords: bool  # takes **kwargs


def resolve(request: Request, site: Site) -> Component:
    """The Component for `--module`, made for the site's width and layout.

    Raises CodegenError("unknown-module", "unknown-argument", "module-does-not-fit", "no-channel-argument").
    """
    expression = request.module
    head, colon, name = expression.rpartition(":")
    if not colon and not site.width.expr:
        raise CodegenError("unknown-width", f"the width at {site.name} is not known", "give --width EXPR")
    if not colon:
        made = catalogue.component(
            expression,
            site.layout,
            site.width,
            dict(request.arguments),
            identity=request.identity and not request.combine,
            factory=site.host.factory,
        )
        return _standing_in(made, request, site) if catalogue.replaces(expression, site.layout) else made
    path = Path(head)
    if head.endswith(".py"):
        found, own = path, True
        if not os.path.isfile(path):
            raise CodegenError(
                "unknown-module", f"{head} is not a file", "give FILE.py:Class, pkg.module:Class or a catalogue name"
            )
    else:
        found, own = _defining_file(head, name), False
    file = sources.file(found)
    code = Code(file.text, str(found))
    cls = _class(code, name)
    if cls is None:
        names = [q for q, _ in syntax.classes(code.tree)]
        near = difflib.get_close_matches(name, names, 3) or names[:3]
        raise CodegenError("unknown-module", f"{found.name} has no class {name}", f"it has {', '.join(near) or 'none'}")
    construct = _construct(request, site, name, _constructor(code, cls))
    attribute = expressions.attribute_name(name)
    if own and request.inclusion == "import":
        line = owned.statement(file, name)
        made = Component(attribute, name, construct, (line,), notes=(f"`{line}`: this must work wherever the variant is used",))
    elif own:
        brought = owned.inlined(file, code, name, any_licence=request.inclusion == "copy")
        made = Component(attribute, name, construct, brought.imports, brought.body)
    elif head == "torch.nn":
        made = Component(attribute, name, f"nn.{construct}", ("from torch import nn",))
    else:
        module = file.module or head
        public = head if _exports(head, name) else module
        made = Component(attribute, name, construct, (f"from {public} import {name}",))
    return gating.zero_gated(made) if request.identity and not request.combine else made


def _standing_in(made: Component, request: Request, site: Site) -> Component:
    """A module of the catalogue that stands in the place of one of torch's layers, with what that was made with.

    Raises CodegenError("module-does-not-fit") where another module stands there, or a layer that it cannot be.
    """
    layer, found = catalogue.replaces(made.name, site.layout), site.module
    if request.operation in ("after", "before", "beside"):
        what = f"`{made.name}` stands in the place of a layer, and nothing of it runs {request.operation} one"
        raise CodegenError("module-does-not-fit", what, f"codegen replace SOURCE --module {made.name} --site SITE")
    if request.operation != "replace":
        return made
    if found.class_name != layer:
        what = f"`{made.name}` stands in the place of nn.{layer} there, and {site.name} is {found.class_name}"
        raise CodegenError("module-does-not-fit", what, f"name layers of torch's: codegen sites {request.source}")
    code = Code(made.code)
    cls = syntax.find_class(code, made.class_name)
    assert cls is not None
    constructor = _constructor(code, cls)
    known = {name for name, _ in constructor.parameters}
    if lost := [f"{key}={value}" for key, value in found.settings if key not in known and value != USUAL.get(key)]:
        what = f"`{made.name}` cannot be {site.name}, which has {', '.join(lost)}"
        raise CodegenError("module-does-not-fit", what, "choose other layers, or give a class of your own (my.py:Class)")
    construct = _construct(replace(request, arguments=()), site, made.class_name, constructor)
    passed = f", {site.host.factory}" if site.host.factory else ""
    return replace(made, construct=f"{construct.removesuffix(')')}{passed})")


def removes(request: Request) -> bool:
    """Whether the place of the site is left to torch's own identity: `codegen remove --site`."""
    plain = not (request.arguments or request.width or request.out_width)
    return request.operation == "replace" and request.module == IDENTITY and plain


def constructor(module: str, name: str) -> Constructor:
    """The parameters of an importable class. Raises CodegenError("unknown-module")."""
    file = sources.file(_defining_file(module, name))
    code = Code(file.text, str(file.path))
    cls = _class(code, name)
    assert cls is not None
    return _constructor(code, cls)


def _defining_file(module: str, name: str) -> Path:
    """The file that defines an importable class, re-exports followed by looking through the package's files."""
    path = sources.module_path(module)
    if path is None:
        raise CodegenError(
            "unknown-module", f"there is no module {module}", "give FILE.py:Class or an importable pkg.module:Class"
        )
    files: list[Path] = [path, *(sorted(path.parent.rglob("*.py")) if path.stem == "__init__" else ())]
    names = re.compile(rf"\bclass {re.escape(name)}\b|^{re.escape(name)} = ", re.MULTILINE)
    for file in files:
        text, _ = syntax.read(file)
        if names.search(text) and _class(Code(text, str(file)), name) is not None:
            return file
    raise CodegenError(
        "unknown-module", f"{module} has no class {name}", "check the name; a function is no module class"
    )


def _class(code: Code, name: str) -> ast.ClassDef | None:
    """The class of that name, also of a second name: `SqueezeExcite = SEModule`."""
    for node in code.tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Name) and name in syntax.bound_names(node):
            name = node.value.id
    return syntax.find_class(code, name)


def _exports(module: str, name: str) -> bool:
    """Whether `from module import name` works, as far as the module's own text says."""
    path = sources.module_path(module)
    if path is None:
        return False
    text, _ = syntax.read(path)
    return any(name in syntax.bound_names(node) for node in Code(text, str(path)).tree.body)


def _constructor(code: Code, cls: ast.ClassDef) -> Constructor:
    """The parameters of `__init__`, looked up in the bases of the same file where the class has none."""
    init = syntax.method(cls, "__init__")
    if init is None:
        for base in cls.bases:
            parent = syntax.find_class(code, base.id) if isinstance(base, ast.Name) else None
            if parent is not None and parent is not cls:
                return _constructor(code, parent)
        return Constructor((), False)
    arguments = init.args
    positional = [*arguments.posonlyargs, *arguments.args]
    first_default = len(positional) - len(arguments.defaults)
    found = [(a.arg, i >= first_default) for i, a in enumerate(positional)][1:]
    found += [(a.arg, d is not None) for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)]
    return Constructor(tuple(found), arguments.kwarg is not None)


def _construct(request: Request, site: Site, name: str, constructor: Constructor) -> str:
    """`MyAttn(embed_dim, reduction=8)`: the channels recognised by name or first place, the user's arguments by keyword."""
    given = {key: _value(text, site) for key, text in request.arguments}
    known = [p for p, _ in constructor.parameters]
    for key in given:
        if key not in known and not constructor.keywords:
            raise CodegenError(
                "unknown-argument", f"{name} takes no argument {key}", f"it takes {', '.join(known) or 'none'}"
            )
    width = site.width.expr
    values: dict[str, str] = {}
    incoming = next((p for p in CHANNELS if p in known), None)
    required = [p for p, default in constructor.parameters if not default and p not in given]
    by_user = any("{width}" in text for _, text in request.arguments)
    if incoming is None and required and not by_user:
        incoming = required[0]
    for parameter in (incoming, *(p for p in OUTGOING if p in known and p != incoming)):
        if parameter and parameter not in given and not by_user:
            leaves = "after" in request.sides and parameter in OUTGOING and parameter != incoming
            values[parameter] = site.leaving.expr if leaves and site.leaving else width
            if not values[parameter]:
                what = f"the width at {site.name}, for {name}({parameter}=...), is not known"
                raise CodegenError("unknown-width", what, f"give it: --arg {parameter}=VALUE")
    if request.operation == "replace":
        old = {key: text for key, text in site.module.settings if key in known and USUAL.get(key) != text}
        values.update({key: text for key, text in old.items() if key not in given})
    values.update(given)
    missing = [p for p in required if p not in values]
    if missing:
        raise CodegenError(
            "no-channel-argument",
            f"{name} needs a value for {missing[0]}",
            f"give --arg {missing[0]}=VALUE ({{width}} is the channel count)",
        )
    return f"{name}({_arguments(values, known)})"


def _arguments(values: dict[str, str], known: Sequence[str]) -> str:
    """Leading parameters by position, the others by keyword, in the order of the signature."""
    ordered = [p for p in known if p in values] + [p for p in values if p not in known]
    texts = []
    for index, parameter in enumerate(ordered):
        positional = index == 0 and known[:1] == [parameter]
        texts.append(values[parameter] if positional else f"{parameter}={values[parameter]}")
    return ", ".join(texts)


def _value(text: str, site: Site) -> str:
    """An argument as an expression of names, numbers and operators; any other text is a string."""
    filled = text.replace("{width}", site.width.expr)
    allowed = (
        ast.Expression,
        ast.Constant,
        ast.Name,
        ast.Attribute,
        ast.BinOp,
        ast.UnaryOp,
        ast.Subscript,
        ast.Tuple,
        ast.List,
    )
    try:
        tree = ast.parse(filled, mode="eval")
    except SyntaxError:
        return repr(text)
    nodes = [n for n in ast.walk(tree) if not isinstance(n, (ast.operator, ast.unaryop, ast.expr_context))]
    if not all(isinstance(n, allowed) for n in nodes):
        return repr(text)
    plain_word = isinstance(tree.body, ast.Name) and "{width}" not in text
    return repr(text) if plain_word else ast.unparse(tree)
