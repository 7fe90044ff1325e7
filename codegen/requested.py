"""What a command or a function of the API was given, as a Request. Decides nothing but whether the options agree.

The options have the names of the API and were checked one by one (`given`). Knows nothing of click.
"""

from __future__ import annotations

import importlib.util
import keyword
import re
from typing import Any

from codegen import expressions, given, pools, provided
from codegen.branch import EXTRA
from codegen.components import IDENTITY
from codegen.errors import CodegenError
from codegen.limits import Limits
from codegen.selection import SIGN
from codegen.types import Request

WRAPS = {  # what `codegen wrap --with` puts around a site: (module, operation, attribute)
    "residual": (IDENTITY, "beside", "shortcut"),
    "gate": ("gate", "after", ""),
    "drop_path": ("droppath", "after", ""),
    "scale": ("scale", "after", ""),
    "checkpoint": ("checkpoint", "checkpoint", ""),  # no module: the site's own calls change
}
ONNX = ("onnx", "onnxscript")  # what torch.onnx.export imports
FIELDS = {"class_": "host", "args": "arguments", "emit_groups": "groups", "with_test": "test"}  # other names in a Request


def insertion(source: str, *, after: str = "", before: str = "", beside: str = "", **options: Any) -> Request:
    """The Request of `codegen insert`. Raises CodegenError("usage")."""
    places = {"after": after, "before": before, "beside": beside}
    meant = [(operation, site) for operation, site in places.items() if site]
    if len(meant) != 1:
        what = "give one of --after SITE, --before SITE and --beside SITE"
        raise CodegenError("usage", what, "codegen sites SOURCE lists the sites")
    operation, site = meant[0]
    if options.pop("separate", False) and options.get("call"):
        raise CodegenError("usage", "--separate is of all calls, --call of one", "give one of the two")
    if (call := options.pop("call", None)) is not None:
        site = f"{site}{SIGN}{call}"
    index, element = options.pop("output_index", None), options.pop("output_key", "")
    if index is not None and element:
        raise CodegenError("usage", "--output-index is of a tuple, --output-key of a dict", "give one of the two")
    element = element if index is None else str(index)
    if element and operation == "before":
        raise CodegenError("usage", "--output-index and --output-key say which result is meant", "leave it out with --before")
    combine = options.pop("combine", "") or ""
    if combine and not beside:
        raise CodegenError("usage", f"--combine {combine} says how a module beside a site is joined", "give --beside SITE")
    combine = combine or ("add" if beside else "")
    if options.get("identity") and combine in ("add", "mul"):
        hint = "--combine gate starts as the identity, and cat can"
        raise CodegenError("usage", f"a module beside a site is no identity with --combine {combine}", hint)
    if options.get("static") and options.get("emit_groups"):
        raise CodegenError("usage", "--emit-groups needs a run of the model, --static makes none", "leave one of the two out")
    if options.get("static") and options.get("hook"):
        raise CodegenError("usage", "--hook needs a run of the model, --static makes none", "leave one of the two out")
    if options.get("static") and options.get("checks"):
        raise CodegenError("usage", "--check runs the model, --static does not", "leave one of the two out")
    _demand_module(options)
    options |= {"operation": operation, "site": site, "element": element, "combine": combine}
    return made(source, **options)


def replacement(source: str, *, site: str, **options: Any) -> Request:
    """The Request of `codegen replace`. Raises CodegenError("usage")."""
    _demand_module(options)
    return made(source, operation="replace", site=site, **options)


def _demand_module(options: dict[str, Any]) -> None:
    if not options.get("module"):
        raise CodegenError("usage", "give --module M", "codegen modules lists the catalogue")
    options["module"] = provided.expanded(options["module"])  # a name that nothing has is told before the model runs
    options["init"] = "" if (init := options.get("init") or "paper") == "paper" else init
    if options["init"] and options.get("identity"):
        raise CodegenError("usage", f"--identity and --init {init} both say how the module starts", "give one of the two")
    options["inclusion"] = _inclusion(options["module"], options.pop("import_", False), options.pop("accept_licence", False))
    name = options.get("as_class") or "Usable"
    if not name.isidentifier() or keyword.iskeyword(name) or name.startswith("_"):
        raise CodegenError("usage", f"--as-class {name} is no name of a class", "for example --as-class SqueezeThenGate")


