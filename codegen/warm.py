"""Work that waits for child processes which stay warm: torch, and a library, are imported once for all that is made of it.

A child is only kept for what is made of the same library, or of the same file, and only while nothing fails.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence

from codegen import registry, sources
from codegen.child import Child
from codegen.types import Limits

MOST = 40  # runs of one child: what the model's code leaves in memory goes with it


class Warm:
    """The child process of one worker, from one run to the next."""

    def __init__(self) -> None:
        self.family = ""
        self.child: Child | None = None
        self.runs = 0

    @contextlib.contextmanager
    def start(self, limits: Limits) -> Iterator[Child]:
        """The child for one run: that of the run before, where it has the same limits. It is ended where the run fails."""
        if self.child is None or self.child.limits != limits or self.runs >= MOST:
            self.stop()
            self.child, self.runs = Child(limits), 0
        self.runs += 1
        self.child.deadline = time.monotonic() + limits.seconds
        try:
            yield self.child
        except BaseException:
            self.stop()
            raise

    def serve(self, family: str) -> None:
        """Go on with another family: nothing of the one before is left."""
        if family != self.family:
            self.stop()
            self.family = family

    def stop(self) -> None:
        """End the child, where there is one."""
        child, self.child = self.child, None
        if child is not None:
            child.stop()


class Queue:
    """Items that wait, by family. A worker goes on with the family that it is warm for, then takes one that nobody has."""

    def __init__(self, families: Sequence[str]) -> None:
        """families: of each item, which is known by its index."""
        self.waiting: dict[str, list[int]] = {}
        for index, family in enumerate(families):
            self.waiting.setdefault(family, []).append(index)
        self.lock = threading.Lock()
        self.own = threading.local()
        self.workers: list[Warm] = []

    def take(self) -> tuple[int, Warm]:
        """The next item for the thread that asks, and its child. There are as many as there were items."""
        with self.lock:
            worker = self._worker()
            left = {family: len(items) for family, items in self.waiting.items() if items}
            taken = {other.family for other in self.workers}
            free = [family for family in left if family not in taken]
            family = worker.family if worker.family in left else max(free or left, key=left.__getitem__)
            worker.serve(family)
            return self.waiting[family].pop(0), worker

    def _worker(self) -> Warm:
        if not hasattr(self.own, "worker"):
            self.own.worker = Warm()
            self.workers.append(self.own.worker)
        worker: Warm = self.own.worker
        return worker

    def stop(self) -> None:
        """End all children."""
        for worker in self.workers:
            worker.stop()


def family(spec: str) -> str:
    """What a SOURCE shares a child with: all of a library, or what is made of the same file."""
    head = spec.partition(":")[0]
    return head if head in registry.LIBRARIES else sources.parted(spec)[0]
