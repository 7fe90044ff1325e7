"""The edits of `__init__`: the new module at its end, and the hook that lets base checkpoints load. Decides no place."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Sequence
from enum import Enum
from typing import TYPE_CHECKING

from codegen import catalogue, loops, naming, reaching, selection, style, syntax
from codegen.errors import CodegenError
from codegen.selection import CHOSEN, OWNER
from codegen.syntax import Code
from codegen.traced import Trace
from codegen.types import Component, Edit, Request, Site

if TYPE_CHECKING:
    from jinja2 import Template

SAME_NUMBERS = "  # the model draws what it drew without it"
PLACEHOLDER = "  # the model puts a module into the chosen ones"
OF_ITSELF = "  # the model's own class puts a module there, after its weight init"
MOVES = {"to", "cuda", "cpu", "half", "float", "double", "bfloat16"}  # methods that move or cast all of a model
MADE_LATER = "# the model makes it, after its own weight init"


Named = Sequence[tuple[str, Component]]  # what is inserted by its attributes: one module, or the parts of a composition


class Making(Enum):
    """When a module is made, so that it keeps its own initialisation and the backbone draws the same random numbers."""

    LAST = "at the end of the model's own __init__, behind everything else"
    ASIDE = "in a block, without moving the random numbers that the model draws behind it"
    LATE = "by the model, once it has initialised all its weights"
    LATE_PASSING = "likewise, in a block that runs before: until then what it is given passes"
    CHOSEN = "by the model, behind everything else, in the chosen objects of the class"
    LAYER = "likewise, as one more layer of lists of torch's, whose class cannot be edited"


def making(trace: Trace | None, site: Site, component: Component) -> Making:
    """How the module of this site is made."""
    if site.chosen is not None:
        return Making.LAYER if site.layered else Making.CHOSEN
    own = site.host.instances == ("",) and not site.host.inherited
    if trace is None or own or not component.stateful:
        return Making.LAST
    if site.host.name not in trace.restless:
        return Making.ASIDE
    return Making.LATE_PASSING if site.host.name in trace.early else Making.LATE


def statements(named: Named, how: Making = Making.LAST, *, itself: bool = False) -> list[str]:
    """`self.se = SqueezeExcite(embed_dim)`, in the way that keeps the promises there. itself: the model inherits the class."""
    if how is Making.CHOSEN:
        comment = OF_ITSELF if itself else PLACEHOLDER
        return [f"self.{attribute} = {part.placeholder}{comment}" for attribute, part in named]
    if how is Making.LATE:  # a closure is no module: the model's weight initialisation passes it by
        return [MADE_LATER, *(f"self.{attribute} = lambda: {part.construct}" for attribute, part in named)]
    if how is Making.LATE_PASSING:
        passing = f"{MADE_LATER}; until then x passes"
        return [passing, *(f"self.{attribute} = lambda *x: x[0] if x else {part.construct}" for attribute, part in named)]
    made = [f"self.{attribute} = {part.construct}" for attribute, part in named]
    if how is Making.ASIDE:
        return ["\n    ".join([f"with torch.random.fork_rng(devices=[]):{SAME_NUMBERS}", *made])]
    return made


def late(block: str, attributes: Sequence[str], condition: str = "", behind: Sequence[str] = ()) -> str:
    """The statement at the end of the model's `__init__` in which every block makes its module."""
    test = f"isinstance(module, {block})" + (f" and {condition}" if condition else "")
    lines = [*(f"module.{attribute} = module.{attribute}()" for attribute in attributes), *behind]
    body = "\n".join(f"        {line}" for line in lines)
    return f"for module in self.modules():\n    if {test}:\n" + re.sub(r"\bself\b", "module", body)


def spelled(site: Site, model: ast.ClassDef) -> tuple[reaching.Spelled, str]:
    """(how the model's `__init__` reaches the chosen objects, the site's module in its names)."""
    assert site.chosen is not None
    init = syntax.method(model, "__init__")
    parameters = {n.arg for n in ast.walk(init.args) if isinstance(n, ast.arg)} if init else set()
    taken = parameters | syntax.used_names(ast.parse(site.width.expr))
    owners = dict.fromkeys(selection.parted(name, site.attribute) for name in site.chosen.names)
    pattern = selection.parted(site.chosen.pattern, site.attribute)
    several = reaching.spelled(site.names, pattern, taken, site.dicts, [*owners]) if pattern else None
    where = several or reaching.each([*owners], taken, site.dicts)
    itself = site.whole or selection.is_point(site.attribute)  # between modules the expressions are of the owner
    module = where.target if itself else reaching.in_host(site, where.target)
    return where, module


