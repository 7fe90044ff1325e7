"""What the test files share: the command, run as a user runs it, and the option that remakes golden files."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
Run = Callable[..., "subprocess.CompletedProcess[bytes]"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """`pytest tests/test_golden.py --update-golden` writes the golden files anew; read their diff before a commit."""
    parser.addoption(
        "--update-golden", action="store_true", help="remake tests/cases/*/*.py from their recorded commands"
    )


def environment() -> dict[str, str]:
    """The environment of a command under test: this checkout's package first, no colours, a known width."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    return {**os.environ, "PYTHONPATH": path, "NO_COLOR": "1", "COLUMNS": "120"}


def command(*words: str) -> list[str]:
    """`codegen WORDS` as an argument list for this interpreter."""
    return [sys.executable, "-m", "codegen", *words]


@pytest.fixture
def codegen() -> Run:
    """codegen("insert", ..., cwd=folder) -> the finished process, stdout and stderr as bytes."""

    def run(*words: str, cwd: Path, seconds: float = 240) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            command(*words), check=False, cwd=cwd, env=environment(), capture_output=True, timeout=seconds
        )

    return run


def children_of(parent: int) -> list[int]:
    listed = Path(f"/proc/{parent}/task/{parent}/children")
    return [int(word) for word in listed.read_text().split()] if listed.exists() else []


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
