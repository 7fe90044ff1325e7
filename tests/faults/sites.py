"""Faults of hosts and sites: what is not there, is meant twice, or cannot be edited exactly; the hint names what helps."""

# ruff: noqa: E501 - a row of a table is a line

from __future__ import annotations

from pathlib import Path

from faults import HEAD, MARK, NET, RUN, STATIC, Fault
from faults import run as run_here

FORWARD = "    def forward(self, x):\n        x = self.stem(x)\n        return self.head(self.pool(x).flatten(1))\n"
assert FORWARD in NET


def static(name: str, error: str, *says: str, text: str = NET, words: tuple[str, ...] = ()) -> Fault:
    """What reading alone must refuse; nothing of the file may run."""
    return Fault(name, words or STATIC, error, says, {"net.py": text.replace(HEAD, HEAD + MARK, 1)})


def run(name: str, error: str, *says: str, text: str = NET, words: tuple[str, ...] = (), code: int = 2) -> Fault:
    """What only a run of the model shows."""
    return Fault(name, words or RUN, error, says, {"net.py": text}, runs=True, code=code)


def works(name: str, text: str, words: tuple[str, ...] = RUN) -> Fault:
    """What looks like a fault, and is edited and proved."""
    return Fault(name, words, files={"net.py": text}, runs=True, makes=("generated/net_se.py",))


def inserted(folder: Path) -> None:
    assert run_here((*STATIC, "-o", "made.py"), folder).code == 0
    (folder / "made.py").rename(folder / "net.py")


def inserted_beside(folder: Path) -> None:
    assert run_here(STATIC, folder).code == 0


def forward(*lines: str) -> str:
    """net.py with another body of `forward`."""
    return NET.replace(FORWARD, "    def forward(self, x):\n" + "".join(f"        {line}\n" for line in lines))


def with_init(line: str, text: str = NET) -> str:
    """net.py with one more line at the end of `__init__`."""
    return text.replace("        self.head = nn.Linear(dim, 10)\n", f"        self.head = nn.Linear(dim, 10)\n        {line}\n")


def at(site: str, *more: str, static: bool = False) -> tuple[str, ...]:
    """An insertion after another site."""
    return ("insert", "net.py", "--module=se", f"--after={site}", *(["--static"] if static else []), *more)


TWICE = NET + NET.replace(HEAD, "").replace("dim=8", "dim=16")
INHERITED = NET.replace("class Net(nn.Module)", "class Base(nn.Module)") + "\n\nclass Net(Base):\n    pass\n"
BUFFER = with_init("self.register_buffer('scale', torch.ones(1))")
PARAMETER = with_init("self.gain = nn.Parameter(torch.ones(1))")
SPARE = with_init("self.spare = nn.Conv2d(dim, dim, 1)")
TRAINING = with_init("self.drop = nn.Dropout(0.1)", forward("x = self.stem(x)", "if self.training:", "    x = self.drop(x)", "return self.head(self.pool(x).flatten(1))"))
LAMBDA = forward("f = lambda y: self.stem(y)", "x = f(x)", "return self.head(self.pool(x).flatten(1))")
COMPREHENSION = forward("x = sum([self.stem(y) for y in (x, x)])", "return self.head(self.pool(x).flatten(1))")
SEVERAL = with_init("self.again = nn.Conv2d(dim, dim, 1)", forward("x = self.stem(x)", "x = self.again(self.again(x))", "x = self.again(x)", "return self.head(self.pool(x).flatten(1))"))
LIST = with_init("self.layers = nn.ModuleList([nn.Conv2d(dim, dim, 1) for _ in range(2)])", forward("x = self.stem(x)", "for layer in self.layers:", "    x = layer(x)", "return self.head(self.pool(x).flatten(1))"))
SCRIPTED = NET + "\n\ndef make():\n    return torch.jit.script(Net())\n"
TRACED = NET + "\n\ndef make():\n    return torch.jit.trace(Net(), torch.zeros(1, 3, 8, 8))\n"
COMPILED = NET + "\n\ndef make():\n    return torch.compile(Net())\n"
QUANTISED = NET + "\n\ndef make():\n    return torch.ao.quantization.quantize_dynamic(Net(), {nn.Linear}, dtype=torch.qint8)\n"
PARALLEL = NET + "\n\ndef make():\n    return nn.DataParallel(Net())\n"
HOOKED = NET.replace("class Net", "def twice(m, a, out):\n    return out * 2\n\n\nclass Net") .replace("        self.pool", "        self.stem.register_forward_hook(twice)\n        self.pool")
FUNCTION = HEAD + "\n\ndef stem(x):\n    return x\n\n\nclass Net(nn.Module):\n    def forward(self, x):\n        return stem(x)\n"
NO_FORWARD = HEAD + "\n\nclass Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.stem = nn.Conv2d(3, 8, 1)\n"
NO_MODULE = HEAD + "\n\nclass Net:\n    def __init__(self):\n        self.stem = nn.Conv2d(3, 8, 1)\n\n    def forward(self, x):\n        return self.stem(x)\n"
DELETED = with_init("del self.stem")
REBOUND = with_init("self.stem = nn.Identity()")
PROPERTY = NET.replace("    def forward", "    @property\n    def se(self):\n        return 1\n\n    def forward")
SLOTS = NET.replace("class Net(nn.Module):\n", "class Net(nn.Module):\n    __slots__ = ()\n")
META = NET.replace("class Net", "class Meta(type):\n    def __call__(cls, *given, **named):\n        raise RuntimeError('two\\nlines\\x1b[31m')\n\n\nclass Net").replace("(nn.Module)", "(nn.Module, metaclass=Meta)")
ASYNC = NET.replace("    def forward", "    async def forward")
GENERATOR = forward("yield self.stem(x)")