def _inclusion(module: str, imported: bool, accepted: bool) -> str:
    """How classes of the user's own files come in. Raises CodegenError("usage") where there is none, or both are asked for."""
    if imported and accepted:
        raise CodegenError("usage", "--accept-licence copies the class, --import does not", "give one of the two")
    own = any(":" in leaf.module for leaf in expressions.leaves(expressions.parse(module)))
    if (imported or accepted) and not own:
        what = f"{'--import' if imported else '--accept-licence'} is of a class of your own, and {module} names none"
        raise CodegenError("usage", what, "leave it out, or give --module my.py:MyAttn")
    return "import" if imported else "copy" if accepted else ""


def removal(source: str, *, site: str, **options: Any) -> Request:
    """The Request of `codegen remove --site`: torch's own identity in the place of the site."""
    return made(source, operation="replace", site=site, module=IDENTITY, **options)


def wrapped(source: str, *, site: str, with_: str, **options: Any) -> Request:
    """The Request of `codegen wrap`: an insertion under another name, or the checkpointing of a site."""
    module, operation, name = WRAPS[with_]
    if operation == "checkpoint":
        for option in ("name", "args", "identity", "width"):
            if options.get(option):
                what = f"--with {with_} inserts no module, and takes no {given.flag(option)}"
                raise CodegenError("usage", what, "leave it out")
        return made(source, operation=operation, site=site, module=module, **options)
    if operation == "beside" and (options.get("args") or options.get("identity")):
        what = f"--with {with_} takes no {'--arg' if options.get('args') else '--identity'}"
        raise CodegenError("usage", what, "leave it out; a gate around the site can start as the identity")
    options["name"] = options.get("name") or name
    options["combine"] = "add" if operation == "beside" else ""
    options["suffix"] = options.get("suffix") or f"_{with_}"
    return made(source, operation=operation, site=site, module=module, **options)


def headed(source: str, *, site: str, **options: Any) -> Request:
    """The Request of `codegen head`. Raises CodegenError("usage")."""
    pool = options.pop("pool", None)
    if bool(pool) == bool(options.get("layers")) or pool and options.get("extra"):
        what = "give one of --layers LAYERS and --pool POOL; --extra goes with --layers"
        raise CodegenError("usage", what, '--layers "Linear(256), ReLU, Linear(10)" is for a classifier, --pool gem for a pool')
    if pool:
        options |= {"layers": pools.LAYERS[pool], "suffix": options.get("suffix") or f"_{pool}"}
    if extra := options.pop("extra", ""):
        if not extra.isidentifier() or keyword.iskeyword(extra):
            raise CodegenError("usage", f"--extra {extra} is no name of an attribute", "for example --extra aux")
        options |= {"operation": "beside", "combine": EXTRA, "name": extra, "module": extra}
        return made(source, site=site, **options)
    suffix = options.pop("suffix", "") or "_head"
    return made(source, operation="replace", site=site, module=pool or "head", suffix=suffix, **options)


def certification(module: str, **options: Any) -> Request:
    """The Request of `codegen certify`: a module without a source. Raises CodegenError("usage")."""
    module = provided.expanded(module)
    return made("", operation="after", module=module, inclusion="copy", **options)


def made(source: str, *, timeout: float = 600.0, memory: str = "", **options: Any) -> Request:
    """The Request of any command. Raises CodegenError("usage")."""
    size = re.fullmatch(r"(\d{1,12}(?:\.\d+)?)([KMGkmg]?)(?:i?[Bb])?", memory) if memory else None
    if memory and (size is None or not float(size[1])):
        raise CodegenError("usage", f"--memory {memory} is no size", "for example --memory 8G")
    if not 0 < timeout < 10**9:
        raise CodegenError("usage", f"--timeout {timeout:g} is no time in seconds", "for example --timeout 600")
    amount = int(float(size[1]) * {"": 1, "K": 2**10, "M": 2**20, "G": 2**30}[size[2].upper()]) if size else 0
    missing = [name for name in ONNX if "onnx" in options.get("checks", ()) and importlib.util.find_spec(name) is None]
    if missing:
        what = f"--check onnx needs packages that are not installed: {', '.join(missing)}"
        raise CodegenError("missing-package", what, f"pip install {' '.join(missing)}")
    options["keep"] = options.get("keep") or ""
    fields = {FIELDS.get(name, name): value for name, value in options.items()}
    return Request(source, limits=Limits(timeout, amount), **fields)
