"""A sweep told: numbers, sentences, Markdown, axes, diffs in two columns, and a page in which text stays text."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import zlib
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from report_rows import DIFF, contents, row, rows

import codegen
from codegen.errors import CodegenError
from codegen.reports import diffs, formats, markdown, measures, page, plots, scales, summary
from codegen.sweeps import store
from codegen.sweeps.rows import Base, Costs, Row

EVIL = "</script><script>alert(1)</script>\"'&`|<img src=x onerror=alert(1)>"


class Tags(HTMLParser):
    """What an HTML parser sees: elements with their attributes, and the text of scripts by their id."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: dict[str, str] = {}
        self.open = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self.open = tag

    def handle_endtag(self, tag: str) -> None:
        self.open = ""

    def handle_data(self, data: str) -> None:
        if self.open == "script":
            key = self.found[-1][1].get("id") or ""
            self.scripts[key] = self.scripts.get(key, "") + data


def unpacked(tags: Tags, kind: str) -> list[Any]:
    """Everything that is packed under `details-0`, `details-1` ..."""
    keys = sorted((key for key in tags.scripts if key.startswith(f"{kind}-")), key=lambda key: int(key.rpartition("-")[2]))
    return [each for key in keys for each in json.loads(zlib.decompress(base64.b64decode(tags.scripts[key])))]


# --- numbers ----------------------------------------------------------------------------------------------------------

SAID = {
    "count": {0: "0", 9_999: "9,999", 34_800: "34.8 k", 999_600: "1.00 M", 1_234_567: "1.23 M", 2.16e9: "2.16 G", -5: "−5"},
    "memory": {100: "100 B", 12_300_000: "12.3 MB", 5e10: "50.0 GB"},
    "seconds": {0.00084: "840 µs", 0.0123: "12.3 ms", 1.2: "1.20 s"},
    "share": {0: "0 %", 0.0003: "0.03 %", 2.1e-6: "0.0002 %", 1.3: "130 %", 0.1234: "12.3 %", -0.01: "−1.00 %"},
    "change": {0: "0 %", 0.003: "+0.30 %", -0.003: "−0.30 %"},
    "times": {1.0: "1.00×", 1.0249: "1.02×", 123.4: "123×"},
}


@pytest.mark.parametrize("kind", SAID)
def test_numbers_as_people_read_them(kind: str) -> None:
    assert {value: getattr(formats, kind)(value) for value in SAID[kind]} == SAID[kind]


def test_a_replaced_module_has_no_share_of_the_parameters() -> None:
    assert measures.MEASURES[0].value(row(1)) == pytest.approx(0.0001)
    assert measures.MEASURES[0].value(row(1, operation="replace")) is None
    assert [measure.key for measure in measures.measured(rows())] == ["parameters", "flops", "latency", "drift"]


# --- sentences --------------------------------------------------------------------------------------------------------


def test_the_summary_says_how_many_and_which_are_least_and_most() -> None:
    first, *others = summary.told(rows(), cells=40)
    assert str(first) == (
        "32 variants of 2 backbones, 4 modules at 8 places: 30 passed, 2 refused (module-does-not-fit)."
        " 8 more variants are not made yet."
    )
    assert [sentence.topic for sentence in others] == ["parameters", "drift", "latency", "FLOPs"]
    assert str(others[0]) == "se after stem of net adds no parameters; eca after head of resnet18 adds the most (+0.30 %)."
    assert [part.row for part in others[0].parts if part.row is not None] == [0, 30]
    assert str(others[1]).startswith("se after stem of net changes the outputs least at initialisation (0.10 %);")


def test_equal_variants_are_told_together() -> None:
    alike = [row(i, drift=0.0 if row(i).module == "simam" else 0.1 * (i + 1)) for i in range(12)]
    told = {sentence.topic: str(sentence) for sentence in summary.told(alike)}
    places = "after stem, after blocks.0 and after blocks.*.conv of net"
    assert told["drift"].startswith(f"simam {places} leaves the outputs as they are at initialisation;")
    alike = [row(i, drift=0.0 if i % 4 else 0.5) for i in range(12)]
    told = {sentence.topic: str(sentence) for sentence in summary.told(alike)}
    assert told["drift"].startswith("se reduction=8, eca and simam (9 variants) leave the outputs as they are")


def test_nothing_is_told_of_what_was_not_measured_or_is_the_same_everywhere() -> None:
    plain = [row(i, drift=0.1, costs=Costs(), new_parameters=None) for i in range(4)]
    assert len(summary.told(plain)) == 1
    assert str(summary.told([row(0, status="failed", error="crashed")])[0]).endswith("1 failed (crashed).")


# --- Markdown ---------------------------------------------------------------------------------------------------------


