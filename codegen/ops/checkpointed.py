"""Run the calls of a site under activation checkpointing: each call is written anew where it stands, no other line changes."""

from __future__ import annotations

import ast
import io
import tokenize
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from codegen import syntax
from codegen.errors import CodegenError
from codegen.ops import lengths
from codegen.reading import Use
from codegen.syntax import Code
from codegen.types import Edit

OWN = frozenset({"function", "use_reentrant", "context_fn", "determinism_check", "debug", "early_stop", "preserve_rng_state"})


@dataclass(frozen=True)
class Runner:
    """The function that checkpoints, as the file names it. chooses: it says itself how, without `use_reentrant=False`."""

    name: str
    chooses: bool = False


def plan(code: Code, uses: Sequence[Use], runner: Runner) -> list[Edit]:
    """The edits of these calls. Raises CodegenError("site-not-editable") where one cannot be written so."""
    by_statement: dict[ast.AST, list[Edit]] = defaultdict(list)
    for use in uses:
        by_statement[statement(use)] += call(code, use, runner)
    return [edit for where, edits in by_statement.items() for edit in lengths.fitting(code, where, edits)]


def statement(use: Use) -> ast.AST:
    """The statement that has the call."""
    above = syntax.parents(use.method)
    node: ast.AST = use.node
    while not isinstance(node, ast.stmt):
        node = above[node]
    return node


def call(code: Code, use: Use, runner: Runner) -> Iterator[Edit]:
    """self.mlp(self.norm(x))  ->  checkpoint(self.mlp, self.norm(x), use_reentrant=False)"""
    node, what = use.call, f"checkpoint {use.method.name}:{use.node.lineno}"
    if taken := sorted(OWN & {keyword.arg for keyword in node.keywords}):
        raise refused(use, f"{runner.name} has an argument {taken[0]} of its own")
    start, opening, closing = code.start(node), code.text.index("(", code.end(node.func)), code.end(node) - 1
    if any(isinstance(a, ast.GeneratorExp) and code.start(a) == opening for a in node.args):
        raise refused(use, "its argument is a generator without parentheses of its own")
    given = code.text[opening + 1 : closing]
    last = _last_token(given)
    first_line = given.lstrip(" \t")[:1]
    between = ""  # where the arguments stand on lines of their own, so does the site
    if last and first_line in ("\r", "\n"):
        between = code.newline + _indent_of_first(given)
    yield Edit(start, start, f"{runner.name}({between}", what)
    space = "" if first_line in ("\r", "\n", "#") else " "
    yield Edit(opening, opening + 1, f",{space}" if last else "", what)
    if not runner.chooses:
        yield from _option(code, (opening + 1, closing), what)


def _indent_of_first(given: str) -> str:
    """The indentation of the first line with an argument."""
    lines = [line for line in given.splitlines()[1:] if line.strip() and not line.lstrip().startswith("#")]
    return lines[0][: len(lines[0]) - len(lines[0].lstrip())] if lines else ""


def _option(code: Code, inside: tuple[int, int], what: str) -> Iterator[Edit]:
    """`use_reentrant=False` behind the last argument; with a comma of its own where the others have one."""
    opening, closing = inside
    given, text = code.text[opening:closing], "use_reentrant=False"
    last = _last_token(given)
    if not last:
        yield Edit(closing, closing, f", {text}", what)
        return
    token, end = last
    if token != ",":
        yield Edit(opening + end, opening + end, f", {text}", what)
        return
    behind = given[end:]
    if "\n" not in behind and "\r" not in behind:
        yield Edit(opening + end, opening + end, f" {text}", what)
        return
    at = closing - len(behind) + len(behind.rstrip(" \t"))  # the line of the closing bracket
    yield Edit(at, at, f"{_indent_of_first(given)}{text},{code.newline}", what)


def _last_token(given: str) -> tuple[str, int] | None:
    """The last token of what stands between the brackets of a call, and where it ends; None where nothing does."""
    text = "(" + given.replace("\r\n", " \n").replace("\r", "\n") + "\n)"  # as long as it was
    none = (tokenize.NL, tokenize.NEWLINE, tokenize.COMMENT, tokenize.ENDMARKER)
    tokens = [token for token in tokenize.generate_tokens(io.StringIO(text).readline) if token.type not in none]
    if len(tokens) < 3:
        return None
    (line, column), lines = tokens[-2].end, text.split("\n")
    return tokens[-2].string, sum(len(each) + 1 for each in lines[: line - 1]) + column - 1


def refused(use: Use, why: str, hint: str = "choose the module around it, or one inside it") -> CodegenError:
    """Of a call that cannot be checkpointed where it stands."""
    text = " ".join(ast.unparse(use.node).split())[:60]
    return CodegenError("site-not-editable", f"{use.method.name}:{use.node.lineno} `{text}`: {why}", hint)
