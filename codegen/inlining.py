"""The text with which a host's code runs what is inserted: one module, or several composed as in `self.eca(self.se(x))`.

It is made as a tuple of statements over `self` and `x`, the last of which is an expression: what becomes of `x`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

from codegen import naming
from codegen.errors import CodegenError
from codegen.types import Component

Running = tuple[str, ...]
REFUSED = "not-inline"  # the error that asks for a class around the parts instead
ATTRIBUTE = re.compile(r"\bself\.(\w+)")
BARE = re.compile(r"\w+(\.\w+)*(\[[\w\"]+\])*")  # x, feats[0]: costs nothing to be read twice


def of(named: Sequence[tuple[str, Component]], running: Running) -> Running:
    """With the attributes as they are called in the host; of a single module, without statements of its own: `self.se(x)`."""
    if not running:
        return (f"self.{named[0][0]}(x)",)
    names = {part.name: attribute for attribute, part in named}
    return tuple(ATTRIBUTE.sub(lambda found: f"self.{names[found[1]]}", line) for line in running)


def is_cascade(running: Running) -> bool:
    """Whether it is calls around one `x`: `self.eca(self.se(x))`."""
    return len(running) == 1 and len(_name("x").findall(running[0])) == 1


def refused(why: str) -> CodegenError:
    """The error that says why a composition cannot stand in the host's own code."""
    return CodegenError(REFUSED, why, "one class holds the modules: --as-class NAME")


def around(running: Running, me: str) -> tuple[str, str]:
    """What stands before and behind the expression that it runs on: `self.eca(self.se(`, `))`. Raises `refused`."""
    if not is_cascade(running):
        raise refused("what it runs on is needed more than once, and is an expression without a name here")
    before, _, behind = _name("x").sub("\0", running[0]).partition("\0")
    return _mine(before, me), behind


def value(running: Running, me: str, x: str) -> str:
    """Its result on an expression, as an expression. Raises `refused` where that takes statements, or a name for `x`."""
    if BARE.fullmatch(x) and len(running) == 1:
        return _said(running[0], me, {"x": x})
    before, behind = around(running, me)
    return f"{before}{x}{behind}"


def statements(running: Running, me: str, x: str, taken: Collection[str]) -> list[str]:
    """Statements that put its result into the variable `x`: `x = self.eca(self.se(x))`. taken: names that stay as they are."""
    lines, result = parted(running, me, x, taken)
    return [*lines, f"{x} = {result}"]


def parted(running: Running, me: str, x: str, taken: Collection[str]) -> tuple[list[str], str]:
    """(the statements in front, the expression): the variable `x` takes what comes between where it is needed no more.

    y = self.se(x)                     x = self.se(x)
    self.eca(y) + self.cbam(y)    ->   self.eca(x) + self.cbam(x)
    """
    names, used, lines = {"x": x}, {*taken, x}, []
    for number, line in enumerate(running[:-1], 1):
        wanted, _, made = line.partition(" = ")
        text = _said(made, me, names)
        holder = next((name for name, said in names.items() if said == x), "")
        needed = any(_name(holder).search(later) for later in running[number:]) if holder else False
        names = {name: said for name, said in names.items() if said != x or needed}
        names[wanted] = naming.free(wanted, used) if needed or not x.isidentifier() else x
        used.add(names[wanted])
        lines.append(f"{names[wanted]} = {text}")
    return lines, _said(running[-1], me, names)


def _said(line: str, me: str, names: Mapping[str, str]) -> str:
    """A line in the names of the method that it stands in."""
    variables = "|".join(map(re.escape, names))
    return re.sub(rf"(?<![\w.])({variables})\b(?!=)", lambda found: names[found[1]], _mine(line, me))


def _mine(text: str, me: str) -> str:
    return re.sub(r"\bself\.", lambda _: f"{me}.", text)


def _name(variable: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w.]){variable}\b(?!=)")
