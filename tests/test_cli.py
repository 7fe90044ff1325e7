"""cli: what is said about the command itself, before anything is run: help, usage errors, exit codes, --json errors."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Run

from codegen import ending, requested
from codegen.errors import CodegenError

Call = Callable[..., tuple[int, str, str]]
COMMANDS = ("base", "sites", "modules", "insert", "replace", "head", "remove", "verify", "diff")


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Call:
    """call("insert", ...) -> (exit code, stdout, stderr) of main() in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["codegen", *words])
        code = 0
        try:
            ending.main()
        except SystemExit as leaving:
            code = int(leaving.code or 0)
        out = capsys.readouterr()
        return code, out.out, out.err

    return run


def assert_one_error(result: tuple[int, str, str], name: str, code: int = 2) -> str:
    """One error line, one hint line, nothing on stdout."""
    found, out, err = result
    lines = err.splitlines()
    assert (found, out) == (code, "")
    assert len(lines) == 2 and lines[0].startswith(f"error[{name}]: ") and lines[1].startswith("hint: "), err
    assert len(lines[1]) > len("hint: ")
    return err


def test_help_and_version(call: Call) -> None:
    code, out, _ = call("--help")
    assert code == 0 and all(command in out for command in COMMANDS)
    code, out, _ = call("--version")
    assert code == 0 and out.strip()


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_every_command(command: str, call: Call) -> None:
    code, out, err = call(command, "--help")
    assert code == 0 and "Usage: codegen" in out and not err


@pytest.mark.parametrize(
    "option",
    [
        "class",
        "build",
        "input",
        "arg",
        "name",
        "identity",
        "suffix",
        "keep",
        "output",
        "in-place",
        "force",
        "dry-run",
        "diff",
        "static",
        "json",
    ],
)
def test_insert_offers_the_options_of_the_design(option: str, call: Call) -> None:
    assert f"--{option}" in call("insert", "--help")[1]


def test_a_call_without_words_shows_what_there_is(call: Call) -> None:
    code, out, err = call()
    assert code in (0, 2) and "insert" in out + err


@pytest.mark.parametrize(
    "words",
    [
        ["nonsense"],
        ["insert"],
        ["insert", "x.py"],
        ["insert", "x.py", "--module", "se"],
        ["insert", "x.py", "--module", "se", "--after", "a", "--before", "b"],
        ["insert", "x.py", "--module", "se", "--after", "a", "--no-such-option"],
        ["insert", "x.py", "--module", "se", "--after", "a", "--keep", "some"],
        ["insert", "x.py", "--module", "se", "--after", "a", "--arg", "reduction"],
        ["insert", "x.py", "--module", "se", "--after", "a", "--arg", "a b=1"],
        ["insert", "x.py", "--module", "se", "--after", "a", "--timeout", "soon"],
        ["insert", "x.py", "--module", "se", "--after", "a", "--memory", "lots"],
        ["insert", "x.py", "y.py", "--module", "se", "--after", "a"],
        ["sites"],
        ["verify"],
    ],
)
def test_a_wrong_command_is_one_usage_error(words: list[str], call: Call) -> None:
    assert_one_error(call(*words), "usage")


@pytest.mark.parametrize("value", ["-5", "0", "nan", "inf", "1e400"])
def test_a_timeout_that_makes_no_sense_is_a_usage_error(value: str, call: Call) -> None:
    Path("x.py").write_text("x = 1\n")
    assert_one_error(call("sites", "x.py", f"--timeout={value}"), "usage")


@pytest.mark.parametrize("value", ["-1G", "0", "8X", "G", "1e400", "nanG", "8 G of it"])
def test_a_memory_limit_that_makes_no_sense_is_a_usage_error(value: str, call: Call) -> None:
    Path("x.py").write_text("x = 1\n")
    assert_one_error(call("sites", "x.py", f"--memory={value}"), "usage")


@pytest.mark.parametrize(
    ("text", "size"), [("2G", 2 << 30), ("512M", 512 << 20), ("1.5GiB", 3 << 29), ("8GB", 8 << 30), ("1000", 1000)]
)
def test_sizes_of_memory(text: str, size: int) -> None:
    assert requested.made("x.py", memory=text).limits.memory == size


