"""What stands after `--module`, parsed: one module, or several composed as in `residual(se(reduction=8) >> my.py:MyAttn)`.

Python's parser reads the text, nothing of it is ever evaluated.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from codegen.errors import CodegenError

# a name of the catalogue, my.py:MyAttn, timm.layers:EcaModule
PLAIN = re.compile(r"[^\s()+*>,='\"]+")
# in an expression, what Python cannot read as one word: blocks/my-own.py:MyAttn
SPEC = re.compile(r"[\w./\\~-]+:[A-Za-z_]\w*")
LONGEST = 2000  # characters
MOST = 32  # modules
SCALES = {"scale": "scale", "drop_path": "droppath"}  # scale(0.1)(se): se, and what the catalogue has behind it
WORDS = ("residual", "cat", "gate", *SCALES)  # of the expressions themselves
EXAMPLE = "for example se >> eca, se + cbam, residual(se(reduction=8)), drop_path(0.1)(se)"


@dataclass(frozen=True)
class Leaf:
    """One module. arguments: (name, text), the name "" where it is given by position; column: where it stands, from 1."""

    module: str
    arguments: tuple[tuple[str, str], ...] = ()
    column: int = 0


@dataclass(frozen=True)
class Chain:
    """`a >> b`: each on what the one before returns. No part is a chain itself: `a >> (b >> c)` has three."""

    parts: tuple[Node, ...]


@dataclass(frozen=True)
class Joined:
    """All on the same input, their results joined. how: "+", "*" or "cat"."""

    how: str
    parts: tuple[Node, ...]


@dataclass(frozen=True)
class Around:
    """`residual(a)`: x + a(x); `gate(a)`: x + gain * a(x), the gain 0 at the start."""

    how: str
    part: Node


Node = Leaf | Chain | Joined | Around


def is_plain(text: str) -> bool:
    """Whether the text names one module and nothing else."""
    file, _, name = text.rpartition(":")
    return PLAIN.fullmatch(text) is not None or name.isidentifier() and os.path.isfile(file)


def parse(text: str) -> Node:
    """The composition that a text means. Raises CodegenError("bad-expression") that says at which column."""
    if is_plain(text):
        return Leaf(text)
    if len(text) > LONGEST:
        raise _bad(text, 0, f"it has {len(text):,} characters, at most {LONGEST:,} are read")
    try:
        given = text.encode()
        words = SPEC.sub(lambda found: "m" * len(found[0].encode()), text)  # as long: columns stay
        tree = ast.parse(words, mode="eval")
        return _counted(_node(tree.body, given), text)
    except SyntaxError as error:
        raise _bad(text, error.offset or len(text) + 1, error.msg) from None
    except (ValueError, MemoryError, RecursionError):
        raise _bad(text, 0, "it is nested too deeply, or no text at all") from None


def leaves(node: Node) -> Iterator[Leaf]:
    """The modules of a composition, from left to right."""
    if isinstance(node, Leaf):
        yield node
    for part in (node.part,) if isinstance(node, Around) else () if isinstance(node, Leaf) else node.parts:
        yield from leaves(part)


def arounds(node: Node) -> Iterator[Around]:
    """What of a composition stands around another part of it."""
    if isinstance(node, Around):
        yield node
    for part in (node.part,) if isinstance(node, Around) else () if isinstance(node, Leaf) else node.parts:
        yield from arounds(part)


def called(text: str, as_class: str = "") -> str:
    """A short name for what the text means: `se`, `my_attn`, `se_eca`, `residual_se`; that of the class it is to have."""
    if as_class:
        return attribute_name(as_class)
    node = parse(text)
    around = f"{node.how}_" if isinstance(node, Around) else ""
    every = names(text)
    return around + "_".join(every if len(every) <= 3 else [*every[:2], "more"])


def class_name(text: str) -> str:
    """A name for the class of a composition: `SeEca`, `ResidualMyAttn`."""
    node = parse(text)
    names = [*dict.fromkeys(_part_of_a_class(leaf.module) for leaf in leaves(node))]
    around = node.how.title() if isinstance(node, Around) else ""
    return around + "".join(names if len(names) <= 3 else [*names[:2], "More"])


def _part_of_a_class(module: str) -> str:
    """`Se` of the catalogue's se, `MyAttn` of a class of that name."""
    name = module.rpartition(":")[2]
    return name[:1].upper() + name[1:] if ":" in module else "".join(word.title() for word in name.split("_"))


def attribute_name(class_name: str) -> str:
    """`CbamModule` -> `cbam_module`, `SEBlock` -> `se_block`."""
    out = ""
    for before, char, behind in zip(" " + class_name, class_name, class_name[1:] + " ", strict=False):
        new_word = char.isupper() and before not in " _" and (not before.isupper() or behind.islower())
        out += ("_" if new_word else "") + char.lower()
    return out.strip("_")


def shown(node: Node) -> str:
    """The composition in short names: `residual(se >> my_attn)`."""
    if isinstance(node, Leaf):
        return attribute_name(node.module.rpartition(":")[2])
    if isinstance(node, Around):
        return f"{node.how}({shown(node.part)})"
    texts = [shown(part) for part in node.parts]
    if isinstance(node, Joined) and node.how == "cat":
        return f"cat({', '.join(texts)})"
    operator = node.how if isinstance(node, Joined) else ">>"
    nested = [isinstance(part, Chain) or isinstance(part, Joined) and part.how != "cat" for part in node.parts]
    return f" {operator} ".join(f"({text})" if inner else text for text, inner in zip(texts, nested, strict=True))


def names(text: str) -> list[str]:
    """The modules that a text composes, by short names: `se`, `my_attn`."""
    return [*dict.fromkeys(attribute_name(leaf.module.rpartition(":")[2]) for leaf in leaves(parse(text)))]


