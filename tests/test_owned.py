"""owned, licences: a user's class is copied with the licence notice of its file, or imported; a copyleft is refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from codegen import emit, licences, naming, requested, sources, static
from codegen.errors import CodegenError
from codegen.syntax import Code
from codegen.types import Component

NET = """
from torch import nn


class Net(nn.Module):
    def __init__(self, width=16):
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3, padding=1)
        self.act = nn.ReLU()

    def forward(self, x):
        return self.act(self.stem(x))
"""
GATE = """
from torch import nn


class Gate(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.fc = nn.Conv2d(channels, channels, 1)

    def forward(self, x):
        return x * self.fc(x).sigmoid()


class Other(Gate):
    pass
"""
MIT = "# Copyright 2024 Jane Doe\n#\n# SPDX-License-Identifier: MIT"
GPL = """#
# This program is free software: you can redistribute it and/or modify
# it under the terms of the GNU General
# Public License as published by the Free Software Foundation.
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "net.py").write_text(NET)
    (tmp_path / "gates.py").write_text(GATE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CODEGEN_CACHE", str(tmp_path / "cache"))
    return tmp_path


def variant(module: str, **options: object) -> str:
    """The text of net.py with a module behind its stem, made by reading alone."""
    given = {"import_": False, "accept_licence": False, "combine": None, **options}
    request = requested.insertion("net.py", after="stem", before="", beside="", args=(), module=module, **given)
    made = static.drafted(request, sources.resolve(request.source))
    compile(made.variant.text, "variant", "exec")
    return made.variant.text


def refused(module: str, **options: object) -> CodegenError:
    with pytest.raises(CodegenError) as caught:
        variant(module, **options)
    return caught.value


# --- the notice ---
@pytest.mark.parametrize(
    ("head", "notice"),
    [
        (MIT, MIT),
        (f"#!/usr/bin/env python\n# -*- coding: utf-8 -*-\n{MIT}\n", MIT),
        (f"{MIT}\n\n# my experiments\n", MIT),
        ("# my experiments\n\n# (c) Jane. License: BSD\n", "# (c) Jane. License: BSD"),
        ("# my experiments\n", ""),
        ('"""Attention.\n\nCopyright Jane, MIT License.\n\nUsage: none\n"""\n', "# Copyright Jane, MIT License."),
        ('"""Attention."""\n# Copyright Jane\n', "# Copyright Jane"),
        ("# Copyright J\n\n# no use\n\n# but by license\n", "# Copyright J\n#\n# no use\n#\n# but by license"),
        ("", ""),
    ],
)  # fmt: skip
def test_the_notice_of_a_file(head: str, notice: str) -> None:
    assert licences.notice(Code(head + "\n" + GATE), "") == notice


def test_the_notice_stands_once_above_the_class(folder: Path) -> None:
    (folder / "gates.py").write_text(MIT + "\n" + GATE)
    text = variant("gates.py:Gate")
    assert text.count(MIT) == 1 and f"{MIT}\nclass Gate(nn.Module):" in text
    assert variant("gates.py:Gate >> gates.py:Other").count("SPDX") == 1


def test_a_comment_above_the_class_stays_its_own(folder: Path) -> None:
    (folder / "gates.py").write_text(MIT + "\n" + GATE.replace("class Gate", "# the one of the paper\nclass Gate"))
    assert f"{MIT}\n#\n# the one of the paper\nclass Gate" in variant("gates.py:Gate")


def test_a_notice_that_stands_directly_above_the_class_comes_once(folder: Path) -> None:
    (folder / "gates.py").write_text("import torch.nn as nn\n# Copyright Jane\nclass Gate(nn.Identity):\n    pass\n")
    assert variant("gates.py:Gate").count("Copyright Jane") == 1


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_line_ends_of_the_users_file(end: str, folder: Path) -> None:
    text = f"{MIT}\n" + GATE.replace("class Gate", "# one\n# Copyright Joe\nclass Gate")
    (folder / "gates.py").write_bytes(text.replace("\n", end).encode())
    made = variant("gates.py:Gate")
    assert f"{MIT}\n#\n# one\n# Copyright Joe\nclass Gate" in made and made.count("Joe") == 1 and "\r" not in made


def test_a_notice_that_the_file_has_already_does_not_come_again(folder: Path) -> None:
    for name, text in (("net.py", NET), ("gates.py", GATE)):
        (folder / name).write_text(MIT + "\n" + text)
    assert variant("gates.py:Gate").count(MIT) == 1


def test_nothing_is_left_of_a_class_that_is_there_already() -> None:
    made = Component("gate", "Gate", "Gate(dim)", (), f"{MIT}\n#\n# the one\nclass Gate:\n    pass\n")
    there = Code("class Gate:\n    pass\n")
    assert naming.fitted(made, there).code.strip() == ""
    more = Component("gate", "Gate", "Gate(dim)", (), f"{MIT}\nclass Gate:\n    pass\n\n\nSIZE = 1\n")
    assert naming.fitted(more, there).code == f"{MIT}\n\n\n\nSIZE = 1\n"


def test_each_file_beside_it_comes_with_its_own_notice(folder: Path) -> None:
    (folder / "parts.py").write_text("# Copyright Joe\nimport torch.nn as nn\n\n\nclass Part(nn.Identity):\n    pass\n")
    (folder / "gates.py").write_text(MIT + "\nfrom parts import Part\n\n\nclass Gate(Part):\n    pass\n")
    text = variant("gates.py:Gate")
    assert "# Copyright Joe\nclass Part" in text and f"{MIT}\nclass Gate(Part)" in text


# --- the gate ---
@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("# SPDX-License-Identifier: GPL-3.0-or-later", "GPL-3.0-or-later"),
        ("# SPDX-License-Identifier: AGPL-3.0-only", "AGPL-3.0-only"),
        ("# SPDX-License-Identifier: MIT OR GPL-2.0-only", ""),
        ("# SPDX-License-Identifier: MIT AND GPL-2.0-only", "MIT AND GPL-2.0-only"),
        ("# SPDX-License-Identifier: LGPL-2.1-only", ""),
        ("# SPDX-License-Identifier: MIT\n# not the GPL", ""),
        (GPL, "GNU General Public License"),
        ("# under the GNU Affero General Public Licence", "GNU Affero General Public Licence"),
        ("# GNU Lesser General Public License, which adds to the GNU General Public License", ""),
        ("# License: GPLv3", "GPL"),
        ("# released under AGPL-3.0", "AGPL"),
        ("# License: LGPLv3", ""),
        ("# MIT License", ""),
        ("", ""),
    ],
)
def test_copyleft(text: str, found: str) -> None:
    assert licences.copyleft(text) == found


