"""Fuzz: programs and mutated model files, hostile words, recipes, module expressions through commands that run nothing.

Every example must work or be refused in two lines: no traceback, no marker executed, nothing left, a minute at most.
"""

# ruff: noqa: E501 - a list of words is a line

from __future__ import annotations

import random
import re
import shutil
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from faults import ERROR, LONGEST, MARK, NET, Outcome, run

CASES = Path(__file__).resolve().parent.parent / "cases"
STRANGE = ["\x00", "\x0c", "\r", "\u2028", "\u202e", "\ufeff", "\ud800", "é", "𝕏", "\t", "\\", "'", '"', "'''", "#", "{", "}", "(", ")", ":", ";", "@", "=", "*", "->", "\\\n"]
SNIPPETS = ["lambda: 0", "yield", "await x", "async ", "class", "def f(", "if 1:\n", "else:\n", "return", "del self", "global x", "nonlocal x", "import *", "from . import x", "match x:\n", "case _:\n", "x := 1", "*x", "**x", "...", "None = 1", "f'{x!r:{y}}'", "pass", "try:\n", "with x as y:\n", "assert 0", "exec('x')", "self.stem = 1", "super().__init__()", "__slots__ = ()", "raise SystemExit", "while 1:\n", "self", "nn.Module", "forward"]
WORDS = ["", "a", "Net", "stem", "se", "eca", "Net.stem", "stem.0", "*", "stem.*", "..", "../../x", "/etc/passwd", "se; import os", "se\nimport os", "se\u2028x", "\x1b[31m", "__class__", "__init__", "class", "None", "True", "x" * 10_000, "ѕе", "ｓｅ", "{{7*7}}", "{%raw%}", "%s", "{0}", "$(touch MARKER)", "`id`", "'", '"', "')", "#", "\\", "-", "--", "=", "1", "-1", "1e999", "nan", "[", "(", "(" * 200, "\x00", "\ud800", "se >> eca", "residual(se)", "mine.py:Gate", "torch.nn:ReLU", "os:system", "timm.layers:EcaModule", "net.py:Net", "stem@1", "stem#2", "stem,head", "0", "::2", "*" * 50, "se(reduction=8)", "CON", "a b", "\t", "\n"]
EXPRESSION = ["se", "eca", "mine.py:Gate", "torch.nn:ReLU", "residual", "gate", "cat", "scale", "drop_path", "(", ")", "(", ")", ">>", "+", "*", ",", "=", "reduction", "8", "0.1", "'", '"', " ", "lambda", ":", "[", "]", "{", "}", ".", "-", "\n", "\u2028", "__import__('os')", "if", "else", "for", "in", "x", "**", "not", "@", "None", "{width}"]
RECIPE = '[variants.a]\nsource = "net.py"\nedits = ["after stem: se reduction=8", "head head: Linear(10)"]\noutput = "out.py"\nkeep = "all"\n\n[variants.b]\nsource = "net.py"\nedits = ["before head: mine.py:Gate"]\n'
MINE = NET.replace("Net", "Gate")


@dataclass
class Count:
    """How many examples worked, were refused by which error, and what does not hold of which."""

    kind: str
    tried: int = 0
    worked: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    longest: float = 0.0


Example = tuple[dict[str, str], tuple[str, ...]]  # files, words


def mutated(text: str, chance: random.Random) -> str:
    """A text with one to six changes of a character, a line or a piece."""
    for _ in range(chance.randint(1, 6)):
        lines = text.splitlines(keepends=True) or [""]
        at, index = chance.randrange(len(text) + 1), chance.randrange(len(lines))
        how = chance.randrange(9)
        if how == 0:
            text = text[:at] + chance.choice(STRANGE) + text[at:]
        elif how == 1:
            text = text[:at] + chance.choice(SNIPPETS) + text[at:]
        elif how == 2:
            text = text[:at] + text[at + chance.randint(1, 30) :]
        elif how == 3:
            text = "".join([*lines[:index], *lines[index + 1 :]])
        elif how == 4:
            text = "".join([*lines[:index], lines[index], *lines[index:]])
        elif how == 5:
            text = "".join([*lines[:index], " " * chance.randint(1, 8) + lines[index], *lines[index + 1 :]])
        elif how == 6:
            other = chance.randrange(len(lines))
            lines[index], lines[other] = lines[other], lines[index]
            text = "".join(lines)
        elif how == 7:
            text = "".join([*lines[:index], lines[index].lstrip(" "), *lines[index + 1 :]])
        else:
            end = chance.randrange(at, len(text) + 1)
            text = text[:at] + text[end:] if end - at < 400 else text[:at] + text[at : at + 400] * 2 + text[at + 400 :]
    return text


def reading(text: str, chance: random.Random) -> Iterator[Example]:
    """A file through `sites --static` and `insert --static`."""
    files = {"net.py": text}
    yield files, ("sites", "net.py", "--static", "--json")
    names = [word for word in text.replace("(", " ").split() if word.startswith("self.") and word[5:].isidentifier()]
    site = chance.choice(names)[5:] if names else "stem"
    where = chance.choice(["--after", "--before", "--beside"])
    yield files, ("insert", "net.py", "--static", "--module=se", where, site, "--width=8", "-o", "out.py")


