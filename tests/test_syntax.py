"""syntax: positions in characters where the tree counts bytes, line ends, definitions, names that a statement reads."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from codegen import syntax
from codegen.errors import CodegenError
from codegen.syntax import Code


def statement(text: str, index: int = 0) -> tuple[Code, ast.stmt]:
    code = Code(text)
    return code, code.tree.body[index]


def test_columns_are_bytes_in_the_tree_and_characters_in_the_text() -> None:
    code = Code('x = "中文"; y = f(x)\n')
    assert code.segment(code.tree.body[1]) == "y = f(x)"


def test_a_form_feed_is_no_line_end() -> None:
    code = Code("a = 1\n\f\nb = 2\n\fc = 3\n")
    assert [code.segment(node) for node in code.tree.body] == ["a = 1", "b = 2", "c = 3"]
    assert len(code.lines) == 4


@pytest.mark.parametrize(
    ("text", "newline"), [("a\r\nb\n", "\r\n"), ("a\nb\r\n", "\n"), ("a\rb", "\r"), ("a", "\n"), ("", "\n")]
)
def test_the_first_line_end_is_the_files(text: str, newline: str) -> None:
    assert Code(text).newline == newline


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_positions_hold_with_every_line_end(newline: str) -> None:
    code = Code(newline.join(["import os", "", "def f(x):", "    return x", "y = 1"]))
    function = code.tree.body[1]
    assert code.text[code.line_start(function) : code.line_end(function)] == f"def f(x):{newline}    return x{newline}"


def test_other_unicode_line_ends_do_not_end_a_line() -> None:
    code = Code('a = "x\u2028y\x85"\nb = 2\n')
    assert code.segment(code.tree.body[1]) == "b = 2"


@pytest.mark.parametrize(
    ("unit", "text"), [("\t", "def f():\n\treturn 1\n"), ("  ", "class A:\n  x = 1\n"), ("    ", "a = 1\n")]
)
def test_the_step_of_indentation(unit: str, text: str) -> None:
    assert Code(text).indent_unit == unit


def test_the_start_of_a_definition_is_its_first_decorator() -> None:
    code, node = statement("@first\n@second(1)\ndef f():\n    pass\n")
    assert code.segment(node).startswith("@first")


def test_an_inner_decorated_function_starts_at_its_decorator() -> None:
    code = Code("class A:\n    @property\n    def f(self):\n        return 1\n")
    cls = code.tree.body[0]
    assert isinstance(cls, ast.ClassDef)
    assert code.segment(cls.body[0]).startswith("@property")


@pytest.mark.parametrize(
    ("text", "index", "alone"),
    [("x = 1  # why\n", 0, True), ("x = 1; y = 2\n", 0, False), ("x = 1; y = 2\n", 1, False), ("x = 1;\n", 0, False)],
)
def test_stands_alone(text: str, index: int, alone: bool) -> None:
    code, node = statement(text, index)
    assert code.stands_alone(node) is alone


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("def f(x):\n    helper = 1\n    return helper + other(x)\n", {"other"}),
        ("def f(x=DEFAULT) -> Kind:\n    return x\n", {"DEFAULT", "Kind"}),
        ("def f(x: 'Later'):\n    return x\n", {"Later"}),
        ("@register(name)\ndef f():\n    pass\n", {"register", "name"}),
        (
            "class A(Base):\n    size = SIZE\n    def f(self):\n        return TABLE[self.size]\n",
            {"Base", "SIZE", "TABLE"},
        ),
        ("def f():\n    global state\n    state += 1\n", {"state"}),
        ("rows = [row for row in ROWS if keep(row)]\n", {"ROWS", "keep", "row"}),
        ("def f():\n    def g():\n        return deep\n    return g\n", {"deep"}),
        ("f = lambda x: x + far\n", {"far"}),
    ],
)
def test_names_read(text: str, names: set[str]) -> None:
    code, node = statement(text)
    assert names <= code.names_read(node) <= names | {"x", "row"}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("import os.path, sys as system\n", {"os", "system"}),
        ("from a import b as c, d\n", {"c", "d"}),
        ("a = b, (c, *d) = 1, (2, 3)\n", {"a", "b", "c", "d"}),
        (
            "try:\n    import fast\nexcept ImportError:\n    fast = None\n    slow = 1\nelse:\n    z = 1\n",
            {"fast", "slow", "z"},
        ),
        ("if flag:\n    def f(): pass\nelse:\n    class C: pass\n", {"f", "C"}),
        ("for i in x:\n    y = i\n", {"i", "y"}),
        ("with a as b:\n    c = 1\n", {"b", "c"}),
        ("x: int = 3\n", {"x"}),
        ("if (n := 3):\n    pass\n", {"n"}),
        ("cfg['a'] = 1\n", set()),
        ("match x:\n    case 1:\n        y = 2\n", {"y"}),
    ],
)
def test_bound_names(text: str, names: set[str]) -> None:
    assert syntax.bound_names(statement(text)[1]) == names


def test_classes_are_found_by_qualified_name_and_by_line() -> None:
    text = (
        "if old:\n    class A:\n        pass\nelse:\n    class A:\n        class B:\n"
        "            pass\ndef f():\n    class C: pass\n"
    )
    code = Code(text)
    assert [name for name, _ in syntax.classes(code.tree)] == ["A", "A", "A.B", "f.<locals>.C"]
    first, last = syntax.find_class(code, "A", line=2), syntax.find_class(code, "A")
    assert first is not None and last is not None and (first.lineno, last.lineno) == (2, 5)
    assert syntax.find_class(code, "Missing") is None


def test_imports_table() -> None:
    text = "import torch.nn as nn\nimport torch.nn.functional\nfrom torch import nn as n2\nfrom . import x\n"
    assert syntax.imports(Code(text).tree) == {"nn": "torch.nn", "torch": "torch", "n2": "torch.nn"}


@pytest.mark.parametrize(
    "text", ["def f(:\n", "x = (1\n", "if x:\ny = 1\n", "\x00", "(" * 100_000, "x = " + "-" * 100_000 + "1"]
)
def test_what_is_no_python_is_an_error_with_a_name(text: str) -> None:
    with pytest.raises(CodegenError) as caught:
        _ = Code(text, "model.py").tree
    assert caught.value.name == "syntax-error" and "model.py" in caught.value.message


def test_a_syntax_error_says_line_and_column() -> None:
    with pytest.raises(CodegenError, match=r"model\.py:2:"):
        _ = Code("x = 1\ndef f(:\n", "model.py").tree


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        ("x = '中'\r\n".encode(), "utf-8"),
        ("x = '中'\n".encode("utf-8-sig"), "utf-8-sig"),
        ("# -*- coding: gbk -*-\nx = '中'\n".encode("gbk"), "gbk"),
        ("# coding: latin-1\nx = 'é'\n".encode("latin-1"), "iso-8859-1"),
    ],
)
def test_a_file_is_read_and_can_be_written_back_byte_for_byte(tmp_path: Path, data: bytes, encoding: str) -> None:
    path = tmp_path / "model.py"
    path.write_bytes(data)
    text, found = syntax.read(path)
    assert found == encoding
    assert text.encode(found) == data
    ast.parse(text)


@pytest.mark.parametrize("data", [b"x = '\xff\xfe'\n", b"# coding: no-such-thing\n", b"\xff\xfex\x00"])
def test_an_encoding_that_does_not_fit_is_an_error_with_a_name(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "model.py"
    path.write_bytes(data)
    with pytest.raises(CodegenError) as caught:
        syntax.read(path)
    assert caught.value.name == "bad-encoding"


def test_a_missing_file_is_unreadable(tmp_path: Path) -> None:
    with pytest.raises(CodegenError) as caught:
        syntax.read(tmp_path / "missing.py")
    assert caught.value.name == "unreadable-source"


def test_a_file_is_parsed_once(tmp_path: Path) -> None:
    text = "a = 1\n"
    assert syntax.shared(text, tmp_path) is syntax.shared("a = " + "1\n", tmp_path)
    assert syntax.shared(text, tmp_path) is not syntax.shared("a = 2\n", tmp_path)
