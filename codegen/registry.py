"""What codegen knows of the libraries that register models by name: the one place where theirs steer anything.

The live half, which imports them, is `worker/registry.py`.
"""

from __future__ import annotations

import ast
import importlib.util
import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

LIBRARIES = {"timm": "timm/models", "torchvision": "torchvision/models"}

# decorators that enter a function into a library's registry under its own name
REGISTRARS = frozenset(
    {
        "timm.models._registry.register_model",
        "timm.models.register_model",
        "timm.models.registry.register_model",
        "torchvision.models._api.register_model",
    }
)
# calls that enter other names into a registry: they would overwrite the library's own entries
ALIASES = frozenset({"timm.models._registry.register_model_deprecations", "timm.models.register_model_deprecations"})
# what checkpoints a module as torch.utils.checkpoint.checkpoint does, and says itself how: `checkpoint(self.mlp, x)`
CHECKPOINTS = frozenset({"timm.models._manipulate.checkpoint"})
# the method of a model that tells which parameters are a layer, for optimizers that train early layers more slowly
MATCHER = "group_matcher"
PREVIOUS, PREVIOUS_NAME = 99999, "MATCH_PREV_GROUP"  # the last number of what is no layer of its own, but of the one before
# classes whose identity the library tests: a copy of them is refused by it, so they are imported
WEIGHTS = frozenset({"torchvision.models._api.WeightsEnum"})


def folder(library: str) -> Path | None:
    """The folder with a library's model files, found without importing it."""
    package, _, below = LIBRARIES[library].partition("/")
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0]) / below


def definition(library: str, name: str) -> Path | None:
    """The file that defines a registered model function."""
    root = folder(library)
    if root is None or not name.isidentifier():
        return None
    head = f"def {name}(".encode()
    for path in sorted(root.rglob("*.py"), key=lambda p: (len(p.parts), p)):  # the plain model before its special forms
        data = path.read_bytes()
        if data.startswith(head) or b"\n" + head in data:
            return path
    return None


def names(library: str) -> list[str]:
    """Every function in the library's model files, for near misses in an error."""
    root = folder(library)
    found: list[str] = []
    for path in sorted(root.rglob("*.py")) if root else ():
        found += re.findall(r"^def ([a-z]\w*)\(", path.read_text(encoding="utf-8", errors="replace"), re.MULTILINE)
    return found


def version(distribution: str) -> str:
    """The installed version, "" where there is none."""
    import importlib.metadata  # as slow to import as all of codegen's own modules

    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return ""


def is_registrar(decorator: ast.expr, imports: dict[str, str]) -> bool:
    """Whether a decorator registers the function; `imports` tells what the file's names stand for."""
    return _meaning(decorator.func if isinstance(decorator, ast.Call) else decorator, imports) in REGISTRARS


def _meaning(name: ast.expr, imports: dict[str, str]) -> str:
    """What `register_model` or `_registry.register_model` stands for."""
    head, dot, rest = ast.unparse(name).partition(".")
    return imports.get(head, head) + dot + rest


def is_alias(statement: ast.stmt, imports: dict[str, str]) -> bool:
    """Whether a top-level statement registers further names for existing models."""
    call = statement.value if isinstance(statement, ast.Expr) else None
    return isinstance(call, ast.Call) and _meaning(call.func, imports) in ALIASES


def stays_in_library(statement: ast.stmt, imports: dict[str, str]) -> bool:
    """Whether a class must be imported from the library instead of being copied."""
    bases = statement.bases if isinstance(statement, ast.ClassDef) else []
    return any(isinstance(base, ast.Name) and imports.get(base.id) in WEIGHTS for base in bases)


@dataclass(frozen=True)
class Pattern:
    """One regular expression of a `group_matcher`. ordinal: of its name in the dict; suffix: numbers behind those it finds."""

    ordinal: int
    regex: str
    suffix: tuple[int, ...] = ()


def layer_key(name: str, patterns: Iterable[Pattern]) -> tuple[float, ...]:
    """What timm sorts a parameter by: the ordinal and the numbers in its name, by the first pattern that fits."""
    for pattern in patterns:
        if found := re.match(pattern.regex, name):
            return (pattern.ordinal, *(float(number) for number in found.groups() if number), *pattern.suffix)
    return (float("inf"),)  # the head


def layers(names: Sequence[str], patterns: Sequence[Pattern]) -> dict[str, int]:
    """Parameter -> its layer, counted as timm counts (`group_with_matcher` in timm/models/_manipulate.py)."""
    keys = {name: layer_key(name, patterns) for name in names}
    ordered = sorted(set(keys.values()))
    starts = (int(index == 0 or key[-1] != PREVIOUS) for index, key in enumerate(ordered))
    numbers = dict(zip(ordered, itertools.accumulate(starts), strict=True))
    return {name: numbers[key] - 1 for name, key in keys.items()}
