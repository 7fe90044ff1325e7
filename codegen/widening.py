"""A pool that gives two numbers of each channel, and behind it linear layers of twice the width: what `__init__` says of them.

Where the model has a way of its own to get another pool and classifier (timm's `reset_classifier`), it is that. Edits nothing.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from codegen import construct, heads, pools, reaching, syntax
from codegen.errors import CodegenError
from codegen.selection import CHOSEN
from codegen.traced import Chosen, Trace, TracedModule
from codegen.types import Component, Request, Site

LINEAR = ("Linear", "Conv2d")
OWN_POOL = "SelectAdaptivePool2d"  # timm's, which its models make by the name of a pool
RESET = "reset_classifier"
HIDDEN = "head_hidden_size"
HINT = "--pool avgmax, half the average and half the maximum, keeps the width"


@dataclass(frozen=True)
class Widened:
    """What the end of a model's `__init__` says; the definition of the load hook; and where the pool comes from."""

    component: Component
    lines: tuple[str, ...]
    hook: str


def sites(site: Site, trace: Trace) -> Site:
    """The pool, and with it all that its result goes into. Raises CodegenError("module-does-not-fit")."""
    assert site.chosen is not None
    if len(site.chosen.names) > 1:
        raise _refused(f"{site.name} means {len(site.chosen.names)} modules", "name one pool: codegen sites SOURCE lists them")
    known = {module.name: module for module in trace.modules}
    if not trace.behind:
        raise _refused(f"nothing behind {site.name} has weights that could take twice the channels", HINT)
    for name in (each.names[0] for each in trace.behind):
        if known[name].class_name not in LINEAR or dict(known[name].settings).get("kernel_size", "1") != "1":
            what = f"{name} ({known[name].class_name}) takes what {site.name} gives, which would be twice as wide"
            raise _refused(f"{what}: only a linear layer or a 1x1 convolution can be made anew", HINT)
    names = (*site.chosen.names, *(each.names[0] for each in trace.behind))
    return replace(site, chosen=replace(site.chosen, names=names, pattern=""))


def statements(request: Request, site: Site, trace: Trace, model: ast.ClassDef) -> Widened:
    """The linear layers get the widths that they had, the one that comes in doubled.

    Raises CodegenError("module-does-not-fit") where the site is no pool of a map (NCHW).
    """
    assert site.chosen is not None
    pool, *linear = (reaching.one(name, site.dicts) for name in site.chosen.names)
    called = re.sub(r"\W+", "_", linear[0].removeprefix("self.")).strip("_") if len(linear) == 1 else "classifiers"
    name = f"load_replaced_{called}"
    hook = construct.rendered("replace_hook", name=name, old="")
    hooks = [f"{place}.register_load_state_dict_pre_hook({name})" for place in linear]
    reset = syntax.method(model, RESET) if site.module.class_name == OWN_POOL and len(linear) == 1 else None
    if parameter := _resets(reset, linear[0]) if reset else "":
        return Widened(Component("pool", OWN_POOL, ""), tuple(_by_reset(model, parameter, pool, hooks)), hook)
    component = heads.component(request, site)
    known = {module.name: module for module in trace.modules}
    lines = [f"{pool} = {component.construct}"]
    for place, each, line in zip(linear, trace.behind, hooks, strict=True):
        lines += [f"{place} = {_linear(place, known[each.names[0]], (each, _given(model, place)), site)}", line]
    return Widened(component, tuple(lines), hook)