@pytest.mark.parametrize("head", [GPL, f'"""Gates.\n{GPL}"""', "# SPDX-License-Identifier: AGPL-3.0-only"])
def test_a_file_under_the_gpl_is_refused_by_name(head: str, folder: Path) -> None:
    (folder / "gates.py").write_text(head + "\n" + GATE)
    for module in ("gates.py:Gate", "se >> gates.py:Gate"):
        error = refused(module)
        assert error.name == "licence" and "gates.py" in error.message and "--accept-licence" in error.hint
    assert "class Gate" in variant("gates.py:Gate", accept_licence=True)
    text = variant("se >> gates.py:Gate", import_=True)
    assert "from gates import Gate\n" in text and "class Gate" not in text and "self.gate = Gate(" in text


def test_a_file_beside_it_is_asked_too_where_something_is_taken_from_it(folder: Path) -> None:
    (folder / "parts.py").write_text(GPL + "import torch.nn as nn\n\n\nclass Part(nn.Identity):\n    pass\n")
    (folder / "gates.py").write_text("from parts import Part\n" + GATE + "\n\nclass Last(Part):\n    pass\n")
    assert "parts.py" in refused("gates.py:Last").message
    assert "class Gate" in variant("gates.py:Gate")


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"pkg/LICENSE": "    GNU GENERAL PUBLIC LICENSE\n    Version 3"}, "LICENSE"),
        ({"COPYING": "GNU AFFERO GENERAL PUBLIC LICENSE"}, "COPYING"),
        ({"COPYING": "GNU GENERAL PUBLIC LICENSE", "COPYING.LESSER": "GNU LESSER GENERAL PUBLIC LICENSE"}, ""),
        ({"LICENSE": "MIT License\n" + "x\n" * 600 + "GNU General Public License"}, ""),
        ({"LICENSE-MIT": "MIT License", "LICENSE-GPL": "GNU General Public License"}, ""),
        ({"pkg/LICENSE": "MIT License", "LICENSE": "GNU General Public License"}, ""),
        ({"pyproject.toml": '[project]\nname = "x"\nlicense = "GPL-3.0-or-later"\n'}, "pyproject.toml"),
        ({"pyproject.toml": '[project]\nlicense = {text = "AGPLv3"}\n'}, "pyproject.toml"),
        ({"pyproject.toml": '[project]\nclassifiers = ["License :: OSI Approved :: GNU General Public License"]\n'}, "GNU"),
        ({"pyproject.toml": '[project]\nlicense = "MIT OR GPL-3.0-only"\n'}, ""),
        ({"pyproject.toml": "nonsense ["}, ""),
    ],
)  # fmt: skip
def test_what_the_package_says_of_its_licence(files: dict[str, str], said: str, folder: Path) -> None:
    (folder / "pkg").mkdir()
    (folder / "pkg" / "__init__.py").touch()
    (folder / "pkg" / "gates.py").write_text(GATE)
    for name, text in files.items():
        (folder / name).write_text(text)
    if not said:
        assert "class Gate" in variant("pkg/gates.py:Gate")
        return
    error = refused("pkg/gates.py:Gate")
    assert error.name == "licence" and said in error.message
    (folder / "pkg" / "gates.py").write_text(MIT + "\n" + GATE)  # what the file itself says holds
    assert "class Gate" in variant("pkg/gates.py:Gate")