FAULTS = [
    static("an unknown class", "host-not-found", "--class", words=at("stem", "--class=Nett", static=True)),
    static("a class of another kind of name", "host-not-found", words=at("stem", "--class=Net; import os", static=True)),
    static("a class with a newline", "host-not-found", words=at("stem", "--class=Net\n", static=True)),
    static("a class of 10,000 characters", "host-not-found", words=at("stem", f"--class={'N' * 10_000}", static=True)),
    static("an unknown site, read", "unknown-site|unknown-width", "stme", words=at("stme", static=True)),
    static("a dotted site, read", "unknown-site", "stem.0", words=at("stem.0", static=True)),
    static("a site of nothing, read", "usage|unknown-site", words=at("", static=True)),
    static("no forward, read", "host-not-found|unknown-site", text=NO_FORWARD),
    static("a site never called, read", "unknown-site", text=SPARE, words=at("spare", static=True)),
    static("a width that is not there", "unknown-width", "--width", words=at("pool", static=True)),
    Fault("the same insertion twice", (*STATIC, "--in-place"), "inserted-already", ("--name",), prepare=inserted),
    Fault("its variant again", ("insert", "generated/net_se.py", *STATIC[2:]), "inserted-already", prepare=inserted_beside),
    run("an unknown site", "unknown-site", "stem", words=at("stme")),
    run("an unknown class, run", "host-not-found", "Net", words=at("stem", "--class=Nett")),
    run("a class that the model has not", "host-not-found|unknown-site", words=at("stem", "--class=Other"), text=NET + "\n\nclass Other(nn.Module):\n    def forward(self, x):\n        return x\n"),
    run("a site that is the model", "usage|unknown-site", words=at("")),
    run("a site with a newline", "unknown-site", words=at("stem\nimport os")),
    run("a site with escapes", "unknown-site", words=at("\x1b[31mstem")),
    run("a site of 10,000 characters", "unknown-site", words=at("s" * 10_000)),
    run("a site of 10,000 parts", "unknown-site", words=at("s." * 10_000 + "s")),
    run("a site like a pattern", "unknown-site|bad-site", words=at("[")),
    run("a site of a dunder", "unknown-site", words=at("__class__")),
    run("a parameter as a site", "unknown-site", "near it: stem", text=PARAMETER, words=at("gain")),
    run("a buffer as a site", "unknown-site", "near it: stem", text=BUFFER, words=at("scale")),
    run("a method as a site", "unknown-site", words=at("forward")),
    run("a site that is never called", "site-never-called", "spare", text=SPARE, words=at("spare")),
    works("a site only called in training", TRAINING, at("drop")),
    works("a site in a lambda", LAMBDA),
    works("a site in a comprehension", COMPREHENSION),
    works("an input of 100 TB", NET, at("stem", "--input=1000000x3x100000x100000")),
    run("an element that is out of range", "unknown-site", "layers", text=LIST, words=at("layers.7")),
    run("a negative element out of range", "unknown-site", "layers", text=LIST, words=at("layers.-9")),
    run("a call that is not there", "unknown-site|usage|no-such-call", text=SEVERAL, words=at("again", "--call=9")),
    run("a call of zero", "usage", words=at("stem", "--call=0")),
    run("an output that is not there", "unknown-element", words=at("stem", "--output-index=3")),
    run("an attribute that is taken", "name-clash", "stem", words=at("stem", "--name=stem")),
    run("an attribute of torch's", "name-clash", words=at("stem", "--name=forward")),
    run("another attribute of torch's", "name-clash", words=at("stem", "--name=training")),
    run("a property's name", "name-clash", text=PROPERTY, words=at("stem", "--name=se")),
    run("a name that is no identifier", "name-clash", words=at("stem", "--name=a b")),
    run("a name that is a keyword", "name-clash", words=at("stem", "--name=class")),
    run("a name with code", "name-clash", words=at("stem", "--name=se; import os")),
    run("a name with a newline", "name-clash", words=at("stem", "--name=se\n")),
    run("a name of dunders", "name-clash", words=at("stem", "--name=__class__")),
    run("a class name that is a keyword", "usage", words=at("stem", "--as-class=class")),
    run("a class name with code", "usage", words=at("stem", "--as-class=A: pass\nimport os\nclass B")),
    run("no forward", "cannot-run", text=NO_FORWARD),
    run("a class that is no module", "host-not-found|not-a-model", text=NO_MODULE),
    run("a function as a site", "unknown-site", text=FUNCTION),
    run("a site deleted again", "cannot-run", text=DELETED),
    run("a scripted model", "not-editable", "torch.jit", text=SCRIPTED, words=at("stem", "--build=make()")),
    run("a traced model", "not-editable", text=TRACED, words=at("stem", "--build=make()", "--input=1x3x8x8")),
    run("a compiled model", "not-editable", text=COMPILED, words=at("stem", "--build=make()")),
    run("a quantised model", "unknown-width", text=QUANTISED, words=at("head", "--build=make()")),
    run("a metaclass that refuses", "cannot-build", text=META),
    run("an asynchronous forward", "source-fails|unknown-site|site-never-called|not-runnable", text=ASYNC),
    run("a forward that yields", "source-fails|unknown-site|site-never-called|not-runnable", text=GENERATOR),
    run("a build that is no expression", "usage", words=at("stem", "--build=Net(")),
    run("a build of another thing", "not-a-model", words=at("stem", "--build=42")),
    run("a build with a newline", "usage", words=at("stem", "--build=Net()\nimport os")),
    run("a build that raises", "cannot-build", words=at("stem", "--build=1/0")),
    run("an input that is no expression", "usage", words=at("stem", "--input=1x3x")),
    run("an input of other rank", "cannot-run", words=at("stem", "--input=1x3")),
    run("an input of other channels", "cannot-run", words=at("stem", "--input=1x5x8x8")),
    run("an input of negative size", "cannot-run", words=at("stem", "--input=1x3x-8x8")),
    run("an input of an unknown type", "cannot-run", words=at("stem", "--input=1x3x8x8:klingon")),
    run("an import of a missing package", "source-fails|missing-package", "no_such_package", text="import no_such_package\n" + NET),
    run("a relative import without a package", "source-fails|unknown-source|missing-package|unreadable-source", text="from .nothing import x\n" + NET),
]