def _given(model: ast.ClassDef, place: str) -> str:
    """The width that goes out as the only statement says it that makes the layer: `num_classes` of nn.Linear(dim, num_classes).

    "" where it is more than an argument of `__init__`, an attribute or a number.
    """
    init = syntax.method(model, "__init__")
    nodes = [*ast.walk(init)] if init else []
    made = [n.value for n in nodes if isinstance(n, ast.Assign) and place in map(ast.unparse, n.targets)]
    call = made[0] if len(made) == 1 else None
    if not isinstance(call, ast.Call) or ast.unparse(call.func).rpartition(".")[2] not in LINEAR:
        return ""
    named = [keyword.value for keyword in call.keywords if keyword.arg in ("out_features", "out_channels")]
    out = next(iter([*call.args[1:2], *named]), None)
    stored = {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    alone = isinstance(out, (ast.Constant, ast.Attribute)) or isinstance(out, ast.Name) and out.id not in stored
    return ast.unparse(out) if out and alone else ""


def _linear(place: str, old: TracedModule, said: tuple[Chosen, str], site: Site) -> str:
    """`nn.Linear(512 * block.expansion * 2, num_classes)`. said: the measured widths, and what goes out as the code says it."""
    known, given = said
    conv = old.class_name == "Conv2d"
    kind = "channels" if conv else "features"
    into = known.width_before.expr if known.width_before else f"{place}.in_{kind}"
    out = given or (known.width_after.expr if known.width_after else f"{place}.out_{kind}")
    arguments = [pools.doubled(into), out, *(["1"] if conv else [])]
    arguments += ["bias=False"] if dict(old.settings).get("bias") == "False" else []
    arguments += [site.host.factory] if site.host.factory else []
    return re.sub(rf"\b{CHOSEN}\b", place, f"nn.{old.class_name}({', '.join(arguments)})")


def _resets(reset: syntax.Function, linear: str) -> str:
    """The name of the parameter that says the pool, where the method makes this classifier: `self.fc`, or of `self.head`."""
    names = [argument.arg for argument in reset.args.args][2:]
    owner = linear.rpartition(".")[0]
    attributes = [node for node in ast.walk(reset) if isinstance(node, ast.Attribute)]
    targets = {ast.unparse(node) for node in attributes if isinstance(node.ctx, ast.Store)}
    called = {ast.unparse(node.func) for node in ast.walk(reset) if isinstance(node, ast.Call)}
    return names[0] if names[:1] and (linear in targets or f"{owner}.reset" in called) else ""


def _by_reset(model: ast.ClassDef, parameter: str, pool: str, hooks: list[str]) -> Iterator[str]:
    """Where the model was not asked for another pool than its usual one:

    if global_pool == "avg":
        self.reset_classifier(num_classes, global_pool="fastcatavgmax")
    """
    init = syntax.method(model, "__init__")
    arguments, values = (init.args.args, init.args.defaults) if init else ([], [])
    defaults = dict(zip((a.arg for a in reversed(arguments)), reversed(values), strict=False))
    stored = {n.id for n in ast.walk(init or model) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    kept = {a.arg for a in arguments} - stored
    classes = "num_classes" if "num_classes" in kept else "self.num_classes"
    asked = parameter if parameter in kept else f"{pool}.pool_type"
    usual = defaults.get(parameter)
    lines = [f'self.{RESET}({classes}, {parameter}="fastcatavgmax")', *_hidden(model), *hooks]
    if isinstance(usual, ast.Constant) and isinstance(usual.value, str) and usual.value:
        yield f'if {asked} == "{usual.value}":'
        lines = [f"    {line}" for line in lines]
    yield from lines


def _hidden(model: ast.ClassDef) -> Iterator[str]:
    """The width behind the pool, where `__init__` keeps it, read off the pool or the head: it is another one now."""
    init, reset = (syntax.method(model, name) for name in ("__init__", RESET))
    for node in init.body if init and reset and f"self.{HIDDEN} =" not in ast.unparse(reset) else ():
        kept = isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == [f"self.{HIDDEN}"]
        if kept and re.search(r" = .*\.feat_mult\(\)| = self\.head\.", text := ast.unparse(node)):
            yield text


def note(site: Site, trace: Trace) -> str:
    """What becomes of the base's weights."""
    assert site.chosen is not None
    linear = [module for module in trace.modules if module.name in site.chosen.names[1:]]
    names = ", ".join(module.name for module in linear)
    count = sum(module.parameters for module in linear)
    takes = "takes" if len(linear) == 1 else "take"
    return f"{names} {takes} twice the channels: {count:,} parameters of a base checkpoint do not fit, and are left out"


def _refused(what: str, hint: str) -> CodegenError:
    return CodegenError("module-does-not-fit", what, hint)
