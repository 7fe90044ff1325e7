"""What is about the variants that a repository keeps: build, check, update, eject, schema."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codegen import given
from codegen.errors import CodegenError
from codegen.given import Spec

if TYPE_CHECKING:
    from codegen.building import Result
    from codegen.emit import Ejected
    from codegen.keeping import State


def build(
    *names: Spec,
    config: Spec = "",
    force: bool = False,
    dry_run: bool = False,
    jobs: int = 2,
    done: Callable[[Result], object] | None = None,
) -> tuple[Result, ...]:
    """Make the variants of the recipes that are missing, or whose recipe or source changed: `codegen build`.

    names: of recipes; or files that codegen wrote, whose header alone is enough to make them again. Default: all recipes.
    config: the file with the recipes; default: codegen.toml or pyproject.toml here or in a folder above.
    force: make all anew, and overwrite what was edited by hand. jobs: how many at a time.
    done: called with each Result as it ends. dry_run: only say what would be made; nothing is run and nothing is written.

    Returns a Result for each: `status` ("made", "to make", "up to date", "failed"), `output`, `report`, `error`. One that
    fails raises nothing and stops no other: its `error` is the CodegenError. Outputs are paths from the folder of config.
    Raises CodegenError("usage", "no-recipes", "bad-recipe", "unknown-recipe"; "no-recipe" of a file without a header).
    """
    from codegen import building, wanted

    given.at_least_one("jobs", jobs)
    with wanted.jobs(given.texts("names", names), _config(config)) as chosen:
        if dry_run:
            return tuple(building.planned(chosen, force=force, done=done or _untold))
        return tuple(building.run(chosen, jobs, force=force, done=done or _untold))


def check(*names: Spec, config: Spec = "", diff: bool = False) -> tuple[State, ...]:
    """Whether every variant is what its recipe makes: read-only, runs no model: `codegen check`.

    names, config: as in `codegen.build`. diff: also what the header would say now, and what was edited by hand, as `diff`.

    Returns a State for each: `problems` is empty where it is so; else each has a `kind`: "missing", "recipe-changed",
    "upstream-changed", "module-changed", "source-missing", "edited-by-hand", "other-version" or "no-header".
    Raises CodegenError("no-recipes", "bad-recipe", "unknown-recipe"; "no-recipe" of a file without a header).
    """
    from codegen import keeping, wanted

    with wanted.jobs(given.texts("names", names), _config(config)) as chosen:
        states = [keeping.state(job.name, job.output, job.requests, recipe=job.recipe) for job in chosen]
        return tuple(replace(state, diff=tuple(keeping.diff(state))) if diff else state for state in states)


def update(
    *names: Spec, config: Spec = "", old_source: Spec = "", done: Callable[[Result], object] | None = None
) -> tuple[Result, ...]:
    """Make the variants of the recipes anew on their sources as they are now; what was edited by hand is merged.

    That is `codegen update`. names, config, done: as in `codegen.build`. old_source: the source that an edited file was made
    from, where that is known in no other way: the file, or a folder with the files or the installed library of then.

    Returns a Result for each: `status` is "made", "merged", "up to date" or "failed"; `error` of the last is a CodegenError:
    "merge-conflict", where the file has conflict markers, "no-merge-base", "wrong-old-source", "unknown-site" ...
    Raises CodegenError("no-recipes", "bad-recipe", "unknown-recipe"; "usage" where there is no old_source).
    """
    from codegen import updating, wanted

    old = Path(*given.texts("old_source", (old_source,))).absolute() if old_source else None
    if old and not old.exists():
        raise CodegenError("usage", f"--old-source {old_source}: there is no such file or folder", "give one that is there")
    with wanted.jobs(given.texts("names", names), _config(config)) as chosen:
        return tuple(updating.run(chosen, done=done or _untold, old_source=old))


def eject(file: Spec) -> Ejected:
    """Take codegen's header off a file: it is your own file then, and no command makes it again: `codegen eject`.

    Returns an Ejected: `output`, and how many `headers` it had. Raises CodegenError("no-recipe", "unreadable-source").
    """
    from codegen import emit

    return emit.eject(Path(*given.texts("file", (file,))))


def schema() -> dict[str, Any]:
    """The JSON schema of the recipes in [tool.codegen], for editors: `codegen schema`."""
    from codegen import recipes

    return recipes.schema()


def _config(config: Spec) -> Path | None:
    return Path(*given.texts("config", (config,))) if config else None


def _untold(result: Result) -> None:
    """Where nobody wants to hear of each as it ends."""
