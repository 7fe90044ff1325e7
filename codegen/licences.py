"""The licence of a user's file: its notice, which comes along with what is copied, and a copyleft that forbids to copy it.

Reads only: the head of the file, the licence file of its package or project, the metadata of an installed distribution.
"""

from __future__ import annotations

import ast
import contextlib
import re
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

from codegen import closure
from codegen.errors import CodegenError
from codegen.syntax import Code

SPDX = re.compile(r"SPDX-License-Identifier:[ \t]*(.+)", re.IGNORECASE)
# the first of these decides: a text of the LGPL names the GPL too, further down
WORDS = re.compile(
    r"(?:GNU )?(?:Affero |(?P<lesser>Lesser |Library (?:or Lesser )?))?General Public Licen[cs]e"
    r"|\b(?P<short>L|A)?GPL(?:\b|(?=v?\d))",
    re.IGNORECASE,
)
IDENTIFIER = re.compile(r"\bA?GPL(?:\b|(?=v?\d))", re.IGNORECASE)
FILES = ("LICENSE*", "LICENCE*", "COPYING*", "license*", "licence*")
PROJECT = (".git", "pyproject.toml", "setup.py", "setup.cfg")  # what the root of a project has
INSTALLED = ("site-packages", "dist-packages")
TITLE = 1000  # characters in which a licence file says what it is
TECHNICAL = re.compile(r"#!|#.*?coding[:=]|#\s*-\*-|#\s*(?:vim?|ex):|# Made by codegen ")  # comments that are no notice
HINT = "--import imports the class instead of copying it, --accept-licence copies it all the same"


def notice(code: Code, body: str) -> str:
    """The comment lines about copyright and licence at the head of a file, "" for none or where `body` has them.

    What its docstring says of them is written as comments.
    """
    blocks = [block for block in _blocks(code) if block not in body]
    found = [index for index, block in enumerate(blocks) if closure.NOTICE.search(block)]
    return "\n#\n".join(blocks[found[0] : found[-1] + 1]) if found else ""


def noted(code: Code, body: str) -> str:
    """Definitions of a file with its notice above them."""
    text, body = notice(code, body), body.strip("\n")
    if not text:
        return body
    return f"{text}\n#\n{body}" if body.startswith("#") else f"{text}\n{body}"


def demand(code: Code) -> None:
    """Raise CodegenError("licence") where a copy of the file's code would be under the GPL or the AGPL.

    What the file itself says in an SPDX line holds; without one both its own words and what its package says.
    """
    path, head = Path(code.name), _head(code)
    _refuse(path.name, copyleft(head), "in its head")
    if SPDX.search(head):
        return
    for where, texts in _stated(path.absolute()):
        found = [copyleft(text) for text in texts]
        if found:  # the first that says anything is the nearest
            _refuse(path.name, found[0] if all(found) else "", f"in {where}")
            return


def copyleft(text: str) -> str:
    """What names the GPL or the AGPL in a text, as it stands there; "" where the text leaves another licence to choose."""
    lines = [line.strip() for line in SPDX.findall(text)]
    if lines:
        return next((line for line in lines if _binds(line)), "")
    found = WORDS.search(" ".join(re.sub(r"^[ \t]*#+", "", text, flags=re.MULTILINE).split()))
    return "" if found is None or found["lesser"] or (found["short"] or "").upper() == "L" else found[0]


def _binds(expression: str) -> bool:
    """Whether an SPDX expression leaves no other choice: `GPL-3.0-only AND MIT` does not, `GPL-3.0-only OR MIT` does."""
    parts = re.split(r"\s+AND\s+", expression, flags=re.IGNORECASE)
    return any(all(map(IDENTIFIER.search, re.split(r"\s+OR\s+", part, flags=re.IGNORECASE))) for part in parts)


def _refuse(name: str, found: str, where: str) -> None:
    if found:
        what = f"{name} is under a licence that a copy of its code would bring along: {found}, {where}"
        raise CodegenError("licence", what, HINT)