def test_markdown_has_a_table_for_each_backbone_and_what_was_refused() -> None:
    text = markdown.text(rows(), "demo")
    lines = text.splitlines()
    assert lines[0] == "## demo" and lines.count("| | `se` | `se reduction=8` | `eca` | `simam` |") == 2
    (stem, _) = (line for line in lines if line.startswith("| `after stem` |"))
    cells = "0 % · 1.01× · 0.10 % | +0.01 % · 1.01× · 0.20 % | +0.02 % · 1.01× · 0.30 % | +0.03 % · 1.01× · 0.40 %"
    assert stem == f"| `after stem` | {cells} |"
    assert len({line.count("|") for line in lines if line.startswith("|")}) == 1
    assert "- `simam after head of net`: refused, module-does-not-fit: it does not fit" in lines


def test_markdown_keeps_text_text() -> None:
    text = markdown.text([row(0, module=EVIL, status="failed", error=EVIL, message=EVIL), row(1, site="a`b|c")], EVIL)
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table}) == 1
    outside = re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", text)
    assert set(re.findall(r"<[^>]*>", outside)) == {"<details>", "<summary>", "</summary>", "</details>"}
    assert markdown.code("a`b") == "`` a`b ``" and markdown.code("a\nb") == "`a b`"


def test_markdown_fits_into_a_comment() -> None:
    many = [row(i, source=f"net{i // 400}.py", site=f"site{i // 4}", module=f"module{i % 4}") for i in range(4000)]
    text = markdown.text([*many, *(row(i, status="failed", error="x", message="y" * 900) for i in range(200))], "big")
    assert 30_000 < len(text) < 65_536 and "too long for a comment" in text and "- and 160 more" in text


# --- axes and plots -----------------------------------------------------------------------------------------------------


def test_axes_have_round_ticks_and_keep_order() -> None:
    linear = scales.scale([0.1, 0.7, 0.42], 0, 100)
    assert linear.ticks == (0.0, 0.2, 0.4, 0.6, 0.8) and linear.at(0.4) == 50 and not linear.log
    around = scales.scale([1.01, 1.32], 0, 100, zero=False)
    assert around.ticks[0] <= 1.01 and around.ticks[-1] >= 1.32 and len(around.ticks) <= 6
    wide = scales.scale([0, 1e-6, 0.5], 0, 100)
    assert wide.log and wide.gutter and wide.at(0) == 0 < wide.at(1e-6) < wide.at(0.5) <= 100
    marks = [text for _, text in wide.marks(formats.share)]
    assert marks[:2] == ["0 %", ""] and marks[-1] == "100 %"
    up = scales.scale([0, 1e-6, 0.5], 100, 0)
    assert up.at(0) == 100 > up.at(1e-6) > up.at(0.5) >= 0
    for same in ([3.0, 3.0], [0.0], [-1.0, -1.0], []):
        flat = scales.scale(same, 0, 100)
        assert all(0 <= flat.at(value) <= 100 for value in same) and len(flat.ticks) > 1


def test_shades_divide_the_values() -> None:
    assert scales.edges([0, 7], 7) == [1, 2, 3, 4, 5, 6]
    wide = scales.edges([0, 1e-6, 1.0], 4)
    assert wide == sorted(wide) and 1e-6 < wide[0] < wide[-1] < 1


def test_a_plane_has_a_mark_for_every_variant_with_both_costs() -> None:
    drawn = plots.planes(rows())
    assert [plot.measure.key for plot in drawn] == ["parameters", "flops", "latency"]
    for plot in drawn:
        marks = [each for each in ElementTree.fromstring(plot.svg).iter() if "data-i" in each.attrib]
        assert [int(mark.attrib["data-i"]) for mark in marks] == [i for i in range(32) if i % 16 != 15]
        assert all(60 <= float(m.attrib["x"]) <= 532 and 12 <= float(m.attrib["y"]) <= 308 for m in marks)
    assert not plots.planes([row(0, drift=None)])


def test_a_heat_map_has_a_cell_for_every_variant() -> None:
    drift = next(measure for measure in measures.MEASURES if measure.key == "drift")
    heats = plots.heats(rows(), drift)
    assert [heat.source for heat in heats] == ["net.py", "timm:resnet18"]
    marks = [each for each in ElementTree.fromstring(heats[0].svg).iter() if "data-i" in each.attrib]
    cells = [(each.attrib, "".join(each.itertext())) for each in marks]
    assert [int(attributes["data-i"]) for attributes, _ in cells] == list(range(16))
    assert [attributes["class"] for attributes, _ in cells][::5] == ["cell h0", "cell h1", "cell h2", "cell refused"]
    assert [text for _, text in cells][::5] == ["0.10 %", "0.60 %", "1.10 %", "refused"]
    assert plots.heats(rows(), None)  # nothing was measured


