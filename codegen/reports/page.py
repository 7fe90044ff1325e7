"""A sweep as one HTML page that needs nothing else: its style, script and data stand in it. Writes no file.

What a person opens, a variant's diff and picture, is packed: neighbours are compressed together and unpacked on opening.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from codegen.reports import diffs, formats, measures, pictures, plots, summary, templates, trees
from codegen.reports.measures import Measure
from codegen.reports.pictures import Look, Mark
from codegen.sweeps.rows import STATUSES, Base, Row
from codegen.sweeps.store import Contents
from codegen.version import __version__

TOGETHER = 32  # variants in one packet: more are smaller, and slower to open
PICTURES = 16
ROWS = 30  # of a picture


def html(contents: Contents, name: str) -> str:
    """The page."""
    from markupsafe import Markup

    rows, bases = contents.rows, [base for base in contents.bases if base.structure.get("sites")]
    known = measures.measured(rows)
    packets = [*_packed("details", [_details(row) for _, row in _neighbours(rows)], TOGETHER)]
    packets += _packed("pictures", _pictures(rows, bases), PICTURES)
    script = templates.read("shared.js") + templates.read("page.js")
    chosen = next((measure for measure in known if measure.key == "drift"), known[0] if known else None)
    return templates.rendered(
        "page.html.jinja",
        name=name,
        version=__version__,
        policy=policy(script),
        style=Markup(templates.read("page.css") + templates.read("picture.css")),
        script=Markup(script),
        data=Markup(_json(_data(rows, bases, known))),
        packets=[(key, Markup(text)) for key, text in packets],
        sentences=summary.told(rows, contents.cells),
        tiles=_tiles(rows),
        planes=[(plot.measure, Markup(plot.svg)) for plot in plots.planes(rows)],
        heats=[(heat.source, Markup(heat.svg)) for heat in plots.heats(rows, chosen)],
        spread=(spread, Markup(spread.svg)) if (spread := plots.spread(rows)) else None,
        chosen=chosen,
        measures=known,
        modules=plots.colours(rows),
        shapes=plots.shapes(rows),
        narrow=len({measures.module(row) for row in rows}) < 8,
        bases=[(base, Markup(_plain(base))) for base in bases],
    )


def policy(script: str) -> str:
    """What a browser may do with the page: run this one script, and load nothing."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def _json(value: Any) -> str:
    """As it may stand in a script element."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def _packed(key: str, values: Sequence[Any], many: int) -> list[tuple[str, str]]:
    """Packets of so many values: (id, base64 of the compressed JSON list)."""
    packets = [values[start : start + many] for start in range(0, len(values), many)]
    return [
        (f"{key}-{i}", base64.b64encode(zlib.compress(json.dumps(packet, separators=(",", ":")).encode(), 9)).decode())
        for i, packet in enumerate(packets)
    ]


def _neighbours(rows: Sequence[Row]) -> list[tuple[int, Row]]:
    """The rows with their places, those beside each other that have most in common."""
    return sorted(enumerate(rows), key=lambda each: (each[1].source, each[1].module, each[1].arguments, each[0]))


def _tiles(rows: Sequence[Row]) -> list[tuple[str, str, str]]:
    """Numbers that are seen first: (number, word, class)."""
    counts = {status: sum(row.status == status for row in rows) for status in STATUSES}
    tiles = [(f"{len(rows):,}", "variants" if len(rows) != 1 else "variant", "")]
    return tiles + [(f"{n:,}", status, status) for status, n in counts.items() if n or status == "passed"]


def _data(rows: Sequence[Row], bases: Sequence[Base], known: Sequence[Measure]) -> dict[str, Any]:
    """What the table is made of: one list for each row."""
    sources = list(dict.fromkeys(row.source for row in rows))
    packed = {index: place for place, (index, _) in enumerate(_neighbours(rows))}
    shown = {key: place for place, key in enumerate(_keys(rows, bases))}
    return {
        "measures": [{"key": m.key, "title": m.title, "about": m.about, "shades": plots.shades(rows, m)} for m in known],
        "sources": sources,
        "together": {"details": TOGETHER, "pictures": PICTURES},
        "rows": [
            [
                *(row.number, row.status, sources.index(row.source), row.operation, row.site, row.module, row.arguments),
                *(row.error, row.costs.export, packed[i], shown.get((row.source, row.operation, row.site), -1)),
                [_rounded(measure.value(row)) for measure in known],
                [measure.said(row) for measure in known],
            ]
            for i, row in enumerate(rows)
        ],
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.6g}")


def _details(row: Row) -> dict[str, Any]:
    """What opens under a row."""
    record: Mapping[str, Any] = row.record
    added = f"+{formats.count(row.new_parameters)}" if row.new_parameters else ""
    found = {
        "command": row.command,
        "error": row.error,
        "message": row.message,
        "hint": row.hint,
        "output": row.output,
        "seconds": formats.seconds(row.seconds) if row.seconds else "",
        "added": added,
        "class": record.get("class_name", ""),
        "checks": [[check["name"], check["status"], check["detail"]] for check in record.get("checks", ())],
        "notes": list(record.get("notes", ())),
        "costs": [_cost(measure, row) for measure in measures.measured([row])],
        "diff": diffs.columns(row.diff),
    }
    return {key: value for key, value in found.items() if value}


def _cost(measure: Measure, row: Row) -> list[str]:
    """Title, base, variant, change; of the latency its spread, too."""
    pair = measure.pair(row)
    counted = [measure.counted(number) for number in pair] if pair else ["", ""]
    said = measure.said(row)
    if pair and pair[0] != pair[1] and measure.key != "latency":
        said = f"{'+' if pair[1] > pair[0] else ''}{measure.counted(pair[1] - pair[0])} ({said})"
    if measure.key == "latency" and row.costs.ratio:
        said += f" ({formats.times(row.costs.ratio[0])} to {formats.times(row.costs.ratio[2])})"
    return [measure.title, *counted, said]


def _keys(rows: Sequence[Row], bases: Sequence[Base]) -> list[tuple[str, str, str]]:
    """Of each picture that is needed: the backbone, the operation, the site. Where a site means nothing there is none."""
    structures = {base.source: base.structure for base in bases}
    keys = dict.fromkeys((row.source, row.operation, row.site) for row in rows if row.source in structures)
    return sorted(key for key in keys if trees.found(structures[key[0]], key[2]))


def _pictures(rows: Sequence[Row], bases: Sequence[Base]) -> list[str]:
    """A picture for each site; which module it is, the page writes in."""
    structures = {base.source: base.structure for base in bases}
    drawn = []
    for source, operation, site in _keys(rows, bases):
        mark = Mark(operation, trees.found(structures[source], site), "module")
        drawn.append(pictures.svg(structures[source], source, mark, Look(ROWS, styled=False)))
    return drawn


def _plain(base: Base) -> str:
    return pictures.svg(base.structure, base.source, look=Look(2 * ROWS, styled=False))