def listed(text: str) -> str:
    """The same for people: `se, eca and cbam`."""
    every = names(text)
    return " and ".join(filter(None, [", ".join(every[:-1]), every[-1]]))


def mapped(text: str, change: Callable[[str], str]) -> str:
    """The text with every `file.py:Class` in it changed."""
    return change(text) if is_plain(text) else SPEC.sub(lambda found: change(found[0]), text)


def replaced(text: str, modules: Mapping[str, str]) -> str:
    """The text with other modules in place of those of these names: `se >> a` -> `se >> my.py:A`."""
    if is_plain(text):
        return modules.get(text, text)
    text = " ".join(text.splitlines())  # a column is one of the whole text then
    for leaf in sorted(leaves(parse(text)), key=lambda leaf: -leaf.column):
        if leaf.module in modules:
            start, said = leaf.column - 1, modules[leaf.module]
            said = said if SPEC.fullmatch(said) else f'"{said}"'
            text = text[:start] + said + text[start + len(leaf.module) :]
    return text


def _bad(text: str, column: int, what: str) -> CodegenError:
    short = text if len(text) <= 60 else f"{text[:57]}..."
    where = f", column {column}" if column else ""
    return CodegenError("bad-expression", f"module expression {short!r}{where}: {what}", EXAMPLE)


def _counted(node: Node, text: str) -> Node:
    if (count := len([*leaves(node)])) > MOST:
        raise _bad(text, 0, f"it has {count} modules, at most {MOST} are composed")
    return node


def _node(node: ast.expr, given: bytes) -> Node:
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.RShift, ast.Add, ast.Mult)):
        left, right = _node(node.left, given), _node(node.right, given)
        if isinstance(node.op, ast.RShift):
            return _chain(left, right)
        how = "+" if isinstance(node.op, ast.Add) else "*"
        more = isinstance(left, Joined) and left.how == how and given[node.col_offset :][:1] != b"("
        return Joined(how, (*(left.parts if more and isinstance(left, Joined) else (left,)), right))
    if isinstance(node, (ast.Name, ast.Constant)):
        return Leaf(_module(node, given), (), _column(node, given))
    if isinstance(node, ast.Call):
        return _call(node, given)
    raise _bad(given.decode(), _column(node, given), f"{_slice(node, given)!r} is neither a module nor a composition of some")


def _chain(*nodes: Node) -> Chain:
    return Chain(tuple(part for node in nodes for part in (node.parts if isinstance(node, Chain) else (node,))))


def _call(node: ast.Call, given: bytes) -> Node:
    function = node.func
    if isinstance(function, ast.Call):  # scale(0.1)(se)
        behind = _node(function, given)
        name = behind.module if isinstance(behind, Leaf) else ""
        if name not in SCALES or not isinstance(behind, Leaf):
            what = f"only {' and '.join(SCALES)} are written as {name or 'm'}(...)(m)"
            raise _bad(given.decode(), _column(node, given), what)
        return _chain(_node(_only(node, given), given), replace(behind, module=SCALES[name]))
    name = function.id if isinstance(function, ast.Name) else ""
    first = node.args[0] if node.args else ast.Constant(0)  # gate(0.5) is a module of the catalogue
    takes_modules = not isinstance(first, ast.Constant) or isinstance(first.value, str)
    if name == "residual" or name == "gate" and takes_modules:
        return Around(name, _node(_only(node, given), given))
    if name == "cat":
        if node.keywords or len(node.args) < 2:
            raise _bad(given.decode(), _column(node, given), "cat takes two modules or more")
        return Joined(name, tuple(_node(argument, given) for argument in node.args))
    module = _module(function, given)
    arguments = [("", argument) for argument in node.args] + [(k.arg or "**", k.value) for k in node.keywords]
    return Leaf(module, tuple((key, _literal(value, given)) for key, value in arguments), _column(node, given))


def _only(node: ast.Call, given: bytes) -> ast.expr:
    if node.keywords or len(node.args) != 1:
        raise _bad(given.decode(), _column(node, given), f"{_slice(node.func, given)} takes one module")
    return node.args[0]


def _module(node: ast.expr, given: bytes) -> str:
    """`se`, `my.py:MyAttn`, or `"my folder/my.py:MyAttn"` in quotes."""
    if isinstance(node, ast.Name) and "__" not in node.id:
        return _slice(node, given)
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and ":" in (spec := _slice(node, given)[1:-1]):
        return spec
    raise _bad(given.decode(), _column(node, given), f"{_slice(node, given)!r} is no name of a module")


def _literal(node: ast.expr, given: bytes) -> str:
    """An argument's text: a number, a string, True, None, a tuple of such, a name, or {width}."""
    parts = [p for p in ast.walk(node) if not isinstance(p, (ast.expr_context, ast.operator, ast.unaryop))]
    known = (ast.Constant, ast.Name, ast.Tuple, ast.List, ast.UnaryOp, ast.BinOp, ast.Set)
    if strange := next((p for p in parts if not isinstance(p, known)), None):
        where = strange if isinstance(strange, ast.expr) else node
        raise _bad(given.decode(), _column(where, given), f"{_slice(where, given)!r} is no value for an argument")
    return _slice(node, given)


def _slice(node: ast.expr, given: bytes) -> str:
    lines = given.split(b"\n")
    start = sum(len(line) + 1 for line in lines[: node.lineno - 1]) + node.col_offset
    end = sum(len(line) + 1 for line in lines[: (node.end_lineno or 1) - 1]) + (node.end_col_offset or 0)
    return given[start:end].decode()


def _column(node: ast.expr, given: bytes) -> int:
    return len(given[: node.col_offset].decode(errors="replace")) + 1
