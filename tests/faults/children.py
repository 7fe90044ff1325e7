"""Faults of a model's code: what it does to the process that runs it stays there, and ends with it."""

# ruff: noqa: E501 - a row of a table is a line

from __future__ import annotations

from faults import HEAD, NET, RUN, Fault


def at_import(name: str, code: str, error: str = "", *says: str, words: tuple[str, ...] = RUN, **files: str) -> Fault:
    """Code that runs when the file is imported."""
    named = {f"{key}.py": text for key, text in files.items()}
    made = () if error else ("generated/net_se.py",)
    text = NET.replace(HEAD, f"{HEAD}{code}\n", 1)
    return Fault(name, words, error, says, {"net.py": text, **named}, runs=True, makes=made)


def in_forward(name: str, code: str, error: str = "", *says: str, words: tuple[str, ...] = RUN, exit_code: int = 2) -> Fault:
    """Code that runs whenever the model does."""
    lines = "".join(f"        {line}\n" for line in code.splitlines())
    text = NET.replace("        x = self.stem(x)\n", f"{lines}        x = self.stem(x)\n")
    made = () if error else ("generated/net_se.py",)
    return Fault(name, words, error, says, {"net.py": text}, runs=True, makes=made, code=exit_code)


SHORT = (*RUN, "--timeout=5")
FORK = "import os, time\nif os.fork() == 0:\n    {}\n"
ORPHAN = FORK.format("os.setsid()\n    time.sleep(300)")
SECRET = """
import os
told = open('/proc/self/environ', 'rb').read() if os.path.exists('/proc/self/environ') else b''
assert b'SECRET' not in told and 'CODEGEN_SECRET' not in os.environ
"""
FORGED = """
import os, stat
for number in range(3, 64):
    try:
        if stat.S_ISFIFO(os.fstat(number).st_mode): os.write(number, b'{"value": {}, "secret": "", "number": 1}\\n{"value": {"checks": []}, "number": 2}\\n')
    except OSError:
        pass
"""
NETWORK = """
import socket
try:
    socket.create_connection(("192.0.2.1", 80), 20)
except PermissionError:
    pass
else:
    raise RuntimeError("a network")
"""
THREAD = "import threading, time\nthreading.Thread(target=time.sleep, args=(300,)).start()"
BUILTINS = "import builtins\nbuiltins.len = builtins.isinstance = builtins.print = None\ndel builtins.sorted"
HOOK = "import atexit, time\natexit.register(time.sleep, 300)"

FAULTS = [
    at_import("closed streams", "import os\nfor n in range(3): os.close(n)"),
    at_import("a closed pipe", "import os; os.closerange(3, 100)", "model-exited"),
    at_import("a closed pipe, and an endless loop", "import os; os.closerange(3, 100)\nwhile True: pass", "model-timeout", words=SHORT),
    at_import("a closed pipe, and a thread that stays", f"{THREAD}\nimport os; os.closerange(3, 100)", "model-exited"),
    at_import("a flood", "while True: print('x' * 100_000)", "model-floods"),
    at_import("a flood of the pipe", "import os\nwhile True:\n    for n in range(3, 12):\n        try: os.write(n, b'x' * 60_000)\n        except OSError: pass", "model-floods|model-timeout", words=SHORT),
    at_import("reading stdin", "input()", "source-fails", "EOFError"),
    at_import("forged verdicts", FORGED),
    at_import("a secret that is not there", SECRET),
    at_import("a fork that goes on", FORK.format("pass")),
    at_import("a fork that stays, in a session of its own", ORPHAN),
    at_import("a fork that stays when the model has gone", ORPHAN + "else:\n    os._exit(3)", "model-exited", "status 3"),
    at_import("a thread that stays", THREAD),
    at_import("a hook at the end", HOOK),
    at_import("an endless loop", "while True: pass", "model-timeout", "--timeout", words=SHORT),
    at_import("an endless loop deaf to signals", "import signal\nfor n in range(1, 32):\n    try: signal.signal(n, signal.SIG_IGN)\n    except OSError: pass\nwhile True: pass", "model-timeout", words=SHORT),
    at_import("an endless wait", "import threading; threading.Event().wait()", "model-timeout", words=SHORT),
    at_import("os._exit(0)", "import os; os._exit(0)", "model-exited", "status 0"),
    at_import("SystemExit", "raise SystemExit(0)", "source-fails"),
    at_import("a segmentation fault", "import ctypes; ctypes.string_at(0)", "model-exited", "SIGSEGV"),
    at_import("an abort", "import os; os.abort()", "model-exited", "SIGABRT"),
    at_import("100 GB", "hog = bytearray(100 << 30)", "source-fails|model-memory"),
    at_import("another folder", "import os; os.chdir('/')"),
    at_import("another umask", "import os; os.umask(0o777)"),
    at_import("a high recursion limit", "import sys; sys.setrecursionlimit(100_000)"),
    at_import("broken builtins", BUILTINS),
    at_import("another type by default", "torch.set_default_dtype(torch.float64)"),
    at_import("another device by default", "torch.set_default_device('meta')"),
    at_import("no gradients", "torch.set_grad_enabled(False)"),
    at_import("only what is deterministic", "torch.use_deterministic_algorithms(True)"),
    at_import("another seed", "torch.manual_seed(0); import random; random.seed(0)"),
    at_import("the network", NETWORK),
    at_import("torch.py beside it", "", torch="raise RuntimeError('not the library')"),
    at_import("json.py beside it", "", json="raise RuntimeError('not the library')"),
    at_import("codegen.py beside it", "", codegen="raise RuntimeError('not the library')"),
    at_import("an exception whose text raises", "class E(Exception):\n    def __str__(self): raise RuntimeError\nraise E", "source-fails"),
    at_import("an exception of 10 MB", "raise RuntimeError('x' * 10_000_000)", "source-fails"),
    at_import("an exception of escapes", "raise RuntimeError('\\x1b[31m\\n\\u2028')", "source-fails"),
    at_import("an exception without end", "def f(): f()\nf()", "source-fails", "RecursionError"),
    at_import("a trace of its own", "import sys; sys.settrace(lambda *given: None); sys.setprofile(lambda *given: None)"),
    in_forward("an exception", "raise ValueError('here')", "cannot-run", "here"),
    in_forward("an exit", "raise SystemExit", "cannot-run|source-fails"),
    in_forward("KeyboardInterrupt", "raise KeyboardInterrupt", "cannot-run|source-fails|model-exited"),
    in_forward("an endless loop in forward", "while True: pass", "model-timeout", words=SHORT),
    in_forward("another type in forward", "torch.set_default_dtype(torch.float64)", "contract-failed", exit_code=3),
    in_forward("broken builtins in forward", BUILTINS.replace("del builtins.sorted", ""), "cannot-run|source-fails|model-exited"),
    in_forward("a hole in the output", "x = x / 0", "contract-failed", "gradient", exit_code=3),
    at_import("an audit hook that refuses", "import sys\nsys.addaudithook(lambda event, given: (_ for _ in ()).throw(RuntimeError(event)) if event == 'compile' else None)", "source-fails|cannot-build|cannot-run|model-exited"),
]
