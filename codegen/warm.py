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
from codegen.limits import Limits

MOST = 40  # runs of one child: what the model's code leaves in memory goes with it
SHARED = 3  # as many items are worth a second child for their family: the first has made two by the time it is warm


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
        self.taken: set[str] = set()

    def take(self, worker: Warm) -> int | None:
        """The next item for a worker, None where it has nothing to do any more."""
        with self.lock:
            left = {family: len(items) for family, items in self.waiting.items() if items}
            if worker.family not in left:
                joined = {family: count for family, count in left.items() if family not in self.taken or count >= SHARED}
                if not joined:
                    return None
                worker.serve(min(joined, key=lambda family: (family in self.taken, -left[family])))
                self.taken.add(worker.family)
            return self.waiting[worker.family].pop(0)

    def clear(self) -> None:
        """Nothing waits any more."""
        with self.lock:
            self.waiting.clear()


def family(spec: str) -> str:
    """What a SOURCE shares a child with: all of a library, or what is made of the same file."""
    head = spec.partition(":")[0]
    return head if head in registry.LIBRARIES else sources.parted(spec)[0]