def chosen(named: Named, site: Site, hooks: Sequence[str], classes: tuple[ast.ClassDef, ast.ClassDef]) -> str:
    """The statements at the end of the model's `__init__` that give the chosen objects their modules. classes: the host's and
    the model's.

    for block in self.blocks[::2]:
        block.se = SqueezeExcite(embed_dim)
    """
    cls, model = classes
    where, module = spelled(site, model)
    made = [(attribute, in_names(part.construct, where.target, module)) for attribute, part in named]
    lines = [f"{where.target}.{attribute} = {text}" for attribute, text in made]
    lines += [re.sub(r"\bself\b", where.target, hook) for hook in hooks]
    condition = present(cls, site).replace("self", where.target)
    headers = [*where.headers, *([f"if {condition}:"] if condition else [])]
    depth = len(headers)
    nested = [*("    " * i + header for i, header in enumerate(headers)), *("    " * depth + line for line in lines)]
    return "\n".join(nested)


def in_names(text: str, owner: str, module: str) -> str:
    """An expression about a chosen module and the one that holds it, in the names that the code has for them."""
    return re.sub(rf"\b{OWNER}\b", owner, re.sub(rf"\b{CHOSEN}\b", module, text))


def present(cls: ast.ClassDef, site: Site) -> str:
    """When an object of the host's class has the site: "" where each has, `self.downsample is not None` where some do."""
    if site.everywhere:
        return ""
    child = site.attribute.partition(".")[0]
    if not child.isidentifier():
        return f'"{child}" in self._modules'
    init = syntax.method(cls, "__init__")
    # self.downsample: Optional[nn.Module] = None
    assigned = [
        s.target if isinstance(s, ast.AnnAssign) else s.targets[0]
        for s in (init.body if init else ())
        if isinstance(s, (ast.Assign, ast.AnnAssign)) and s.value is not None
    ]
    always = any(isinstance(t, ast.Attribute) and t.attr == child for t in assigned)
    return f"self.{child} is not None" if always else f'hasattr(self, "{child}")'


def guarded(statements: Sequence[str], condition: str) -> list[str]:
    """The statements, below a condition where there is one."""
    lines = [line for statement in statements for line in statement.split("\n")]
    return ["\n".join([f"if {condition}:", *(f"    {line}" for line in lines)])] if condition else [*statements]


def imports(how: Making) -> tuple[str, ...]:
    """Import statements that the way of making needs."""
    if how is Making.CHOSEN:
        return ("from torch import nn",)
    return ("import torch",) if how is Making.ASIDE else ()


def plan(code: Code, cls: ast.ClassDef, statements: Sequence[str]) -> Edit:
    """Statements at the end of `__init__`, `self` named as it is there. Raises CodegenError("no-init", "early-return")."""
    init = syntax.method(cls, "__init__")
    if init is None:
        return _own_init(code, cls, statements)
    leaving = [n for n in loops.own_nodes(init) if isinstance(n, ast.Return)]
    if leaving:
        where = f"{cls.name}.__init__:{leaving[0].lineno}"
        raise CodegenError(
            "early-return", f"{where} returns: the new module would be missing", "restructure __init__ first"
        )
    me = init.args.args[0].arg
    last = next((node for node in reversed(init.body) if not _moves(node, me)), init.body[-1])
    if init.body[0].lineno == init.lineno or not code.ends_its_line(last):  # def __init__(self): self.a = 1
        where = f"{cls.name}.__init__:{last.lineno}"
        raise CodegenError("early-return", f"{where} shares its line with other code", "put it on a line of its own")
    text = style.block(re.sub(r"\bself\b", me, "\n".join(statements)), code, code.indent(_first_alone(code, init)))
    return style.below(code, last, text, "end of __init__")


