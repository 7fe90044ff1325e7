"""Find what builds a source's model when nobody says so: its host class or a function that returns it. Runs nothing."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from torch import nn

from codegen.errors import CodegenError


def build_expressions(module: ModuleType, text: str, entry: str, host: str) -> list[str]:
    """Build expressions worth trying, best first.

    The entry named in SOURCE, else the constructor of the last class that no other class of the file uses, else the
    functions that return it.
    """
    tree = ast.parse(text)
    if entry and not _is_module_class(module, entry):
        _known(module, entry, tree)
        return [f"{entry}()"]
    alone = host and not _is_list(getattr(module, host, None))
    names = [entry] if entry else [*([host] if alone else []), *gathering_classes(module, tree)]
    if host and not _is_module_class(module, host):
        _known(module, host, tree)
    if not names:  # return nn.Sequential(...)
        if makers := [f"{function}()" for function in factory_functions(module, tree, "Sequential")]:
            return makers[::-1]
        file = Path(getattr(module, "__file__", None) or module.__name__).name
        what = f"no nn.Module class in {file}, nor a function that needs no arguments"
        raise CodegenError(
            "host-not-found", f"{what} and returns an nn.Sequential", "give a file that defines a model, or --build EXPR"
        )
    constructors = [f"{name}()" for name in names if _needs_nothing(getattr(module, name))]
    factories = [f"{function}()" for name in names for function in factory_functions(module, tree, name)]
    best = names[0]
    first = [
        e for e in (*constructors, *factories) if e == f"{best}()" or e[:-2] in factory_functions(module, tree, best)
    ]
    return list(dict.fromkeys([*first, *constructors, *factories])) or [f"{best}()"]


def gathering_classes(module: ModuleType, tree: ast.Module) -> list[str]:
    """Module classes of the file, best first, the last of its kind first.

    A class that no other class uses and that uses others gathers them: the model. Then come those that stand alone (a
    loss, a head for another file), then the parts.
    """
    classes = [n for n in ast.walk(tree) if isinstance(n, ast.ClassDef) and _is_module_class(module, n.name)]
    names = {node.name for node in classes}
    uses: dict[str, set[str]] = {}
    for node in classes:
        read = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)} - {node.name}
        uses[node.name] = uses.get(node.name, set()) | read & names
    used = set().union(*uses.values())
    return sorted(dict.fromkeys(n.name for n in reversed(classes)), key=lambda n: (n in used, not uses[n]))


def factory_functions(module: ModuleType, tree: ast.Module, class_name: str) -> Iterator[str]:
    """Functions of the file that need no argument and return an instance of the class, directly or through each other."""
    makers = {class_name}
    functions = [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name != "main"]
    grew = True
    while grew:
        grew = False
        for function in functions:
            if function.name not in makers and _returns(function, makers):
                makers.add(function.name)
                grew = True
    for function in functions:
        if function.name in makers and _needs_nothing(getattr(module, function.name, None)):
            yield function.name


def _returns(function: ast.FunctionDef, makers: set[str]) -> bool:
    # model_cls = HighResolutionNet; return build_model_with_cfg(model_cls, ...)
    makers = makers | {
        target.id
        for node in ast.walk(function)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Name) and node.value.id in makers
        for target in node.targets
        if isinstance(target, ast.Name)
    }

    def makes(node: ast.AST | None) -> bool:
        if isinstance(node, ast.IfExp):
            return makes(node.body) and makes(node.orelse)
        if not isinstance(node, ast.Call):
            return False
        if isinstance(node.func, ast.Name) and node.func.id in makers:
            return True  # return VisionTransformer(...)
        if isinstance(node.func, ast.Attribute) and node.func.attr == "Sequential" in makers:
            return True  # return nn.Sequential(...)
        if isinstance(node.func, ast.Attribute) and makes(node.func.value):
            return True  # return VisionTransformer(...).eval()
        arguments = [*node.args, *(k.value for k in node.keywords)]
        return any(isinstance(a, ast.Name) and a.id in makers for a in arguments)  # return _create(ResNet, ...)

    made = {
        target.id
        for node in ast.walk(function)
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and makes(node.value)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(function):
        if isinstance(node, ast.Return) and (
            makes(node.value) or isinstance(node.value, ast.Name) and node.value.id in made
        ):
            return True
    return False


def _is_module_class(module: ModuleType, name: str) -> bool:
    value = getattr(module, name, None)
    return isinstance(value, type) and issubclass(value, nn.Module)


def _is_list(cls: object) -> bool:
    """Whether a class is a list of modules, made of what it is given: made of nothing, it is empty."""
    if not (isinstance(cls, type) and issubclass(cls, (nn.Sequential, nn.ModuleList, nn.ModuleDict))):
        return False
    return all(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in inspect.signature(cls).parameters.values())


def _needs_nothing(function: object) -> bool:
    if not callable(function):
        return False
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    return all(p.default is not p.empty or p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters)


def _known(module: ModuleType, name: str, tree: ast.Module) -> None:
    import difflib

    if hasattr(module, name):
        return
    names = [n.name for n in tree.body if isinstance(n, (ast.ClassDef, ast.FunctionDef))]
    near = difflib.get_close_matches(name, names, 3) or names[-3:]
    raise CodegenError(
        "host-not-found", f"{module.__name__} has no {name}", f"it has {', '.join(near)}" if near else "name a class"
    )
