"""Takes an insertion out of a variant's text again, from what stands in the text alone. Shares no code with codegen."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate

HEADER = 4  # lines
SIMPLE = (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Return, ast.Expr)
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Piece:
    """Bytes start..end of the text, and what stands there without the insertion."""

    start: int
    end: int
    text: bytes = b""


@dataclass
class Text:
    """A text as UTF-8, which is what the columns of its tree count in."""

    data: bytes
    lines: list[bytes] = field(init=False)
    starts: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self.lines = self.data.splitlines(keepends=True)
        self.starts = [0, *accumulate(map(len, self.lines))]

    def at(self, node: ast.AST) -> tuple[int, int]:
        start = self.starts[node.lineno - 1] + node.col_offset  # type: ignore[attr-defined]
        return start, self.starts[node.end_lineno - 1] + node.end_col_offset  # type: ignore[attr-defined]

    def of(self, node: ast.AST) -> bytes:
        start, end = self.at(node)
        return self.data[start:end]

    def whole(self, node: ast.stmt, below: int = 0) -> Piece:
        """The lines of a statement, `below` lines under it too."""
        return Piece(self.starts[node.lineno - 1], self.starts[min((node.end_lineno or 0) + below, len(self.lines))])


def undone(variant: str, base: str, attribute: str) -> str:
    """The variant without its header, the definitions that the base has not, and every use of the attribute."""
    text = Text(without_header(variant).encode())
    tree, old = ast.parse(text.data.decode()), ast.parse(base)
    new = [node for node in tree.body if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and node.name not in names(old)]
    ours = {below for node in new for below in ast.walk(node)}
    pieces = [*(text.whole(node, below=2) for node in new), *imports(text, tree, old)]
    for method in (node for node in ast.walk(tree) if isinstance(node, Function) and node not in ours):
        pieces += uses(text, method, attribute)
    result = text.data
    for piece in sorted(pieces, key=lambda p: p.start, reverse=True):
        result = result[: piece.start] + piece.text + result[piece.end :]
    return joined_again(Text(result), Text(base.encode())).decode()


def joined_again(text: Text, base: Text) -> bytes:
    """The text with the statements in one line that are so in the base, where both are the same code: we made them too long."""
    tree, old = ast.parse(text.data.decode()), ast.parse(base.data.decode())
    result = text.data
    if ast.dump(tree) != ast.dump(old):
        return result
    pairs = [pair for pair in zip(ast.walk(tree), ast.walk(old), strict=True) if isinstance(pair[0], SIMPLE)]
    broken = [(ours, theirs) for ours, theirs in pairs if ours.lineno < (ours.end_lineno or 0) and of_one_line(theirs)]
    for ours, theirs in sorted(broken, key=lambda pair: -pair[0].lineno):
        start, end = text.at(ours)
        result = result[:start] + base.of(theirs) + result[end:]
    return result


def of_one_line(node: ast.AST) -> bool:
    return isinstance(node, SIMPLE) and node.lineno == node.end_lineno


def without_header(variant: str) -> str:
    """The text without the comment lines on top that say what the file is; as it is where there are none."""
    text = Text(variant.encode())
    for index, line in enumerate(text.lines[:HEADER]):
        if line.startswith(b"# Made by codegen "):
            first = index - 1
            return b"".join([*text.lines[:first], *text.lines[first + HEADER :]]).decode()
    return variant


def names(tree: ast.Module) -> set[str]:
    return {node.name for node in tree.body if isinstance(node, (ast.ClassDef, ast.FunctionDef))}


def imports(text: Text, tree: ast.Module, old: ast.Module) -> Iterator[Piece]:
    """The import statements that the base has not."""
    known = {ast.dump(node) for node in old.body}
    for node in tree.body:
        if isinstance(node, (ast.Import, ast.ImportFrom)) and ast.dump(node) not in known:
            yield text.whole(node)


def uses(text: Text, method: Function, attribute: str) -> Iterator[Piece]:
    """Statements of our own, and calls around an expression of the base."""
    parent = {child: node for node in ast.walk(method) for child in ast.iter_child_nodes(node)}
    done: set[ast.AST] = set()
    for block in blocks(method):
        for before, node, behind in zip([None, *block], block, [*block[1:], None], strict=False):
            if node not in done and is_ours(node, attribute):
                done.update(ast.walk(node))
                split = joined(text, before, behind)
                yield split or text.whole(node)
    for call in ast.walk(method):
        if call in done or not (isinstance(call, ast.Call) and is_call(call, attribute)):
            continue
        around, argument = parent[call], text.of(call.args[0])
        if isinstance(around, ast.IfExp) and around.body is call and text.of(around.orelse) == argument:
            yield Piece(*text.at(around), argument)  # self.conv(self.se(x) if blk is self.blocks[0] else x)
        else:
            yield Piece(*text.at(call), argument)  # F.relu(self.se(self.conv(x)))


def blocks(method: Function) -> Iterator[list[ast.stmt]]:
    for node in ast.walk(method):
        for name in ("body", "orelse", "finalbody"):
            found = getattr(node, name, None)
            if isinstance(found, list):
                yield found


def is_call(node: ast.AST | None, attribute: str) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == attribute


def is_ours(node: ast.stmt, attribute: str) -> bool:
    """`self.se = SE(dim)`, the hook, `x = self.se(x)`, and that below a condition; `if m is self.se: continue`."""
    if isinstance(node, ast.If) and len(node.body) == 1 and not node.orelse:
        passed_by = isinstance(node.body[0], ast.Continue) and f".{attribute}" in ast.unparse(node.test)
        return passed_by or is_ours(node.body[0], attribute)
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        return any(isinstance(a, ast.Name) and a.id == f"load_without_{attribute}" for a in node.value.args)
    if not isinstance(node, ast.Assign):
        return False
    target, value = node.targets[0], node.value
    if isinstance(target, ast.Attribute) and target.attr == attribute:
        return True
    passed = value.args[0] if isinstance(value, ast.Call) and is_call(value, attribute) else None
    return passed is not None and ast.unparse(passed) == ast.unparse(target)


def joined(text: Text, before: ast.stmt | None, behind: ast.stmt | None) -> Piece | None:
    """Two runs of the halves of one list made one again, where that is what stands around the statement.

    x = checkpoint_seq([self.layer1], x); x = self.se(x); x = checkpoint_seq([self.layer2], x)
    """
    first, second = run_list(before), run_list(behind)
    if first is None or second is None or before is None or behind is None:
        return None
    alike = text.data[text.at(before)[0] : text.at(first)[0]] == text.data[text.at(behind)[0] : text.at(second)[0]]
    closing = text.data[text.at(first.elts[-1])[1] : text.at(before)[1]]
    if not alike or closing != text.data[text.at(second.elts[-1])[1] : text.at(behind)[1]]:
        return None
    return Piece(text.at(first.elts[-1])[1], text.at(second.elts[0])[0], b", ")


def run_list(node: ast.stmt | None) -> ast.List | ast.Tuple | None:
    value = node.value if isinstance(node, ast.Assign) else None
    first = value.args[0] if isinstance(value, ast.Call) and value.args else None
    return first if isinstance(first, (ast.List, ast.Tuple)) and first.elts else None
