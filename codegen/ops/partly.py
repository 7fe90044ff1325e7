"""Run some elements of a list under activation checkpointing, or any site but where torch.jit.script compiles the code: the
statement stands in both branches of an `if`; a run of the whole list becomes a loop. No other line changes.
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from codegen import landing, loops, naming, rewrite, selection, style, syntax
from codegen.ops import checkpointed
from codegen.ops.checkpointed import Runner, refused
from codegen.ops.lengths import SIMPLE
from codegen.reading import Use
from codegen.syntax import Code
from codegen.types import Edit

SCOPES = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.Lambda)
SCRIPTING = "torch.jit.is_scripting()"


@dataclass(frozen=True)
class Run:
    """A call that runs elements of the list `listed`, of which `part` (`3`, `::2`, `*`) are meant; or the site, without both.

    subject: the element that it runs, "" where it runs the whole list; only: when it runs the site or the list, "" always;
    scripted: it is left as it is in a script.
    """

    use: Use
    listed: str = ""
    part: str = "*"
    subject: str = ""
    only: str = ""
    scripted: bool = False


def plan(code: Code, runs: Sequence[Run], runner: Runner) -> list[Edit]:
    """The edits of these calls. Raises CodegenError("site-not-editable") where one cannot be written so."""
    alone = [run for run in runs if not run.scripted and run.part == "*" and not run.only]
    plain = [run.use for run in alone if run.subject or not run.listed]
    edits = checkpointed.plan(code, plain, runner)
    for run in (run for run in runs if run.use not in plain):
        edits += _loop(code, run, runner) if run.listed and not run.subject else _branches(code, run, runner)
    return list(dict.fromkeys(edits))  # the head of a loop may be the same for two of its calls


def condition(part: str, listed: str, subject: str, index: str) -> str:
    """When `subject`, at the position `index` ("" where none is known), is one of these elements; "" always.

    3    blk is self.blocks[3]         1::2  i % 2 == 1
    2,5  i in (2, 5)                   6:    i >= 6
    """
    if part == "*":
        return ""
    if part.lstrip("-").isdigit():
        return f"{subject} is {listed}[{part}]"
    if selection.POSITIONS.fullmatch(part):
        numbers = part.split(",")
        if index and "-" not in part:
            return f"{index} in ({', '.join(numbers)})"
        return f"{subject} in ({', '.join(f'{listed}[{number}]' for number in numbers)})"
    if not index:
        return f"{subject} in {listed}[{part}]"
    first, last, step = ((*part.split(":"), "")[:3])
    if step.isdigit() and int(step) > 1 and not last and (not first or first.isdigit() and int(first) < int(step)):
        return f"{index} % {step} == {first or 0}"
    if "-" not in part and step in ("", "1") and (first or last):
        one = f"{index} >= {first}" if first and not last else f"{index} < {last}" if last and not first else ""
        return one or f"{first} <= {index} < {last}"
    return f"{index} in range(len({listed}))[{part}]"


def needs_position(part: str) -> bool:
    """Whether the condition counts the elements."""
    return part != "*" and not part.lstrip("-").isdigit() and not (selection.POSITIONS.fullmatch(part) and "-" in part)


def _branches(code: Code, run: Run, runner: Runner) -> Iterator[Edit]:
    """x = blk(x)  ->  if blk is self.blocks[3]:
                           x = checkpoint(blk, x, use_reentrant=False)
                       else:
                           x = blk(x)
    """
    index, head = _position(code, run)
    yield from head
    when = _when(run, run.subject, index)
    node, what = run.use.node, f"checkpoint {run.use.method.name}:{run.use.node.lineno}"
    statement = checkpointed.statement(run.use)
    inner = any(isinstance(n, SCOPES) for n in _between(run.use, statement))  # the condition has its variables
    if inner or not isinstance(statement, SIMPLE) or not code.stands_alone(statement) or '"""' in code.segment(statement):
        again, plain = _both(code, run, runner, (code.start(node), code.end(node)))
        yield Edit(code.start(node), code.end(node), f"({again} if {when} else {plain})", what)
        return
    start, end = code.line_start(statement), code.line_end(statement)
    text = _either(code, code.indent(statement), when, _both(code, run, runner, (start, end)))
    limit = style.line_length(code.text)
    if max(len(line.expandtabs(4)) for line in text.splitlines()) > limit:
        text = style.block(text, code, code.indent(statement))
    yield Edit(start, end, text, what)


def _between(use: Use, statement: ast.AST) -> Iterator[ast.AST]:
    """The nodes around a call in its statement."""
    above = syntax.parents(use.method)
    node: ast.AST = use.node
    while node is not statement:
        yield node
        node = above[node]


def _both(code: Code, run: Run, runner: Runner, around: tuple[int, int]) -> tuple[str, str]:
    """What stands there with the call checkpointed, and as it is."""
    start, end = around
    edits = [replace(e, start=e.start - start, end=e.end - start) for e in checkpointed.call(code, run.use, runner)]
    return rewrite.apply(code.text[start:end], edits), code.text[start:end]