def _moves(node: ast.stmt, me: str) -> bool:
    """`self.to(device)`, also in `if device is not None:`: it is of the whole model, and of the new module too."""
    match node:
        case ast.If(body=body, orelse=[]):
            return any(_moves(inner, me) for inner in body) and all(
                _moves(inner, me) or isinstance(inner, ast.Assign) for inner in body
            )
        case ast.Expr(ast.Call(func=ast.Attribute(value=ast.Name(id=owner), attr=name))):
            return owner == me and name in MOVES
    return False


def _own_init(code: Code, cls: ast.ClassDef, statements: Sequence[str]) -> Edit:
    """An `__init__` for a class that has none, in front of its first method, or in the place of `pass`.

    Raises CodegenError("no-init").
    """
    first = next((n for n in cls.body if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))), None)
    last = cls.body[-1]
    if cls.body[0].lineno == cls.lineno or first is None and not code.stands_alone(last):
        hint = "insert into the class that it derives from: --class NAME"
        raise CodegenError("no-init", f"{cls.name} has no line of its own that an __init__ could stand at", hint)
    lines = ["super().__init__(*args, **kwargs)", *(line for statement in statements for line in statement.split("\n"))]
    text = "\n".join(["def __init__(self, *args, **kwargs):", *(f"    {line}" for line in lines)])
    if first is None:
        block = style.block(text, code, code.indent(last))
        if not isinstance(last, ast.Pass):
            return style.below(code, last, code.newline + block, "__init__")
        block = block.removeprefix(code.indent(last)).removesuffix(code.newline)
        return Edit(code.start(last), code.end(last), block, "__init__")
    start = code.line_start(min([first, *first.decorator_list], key=lambda n: n.lineno))
    return Edit(start, start, style.block(text, code, code.indent(first)) + code.newline, "__init__")


def hook(*attributes: str, shared: bool = False) -> tuple[str, str]:
    """(statement for `__init__`, function): a base checkpoint loads strictly, a damaged variant checkpoint does not.

    shared: the same function serves the modules of several edits.
    """
    if shared and len(attributes) == 1:
        return f'self.register_load_state_dict_pre_hook(partial(load_without, "{attributes[0]}"))', rendered("load_hooks")
    name = f"load_without_{joined(attributes)}"
    return f"self.register_load_state_dict_pre_hook({name})", rendered("load_hook", name=name, **in_words(attributes))


def hooks(component: Component, named: Named, request: Request) -> list[tuple[str, str]]:
    """The hook of what a request inserts, none where that has no state. Edits that one name was split into share a function."""
    made = hook(*naming.stateful(named), shared=request.asked is not None) if component.stateful else None
    return [made] if made else []


def joined(attributes: Sequence[str]) -> str:
    """A part of a name for all of these: `se_and_eca`."""
    return "_and_".join(attributes)


def hooked(site: Site, attributes: Sequence[str], operation: str, operator: str) -> tuple[str, str]:
    """(statement, function) that let a forward hook of the site run the module, which stands in it."""
    name = f"run_{joined(attributes)}"
    how = {"operation": operation, "operator": operator, "single": site.module.single}
    text = rendered("hook", name=name, attribute=attributes[0], **how)
    return f"self.register_forward_{'pre_' * (operation == 'before')}hook({name})", text


def rendered(template: str, **values: object) -> str:
    """One of the pieces in `templates/file/`, filled in."""
    return _template(template).render(**values)


@functools.cache
def _template(name: str) -> Template:
    import jinja2

    text = (catalogue.templates_folder() / "file" / f"{name}.py.jinja").read_text(encoding="utf-8")
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True, trim_blocks=True)
    return environment.from_string(text)


def in_words(attributes: Sequence[str]) -> dict[str, object]:
    """What a template says of several attributes."""
    words = [f"`{attribute}`" for attribute in attributes]
    listed = " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else words[0]
    return {"attributes": attributes, "listed": listed, "quoted": ", ".join(f'"{attribute}"' for attribute in attributes)}


def _first_alone(code: Code, init: syntax.Function) -> ast.stmt:
    return next((s for s in init.body if s.lineno > init.lineno), init.body[0])
