"""Faults of modules and arguments: hostile names, values that are code, wrong types and sizes, user files that misbehave."""

# ruff: noqa: E501 - a row of a table is a line

from __future__ import annotations

import ast
from pathlib import Path

from faults import HEAD, MARK, NET, Fault

CODE = "__import__('os').system('touch MARKER')"
OPEN = "open('MARKER', 'w')"
MINE = f"""{HEAD}{MARK}

class Gate(nn.Module):
    def __init__(self, dim, rate=1):
        super().__init__()
        self.conv = nn.Conv2d(dim, dim, 1)

    def forward(self, x):
        return x * self.conv(x).sigmoid()


def gate(dim):
    return Gate(dim)


VALUE = 1
"""
SITES = ("insert", "net.py", "--static", "--after=stem")


def refused(name: str, error: str, *more: str, says: tuple[str, ...] = (), **files: str) -> Fault:
    """An insertion of a module that is refused; nothing of the files runs."""
    return Fault(name, (*SITES, *more), error, says, {"mine.py": MINE, **files})


def harmless(name: str, *more: str, makes: str = "out.py", **files: str) -> Fault:
    """A value that is hostile, and stands in the output as the text or the name that it is."""
    words = (*SITES, *more, "-o", makes)
    return Fault(name, words, "", (), {"mine.py": MINE, **files}, makes=(makes,), after=lambda folder, _: _no_code(folder / makes))


def _no_code(path: Path) -> None:
    """No call of what the value names, no import that it asks for, nothing at top level that was not there."""
    tree = ast.parse(path.read_text())
    names = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    modules = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert not names & {"__import__", "open", "eval", "exec"} and modules <= {"torch", "math"}, (names, modules)


def recipe(name: str, text: str | bytes, error: str, *says: str, words: tuple[str, ...] = ("build", "--dry-run")) -> Fault:
    """A file of recipes that is malformed."""
    return Fault(name, words, error, says, {"codegen.toml": text})


def verb(name: str, words: tuple[str, ...], error: str, *says: str, **files: str) -> Fault:
    """Another command."""
    runs = words[0] in ("sites", "head", "insert") and "--static" not in words
    named = {key.replace("__", "."): text for key, text in files.items()}
    return Fault(name, words, error, says, {"mine.py": MINE, **named}, runs=runs)