@pytest.mark.parametrize(
    "options",
    [
        ("--after", "a", "--beside", "b"),
        ("--after", "a", "--combine", "gate"),
        ("--beside", "a", "--identity"),
        ("--beside", "a", "--combine", "mul", "--identity"),
    ],
)
def test_options_that_do_not_go_together(options: tuple[str, ...], call: Call) -> None:
    assert_one_error(call("insert", "x.py", "--module", "se", *options), "usage")


@pytest.mark.parametrize("command", ["build", "check", "update", "sweep", "report"])
def test_commands_of_later_issues_are_refused_in_one_line(command: str, call: Call) -> None:
    code, out, err = call(command, "x.py")
    assert code == 2 and not out and err.startswith("error[") and len(err.splitlines()) == 2


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["insert", "gone.py", "--module", "se", "--after", "a"], "unreadable-source"),
        (["sites", "no_such_module_here"], "unknown-source"),
        (["modules", "sqe"], "unknown-module"),
        (["verify", "gone.py"], "unreadable-source"),
        (["diff", "gone.py"], "unreadable-source"),
        (["diff", "plain.py"], "no-recipe"),
        (["verify", "plain.py"], "no-recipe"),
        (["diff", "evil.py"], "no-recipe"),
        (["verify", "evil.py"], "no-recipe"),
    ],
)
def test_errors_have_their_names_and_come_as_json_too(words: list[str], name: str, call: Call) -> None:
    Path("plain.py").write_text("x = 1\n")
    Path("evil.py").write_text("#     codegen insert --no-such --help 'a\nx = 1\n")
    assert_one_error(call(*words), name)
    code, out, err = call(*words, "--json")
    assert code == 2 and not err
    error = json.loads(out)["error"]
    assert error["name"] == name and error["message"] and error["hint"]


@pytest.mark.parametrize(
    "words", [["insert", "--json"], ["insert", "x.py", "--module", "se", "--after", "a", "--nope", "--json"]]
)
def test_usage_errors_come_as_json_too(words: list[str], call: Call) -> None:
    code, out, err = call(*words)
    assert code == 2 and not err and json.loads(out)["error"]["name"] == "usage"


def test_control_characters_do_not_reach_the_terminal(call: Call) -> None:
    err = assert_one_error(call("sites", "no\x1b[31m\nsuch\x07.thing"), "unknown-source")
    assert "\x1b" not in err and "\x07" not in err


def test_a_bug_shows_its_traceback_and_leaves_with_1(call, monkeypatch: pytest.MonkeyPatch) -> None:
    from codegen import catalogue

    def broken() -> None:
        raise CodegenError("internal-error", "oh", "report it", 1, details="Traceback ...")

    monkeypatch.setattr(catalogue, "entries", broken)
    code, _, err = call("modules")
    assert code == 1 and "Traceback" in err


def test_modules_lists_the_catalogue(call: Call) -> None:
    code, out, _ = call("modules", "--json")
    assert code == 0 and {"se", "eca", "cbam", "adapter"} <= {entry["name"] for entry in json.loads(out)}
    for name in ("se", "eca", "cbam", "adapter"):
        code, out, err = call("modules", name)
        assert code == 0 and "class " in out and not err


def test_an_exception_that_nobody_foresaw_leaves_with_1_and_a_traceback(codegen: Run, tmp_path: Path) -> None:
    done = codegen("modules", "se", "--layout", "NLC", cwd=tmp_path)
    assert done.returncode == 0, done.stderr.decode()
    done = codegen("modules", "se", "--layout", "QQQ", cwd=tmp_path)
    assert done.returncode == 2 and done.stderr.startswith(b"error[")


def test_a_reader_that_goes_away_ends_it_quietly() -> None:
    """`codegen modules --json | head -1`."""
    read, write = os.pipe()
    os.close(read)
    words = [sys.executable, "-m", "codegen", "modules", "--json"]
    done = subprocess.run(words, stdout=write, stderr=subprocess.PIPE, check=False)
    os.close(write)
    assert done.returncode == 141 and done.stderr == b""
