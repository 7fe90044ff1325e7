"""What is about many variants: sweep."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from codegen import given
from codegen.given import Combine, Executor, Isolate, Spec

if TYPE_CHECKING:
    from codegen.grids import Operation
    from codegen.sweeps.coordinator import Sweep, Told


def sweep(
    *sources: Spec,
    modules: Sequence[str] = (),
    sites: Sequence[str] = (),
    operations: Sequence[Operation] = (),
    args: Mapping[str, object] | Sequence[str] = (),
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    identity: bool = False,
    combine: Combine | None = None,
    limit: int | None = None,
    sample: int | None = None,
    seed: int | None = None,
    build: str = "",
    input: str = "",
    timeout: float = 600.0,
    memory: str = "",
    full: bool = False,
    costs: Sequence[str] = (),
    device: str = "cpu",
    compile: bool = False,
    workers: int = 2,
    isolate: Isolate | None = None,
    executor: Executor | None = None,
    scheduler: str = "",
    shard: str = "",
    merge: bool = False,
    strict: bool = False,
    retry: bool = False,
    dry_run: bool = False,
    export: Spec = "",
    output: Spec = "",
    config: Spec = "",
    done: Callable[[Told], object] | None = None,
) -> Sweep:
    """Make and prove a grid of variants, a row for each: `codegen sweep`.

    sources: SOURCEs, as in `codegen.insert`; or the name of a sweep of the recipes' file (config), which has the grid; or the
    folder of a sweep, of which the rows are given as they are.
    modules, sites, operations: what is multiplied. A site is a name; a pattern such as "layer*" is a cell for each site that
    it means, "all(layer*)" one cell with the module at all of them; "every-stage", "every-block", "stem" and "before-head"
    are found in each model. args: {"reduction": [4, 8]}, for each module that has the argument.
    include, exclude: patterns of cells, "timm:vit* se after blocks.*". limit: the first cells; sample: some, drawn by seed.
    identity, combine, build, input, timeout, memory: as in `codegen.insert`, for all of them.
    full: the whole contract. costs: of "flops", "memory", "latency", "export"; device, compile: of the latency.
    workers: how many processes; isolate: "fork", a process for each variant; executor: "local" or "dask", with the address
    of its scheduler. shard: "1/4", a part of the grid in a store of its own; merge: join the stores of the folders in output.
    strict: make nothing where a source or a site is unknown. retry: make again what did not pass. dry_run: only plan.
    export: a .csv, .jsonl, .parquet or .md file for the rows. output: the folder; default: sweeps/NAME.
    done: called with a Told as each row is there.

    Returns a Sweep: `rows` (each with `status`, `error`, `parameters`, `drift`, `costs`), `grid` (the cells), `made`, `failed`,
    `folder`. A row that failed or was refused raises nothing.
    Raises CodegenError("usage", "empty-grid", "unknown-sweep", "bad-expression", "unknown-module", "unknown-argument",
    "sweep-running", "bad-store", "store-version", "read-only", "disk-full", "interrupted"; with strict what the first cell
    that is refused would say).
    """
    options = given.checked({name: value for name, value in locals().items() if name not in ("done", "sources")})
    from codegen.sweeps import asked

    return asked.run(given.texts("sources", sources), options, done or _untold)


def _untold(told: Told) -> None:
    """Where nobody wants to hear of each as it ends."""