LONG = "a" * 10_000
ARGS = ("--module=mine.py:Gate",)
FAULTS = [
    refused("no module", "usage"),
    refused("an empty module", "usage", "--module="),
    refused("an unknown module", "unknown-module", "--module=see", says=("se",)),
    refused("a module with code", "bad-expression|unknown-module", "--module=se; import os"),
    refused("a module with a newline", "bad-expression|unknown-module", "--module=se\nimport os"),
    refused("a module with U+2028", "bad-expression|unknown-module", "--module=se\u2028import os"),
    refused("a module of homoglyphs", "unknown-module|bad-expression", "--module=ѕе"),
    refused("a module of full width", "unknown-module|bad-expression", "--module=ｓｅ"),
    refused("a module of dunders", "unknown-module|bad-expression", "--module=__class__"),
    refused("a module that is a keyword", "unknown-module|bad-expression", "--module=class"),
    refused("a module of 10,000 characters", "unknown-module|bad-expression", f"--module={LONG}"),
    refused("a module above the folder", "unknown-module|bad-expression", "--module=../../x"),
    refused("a module of an absolute path", "unknown-module|bad-expression", "--module=/etc/passwd"),
    refused("a module of a template's file", "unknown-module|bad-expression", "--module=../modules/se"),
    refused("a module of escapes", "unknown-module|bad-expression", "--module=\x1b[31mse"),
    refused("a module of a NUL", "unknown-module|bad-expression", "--module=se\0"),
    refused("a module of a surrogate", "unknown-module|bad-expression", "--module=\udcff"),
    refused("a call as a module", "bad-expression", f"--module={CODE}"),
    refused("a call in an expression", "bad-expression", f"--module=se >> {CODE}"),
    refused("an attribute walk", "bad-expression|unknown-module", "--module=se.__class__.__mro__"),
    refused("a comprehension as a module", "bad-expression", "--module=[se for se in (1,)]"),
    refused("a lambda as a module", "bad-expression", "--module=(lambda: se)()"),
    refused("a walrus as a module", "bad-expression", "--module=(x := se)"),
    refused("10,000 modules", "bad-expression", "--module=" + " >> ".join(["se"] * 10_000)),
    refused("1,000 nested modules", "bad-expression", "--module=" + "residual(" * 1000 + "se" + ")" * 1000),
    refused("100 nested brackets", "bad-expression|unknown-width|module-does-not-fit|unknown-module", "--module=" + "(" * 300 + "se" + ")" * 300),
    refused("an open bracket in an expression", "bad-expression", "--module=residual(se"),
    refused("a file that is missing", "unknown-module", "--module=nothing.py:Gate"),
    refused("a class that is missing", "unknown-module", "--module=mine.py:Gaet", says=("Gate",)),
    refused("a function as a module", "unknown-module", "--module=mine.py:gate"),
    refused("a value as a module", "unknown-module", "--module=mine.py:VALUE"),
    refused("a class with code", "unknown-module|bad-expression", "--module=mine.py:Gate; import os"),
    refused("a class of a package that is missing", "unknown-module", "--module=no_such_package:Gate"),
    refused("a class of a strange package", "unknown-module|bad-expression", "--module=a..b:Gate"),
    refused("a class of an extension", "unknown-module", "--module=_struct:Struct"),
    refused("a class of a built-in module", "unknown-module", "--module=sys:Gate"),
    refused("a folder as a module's file", "unknown-module", "--module=d.py:Gate", **{"d.py/x": ""}),
    refused("a module's file with a syntax error", "syntax-error", "--module=bad.py:Gate", **{"bad.py": MINE + "def f(:\n"}),
    refused("a module's file that is no text", "bad-encoding|syntax-error", "--module=bad.py:Gate", **{"bad.py": "# coding: klingon\n"}),
    refused("an argument without a value", "usage", "--module=se", "--arg=reduction"),
    refused("an unknown argument", "unknown-argument", "--module=se", "--arg=reductoin=8", says=("reduction",)),
    refused("an argument of the wrong type", "bad-argument", "--module=se", "--arg=reduction=eight"),
    refused("an argument that is code", "bad-argument", "--module=se", f"--arg=reduction={CODE}"),
    refused("an argument of a dunder", "bad-argument|unknown-argument", "--module=se", "--arg=__class__=1"),
    refused("an argument that is no name", "usage", "--module=se", "--arg=a b=1"),
    refused("an argument that is a keyword", "usage|unknown-argument", "--module=se", "--arg=class=1"),
    refused("an argument of zero", "bad-argument", "--module=se", "--arg=reduction=0"),
    refused("a negative argument", "bad-argument", "--module=se", "--arg=reduction=-4"),
    refused("an argument of 10**30", "bad-argument", "--module=se", "--arg=reduction=" + "1" + "0" * 30),
    refused("an argument of a million digits", "bad-argument", "--module=se", "--arg=reduction=" + "9" * 100_000),
    refused("an argument that is nan", "bad-argument", "--module=se", "--arg=reduction=nan"),
    refused("an argument nested 10,000 deep", "bad-argument", "--module=se", "--arg=reduction=" + "(" * 10_000 + ")" * 10_000),
    refused("an argument with a newline", "bad-argument", "--module=se", "--arg=reduction=4\nimport os"),
    refused("an argument given twice", "usage", "--module=se", "--arg=reduction=4", "--arg=reduction=8"),
    refused("an own class's argument that is unknown", "unknown-argument", *ARGS, "--arg=rat=2", says=("rate",)),
    refused("a width that is no expression", "bad-width|usage", "--module=se", "--width=8); import os; (8"),
    refused("a width that is a call", "bad-width|usage", "--module=se", f"--width={CODE}"),
    refused("a width with a newline", "bad-width|usage", "--module=se", "--width=8\nimport os"),
    refused("a width with a comment", "bad-width|usage", "--module=se", "--width=8 # "),
    refused("a width that is a string", "bad-width|usage", "--module=se", "--width='8'"),
    refused("a width of a walrus", "bad-width|usage", "--module=se", "--width=(x := 8)"),
    refused("a build that is no expression, read", "usage|bad-build", "--module=se", "--build=Net(", "--dry-run"),
    refused("a build of two lines, read", "usage|bad-build", "--module=se", "--build=Net()\nimport os", "--dry-run"),
    refused("a suffix with code", "usage|bad-suffix", "--module=se", "--suffix=_x(); import os"),
    refused("a suffix with a newline", "usage|bad-suffix", "--module=se", "--suffix=_x\nimport os"),
    refused("a suffix above the folder", "usage|bad-suffix", "--module=se", "--suffix=/../../x"),
    refused("a combination of another word", "usage", "--module=se", "--combine=subtract"),
    refused("an unknown option", "usage", "--module=se", "--klingon"),
    refused("an option without a value", "usage", "--module"),
    refused("a memory that is no size", "usage", "--module=se", "--memory=lots"),
    refused("a time that is no number", "usage", "--module=se", "--timeout=soon"),
    refused("a time of nan", "usage", "--module=se", "--timeout=nan"),
    refused("a time before now", "usage", "--module=se", "--timeout=-1"),
    harmless("an own class's argument that is code", *ARGS, f"--arg=rate={CODE}"),
    harmless("an own class's argument that opens a file", *ARGS, f"--arg=rate={OPEN}"),
    harmless("an own class's argument that ends its string", *ARGS, "--arg=rate='); import os; ('"),
    harmless("an own class's argument with a newline", *ARGS, "--arg=rate=1\nimport os"),
    harmless("an own class's argument with U+2028", *ARGS, "--arg=rate=1\u2028import os"),
    harmless("an own class's argument of a lambda", *ARGS, "--arg=rate=lambda: 1"),
    harmless("an own class's argument with braces", *ARGS, "--arg=rate={width.__class__}"),
    harmless("an own class's argument of a template", *ARGS, "--arg=rate={{ 7 * 7 }}{% for x in range(9) %}x{% endfor %}"),
    harmless("an own class's argument of a comprehension", *ARGS, "--arg=rate=[open(x) for x in y]"),
    harmless("an own class's argument that starts a comment", *ARGS, "--arg=rate=1 #"),
    harmless("a user's file that raises at import", "--module=bad.py:Gate", **{"bad.py": MINE + "raise SystemExit\n"}),
    harmless("a user's file named as torch", "--module=torch.py:Gate", **{"torch.py": MINE}),
    harmless("a docstring that ends the string", "--module=bad.py:Gate", **{"bad.py": MINE.replace("    def __init__", "    '''\"\"\" + x'''\n\n    def __init__")}),
    verb("sites of a missing file", ("sites", "nothing.py", "--static"), "unreadable-source"),
    verb("sites of a class that is not there", ("sites", "net.py", "--static", "--class=Nett"), "host-not-found"),
    verb("a layer with an argument that is code", ("head", "net.py", "--site=head", f"--layers=Linear({CODE})"), "bad-layers"),
    verb("a layer with a lambda", ("head", "net.py", "--site=head", "--layers=Linear((lambda: 1)())"), "bad-layers"),
    verb("a layer with a second statement", ("head", "net.py", "--site=head", "--layers=Linear(1)]; import os; [1"), "bad-layers"),
    verb("an unknown layer", ("head", "net.py", "--site=head", "--layers=Lineaaar(3)"), "unknown-module|bad-layers"),
    verb("an edit that is none", ("insert", "net.py", "--edit=; import os"), "bad-edit"),
    verb("an edit with an open quote", ("insert", "net.py", "--edit=after stem: se 'x"), "bad-edit"),
    verb("an edit with another option", ("insert", "net.py", "--edit=after stem: se --output=/x"), "bad-edit"),
    verb("diff of a missing file", ("diff", "nothing.py"), "unreadable-source"),
    verb("diff of a file without a header", ("diff", "net.py"), "no-recipe"),
    verb("diff of a damaged header", ("diff", "v.py"), "no-recipe|unknown-source|unreadable-source", v__py="# x\n# y\n#     codegen insert 'net.py\n#\n" + NET),
    verb("diff of a header with another command", ("diff", "v.py"), "no-recipe", v__py="# x\n# y\n#     codegen rm -rf /\n#\n" + NET),
    verb("diff of a header with hostile words", ("diff", "v.py"), "usage|no-recipe|unreadable-source", v__py="# x\n# y\n#     codegen insert --build '$(touch MARKER)' --after\n#\n" + NET),
    verb("diff of a header that names a device", ("diff", "v.py"), "no-recipe|unreadable-source", v__py="# x: host Net, built by Net().\n# y\n#     codegen insert /dev/zero --module se --after stem\n#\n" + NET),
    verb("remove of a file without a header", ("remove", "net.py", "--name=se"), "no-recipe"),
    verb("check of a missing file", ("check", "nothing.py"), "no-recipes|unreadable-source|usage|no-recipe"),
    verb("modules of an unknown name", ("modules", "klingonnnn"), "unknown-module"),
    verb("modules of escapes", ("modules", "\x1b[31m"), "unknown-module"),
    verb("an unknown command", ("klingon",), "usage"),
    verb("an unknown command of escapes", ("\x1b[31m\n",), "usage"),
    verb("no command, an option", ("--klingon",), "usage"),
    verb("an error as JSON", ("insert", "nothing.py", "--static", "--module=se", "--after=a\x1b", "--json"), "unreadable-source"),
    recipe("recipes that are no TOML", "[tool.codegen\n", "bad-recipe", "codegen.toml"),
    recipe("recipes that are no UTF-8", b"\xff\xfe", "bad-recipe"),
    recipe("recipes nested 10,000 deep", "x = " + "[" * 10_000 + "]" * 10_000, "bad-recipe"),
    recipe("a recipe with an unknown key", '[variants.a]\nsource = "net.py"\nedits = ["after stem: se"]\nx = 1\n', "bad-recipe", "codegen.toml:4"),
    recipe("a recipe of another type", '[variants.a]\nsource = 1\nedits = ["after stem: se"]\n', "bad-recipe"),
    recipe("a recipe without edits", '[variants.a]\nsource = "net.py"\n', "bad-recipe"),
    recipe("a recipe with an edit that is none", '[variants.a]\nsource = "net.py"\nedits = ["; import os"]\n', "bad-recipe"),
    recipe("variants that are no tables", "variants = 3\n", "bad-recipe"),
    recipe("tool that is no table", "tool = 3\n", "bad-recipe"),
    recipe("codegen that is no table", "[tool]\ncodegen = 3\n", "bad-recipe"),
    recipe("two variants of one file", '[variants.a]\nsource = "net.py"\nedits = ["after stem: se"]\noutput = "o.py"\n[variants.b]\nsource = "net.py"\nedits = ["after stem: eca"]\noutput = "o.py"\n', "bad-recipe"),
    recipe("a variant above the folder", '[variants."../../x"]\nsource = "net.py"\nedits = ["after stem: se"]\n', "bad-recipe"),
    recipe("modules that are no list", "modules = 3\n", "bad-recipe", words=("modules", "mine")),
    recipe("modules that are not there", 'modules = ["nowhere/"]\n', "bad-recipe", words=("modules", "mine")),
    recipe("a check of recipes that are no TOML", "x\n", "bad-recipe", words=("check",)),
]