def _head(code: Code) -> str:
    """Everything above a file's first statement, its docstring among it."""
    body = code.tree.body
    rest = [s for s in body if not (s is body[0] and _is_docstring(s))]
    return code.text[: code.line_start(rest[0]) if rest else len(code.text)]


def _blocks(code: Code) -> list[str]:
    """The blocks of comments in a file's head, and the paragraphs of its docstring as such."""
    comments, docstring = _head(code), []
    if code.tree.body and _is_docstring(first := code.tree.body[0]):
        behind = comments[code.line_end(first) :]
        comments = f"{comments[: code.line_start(first)]}\n\n{behind}"
        text = ast.get_docstring(code.tree) or ""
        docstring = ["\n".join(f"# {line}".rstrip() for line in part.splitlines()) for part in re.split(r"\n\s*\n", text)]
    lines = ["" if TECHNICAL.match(line) or not line.startswith("#") else line.rstrip() for line in comments.splitlines()]
    own = [block.strip("\n") for block in re.split(r"\n{2,}", "\n".join(lines))]
    return [block for block in (*own, *docstring) if block.strip("# \n")]


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _stated(path: Path) -> Iterator[tuple[str, list[str]]]:
    """What is said of the file's licence outside of it, the nearest first: (where, texts of which each may be chosen)."""
    for folder in _folders(path.parent):
        if files := _licence_files(folder):
            yield files[0].name, [file.read_text("utf-8", "replace")[:TITLE] for file in files]
        if (folder / "pyproject.toml").is_file():
            yield "pyproject.toml", _of_project(folder / "pyproject.toml")
    yield from _of_distribution(path)


def _folders(start: Path) -> Iterator[Path]:
    """The folders of the file's package and what holds it, on to the root of its project where there is one."""
    above = [start, *start.parents]
    last = next((i for i, folder in enumerate(above) if not (folder / "__init__.py").is_file()), 0)
    root = next((i for i, folder in enumerate(above) if any((folder / name).exists() for name in PROJECT)), last)
    for folder in above[: max(root, last) + 1]:
        if folder.name in INSTALLED:
            return  # what stands there is of many distributions
        yield folder


def _licence_files(folder: Path) -> list[Path]:
    """The licence files of a folder. That of the LGPL stands beside one of the GPL, which it adds to: then it alone counts."""
    files = dict.fromkeys(f for pattern in FILES for f in sorted(folder.glob(pattern)) if f.is_file() and f.suffix != ".py")
    return [file for file in files if "LESSER" in file.name.upper()] or [*files]


def _of_project(file: Path) -> list[str]:
    """`license` and the classifiers of pyproject.toml."""
    with contextlib.suppress(tomllib.TOMLDecodeError, OSError, UnicodeDecodeError):
        project = tomllib.loads(file.read_text("utf-8")).get("project", {})
        said = project.get("license", "")
        said = said.get("text", "") if isinstance(said, dict) else str(said)
        return _said(said, map(str, project.get("classifiers", [])))
    return []


def _of_distribution(path: Path) -> Iterator[tuple[str, list[str]]]:
    """The metadata of the installed distribution that lists the file."""
    import importlib.metadata

    root = next((folder for folder in path.parents if folder.name in INSTALLED), None)
    for each in importlib.metadata.distributions(path=[str(root)]) if root else ():
        inside = path.relative_to(root or path).as_posix()
        if any(line.partition(",")[0] == inside for line in (each.read_text("RECORD") or "").splitlines()):
            said = [text for key in ("License-Expression", "License") for text in each.metadata.get_all(key) or []]
            yield f"the metadata of {each.name}", _said("".join(said[:1]), each.metadata.get_all("Classifier") or [])


def _said(licence: str, classifiers: Iterable[str]) -> list[str]:
    """The licence that metadata state: an SPDX expression or words; without one the classifiers, each of them a choice."""
    if not licence.strip() or licence.strip().upper() == "UNKNOWN":
        return [c.rpartition("::")[2].strip() for c in classifiers if c.startswith("License ::")]
    plain = "\n" not in licence and re.search(r"\s(?:OR|AND|WITH)\s|-only$|-or-later$", licence)
    return [f"SPDX-License-Identifier: {licence}" if plain else licence[:TITLE]]
