"""The patterns of a `group_matcher`, which returns a dict of them: read as literals, never run, and written beside others."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass

from codegen import registry, style, syntax
from codegen.registry import PREVIOUS, Pattern
from codegen.syntax import Code
from codegen.types import Edit

PLAIN = re.compile(r"""([rR]?)(?:'[^'\n]*'|"[^"\n]*")""")  # a string in one piece


@dataclass(frozen=True)
class Spec:
    """A pattern of the dict, and where it stands: in an entry (regex, suffix) of the list `value`, or as `value` itself.

    whole: the value that the dict has, which may be a choice by `coarse`.
    """

    pattern: Pattern
    literal: ast.Constant
    whole: ast.expr
    value: ast.expr
    entry: ast.expr | None = None


@dataclass(frozen=True)
class Wanted:
    """The entry that a list lacks: (regex, suffix), next to that of the site. beside: what stands there, for people."""

    spec: Spec
    regex: str
    suffix: tuple[int, ...]
    beside: str


def read(method: syntax.Function, coarse: bool) -> list[Spec]:
    """The patterns in their order. Raises LookupError where it is no dict of literals, or of choices by `coarse`."""
    flag, found = _flag(method), []
    for ordinal, chosen in enumerate(_values(method)):
        value = _taken(chosen, flag, coarse)
        if isinstance(value, (ast.List, ast.Tuple)):
            for entry in value.elts:
                if not isinstance(entry, (ast.Tuple, ast.List)) or len(entry.elts) != 2:
                    raise LookupError
                literal, behind = (_taken(element, flag, coarse) for element in entry.elts)
                pattern = Pattern(ordinal, _regex(literal), _suffix(behind))
                found.append(Spec(pattern, _string(literal), chosen, value, entry))
        elif not (isinstance(value, ast.Constant) and value.value is None):
            found.append(Spec(Pattern(ordinal, _regex(value)), _string(value), chosen, value))
    return found


def _flag(method: syntax.Function) -> str:
    arguments = [*method.args.args[1:], *method.args.kwonlyargs]
    return arguments[0].arg if arguments else ""


def _values(method: syntax.Function) -> list[ast.expr]:
    """The values of the dict that a method returns, at once or by a name."""
    docstring = ast.get_docstring(method) is not None
    body = [s for s in method.body[docstring:] if not isinstance(s, ast.Assert)]
    made = body[-1].value if body and isinstance(body[-1], ast.Return) else None
    if isinstance(made, ast.Name) and len(body) == 2 and isinstance(body[0], ast.Assign):
        made = body[0].value if ast.unparse(body[0].targets[0]) == made.id else None
    elif len(body) != 1:
        raise LookupError
    if isinstance(made, ast.Call) and ast.unparse(made.func) == "dict" and not made.args and all(k.arg for k in made.keywords):
        return [keyword.value for keyword in made.keywords]
    if isinstance(made, ast.Dict) and None not in made.keys:
        return made.values
    raise LookupError


def _taken(node: ast.expr, flag: str, coarse: bool) -> ast.expr:
    """What `a if coarse else b` gives."""
    while isinstance(node, ast.IfExp):
        test, on = (node.test.operand, not coarse) if isinstance(node.test, ast.UnaryOp) else (node.test, coarse)
        if not isinstance(test, ast.Name) or test.id != flag:
            raise LookupError
        node = node.body if on else node.orelse
    return node


def _string(node: ast.expr) -> ast.Constant:
    if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
        raise LookupError
    return node


def _regex(node: ast.expr) -> str:
    text = str(_string(node).value)
    try:
        re.compile(text)
    except re.error:
        raise LookupError from None
    return text


def _suffix(node: ast.expr) -> tuple[int, ...]:
    if isinstance(node, ast.Name) and node.id == registry.PREVIOUS_NAME:
        return (PREVIOUS,)
    try:
        value = ast.literal_eval(node)
    except ValueError:
        raise LookupError from None
    return tuple(value or ())


def alternative(code: Code, spec: Spec, regex: str) -> Edit:
    """r'^stem' -> r'^stem|^se\\.'. Raises LookupError where the string is not in one piece."""
    found = PLAIN.fullmatch(code.segment(spec.literal))
    if found is None:
        raise LookupError
    at = code.end(spec.literal) - 1
    return Edit(at, at, "|" + (regex if found[1] else regex.replace("\\", "\\\\")), f"pattern of {regex}")


def entry(code: Code, method: syntax.Function, wanted: Mapping[bool, Wanted], *, behind: bool) -> list[Edit]:
    """An entry behind (or in front of) that of the site. wanted: by whether `coarse` is set; both may share a list."""
    one = next(iter(wanted.values()))
    suffixes = {coarse: _suffix_text(each.suffix) for coarse, each in wanted.items()}
    suffix = suffixes.get(True, suffixes.get(False, ""))
    if len({*suffixes.values()}) > 1:
        suffix = f"{suffixes[True]} if {_flag(method)} else {suffixes[False]}"
    text = f"(r'{one.regex}', {suffix})"
    comment = f"  # with {'the last of ' if one.suffix[-1:] == (PREVIOUS,) else ''}{one.beside}"
    node = one.spec.entry
    if node is None:
        return [_as_list(code, one.spec, text, comment, behind)]
    indent, ends = code.indent(node), re.match(r"[ \t]*(,?)[ \t]*(?:#[^\r\n]*)?(?:\r\n|\r|\n)", code.text[code.end(node) :])
    alone = not code.text[code.line_start(node) : code.start(node)].strip()
    if alone and not behind:
        at = code.line_start(node)
        return [Edit(at, at, f"{indent}{text},{comment}{code.newline}", "entry of a list")]
    if alone and ends:
        at, comma = code.line_end(node), Edit(code.end(node), code.end(node), ",", "entry of a list")
        line = f"{indent}{text}{ends[1]}{comment}{code.newline}"
        return [*([] if ends[1] else [comma]), Edit(at, at, line, "entry of a list")]
    at = code.end(node) if behind else code.start(node)
    line = code.lines[node.lineno - 1].rstrip("\r\n")
    fits = len(line) + len(text) + 2 <= style.line_length(code.text)
    gap = " " if fits else code.newline + re.sub(r"[^\t]", " ", line[: code.start(node) - code.line_start(node)])
    return [Edit(at, at, f",{gap}{text}" if behind else f"{text},{gap}", "entry of a list")]


def _suffix_text(suffix: tuple[int, ...]) -> str:
    return repr(suffix) if suffix else "None"


def _as_list(code: Code, spec: Spec, text: str, comment: str, behind: bool) -> Edit:
    """r'^blocks' -> [(r'^blocks', None), (r'^se', (2,))], on lines of its own where one is too long."""
    node, old = spec.value, f"({code.segment(spec.value)}, None)"
    both = [old, text] if behind else [text, old]
    line, inline = code.lines[node.lineno - 1].rstrip("\r\n"), f"[{', '.join(both)}]"
    if len(line) + len(inline) - len(old) + len("(, None)") > style.line_length(code.text) or "\n" in inline:
        indent = code.indent(node)
        inner = f"{code.newline}{indent}{code.unit_at(indent)}"
        lines = "".join(f"{inner}{each},{comment if each is text else ''}" for each in both)
        inline = f"[{lines}{code.newline}{indent}]"
    return Edit(code.start(node), code.end(node), inline, "list of patterns")