@pytest.mark.parametrize(
    "metadata",
    [
        "License-Expression: GPL-2.0-only",
        "License: GPLv3",
        "Classifier: License :: OSI Approved :: GNU Affero General Public License v3",
    ],
)
def test_what_an_installed_distribution_says_of_its_licence(metadata: str, folder: Path) -> None:
    site = folder / "lib" / "site-packages"
    (site / "gate_pkg").mkdir(parents=True)
    (site / "gate_pkg" / "gates.py").write_text(GATE)
    info = site / "gate_pkg-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: gate-pkg\nVersion: 1.0\n{metadata}\n")
    (info / "RECORD").write_text("gate_pkg/gates.py,sha256=x,1\n")
    error = refused(f"{site}/gate_pkg/gates.py:Gate")
    assert error.name == "licence" and "gate-pkg" in error.message
    (info / "RECORD").write_text("gate_pkg/other.py,sha256=x,1\n")
    assert "class Gate" in variant(f"{site}/gate_pkg/gates.py:Gate")


# --- the import ---
def test_a_loose_file_is_imported_by_its_name_from_this_folder(folder: Path) -> None:
    (folder / "gates.py").write_text(MIT + "\n" + GATE)
    text = variant("gates.py:Gate", import_=True)
    assert "from gates import Gate\n" in text and "SPDX" not in text and "--module gates.py:Gate --after stem --import" in text
    assert "--import" in emit.recorded_command(text)


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("parts/gates.py", "from parts.gates import Gate"),
        ("a/b/gates.py", "from a.b.gates import Gate"),
        ("parts/__init__.py", "from parts import Gate"),
    ],
)
def test_a_file_below_is_imported_by_its_dotted_name(path: str, line: str, folder: Path) -> None:
    (folder / path).parent.mkdir(parents=True)
    (folder / path).write_text(GATE)
    assert line in variant(f"{path}:Gate", import_=True)


def test_a_package_keeps_its_own_name(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "src" / "mine").mkdir(parents=True)
    (folder / "src" / "mine" / "__init__.py").touch()
    (folder / "src" / "mine" / "gates.py").write_text(GATE)
    assert "from src.mine.gates import Gate" in variant("src/mine/gates.py:Gate", import_=True)
    monkeypatch.syspath_prepend(str(folder / "src"))  # as an editable install does
    assert "from mine.gates import Gate" in variant("src/mine/gates.py:Gate", import_=True)


@pytest.mark.parametrize("path", ["types.py", "my-gates.py", "my parts/gates.py", "../outside/gates.py", "class.py"])
def test_a_file_that_python_does_not_find_is_refused(path: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "work").mkdir()
    (folder / "work" / "net.py").write_text(NET)
    monkeypatch.chdir(folder / "work")
    Path(path).parent.mkdir(exist_ok=True)
    Path(path).write_text(GATE)
    assert refused(f"{path}:Gate", import_=True).name == "not-importable"


def test_a_file_that_imports_relatively_needs_its_package(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "mine").mkdir()
    mine = "from .base import Gate\n\n\nclass My(Gate):\n    pass\n"
    for name, text in (("__init__.py", ""), ("base.py", GATE), ("gates.py", mine)):
        (folder / "mine" / name).write_text(text)
    assert "from mine.gates import My" in variant("mine/gates.py:My", import_=True)
    (folder / "mine" / "net.py").write_text(NET)
    monkeypatch.chdir(folder / "mine")
    assert refused("gates.py:My", import_=True).name == "not-importable"


def test_a_class_of_that_name_in_the_file_is_refused(folder: Path) -> None:
    (folder / "net.py").write_text(NET.replace("class Net", "class Gate(nn.Identity):\n    pass\n\n\nclass Net"))
    assert refused("gates.py:Gate", import_=True).name == "name-clash"


@pytest.mark.parametrize(
    ("module", "options", "said"),
    [
        ("se", {"import_": True}, "--import"),
        ("se >> eca", {"accept_licence": True}, "--accept-licence"),
        ("gates.py:Gate", {"import_": True, "accept_licence": True}, "--import"),
    ],
)
def test_options_that_say_nothing(module: str, options: dict[str, bool], said: str, folder: Path) -> None:
    error = refused(module, **options)
    assert error.name == "usage" and said in error.message
