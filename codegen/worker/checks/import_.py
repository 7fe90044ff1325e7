"""The variant's file stands by itself: no relative import, no import of codegen, nothing of a library overwritten.

Importing it happened when the subject was made.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from codegen.worker.checks import Outcome, failed, passed
from codegen.worker.subject import Subject

ORDER = 10
QUICK = True


def check(subject: Subject) -> Outcome:
    """Read the variant's imports, and what importing it changed in the library's registry."""
    if subject.overwritten:
        more = f" and {len(subject.overwritten) - 3} more" if len(subject.overwritten) > 3 else ""
        return failed(f"importing it overwrites {', '.join(subject.overwritten[:3])}{more} in the library's registry")
    data = Path(subject.variant.__file__ or "").read_bytes()
    if not _may_be_foreign(data):
        return passed()
    wrong = [f"line {line}: {what}" for line, what in _foreign_imports(ast.parse(data))]
    return failed("; ".join(wrong)) if wrong else passed()


def _may_be_foreign(data: bytes) -> bool:
    """Whether a look at the tree is worth its time: no such import does without these bytes."""
    return re.search(rb"\bfrom[\s\\]*\.", data) is not None or any(
        b"codegen" in line and not line.lstrip().startswith(b"#") for line in data.splitlines()
    )


def _foreign_imports(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            yield node.lineno, f"relative import from {'.' * node.level}{node.module or ''}"
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            if any(name.split(".")[0] == "codegen" for name in names):
                yield node.lineno, "import of codegen, which users of the file need not have"
