"""Format the lines that we wrote, and no others, in the manner of the file: its indentation, line length and line ends."""

from __future__ import annotations

import functools
import textwrap

from codegen.syntax import Code

BLACK_LENGTH, LONGEST = 88, 120


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


def reindented(text: str, code: Code) -> str:
    """Our own definitions, rendered with four spaces, in the file's indentation."""
    if code.indent_unit == "    ":
        return text
    return "\n".join(_indented(line, code, "") if line.startswith(" ") else line for line in text.split("\n"))


def formatted(text: str, width: int = BLACK_LENGTH) -> str:
    """black's format of a piece of Python, 4-space indentation."""
    import black

    return black.format_str(text, mode=black.Mode(line_length=width))


def _indented(line: str, code: Code, indent: str) -> str:
    body = line.lstrip(" ")
    steps, rest = divmod(len(line) - len(body), 4)
    return indent + code.indent_unit * steps + " " * rest + body
