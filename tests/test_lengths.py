"""ops.lengths: lines that our edits make too long are broken, all others stay as they are."""

from __future__ import annotations

import ast

from codegen import rewrite, syntax
from codegen.ops import lengths
from codegen.types import Edit

CLASS = """\
class Net:
    def forward(self, x):
        x = self.stem(x)  # NCHW
        return [self.norm(x), self.neck(x)]
"""
LONG = "self.a_module_with_a_long_name(self.another_module_with_a_long_name("


def made(text: str, call: str, opening: str) -> str:
    """The class with a call wrapped in others."""
    code = syntax.Code(text, "net.py")
    cls = syntax.find_class(code, "Net")
    assert cls is not None
    node = next(n for n in ast.walk(cls) if isinstance(n, ast.Call) and code.segment(n) == call)
    edits = [Edit(code.start(node), code.start(node), opening), Edit(code.end(node), code.end(node), ")" * opening.count("("))]
    return rewrite.apply(text, lengths.fitted(code, cls, edits))


def test_a_line_that_gets_too_long_is_broken() -> None:
    assert made(CLASS, "self.norm(x)", LONG).endswith(
        "        return [\n"
        "            self.a_module_with_a_long_name(\n"
        "                self.another_module_with_a_long_name(self.norm(x))\n"
        "            ),\n"
        "            self.neck(x),\n"
        "        ]\n"
    )


def test_a_line_that_fits_stays_a_line() -> None:
    assert "        return [self.se(self.norm(x)), self.neck(x)]\n" in made(CLASS, "self.norm(x)", "self.se(")


def test_a_line_that_was_too_long_stays_one() -> None:
    text = CLASS.replace("self.neck(x)", ", ".join(f"self.necks[{i}](x)" for i in range(8)))
    assert f"return [{LONG}self.norm(x))), " in made(text, "self.norm(x)", LONG)


def test_statements_of_several_lines_stay_as_they_are() -> None:
    text = CLASS.replace("[self.norm(x), self.neck(x)]", "[\n            self.norm(x), self.neck(x)\n        ]")
    assert f"            {LONG}self.norm(x))), self.neck(x)\n" in made(text, "self.norm(x)", LONG)