def test_intervals_are_sorted_and_of_very_many_the_ends_are_shown() -> None:
    found = plots.spread(rows())
    assert found and (found.shown, found.of) == (30, 30)
    places = [float(x) for x in re.findall(r'<circle cx="([\d.]+)"', found.svg)]
    assert places == sorted(places)
    many = plots.spread(rows(200))
    assert many and many.shown == 60 < many.of and 'class="cut"' in many.svg
    assert plots.spread([row(0, costs=Costs())]) is None


def test_modules_have_colours_as_long_as_there_are_some() -> None:
    kinds = plots.colours([row(i, module=f"m{i}") for i in range(30)])
    assert len(set(kinds.values())) == 21 and kinds["m0"] == "m0" and kinds["m12"] == "m2 hollow" and kinds["m29"] == "others"


# --- diffs --------------------------------------------------------------------------------------------------------------


def plain(side: Any) -> str | None:
    return None if side is None else "".join(side[1][1::2])


def test_a_diff_in_two_columns_is_the_diff() -> None:
    (hunk,) = diffs.columns(DIFF)
    old = [plain(left) for left, _ in hunk if left]
    new = [plain(right) for _, right in hunk if right]
    lines = DIFF.splitlines()[3:]
    assert old == [line[1:] for line in lines if line[0] != "+"] and new == [line[1:] for line in lines if line[0] != "-"]
    assert [left[0] for left, _ in hunk if left] == list(range(1, 5)) and [r[0] for _, r in hunk if r] == list(range(1, 13))


def test_lines_that_are_alike_stand_side_by_side_with_the_words_that_differ() -> None:
    (hunk,) = diffs.columns(DIFF)
    left, right = hunk[-1]
    assert left and right and plain(left) == "        return self.head(self.stem(x))"
    same = [text for colour, text in zip(right[1][::2], right[1][1::2], strict=True) if not colour.endswith("!")]
    assert "".join(same) == plain(left) != plain(right)
    assert not [colour for colour in left[1][::2] if colour.endswith("!")]


def test_python_is_coloured() -> None:
    (hunk,) = diffs.columns(DIFF)
    pieces = [piece for _, right in hunk if right for piece in zip(right[1][1::2], right[1][::2], strict=True)]
    colours = {text.strip(): colour for text, colour in pieces}
    assert colours["class"] == "k" and colours["2"] == "n" and colours["# twice"] == "c" and colours["Gate"] == "f"
    assert colours['"""It\'s a gate."""'] == "s"


ODD = ("", "--- a\n+++ b\n", "@@ -1 +1 @@\n-a\n+b", "@@ -1,2 +1,2 @@\n \n-'''open\n+\tb\n\\ No newline at end of file")


@pytest.mark.parametrize("text", ODD)
def test_odd_diffs_are_read(text: str) -> None:
    assert len(diffs.columns(text)) == text.count("@@ -")


# --- the page -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def text() -> str:
    return page.html(contents(rows()), "demo")


def test_the_page_loads_nothing_and_runs_one_script(text: str) -> None:
    tags = Tags(text)
    names = {name for _, attributes in tags.found for name in attributes}
    assert not names & {"src", "srcset", "action"} and not [name for name in names if name.startswith("on")]
    assert {a["href"][0] for tag, a in tags.found if tag in ("a", "use", "link") and a.get("href")} == {"#"}  # type: ignore[index]
    assert "@import" not in text and "url(http" not in text and "innerHTML" not in text
    policy = next(a["content"] for tag, a in tags.found if tag == "meta" and a.get("http-equiv") == "Content-Security-Policy")
    digest = base64.b64encode(hashlib.sha256(tags.scripts[""].encode()).digest()).decode()
    assert policy and f"script-src 'sha256-{digest}'" in policy and "default-src 'none'" in policy
    assert len([a for tag, a in tags.found if tag == "script" and "type" not in a]) == 1


def test_the_page_has_every_row_with_its_details(text: str) -> None:
    tags, given = Tags(text), rows()
    data = json.loads(tags.scripts["data"])
    assert [each[0] for each in data["rows"]] == list(range(32)) and [m["key"] for m in data["measures"]][-1] == "drift"
    details = unpacked(tags, "details")
    packed = [details[each[9]] for each in data["rows"]]
    assert [each["command"] for each in packed] == [each.command for each in given]
    assert [bool(each.get("diff")) for each in packed] == [bool(each.diff) for each in given]
    assert packed[15]["message"] == "it does not fit" and packed[0]["checks"] == [["import", "passed", ""]]
    drawn = unpacked(tags, "pictures")
    for each in data["rows"]:
        picture = drawn[each[10]]
        inserted = [node for node in ElementTree.fromstring(picture).iter() if "inserted" in node.attrib.get("class", "")]
        places = {"blocks.*.conv": ["blocks.0.conv", "blocks.1,2,3.conv"]}.get(each[4], [each[4]])  # 0 has another child
        assert len(inserted) == len(places) and all(f"{each[3]} {place}" in picture for place in places)
        assert f">{data['sources'][each[2]]}</text>" in picture


