"""scoping: which names mean the module's, and how they are renamed without touching any other."""

from __future__ import annotations

from textwrap import dedent

import pytest

from codegen import rewrite, scoping
from codegen.errors import CodegenError
from codegen.syntax import Code


def renamed(text: str, **names: str) -> str:
    code = Code(dedent(text).lstrip("\n"), "net.py")
    return rewrite.apply(code.text, scoping.renamed(code, code.tree, names))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("x = A(1)", "x = B(1)"),
        ("A = 1\nx = A", "B = 1\nx = B"),
        ("class A(nn.Module): pass", "class B(nn.Module): pass"),
        ("@A\ndef f(x=A) -> A: return A", "@B\ndef f(x=B) -> B: return B"),
        ("async def A(): pass", "async def B(): pass"),
        ("def f(A): return A", "def f(A): return A"),
        ("def f(*A, k=A): return A", "def f(*A, k=B): return A"),
        ("def f():\n    A = 1\n    return A", "def f():\n    A = 1\n    return A"),
        ("def f():\n    global A\n    A = 1", "def f():\n    global B\n    B = 1"),
        ("def f():\n    import A\n    return A", "def f():\n    import A\n    return A"),
        ("def f():\n    for A in x: y = lambda: A", "def f():\n    for A in x: y = lambda: A"),
        ("def f():\n    try: A\n    except E as A: A", "def f():\n    try: A\n    except E as A: A"),
        ("f = lambda A: A + A\ng = lambda: A", "f = lambda A: A + A\ng = lambda: B"),
        ("y = [A for A in A]", "y = [A for A in B]"),
        ("y = {a: A for a in A if A}", "y = {a: B for a in B if B}"),
        ("y = [z for x in y for z in A(x)]", "y = [z for x in y for z in B(x)]"),
        ("class C:\n    A = 1\n    def f(self): return A, self.A", "class C:\n    A = 1\n    def f(self): return B, self.A"),
        ("class C:\n    A = A\n    y = A", "class C:\n    A = B\n    y = A"),
        ("class C:\n    y = A\n    def A(self): return A", "class C:\n    y = B\n    def A(self): return B"),
        ("class C:\n    class A(A): pass", "class C:\n    class A(B): pass"),
        ("def f():\n    if (A := 1): return A", "def f():\n    if (A := 1): return A"),
        ("def f():\n    [A := 1 for x in y]\n    return A", "def f():\n    [A := 1 for x in y]\n    return A"),
        ("def f():\n    def g(): return A\n    A = 1", "def f():\n    def g(): return A\n    A = 1"),
        ("match x:\n    case A(1): pass", "match x:\n    case B(1): pass"),
        ("x.A = A.A(A=A)", "x.A = B.A(A=B)"),
        ("x = f'{A}'", "x = f'{B}'"),
    ],
)  # fmt: skip
def test_only_the_module_s_name_is_renamed(before: str, after: str) -> None:
    assert renamed(before, A="B") == after


def test_two_names_change_places() -> None:
    assert renamed("A = B\nB = A(B)", A="B", B="A") == "B = A\nA = B(A)"


def test_a_name_whose_place_cannot_be_told_is_refused_or_right() -> None:
    text = 'x = (f"{a}"\n     f"{A}")\n'
    try:
        assert renamed(text, A="B") == text.replace("A", "B")
    except CodegenError as error:
        assert error.name == "name-clash" and "net.py" in error.message
