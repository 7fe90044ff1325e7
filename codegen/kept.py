"""What `build` and `check` tell, as text, JSON, GitHub's annotations and SARIF. Decides nothing."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from codegen.errors import one_line
from codegen.keeping import PROBLEMS, Problem, State
from codegen.version import __version__

COLOURS = {"made": "green", "merged": "yellow", "to make": "yellow", "up to date": "blue", "failed": "red"}
if TYPE_CHECKING:  # `check` needs nothing of it
    from codegen.building import Result

SARIF = "https://json.schemastore.org/sarif-2.1.0.json"
FIRST = {"startLine": 1}  # a problem is of the whole file
Json = dict[str, Any]


def built(result: Result) -> None:
    """One line for a variant as it ends, and the error where it has one."""
    click.secho(f"{result.status:10} ", fg=COLOURS[result.status], nl=False)
    click.echo(one_line(f"{result.name}: {result.output}"))
    if result.status == "merged":
        click.echo(f"  the new source is proved, what was edited by hand is not: codegen verify {result.output}")
    if result.error:
        click.echo(f"  error[{result.error.name}]: {one_line(result.error.message)}", err=True)
        click.echo(f"  hint: {one_line(result.error.hint)}", err=True)
        click.echo(result.error.details if result.error.name == "no-merge-base" else "", nl=False)


def summary(results: Sequence[Result]) -> None:
    """How many of each."""
    counts = Counter(result.status for result in results)
    click.echo(", ".join(f"{counts[status]} {status}" for status in COLOURS if counts[status]) or "there are no recipes")


def result_json(result: Result) -> Json:
    """A built variant as JSON."""
    error = result.error
    said = {"name": error.name, "message": error.message, "hint": error.hint} if error else None
    checks = [{"name": c.name, "status": c.status, "detail": c.detail} for c in result.report.checks] if result.report else []
    return {"name": result.name, "output": str(result.output), "status": result.status, "error": said, "checks": checks}


def text(states: Sequence[State]) -> str:
    """A line for each variant that is not as it was made, and how many are."""
    lines = [one_line(f"{state.output}: {problem.kind}: {_said(problem)}") for state in states for problem in state.problems]
    good = sum(not state.problems for state in states)
    return "".join(f"{line}\n" for line in [*lines, f"{good} of {len(states)} variants are what their recipes make"])


def differences(states: Sequence[State]) -> str:
    """What the headers say and what they would say now, and what was edited by hand."""
    return "".join(f"{line}\n" for state in states for line in state.diff)


def as_json(states: Sequence[State]) -> str:
    """{"ok", "variants": [{"name", "output", "problems": [{"kind", "detail", "old", "new"}], "diff": [lines]}]}."""
    variants = [
        {"name": s.name, "output": str(s.output), "problems": [vars(p) for p in s.problems], "diff": [*s.diff]} for s in states
    ]
    return json.dumps({"ok": not any(s.problems for s in states), "variants": variants}, indent=2) + "\n"


def github(states: Sequence[State]) -> str:
    """Workflow commands that GitHub shows beside the file."""
    found = [(state, problem) for state in states for problem in state.problems]
    return "".join(f"::error file={s.output},line=1,title=codegen {p.kind}::{_escaped(_said(p))}\n" for s, p in found)


def sarif(states: Sequence[State]) -> str:
    """SARIF 2.1.0, as code scanning reads it."""
    rules = [{"id": kind, "shortDescription": {"text": what}} for kind, what in PROBLEMS.items()]
    results = [
        {
            "ruleId": problem.kind,
            "level": "error",
            "message": {"text": _said(problem)},
            "locations": [{"physicalLocation": {"artifactLocation": {"uri": state.output.as_posix()}, "region": FIRST}}],
        }
        for state in states
        for problem in state.problems
    ]
    run = {"tool": {"driver": {"name": "codegen", "version": __version__, "rules": rules}}, "results": results}
    return json.dumps({"$schema": SARIF, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _said(problem: Problem) -> str:
    return PROBLEMS[problem.kind] + (f" ({problem.detail})" if problem.detail else "")


def _escaped(text: str) -> str:
    """https://docs.github.com/actions/reference/workflow-commands-for-github-actions"""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


FORMATS: dict[str, Callable[[Sequence[State]], str]] = {"text": text, "json": as_json, "github": github, "sarif": sarif}
