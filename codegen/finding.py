"""Which modules of the catalogue a person may mean: by words, by layout, by what they cost. Renders nothing."""

from __future__ import annotations

from collections.abc import Sequence

from codegen import catalogue, provided
from codegen.errors import CodegenError
from codegen.provided import Provided


def meant(words: Sequence[str], layout: str, *, free: bool) -> list[catalogue.Entry | Provided]:
    """The one module of that name, else all that have the words: first the catalogue's own, then those of the project and of
    packages, of which neither layouts nor parameters are known. Raises what `find` raises.
    """
    ours = provided.everything()
    name = words[0] if len(words) == 1 and not free else ""
    if not layout and (own := [each for each in ours if each.name == name]):
        return [own[0]]
    if name in catalogue.names():
        return [catalogue.entry(name)]
    found: list[catalogue.Entry | Provided] = [*find(words, layout, ours, free=free)]
    return found if layout or free else [*found, *described(ours, words)]


def find(words: Sequence[str], layout: str, others: Sequence[Provided] = (), *, free: bool) -> list[catalogue.Entry]:
    """The modules whose description has every word, in any case; `free`: those without parameters only.

    Raises `unknown-layout`, and `unknown-module` where there is none, and none among the others, which have no layouts.
    """
    every = catalogue.entries()
    layouts = list(dict.fromkeys(kind for entry in every for kind in entry.layouts))
    if layout and layout not in layouts:
        message = f"no module of the catalogue is defined for a layout `{layout}`"
        raise CodegenError("unknown-layout", message, f"the layouts are {', '.join(layouts)}")
    known = [entry for entry in every if all(word.lower() in _description(entry) for word in words)]
    found = [entry for entry in known if not layout or layout in entry.layouts]
    found = [entry for entry in found if not free or not catalogue.count(entry, 64, {})]
    if found or not layout and not free and described(others, words):
        return found
    if len(words) == 1 and not known:
        catalogue.entry(words[0])  # raises, with the names that are near
    asked = [f"`{word}`" for word in words] + [f"the layout {layout}"] * bool(layout) + ["no parameters"] * free
    message = f"no module of the catalogue has {' and '.join(asked)}"
    raise CodegenError("unknown-module", message, "fewer of these find more; codegen modules lists all")


def described(every: Sequence[Provided], words: Sequence[str]) -> list[Provided]:
    """Those whose description has every word, in any case."""
    return [each for each in every if all(word.lower() in each.description for word in words)]


def _description(entry: catalogue.Entry) -> str:
    return "\n".join([entry.name, entry.class_name, entry.summary, entry.paper, entry.equation]).lower()
