"""`--emit-groups`: a method of the model that gives what was inserted, to train it alone or at a rate of its own."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from codegen import naming, style, syntax
from codegen.syntax import Code
from codegen.traced import Trace
from codegen.types import Edit

METHOD = "new_parameters"
TEXT = '''
def {name}(self):
    """(name, parameter) of all that was inserted: to be trained alone, or at a rate of its own."""
    return [(name, parameter) for name, parameter in self.named_parameters() if {test}]
'''


def parts(trace: Trace | None) -> set[str]:
    """All names of children in the model: an attribute that is none of them tells the inserted modules in any block."""
    return {part for module in trace.modules for part in module.name.split(".")} if trace else set()


def method(cls: ast.ClassDef) -> str:
    """`new_parameters`, or where the class has one `new_parameters2`."""
    return naming.free(METHOD, {name for statement in cls.body for name in syntax.bound_names(statement)})


def plan(code: Code, cls: ast.ClassDef, attributes: Sequence[str], *, own: bool) -> Edit:
    """The method behind the `__init__` of the model's class. own: the module is the model's own, and in no block."""
    init = syntax.method(cls, "__init__") or cls.body[-1]
    listed = ", ".join(f'"{attribute}{"." * own}"' for attribute in attributes)
    if len(attributes) == 1:
        test = f"name.startswith({listed})" if own else f'{listed} in name.split(".")'
    else:
        test = f"name.startswith(({listed}))" if own else f'{{{listed}}} & {{*name.split(".")}}'
    text = TEXT.format(name=method(cls), test=test).lstrip("\n")
    block = code.newline + style.block(text, code, code.indent(cls.body[-1]))
    return style.below(code, init, block, f"{METHOD} of {cls.name}")
