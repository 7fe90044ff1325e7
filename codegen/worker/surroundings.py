"""What a model's code may change of the process around it - builtins, torch's defaults, the folder - put back. Runs nothing."""

from __future__ import annotations

import builtins
import contextlib
import os
import random
import sys
from collections.abc import Callable, Iterator
from typing import Any

import torch

WRITABLE = dict(vars(builtins))
# how torch says and is told what it does where nothing else is said
SETTINGS: tuple[tuple[Callable[[], Any], Callable[[Any], Any]], ...] = (
    (torch.get_default_dtype, torch.set_default_dtype),
    (torch.get_default_device, torch.set_default_device),
    (torch.is_grad_enabled, torch.set_grad_enabled),
    (torch.are_deterministic_algorithms_enabled, torch.use_deterministic_algorithms),
    (torch.get_num_threads, torch.set_num_threads),
)
STREAMS = [os.dup(number) for number in range(3)]


def _open_again() -> None:
    """Standard streams that were closed: the next file that is opened would be taken for one."""
    for number, copy in enumerate(STREAMS):
        with contextlib.suppress(OSError):
            try:
                os.fstat(number)
            except OSError:
                os.dup2(copy, number)


def _folder() -> str:
    try:
        return os.getcwd()
    except OSError:
        return ""


@contextlib.contextmanager
def kept() -> Iterator[None]:
    """Put back, at the end, what code that ran inside has changed. A higher recursion limit stays: a deep model needs it."""
    folder, umask = _folder(), os.umask(0o022)
    os.umask(umask)
    limit, state = sys.getrecursionlimit(), random.getstate()
    settings = [told() for told, _ in SETTINGS]
    try:
        yield
    finally:
        vars(builtins).update(WRITABLE)
        _open_again()
        sys.setrecursionlimit(max(limit, sys.getrecursionlimit()))
        os.umask(umask)
        with contextlib.suppress(OSError):  # it may be gone, then or now
            os.chdir(folder)
        random.setstate(state)
        for value, (told, tell) in zip(settings, SETTINGS, strict=True):
            if told() != value:
                tell(value)
