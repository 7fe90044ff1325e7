"""Make every file of generated/ again from the command in its header and compare the bytes. Changes nothing there."""

from __future__ import annotations

import difflib
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COMMAND = re.compile(r"^#\s*(codegen (?:insert|replace|wrap|head|remove|base)\b.*?)\s*$")
# which release of a library: another one counts only where its file, whose sha256 stands behind it, is another
RELEASE = re.compile(rb"(?<= from )[\w-]+ [\w.]+, ")
RUN = "import sys; from codegen.ending import main; sys.exit(main())"


def recipe(path: Path) -> list[str]:
    """The arguments of the header's `codegen insert` or `replace` line, without an output; empty where the header has none."""
    for line in path.read_text(encoding="utf-8-sig").splitlines():
        if match := COMMAND.match(line):
            return without_output(shlex.split(match[1])[1:])
    return []


def without_output(arguments: list[str]) -> list[str]:
    """The arguments without `-o FILE`: the file is made beside, and compared."""
    kept: list[str] = []
    words = iter(arguments)
    for word in words:
        if word in ("-o", "--output"):
            next(words, None)
        elif not word.startswith("--output="):
            kept.append(word)
    return kept


def complaint(path: Path, folder: Path) -> str:
    """Why `path` is not what its command makes, or "" where it is."""
    arguments = recipe(path)
    if not arguments:
        return "no line `#     codegen insert ...` in its header"
    made = folder / path.name
    command = [sys.executable, "-c", RUN, *arguments, "-o", str(made)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if result.returncode or not made.is_file():
        return f"`codegen {shlex.join(arguments)}` left with {result.returncode}\n{result.stdout}{result.stderr}"
    old, new = (RELEASE.sub(b"", file.read_bytes(), count=1) for file in (path, made))
    return "" if old == new else difference(path, old, new)


def difference(path: Path, old: bytes, new: bytes) -> str:
    """A unified diff of two files that are known to differ."""
    name = path.relative_to(ROOT).as_posix()
    lines = difflib.unified_diff(
        old.decode(errors="backslashreplace").splitlines(),
        new.decode(errors="backslashreplace").splitlines(),
        f"{name} (committed)",
        f"{name} (remade)",
        lineterm="",
    )
    return "\n".join(lines) or "only the line ends or the encoding differ"


def main() -> int:
    paths = sorted((ROOT / "generated").glob("*.py"))
    if not paths:
        print("error: generated/ holds no variant", file=sys.stderr)
        return 1
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for path in paths:
            problem = complaint(path, Path(folder))
            failed += bool(problem)
            print(f"{'differs' if problem else 'same'}: {path.relative_to(ROOT).as_posix()}", flush=True)
            if problem:
                print(problem, flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
