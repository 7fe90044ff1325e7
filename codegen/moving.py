"""Where a site went that a newer source does not have any more: told by what made it then and what is made now. Reads only."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from codegen import syntax
from codegen.types import Request, Source

GONE = ("unknown-site", "unknown-class", "host-not-found", "site-never-called")  # errors that such a site ends with
Made = dict[str, str]  # attribute -> what makes it: {"stem": "Conv2d"}


def told(old: str, request: Request, source: Source) -> str:
    """One sentence on where the site of a request may be now, "" where nothing is known. old: the file as it was made."""
    before, now = _classes(old), _classes(source.file.text)
    name = _attribute(request.site)
    found = []
    for owner in sorted((o for o in before if name in before[o]), key=lambda o: o != request.host):
        found += [*_elsewhere(owner, now, source), *_renamed(owner, name, before, now)]
    return "; ".join(dict.fromkeys(found[:2]))


def _renamed(owner: str, name: str, before: dict[str, Made], now: dict[str, Made]) -> Iterator[str]:
    """The same maker under another name in the class, then in others; then the same name in others."""
    maker = before[owner][name]
    for cls in sorted(now, key=lambda each: each != owner):
        for attribute, by in now[cls].items():
            if maker and by == maker and attribute not in before.get(cls, {}):
                yield f"{maker} makes {cls}.{attribute} now, as it made {owner}.{name}"
    for cls, made in now.items():
        if name in made and name not in before.get(cls, {}):
            yield f"{cls} has {name} now, as {owner} had"


def _elsewhere(owner: str, now: dict[str, Made], source: Source) -> Iterator[str]:
    """A file beside the source that defines the class now."""
    if owner in now:
        return
    for path in sorted(source.file.path.parent.glob("*.py")):
        text = path.read_text(encoding="utf-8", errors="replace") if path != source.file.path else ""
        if re.search(rf"^class {re.escape(owner)}\b", text, re.MULTILINE):
            yield f"{owner} stands in {Path(path).name} now"


def _attribute(site: str) -> str:
    """`blocks.*.attn@residual` -> `attn`; `blocks.*` -> `blocks`."""
    parts = [part for part in site.partition("@")[0].split(".") if part.isidentifier()]
    return parts[-1] if parts else ""


def _classes(text: str) -> dict[str, Made]:
    """Of each class what its methods assign to `self`, and what makes it: the name that is called, "" for anything else."""
    found: dict[str, Made] = {}
    for name, cls in syntax.classes(ast.parse(text)):
        made = found.setdefault(name, {})
        for node in (each for each in ast.walk(cls) if isinstance(each, ast.Assign)):
            for target in node.targets:
                if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id == "self":
                    called = ast.unparse(node.value.func) if isinstance(node.value, ast.Call) else ""
                    made.setdefault(target.attr, called.rpartition(".")[2])
    return found