def _loop(code: Code, run: Run, runner: Runner) -> Iterator[Edit]:
    """x = self.layer3(x)  ->  for block in self.layer3:
                                   x = checkpoint(block, x, use_reentrant=False)
    """
    use, call = run.use, run.use.call
    if len(call.args) != 1 or call.keywords or isinstance(call.args[0], ast.Starred):
        raise refused(use, "it gives the list more than one tensor")
    statement = landing.above(code, use.method, call)
    if statement is None:
        raise refused(use, "a loop over the list would need a statement of its own above")
    given, taken = call.args[0], naming.in_method(use.method)
    whole = isinstance(statement, ast.Assign) and statement.value is call and len(statement.targets) == 1
    target = statement.targets[0] if isinstance(statement, ast.Assign) and whole else None
    own = isinstance(given, ast.Name) and (isinstance(statement, ast.Return) or given.id in _stored(statement))
    x = given.id if own and isinstance(given, ast.Name) else naming.free("x", taken)
    x = target.id if isinstance(target, ast.Name) else x
    lines = [] if isinstance(given, ast.Name) and given.id == x else [f"{x} = {code.segment(given)}"]
    block = called(run)
    index = naming.free("i", taken) if needs_position(run.part) else ""
    lines.append(f"for {index}, {block} in enumerate({run.listed}):" if index else f"for {block} in {run.listed}:")
    again = f"{x} = {runner.name}({block}, {x}{'' if runner.chooses else ', use_reentrant=False'})"
    when = _when(run, block, index)
    lines += [f"    if {when}:", f"        {again}", "    else:", f"        {x} = {block}({x})"] if when else [f"    {again}"]
    if run.only:  # it is the list in some cases only
        if not (whole and isinstance(target, ast.Name)):
            raise refused(use, f"it is the list only where {run.only}")
        inner = (f"    {line}" for line in lines)
        lines = [f"if {run.only}:", *inner, "else:", *(f"    {line}" for line in code.segment(statement).split("\n"))]
    text = style.block("\n".join(lines), code, code.indent(statement))
    start, what = code.line_start(statement), f"checkpoint {use.method.name}:{call.lineno}"
    if whole and isinstance(target, ast.Name):
        end = code.line_end(statement)
        yield Edit(start, end, text if code.text[:end].endswith(("\n", "\r")) else text.removesuffix(code.newline), what)
        return
    yield Edit(start, start, text, what)
    yield Edit(code.start(call), code.end(call), x, what)


def called(run: Run) -> str:
    """What the variant gives to the function that checkpoints: `block`, `self.mlp`."""
    if run.listed and not run.subject:
        return naming.free(_singular(run.listed), naming.in_method(run.use.method))
    return ast.unparse(run.use.call.func)


def _stored(statement: ast.stmt) -> set[str]:
    return {n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


def _singular(listed: str) -> str:
    """`layer` for self.layers, `block` for self.layer3."""
    name = re.findall(r"\w+", listed)[-1]
    return name[:-1] if name.endswith("s") and len(name) > 2 and name[:-1].isidentifier() else "block"


def _when(run: Run, subject: str, index: str) -> str:
    """The condition; torch.jit.script leaves out what stands behind the first part."""
    parts = [f"not {SCRIPTING}"] if run.scripted else []
    parts += [run.only] if not run.listed else []
    parts += [condition(run.part, run.listed, subject, index)] if run.listed else []
    return " and ".join(part for part in parts if part)


def _position(code: Code, run: Run) -> tuple[str, list[Edit]]:
    """The variable that counts the elements in the loop around a call, and the edit that gives it one; ("", []) without."""
    if not needs_position(run.part):
        return "", []
    around = loops.around(run.use.method, run.use.call)

    def is_list(node: ast.AST) -> bool:
        return ast.unparse(node) == run.listed or isinstance(node, ast.Name) and _begins(run.use, node.id, run.listed)

    loop = next((loop for loop in around if loops.loop_variable(loop, is_list) == run.subject), None)
    if loop is None:
        return "", []
    if isinstance(loop.target, ast.Tuple):
        counted = isinstance(loop.iter, ast.Call) and len(loop.iter.args) == 1 and not loop.iter.keywords
        return (ast.unparse(loop.target.elts[0]), []) if counted else ("", [])
    index, what = naming.free("i", naming.in_method(run.use.method)), f"count in {run.use.method.name}:{loop.lineno}"
    target, listed = loop.target, loop.iter
    edits = [Edit(code.start(target), code.start(target), f"{index}, ", what)]
    edits.append(Edit(code.start(listed), code.start(listed), "enumerate(", what))
    edits.append(Edit(code.end(listed), code.end(listed), ")", what))
    return index, edits


def _begins(use: Use, name: str, listed: str) -> bool:
    """Whether a variable of the method holds the list or its first elements: blocks = self.blocks[:max_index + 1]"""
    values = [
        node.value
        for node in ast.walk(use.method)
        if isinstance(node, ast.Assign) and name in {ast.unparse(target) for target in node.targets}
    ]
    stored = [n for n in ast.walk(use.method) if isinstance(n, ast.Name) and n.id == name and isinstance(n.ctx, ast.Store)]
    return bool(values) and len(stored) == len(values) and all(_is_beginning(value, listed) for value in values)


def _is_beginning(value: ast.expr, listed: str) -> bool:
    if isinstance(value, ast.Subscript) and isinstance(value.slice, ast.Slice):
        return value.slice.lower is value.slice.step is None and ast.unparse(value.value) == listed
    return ast.unparse(value) == listed


def _either(code: Code, indent: str, when: str, branches: tuple[str, str]) -> str:
    """`if`, and the lines of both branches as they are, one step further in."""
    unit = code.unit_at(indent)
    first, second = (textwrap.indent(text, unit) for text in branches)
    end = code.newline
    first = first if first.endswith(("\n", "\r")) else first + end
    return f"{indent}if {when}:{end}{first}{indent}else:{end}{second}"
