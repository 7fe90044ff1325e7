"""Format the lines that we wrote, and no others, in the manner of the file: its indentation, line length and line ends."""

from __future__ import annotations

import ast
import functools
import keyword
import re
import textwrap

from codegen.syntax import Code
from codegen.types import Edit

BLACK_LENGTH, LONGEST = 88, 120

# Statements that black leaves as they are if they fit the line, and nearly all that are written: `x = self.se(x)`,
# `self.se = SqueezeExcite(channels[2] * block.expansion, reduction=8)`, also below an `if`, a `with` or a `for` of ours.
# To import black costs as much CPU as everything else that codegen imports.
_NAME = r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*"
_ATOM = rf"(?:{_NAME}(?:\[-?\d+\])?|\d+|\[\])"
_VALUE = rf"{_ATOM}(?: [*+-] {_ATOM})*"
_PASSED = rf"(?:[A-Za-z_]\w*=|\*\*)?{_VALUE}"
_CALL = rf"{_NAME}\((?:{_PASSED}(?:, {_PASSED})*)?\)"
_HEAD = rf"(?:(?:if|with) {_CALL}|if {_NAME} is {_ATOM}|for [A-Za-z_]\w* in {_CALL}):"
_LINE = rf"(?: {{4}})*(?:{_HEAD}|(?:{_NAME} = (?:lambda: )?)?{_CALL})(?:  # \w[^\n]*)?"
PLAIN = re.compile(rf"{_LINE}(?:\n{_LINE})*\n?", re.ASCII)
KEYWORDS = frozenset(keyword.kwlist) - {"for", "if", "in", "is", "lambda", "with", "None", "True", "False"}


@functools.cache
def line_length(text: str) -> int:
    """The file's own line length: black's, or up to 120 where its longest lines of code show that."""
    longest = max((len(line) for line in text.splitlines() if not line.lstrip().startswith("#")), default=0)
    return min(max(longest, BLACK_LENGTH), LONGEST)


def block(text: str, code: Code, indent: str = "") -> str:
    """Python statements formatted by black, at this indentation, with the file's line ends; a final line end included."""
    width = line_length(code.text) - len(indent.expandtabs(4))
    lines = formatted(textwrap.dedent(text), max(width, 40)).splitlines()
    return "".join((_indented(line, code, indent) if line else "") + code.newline for line in lines)


def below(code: Code, node: ast.AST, block: str, what: str) -> Edit:
    """Whole lines of ours below a statement; also where it ends a file whose last line has no end."""
    end = code.line_end(node)
    ended = code.text[:end].endswith(("\n", "\r"))
    return Edit(end, end, block if ended else code.newline + block.removesuffix(code.newline), what)


def reindented(text: str, code: Code) -> str:
    """Our own definitions, rendered with four spaces, in the file's indentation."""
    if code.indent_unit == "    ":
        return text
    return "\n".join(_indented(line, code, "") if line.startswith(" ") else line for line in text.split("\n"))


def formatted(text: str, width: int = BLACK_LENGTH) -> str:
    """black's format of a piece of Python, 4-space indentation."""
    if _is_formatted(text, width):
        return text.rstrip("\n") + "\n"
    import black

    return black.format_str(text, mode=black.Mode(line_length=width))


def _is_formatted(text: str, width: int) -> bool:
    """Whether the text is plain enough to know without black that black would change nothing."""
    fits = all(len(line) <= width for line in text.splitlines())
    return fits and PLAIN.fullmatch(text) is not None and KEYWORDS.isdisjoint(re.findall(r"\w+", text))


def _indented(line: str, code: Code, indent: str) -> str:
    body = line.lstrip(" ")
    steps, rest = divmod(len(line) - len(body), 4)
    return indent + code.unit_at(indent) * steps + " " * rest + body
