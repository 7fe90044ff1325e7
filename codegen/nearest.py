"""What a person may mean by a name that the catalogue does not have: a hint, and never a module."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping

HEADS = {  # what changes the shape, and where it is
    "flatten": 'codegen head SOURCE --site S --layers "AdaptiveAvgPool2d(1), Flatten, Linear(10)"',
    "gap": "codegen head SOURCE --site S --pool avg",
}
HEADS |= dict.fromkeys(("pool", "avgpool", "globalpool", "globalavgpool", "adaptiveavgpool2d"), HEADS["gap"])
HEADS["gem"] = "codegen head SOURCE --site S --pool gem"


def hint(name: str, known: Mapping[str, Collection[str]]) -> str:
    """One line that helps: the module of which it is another name, those of a name that is near, or the command for it. known:
    the further names of each module.
    """
    plain = bare(name)
    if plain in HEADS:
        return f"that changes the shape, and belongs to a head: {HEADS[plain]}"
    exact = [module for module, others in known.items() if plain in map(bare, (module, *others))]
    near = exact or difflib.get_close_matches(name.lower(), known)
    listed = " or ".join(filter(None, [", ".join(near[:-1]), *near[-1:]]))
    return f"did you mean {listed}?" if near else "codegen modules lists them; a class of your own is my.py:MyAttn"


def bare(name: str) -> str:
    """Without what people write in more than one way: `Drop_Path` -> `droppath`."""
    return name.lower().replace("_", "").replace("-", "").replace(".", "")