def models(chance: random.Random) -> Iterator[Example]:
    """Mutated model files of the golden cases, with a marker on top."""
    paths = sorted(CASES.glob("*/model.py"))
    while True:
        text = chance.choice(paths).read_bytes().decode("utf-8", "replace")
        top = max(text.find("\nimport "), text.find("\nfrom torch"), 0)
        yield from reading(mutated(text[: top + 1] + MARK + text[top + 1 :], chance), chance)


def programs(chance: random.Random) -> Iterator[Example]:
    """Programs that hypothesmith makes from Python's grammar, alone and in front of a model."""
    import hypothesmith
    from hypothesis import HealthCheck, Phase, given, seed, settings

    made: list[str] = []

    @seed(chance.randrange(1 << 30))
    @settings(max_examples=40, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(hypothesmith.from_grammar())
    def collect(text: str) -> None:
        made.append(text)

    while True:
        made.clear()
        with warnings.catch_warnings(action="ignore"):
            collect()
        for text in made:
            yield from reading(text, chance)
            yield from reading(f"{text}\n{NET}", chance)


def hostile(chance: random.Random) -> Iterator[Example]:
    """(class, site, module, argument, name) of hostile words."""
    while True:
        words = ["insert", "net.py", "--static", f"--after={chance.choice(WORDS) if chance.random() < 0.5 else 'stem'}"]
        words.append(f"--module={chance.choice(WORDS) if chance.random() < 0.5 else 'se'}")
        options = ["--class", "--name", "--arg", "--as-class", "--suffix", "--width", "--build", "--output", "--init", "--edit"]
        for option in chance.sample(options, chance.randint(0, 3)):
            value = chance.choice(WORDS)
            value = f"{chance.choice(['reduction', 'rate', value])}={value}" if option == "--arg" else value
            words.append(f"{option}={value}")
        yield {"net.py": MARK + NET, "mine.py": MARK + MINE}, (*words, "--dry-run")


def expressions(chance: random.Random) -> Iterator[Example]:
    """Module expressions of random tokens."""
    while True:
        text = "".join(chance.choices(EXPRESSION, k=chance.randint(1, 12)))
        if chance.random() < 0.5:
            text = mutated(chance.choice(["se >> eca", "residual(se(reduction=8) >> eca)", "cat(se, eca) + gate(se)", "drop_path(0.1)(se)"]), chance)
        yield {"net.py": MARK + NET, "mine.py": MARK + MINE}, ("insert", "net.py", "--static", "--after=stem", f"--module={text}", "--dry-run")


def recipes(chance: random.Random) -> Iterator[Example]:
    """Mutated files of recipes through `check` and `build --dry-run`."""
    while True:
        text = mutated(RECIPE, chance)
        files = {"net.py": MARK + NET, "mine.py": MARK + MINE, "codegen.toml": text}
        yield files, chance.choice([("check",), ("build", "--dry-run"), ("check", "--format=sarif"), ("modules", "mine")])


KINDS: dict[str, Callable[[random.Random], Iterator[Example]]] = {
    "programs of hypothesmith": programs,
    "mutated model files": models,
    "hostile words": hostile,
    "module expressions": expressions,
    "recipes": recipes,
}


def fuzzed(kind: str, seconds: float, seed: int = 0) -> Count:
    """Try examples of a kind for so long, from the first on: making that may take a while."""
    count, until = Count(kind), 0.0
    for files, words in KINDS[kind](random.Random(seed)):
        until = until or time.monotonic() + seconds
        folder = Path(tempfile.mkdtemp())
        try:
            for name, text in files.items():
                (folder / name).write_text(text, encoding="utf-8", errors="surrogatepass", newline="")
            outcome = run(words, folder)
            note(count, outcome, words, sorted(path.name for path in folder.iterdir()), files)
        finally:
            shutil.rmtree(folder)
        if time.monotonic() > until:
            return count
    return count


def note(count: Count, outcome: Outcome, words: tuple[str, ...], left: list[str], files: dict[str, str]) -> None:
    """Add one example."""
    count.tried += 1
    count.longest = max(count.longest, outcome.seconds)
    found = [f"traceback: {outcome.raised or outcome.err[-1500:]}"] if outcome.raised or "Traceback" in outcome.err else []
    found += [f"exit code {outcome.code}: {(outcome.err or outcome.out)[-700:]}"] if outcome.code not in (0, 2, 3) else []
    found += [f"executed {outcome.events}"] if [event for event in outcome.events if event != "subprocess.Popen"] else []
    found += [f"left {left}"] if {*left} - {*files, *(["out.py"] if outcome.code == 0 else [])} else []
    found += [f"took {outcome.seconds:.0f} s"] if outcome.seconds > LONGEST else []
    if outcome.code == 0:
        count.worked += 1
    else:
        name = ERROR.search(outcome.err or outcome.out) or re.search(r'"name": "([a-z-]+)"', outcome.out)
        count.refused[name[1] if name else "of several"] = count.refused.get(name[1] if name else "of several", 0) + 1
    if found:
        count.problems.append(f"{found} of {words!r} with {files.get('codegen.toml') or files['net.py']!r}")
