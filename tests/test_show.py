"""show: the fixed fields of --json, tables that group what is alike, diffs as they are in a pipe."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from codegen import records, show
from codegen.traced import Call, HostClass, Layout, Span, Trace, TracedModule, Width
from codegen.types import Check, Report, Request, Site, Variant

TOKENS = Layout("NLC", 1, (14, 14), "self.patch_embed.grid_size")
FIELDS = "output host site attribute class_name build input width layout call_sites new_parameters drift checks seconds"


def call(module: str, line: int, path: str = "forward", method: str = "Net.forward") -> Call:
    return Call(module, "", "net.py", method, Span(line, 8, line, 20), True, path, 1 if path else 0)


def block(index: int, *, width: int = 8) -> list[TracedModule]:
    shape = (2, 197, width)
    parts = [TracedModule(f"blocks.{index}", "Block", 1, shape, shape, after=TOKENS, width_after=Width("dim", width, "name"))]
    return [*parts, TracedModule(f"blocks.{index}.attn", "Attention", 1, shape, shape, after=TOKENS)]


HOST = HostClass("Net", "net.py", 3, ("",))
TRACE = Trace(
    "Net()", "1x3x8x8", (HOST,),
    (TracedModule("", "Net", 1), TracedModule("norm", "LayerNorm", 1), *block(0), *block(1), *block(2, width=16)),
    (call("norm", 9), call("norm", 9, "forward_features"), call("norm", 12, "", "Net.forward_late"),
     call("blocks.0", 7), call("blocks.1", 7)),
    ("forward", "forward_features"),
)  # fmt: skip


def report(**more: object) -> Report:
    site = Site("norm", "norm", HOST, TracedModule("norm", "LayerNorm", 1), TOKENS, Width("dim", 8, "name", 3))
    variant = Variant("a = 1\n", "a = 1\nb = 2\n", "utf-8", "Net_se()", "Net()", "se", "SE", "Net")
    values = {"checks": (Check("shape", "passed", "[2, 3]"), Check("seed", "failed")), "drift": 0.25, "new_parameters": 3}
    values |= {"call_sites": (("Net.forward", 9),), "seconds": (("trace", 1.23456),), "notes": ("a [note]",)}
    request = Request("net.py", operation="after", site="norm", module="se")
    return Report("out.py", request, site, variant, "1x3x8x8", **(values | more))  # type: ignore[arg-type]


def test_the_fixed_fields_of_a_variant() -> None:
    found = records.report_json(report())
    assert set(FIELDS.split()) <= found.keys()
    assert found["width"] == {"expr": "dim", "value": 8, "kind": "name", "builds": 3}
    assert found["build"] == "Net_se()" and found["call_sites"] == [{"method": "Net.forward", "line": 9}]
    assert found["checks"][0] == {"name": "shape", "status": "passed", "detail": "[2, 3]"}
    assert found["seconds"] == {"trace": 1.235}
    assert json.loads(json.dumps(found))["layout"]["grid"] == [14, 14]


def test_a_variant_that_was_not_run_has_the_same_fields() -> None:
    assert records.report_json(report(checks=(), drift=None, seconds=())).keys() == records.report_json(report()).keys()


def test_sites_as_json() -> None:
    found = json.loads(json.dumps(records.sites_json(TRACE)))
    assert [s["name"] for s in found["sites"]][:3] == ["norm", "blocks.0", "blocks.0.attn"]
    assert found["host"] == "Net" and found["paths"] == ["forward", "forward_features"]


def test_a_twin_has_no_paths() -> None:
    norm = records.sites_json(TRACE)["sites"][0]
    assert norm["call_sites"] == [
        {"method": "Net.forward", "line": 9, "paths": ["forward", "forward_features"]},
        {"method": "Net.forward_late", "line": 12, "paths": []},
    ]


def test_blocks_that_are_alike_share_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    show.sites(TRACE)
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    names = [row[0] + (f" {row[1]}" if row[1].startswith("(") else "") for row in rows[2:]]
    assert names == ["norm", "blocks.0,1 (2)", "blocks.0,1.attn (2)", "blocks.2", "blocks.2.attn"]


def test_places_are_named_once_and_twins_marked(capsys: pytest.CaptureFixture[str]) -> None:
    show.sites(TRACE)
    out = capsys.readouterr().out
    assert "forward:9, forward_late:12 (not run)" in out and out.count("forward:7") == 1 and "never called" in out


def test_a_list_that_is_run_by_a_loop_is_not_never_called(capsys: pytest.CaptureFixture[str]) -> None:
    blocks = TracedModule("blocks", "ModuleList", 0)
    show.sites(replace(TRACE, modules=(blocks, *TRACE.modules)))
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "ModuleList" in line]
    assert line.rstrip().endswith("element by element")


def test_a_report_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    show.report(report(), full_diff=True)
    out = capsys.readouterr().out
    assert "wrote out.py: Net.se after norm, width dim = 8, NLC + 1 prefix, grid 14x14" in out
    assert "+b = 2" in out and "note: a [note]" in out and "[2, 3]" in out and "\x1b" not in out


def diffed(capsys: pytest.CaptureFixture[str], *lines: str) -> list[str]:
    show.diff(lines)
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize(
    "line",
    ["+x = self.se(x)", "-y[bold]x[/bold]", "@@ -1,2 +1,3 @@", " x = [red]", "+" + "x" * 500, "+s = 'a '  ", "", "+++ b"],
)
def test_a_diff_in_a_pipe_is_plain(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert diffed(capsys, line) == [line]


@pytest.mark.parametrize("line", ["+y = x[a:b:c]", "+\t\tx = 1", " x = a + \\"], ids=["emoji", "tab", "backslash"])
def test_a_diff_changes_no_character_of_the_code(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert diffed(capsys, line) == [line]


def test_unified_names_both_sides_and_is_empty_for_equal_texts() -> None:
    assert records.unified("a\n", "a\n", "net.py") == []
    found = records.unified("a\r\n", "a\r\nb\r\n", "net.py")
    assert found == ["--- base/net.py", "+++ variant/net.py", "@@ -1 +1,2 @@", " a", "+b"]