def test_variants_of_a_source_without_a_structure_have_no_picture() -> None:
    given = contents([row(0), row(1, site="nowhere")])
    data = json.loads(Tags(page.html(given, "demo")).scripts["data"])
    assert [each[10] for each in data["rows"]] == [0, -1]
    for bases in ((), (Base("net.py", "", {}),)):
        bare = store.Contents(given.folder, given.rows, bases, 2)
        assert [each[10] for each in json.loads(Tags(page.html(bare, "demo")).scripts["data"])["rows"]] == [-1, -1]


def test_text_of_a_sweep_is_no_markup() -> None:
    texts = {name: EVIL for name in ("source", "module", "arguments", "command", "output")}
    failed = {name: EVIL for name in ("site", "error", "message", "hint")}
    bad = [row(0, **texts, diff=DIFF.replace("twice", EVIL)), row(1, **texts, **failed, status="failed")]
    good = [row(0), row(1, status="failed", error="x")]
    ours, theirs = Tags(page.html(contents(good), "demo")), Tags(page.html(contents(bad), EVIL))
    assert {tag for tag, _ in theirs.found} == {tag for tag, _ in ours.found}
    ids = [[a.get("id") for tag, a in tags.found if tag == "script"] for tags in (ours, theirs)]
    assert ids[0] == ids[1]
    assert theirs.scripts[""] == ours.scripts[""]
    assert not [name for _, attributes in theirs.found for name in attributes if name.startswith("on")]
    assert json.loads(theirs.scripts["data"])["rows"][0][5] == EVIL
    for svg in unpacked(theirs, "pictures"):
        assert "<script" not in svg and ElementTree.fromstring(svg) is not None


def test_diffs_that_are_alike_take_little_room() -> None:
    few, many = (page.html(contents(rows(count)), "demo") for count in (64, 576))
    each = (len(many) - len(few)) / 512
    assert each < len(DIFF) + 1500, f"{each:.0f} bytes a row"


def test_a_sweep_in_which_nothing_passed_has_a_page() -> None:
    nothing = {"drift": None, "new_parameters": None, "costs": Costs(), "diff": ""}
    failed = [row(i, status="failed", error="crashed", **nothing) for i in range(3)]
    text = page.html(contents(failed), "demo")
    assert "3 failed (crashed)" in text and "Cost against drift" not in text and 'class="cell failed"' in text


# --- the command ------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """sweeps/demo in an empty folder, which is the working directory; what its store has is made up."""
    monkeypatch.chdir(tmp_path)
    found = Path("sweeps/demo")
    found.mkdir(parents=True)
    (found / store.FILE).write_bytes(b"")
    monkeypatch.setattr(store, "read", lambda given: contents(rows()) if given == found else pytest.fail(str(given)))
    return found


def refused(sweep: str, **options: Any) -> CodegenError:
    with pytest.raises(CodegenError) as caught:
        codegen.report(sweep, **options)
    assert caught.value.hint and caught.value.exit_code == 2
    return caught.value


@pytest.mark.parametrize("name", ["demo", "sweeps/demo"])
def test_a_report_is_written_into_the_folder_of_its_sweep(name: str, folder: Path) -> None:
    found = codegen.report(name)
    assert found.output == "sweeps/demo/report.html" and found.rows == 32
    assert found.size == (folder / "report.html").stat().st_size and found.summary[0].startswith("32 variants of 2 backbones")
    assert refused(name).name == "output-exists"
    assert codegen.report(name, force=True) == found


def test_the_suffix_says_what_is_written(folder: Path) -> None:
    assert codegen.report("demo", output=Path("a.md")).size == Path("a.md").stat().st_size
    assert Path("a.md").read_text().startswith("## demo\n")
    assert refused("demo", output="a.pdf").name == "usage" and not Path("a.pdf").exists()


def test_errors_name_what_is_missing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    error = refused("dema")
    assert error.name == "no-sweep" and "demo" in error.hint
    Path("sweeps/bare").mkdir()
    assert refused("sweeps/bare").name == "no-sweep"
    monkeypatch.setattr(store, "read", lambda given: contents([], cells=4))
    assert refused("demo").name == "empty-sweep" and not (folder / "report.html").exists()


def test_rows_are_only_read() -> None:
    assert all(isinstance(each, Row) for each in rows())
    with pytest.raises(AttributeError):
        rows()[0].drift = 1.0  # type: ignore[misc]
