"""What becomes of one request: a value, or an error in words, whatever the model's code did. Also in a process of its own."""

from __future__ import annotations

import dataclasses
import gc
import json
import os
import selectors
import signal
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from codegen.errors import BUG, CodegenError


def answer(verb: Callable[[dict[str, Any]], Any], request: dict[str, Any]) -> dict[str, Any]:
    """{"value": ...} or {"error": ...}."""
    try:
        return {"value": verb(request)}
    except CodegenError as error:
        return {"error": dataclasses.asdict(error)}
    except (Exception, SystemExit) as error:  # the model's own code: anything can come out of it
        details = traceback.format_exc()
        if is_memory(error):
            what = "the model's code needs more memory than --memory allows"
            return _error("model-memory", what, "raise --memory", details)
        last = traceback.extract_tb(error.__traceback__)[-1].filename
        own = Path(last).is_relative_to(Path(__file__).parent)
        reason = f"{type(error).__name__}: {' '.join(_text(error).split())[:300]}"
        if own and not isinstance(error, SystemExit):
            return _error(
                "internal-error", reason, "this is a bug of codegen: please report it with the command", details, BUG
            )
        hint = "does the file import by itself? --verbose shows the traceback"
        return _error("source-fails", f"running the source's code failed: {reason}", hint, details)


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # it is the model's own class
        return "an exception that cannot be printed"


def is_memory(error: BaseException) -> bool:
    """Whether memory is what lacked, to Python or to torch, which has no error of its own for it on the CPU."""
    return isinstance(error, MemoryError) or isinstance(error, RuntimeError) and "DefaultCPUAllocator" in _text(error)


def _error(name: str, message: str, hint: str, details: str, exit_code: int = 2) -> dict[str, Any]:
    return {"error": {"name": name, "message": message, "hint": hint, "exit_code": exit_code, "details": details}}


def forked(verb: Callable[[dict[str, Any]], Any], request: dict[str, Any], seconds: float) -> Any:
    """The value that a fork of this process finds: whatever the request does to the process is gone afterwards.

    Raises what the verb raised, and ("model-timeout", "model-exited") of the fork.
    """
    read, write = os.pipe()
    process = os.fork()
    if not process:
        _serve_one(verb, request, write)
    os.close(write)
    deadline, text, ended = time.monotonic() + seconds, b"", False
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(read, selectors.EVENT_READ)
            while not ended and selector.select(max(0.0, deadline - time.monotonic())):
                chunk = os.read(read, 1 << 20)
                text, ended = text + chunk, not chunk
    finally:
        os.close(read)
        if not ended:
            os.kill(process, signal.SIGKILL)
        code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    return _value(text, ended, code, seconds)


def _serve_one(verb: Callable[[dict[str, Any]], Any], request: dict[str, Any], write: int) -> None:
    """Answer and end: nothing of what the parent would do comes after it."""
    try:
        gc.disable()  # it ends soon; a collection would touch, and so copy, all pages of the parent
        data = json.dumps(answer(verb, request)).encode()
        with os.fdopen(write, "wb") as stream:
            stream.write(data)
    finally:
        os._exit(0)


def _value(text: bytes, ended: bool, code: int, seconds: float) -> Any:
    if not ended:
        raise CodegenError(
            "model-timeout",
            f"the model's code ran for more than {seconds:g} s",
            "give it longer with --timeout SECONDS, or a smaller model with --build",
        )
    try:
        found = json.loads(text)
    except ValueError:
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"exited with status {code}"
        hint = "look for exit calls or too much memory in the model's file; --memory raises the limit"
        raise CodegenError("model-exited", f"the process that runs the model's code {how}", hint) from None
    if error := found.get("error"):
        raise CodegenError(**error)
    return found["value"]
