"""Classes from several files of a package, brought into one: order, names that clash, factories."""

from __future__ import annotations

from pathlib import Path

import pytest

from codegen import foreign, imports, sources, standalone, syntax
from codegen.errors import CodegenError
from codegen.foreign import Foreign
from codegen.standalone import Parts

FILES = {
    "__init__.py": "from .layers import Mlp, make\n",
    "layers/__init__.py": "from .mlp import Mlp\nfrom .factory import *\n",
    "layers/mlp.py": "from .helpers import scale\n\n\nclass Mlp:\n    width = scale(2)\n",
    "layers/helpers.py": "def scale(x):\n    return x\n",
    "layers/factory.py": "from .mlp import Mlp\n\n__all__ = ['make']\n\n\ndef make():\n    return Mlp()\n",
    "other.py": "from .layers import Mlp\n\n\nclass Holder:\n    part = Mlp\n",
    "interrupted.py": "__all__ = ['Net']\n\ntry:\n    from typing import Literal\nexcept ImportError:\n    Literal = None\n\n"
    "import math\nfrom .layers import Mlp\n\nSIZE = math.pi\n\n\nclass Net:\n    part = Mlp\n    size: Literal[1] = SIZE\n",
    "clash.py": "class Mlp:\n    pass\n",
    "aliased.py": "from .layers import Mlp as Block\n\n\nclass Holder:\n    part = Block  # of Block\n",
    "helped.py": "def scale(x):\n    return -x\n\n\nclass Helped:\n    width = scale(2)\n",
}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """A package of its own name for each test: meanings are remembered by name."""
    name = "foreign_" + "".join(c for c in request.node.name if c.isalnum())
    for file, text in FILES.items():
        path = tmp_path / name / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    return name


def of(package: str, module: str, *names: str) -> Foreign:
    path = sources.module_path(f"{package}.{module}")
    assert path is not None
    file = sources.file(path)
    return Foreign(file, syntax.shared(file.text, path), names)


def test_a_class_stands_in_front_of_what_uses_it(package: str) -> None:
    gathered = foreign.gather([of(package, "other", "Holder"), of(package, "layers.mlp", "Mlp")], {}, {})
    assert gathered.body.index("class Mlp") < gathered.body.index("class Holder")
    assert gathered.imports == (f"from {package}.layers.helpers import scale",)
    assert {*gathered.names.values()} == {"Mlp", "Holder"}


def test_names_that_stand_for_brought_classes_are_local(package: str) -> None:
    gathered = foreign.gather([of(package, "layers.mlp", "Mlp")], {}, {})
    assert foreign.local_names({"Mlp": f"{package}.Mlp", "os": "os"}, gathered, "model.py") == {"Mlp"}


@pytest.mark.parametrize("table", [{"Mlp": "elsewhere.Mlp"}, {"Other": "{package}.layers.mlp.Mlp"}])
def test_another_meaning_or_another_name_is_a_clash(package: str, table: dict[str, str]) -> None:
    gathered = foreign.gather([of(package, "layers.mlp", "Mlp")], {}, {})
    known = {name: meaning.format(package=package) for name, meaning in table.items()}
    with pytest.raises(CodegenError, match="name-clash"):
        foreign.local_names(known, gathered, "model.py")


def test_a_function_that_has_the_name_of_its_file(package: str) -> None:
    """`timm.layers.create_conv2d` is the function where the package binds it, and not the submodule."""
    folder = Path(of(package, "other").file.path).parent
    (folder / "blocks.py").write_text("def blocks():\n    return 1\n")
    (folder / "parts.py").write_text("def part():\n    return 1\n")
    with (folder / "__init__.py").open("a") as file:
        file.write("from .blocks import blocks\nfrom . import parts\n")
    assert imports.canonical(f"{package}.blocks") == f"{package}.blocks.blocks"
    assert imports.canonical(f"{package}.parts") == f"{package}.parts"


def test_two_files_that_define_one_name_are_a_clash(package: str) -> None:
    with pytest.raises(CodegenError, match="name-clash"):
        foreign.gather([of(package, "clash", "Mlp"), of(package, "layers.mlp", "Mlp")], {}, {})


def test_a_class_that_is_imported_by_another_name_has_its_own_here(package: str) -> None:
    gathered = foreign.gather([of(package, "aliased", "Holder"), of(package, "layers.mlp", "Mlp")], {}, {})
    assert "class Holder:\n    part = Mlp  # of Block\n" in gathered.body


def test_a_helper_whose_name_is_taken_gets_another(package: str) -> None:
    gathered = foreign.gather([of(package, "helped", "Helped"), of(package, "layers.helpers", "scale")], {}, {})
    assert "def scale2(x):\n    return -x" in gathered.body and "width = scale2(2)" in gathered.body


def test_a_function_of_a_registry_is_not_registered_again(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreign.registry, "REGISTRARS", {f"{package}.registry.register"})
    path = Path(of(package, "other").file.path).with_name("models.py")
    path.write_text("from .registry import register\n\n\n@register()\ndef small():\n    return 1\n")
    gathered = foreign.gather([of(package, "models", "small")], {}, {})
    assert gathered.body == "def small():\n    return 1\n" and gathered.imports == ()


def test_a_factory_comes_along_by_what_it_names(package: str) -> None:
    user = {"make": f"{package}.make", "scale": f"{package}.layers.helpers.scale"}
    found = foreign.with_factories([of(package, "layers.mlp", "Mlp")], user)
    assert {(f.file.module.removeprefix(package), f.names) for f in found} == {
        (".layers.mlp", ("Mlp",)),
        (".layers.factory", ("make",)),
    }


@pytest.mark.parametrize("keep", ["used", "all"])
def test_a_class_stands_behind_imports_that_are_interrupted(package: str, keep: str) -> None:
    main, brought = of(package, "interrupted"), of(package, "layers.mlp", "Mlp")
    parts = Parts(main.file, main.code, brought.file, brought.code, "Mlp", ("Net",), keep, "_se", (brought,))
    text = standalone.assemble(parts)
    assert text.index("import math") < text.index("class Mlp") < text.index("SIZE = math.pi") < text.index("class Net")
