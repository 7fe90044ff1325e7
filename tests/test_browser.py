"""The pages of reports in a real browser, headless: sorted, filtered, opened, copied from, narrow, dark, printed.

Needs Chromium and `pip install playwright`. Where they are missing the tests are skipped; with CI=true in the environment
they fail.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import statistics
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from report_rows import DIFF, contents, row, rows, structure

from codegen.reports import page
from codegen.reports import structure as drawn
from codegen.sweeps.rows import Row

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow
NAMES = ("chromium", "chromium-browser", "google-chrome")
QUIET = ("--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync")
EVIL = "</script><script>window.hacked=1</script><img src=x onerror=window.hacked=1>"
MANY, FEW = 5000, 100
Open = Callable[..., "Page"]
TIMED = """async ([word, column]) => {  // until what was typed, or pressed, is painted
  const painted = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  const act = () => {
    if (column) return byId("head").children[column].firstChild.click();
    byId("search").value = word;
    byId("search").dispatchEvent(new Event("input"));
  };
  await painted();
  const start = performance.now();
  act();
  await painted();
  return performance.now() - start;
}"""
CONTRAST = """(selectors) => {
  const parts = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (node) => {
    for (; node; node = node.parentElement) {
      const colour = parts(getComputedStyle(node).backgroundColor);
      if (colour.length < 4 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  return selectors.flatMap((selector) => [...document.querySelectorAll(selector)].slice(0, 8).map((node) => {
    const [a, b] = [light(parts(getComputedStyle(node).color)), light(behind(node))].sort((x, y) => y - x);
    return [selector, (a + 0.05) / (b + 0.05)];
  }));
}"""


def missing(what: str) -> None:
    """A skipped test would say nothing in CI, where all is installed."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what} is missing")
    pytest.skip(f"{what} is missing: apt-get install chromium, pip install playwright")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        missing("a browser (chromium)")
    if importlib.util.find_spec("playwright") is None:
        missing("playwright")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-quic", *QUIET]
        started = playwright.chromium.launch(executable_path=found, args=arguments)
        yield started
        started.close()


@pytest.fixture
def shown(browser: Browser, tmp_path: Path) -> Iterator[Open]:
    """shown(text, ...) -> the page, open in a tab of its own. No page logs an error, and none asks for anything."""
    said: list[str] = []
    contexts = []

    def show(text: str, hash: str = "", **options: Any) -> Page:
        file = tmp_path / f"page{len(contexts)}.html"
        file.write_text(text, encoding="utf-8")
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        contexts.append(context)
        tab = context.new_page()
        tab.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
        tab.on("pageerror", lambda error: said.append(str(error)))
        tab.on("request", lambda asked: None if asked.url.startswith(file.as_uri()) else said.append(f"asked for {asked.url}"))
        tab.goto(file.as_uri() + hash)
        return tab

    yield show
    for context in contexts:
        context.close()
    assert said == []


@pytest.fixture(scope="module")
def text() -> str:
    return page.html(contents(rows()), "demo")


def column(tab: Page, title: str) -> list[str]:
    """What a column shows, from the top."""
    titles = [re.sub(r"\W", "", each) for each in tab.locator("#head th").all_inner_texts()]
    at = titles.index(title) + 1
    return tab.locator(f"tr[data-row] > :nth-child({at})").all_inner_texts()


def order(tab: Page) -> list[int]:
    """Which rows are shown, from the top."""
    found: list[int] = tab.evaluate("[...document.querySelectorAll('tr[data-row]')].map((line) => Number(line.dataset.row))")
    return found


def there(tab: Page, selector: str, count: int) -> bool:
    """Wait for so many of them."""
    from playwright.sync_api import expect

    expect(tab.locator(selector)).to_have_count(count)
    return True


def clipboard(tab: Page) -> str:
    found: str = tab.evaluate("navigator.clipboard.readText()")
    return found


READ = {"permissions": ["clipboard-read", "clipboard-write"]}
PASSED = [i for i in range(32) if i % 16 != 15]


# --- the table ---------------------------------------------------------------------------------------------------------


def test_headers_sort(shown: Open, text: str) -> None:
    tab = shown(text)
    assert order(tab) == list(range(32))
    header = tab.get_by_role("button", name="drift")
    header.click()
    assert order(tab) == [*PASSED, 15, 31], "what has no value comes last"
    assert tab.locator("#head th[aria-sort=ascending]").inner_text().startswith("drift")
    header.press("Enter")
    assert order(tab) == [*reversed(PASSED), 15, 31] and tab.locator("#head th[aria-sort=descending]").count() == 1
    header.press("Space")
    assert order(tab) == list(range(32)) and tab.locator("#head th[aria-sort=none]").count() == tab.locator("#head th").count()
    tab.get_by_role("button", name="site", exact=False).first.click()
    assert column(tab, "site") == sorted(column(tab, "site"), key=str.lower)
    assert "+0.30 %" in column(tab, "parameters") and column(tab, "drift").count("–") == 2


def test_filters_narrow_and_are_taken_back(shown: Open, text: str) -> None:
    tab = shown(text)
    tab.keyboard.press("/")
    tab.keyboard.type("se STEM")
    assert order(tab) == [0, 1, 16, 17] and tab.locator("#count").inner_text() == "4 of 32 variants"
    tab.locator("#by-source").select_option("timm:resnet18")
    assert order(tab) == [16, 17]
    tab.locator("#by-module").select_option("se reduction=8")
    assert order(tab) == [17]
    clear = ".plane:not([hidden]) [data-i]:not(.out)"  # the plots follow
    assert there(tab, clear, 1) and tab.locator(clear).get_attribute("data-i") == "17"
    tab.get_by_role("button", name="Show all").click()
    assert there(tab, "tr[data-row]", 32)
    assert tab.locator("#count").inner_text() == "32 variants" and tab.get_by_role("button", name="Show all").is_disabled()
    tab.locator("#by-status").select_option("refused: module-does-not-fit")
    assert order(tab) == [15, 31]
    tab.locator("#by-site").select_option("after stem")
    assert order(tab) == [] and tab.locator("#end").inner_text() == "No variant is like that."


def test_a_variant_opens_with_its_diff_its_place_and_its_command(shown: Open, text: str) -> None:
    tab = shown(text, **READ)
    opener = tab.locator("tr[data-row='9'] .opener")
    opener.focus()
    opener.press("Enter")
    tab.wait_for_selector(".details .diff")
    assert opener.get_attribute("aria-expanded") == "true" and tab.url.endswith("#v9")
    assert tab.locator(".details .command code").inner_text() == row(9).command
    tab.locator(".details .copy").click()
    tab.wait_for_selector(".details .copy:text('Copied')")
    assert clipboard(tab) == row(9).command
    sides = [tab.locator(f".details .code.{side}:not(.empty)").all_text_contents() for side in ("old", "new")]
    lines = DIFF.splitlines()[3:]
    assert [line[1:] for line in sides[0]] == [line[1:] for line in lines if line[0] != "+"]
    assert [line[1:] for line in sides[1]] == [line[1:] for line in lines if line[0] != "-"]
    assert tab.locator(".details .word").all_inner_texts() and tab.locator(".details .t-k").first.inner_text() == "class"
    inserted = tab.locator(".details .inserted")
    assert [each.split("\n")[0] for each in inserted.locator(".name").all_text_contents()] == ["+ se", "+ se"]
    assert inserted.first.locator(".right").text_content() == "+90"
    assert "after blocks.0.conv" in str(inserted.first.locator(".note").text_content())
    costs = ["parameters", "100 k", "100 k", "+90 (+0.09 %)", "FLOPs", "1.00 M", "1.00 M", "+900 (+0.09 %)"]
    costs += ["latency", "10.0 ms", "10.1 ms", "1.02× (1.00× to 1.20×)", "drift", "", "", "1.00 %"]
    assert tab.locator(".details .costs tbody > tr > *").all_inner_texts() == costs
    tab.locator("tr[data-row='9'] td").nth(2).click()
    assert tab.locator(".details").count() == 0 and opener.get_attribute("aria-expanded") == "false"


def test_an_open_variant_stays_open_when_the_table_is_sorted(shown: Open, text: str) -> None:
    tab = shown(text, "#v30")
    tab.wait_for_selector("#v30 .diff")
    tab.get_by_role("button", name="drift").click()
    tab.get_by_role("button", name="drift").click()
    assert order(tab)[0] == 30 and tab.locator("tr[data-row='30'] + #v30 .diff").count() == 1


def test_a_refused_variant_says_why(shown: Open, text: str) -> None:
    tab = shown(text, "#v15")
    tab.wait_for_selector("#v15 .problem")
    said = ["module-does-not-fit", "it does not fit", "hint: take another"]
    assert tab.locator("#v15 .problem > *").all_inner_texts() == said
    assert tab.locator("#v15 .diff").count() == 0 and tab.locator("#v15 .command").count() == 1


# --- the plots ---------------------------------------------------------------------------------------------------------


def test_plots_open_variants_and_show_other_costs(shown: Open, text: str) -> None:
    tab = shown(text)
    cell = tab.locator(".heat .cell[data-i='6']")
    assert cell.text_content() == "0.70 %"
    tab.locator("#heat-measure").select_option(label="latency")
    assert cell.text_content() == "1.02×" and tab.locator("#heat-about").inner_text().startswith("Time of the variant")
    assert tab.locator(".heat .cell.refused").count() == 2
    tab.locator("#plane-measure").select_option("latency")
    assert tab.locator(".plane:visible").count() == 1
    dot = tab.locator(".plane:visible [data-i='6']")
    dot.hover()
    assert tab.locator("#tip").inner_text().split("\n")[:2] == ["eca", "after blocks.0 of net.py"]
    dot.click()
    tab.wait_for_selector("#v6 .diff")
    tab.get_by_role("button", name="simam", exact=True).first.click()
    assert set(column(tab, "module")) == {"simam"}


# --- text stays text ---------------------------------------------------------------------------------------------------


def test_no_text_of_a_sweep_runs(shown: Open) -> None:
    texts = {name: EVIL for name in ("source", "module", "arguments", "command", "output")}
    record = {"checks": [{"name": EVIL, "status": "passed", "detail": EVIL}], "notes": [EVIL]}
    bad = [row(0, **texts, diff=DIFF.replace("twice", EVIL), record=record), row(1, status="failed", error=EVIL, message=EVIL)]
    tab = shown(page.html(contents(bad), EVIL))
    for index in (0, 1):
        tab.locator(f"tr[data-row='{index}'] .opener").click()
        tab.wait_for_selector(f"#v{index} .command")
    tab.locator(".heat [data-i]").first.hover()
    assert tab.evaluate("[window.hacked, document.images.length]") == [None, 0]
    assert EVIL in tab.locator("#v0 .diff").inner_text() and EVIL in tab.locator("#v0 .checks").inner_text()
    assert tab.title().startswith(EVIL)


# --- size, colours, paper ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def many() -> list[Row]:
    return rows(MANY)


def test_thousands_of_rows_stay_smooth(shown: Open, many: list[Row]) -> None:
    """What filtering and sorting take until they are painted, beside the same in a page with so few rows that all are drawn."""
    big = page.html(contents(many), "big")
    assert len(big) < 1500 * MANY, f"{len(big) / MANY:.0f} bytes a row"
    tabs = [shown(page.html(contents(many[:FEW]), "small")), shown(big)]
    assert [len(order(tab)) for tab in tabs] == [FEW, FEW], "no more are drawn than are seen"
    ratios: dict[str, list[float]] = {"filter": [], "sort": []}
    for i in range(9):
        for what, given in (("filter", (("simam", "head")[i % 2], 0)), ("sort", ("", 4))):
            small, large = (tab.evaluate(TIMED, given) for tab in tabs)
            ratios[what].append(large / small)
    found = {what: statistics.median(each) for what, each in ratios.items()}
    print(found, f"{len(big) / MANY:.0f} bytes a row")
    assert found["filter"] < 8 and found["sort"] < 8, found
    tab = tabs[1]
    tab.get_by_role("button", name="Show all").click()
    assert there(tab, "tr[data-row]", FEW)
    tab.locator("#end").scroll_into_view_if_needed()
    tab.wait_for_selector("tr[data-row='150']")  # more are drawn as they come into view


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_needs_no_scrolling_to_the_side(scheme: str, shown: Open, text: str) -> None:
    tab = shown(text, "#v9", viewport={"width": 375, "height": 700}, color_scheme=scheme)
    tab.wait_for_selector("#v9 .diff")
    assert tab.evaluate("[document.documentElement.scrollWidth, document.body.scrollWidth]") == [375, 375]
    assert tab.locator("#v9 .diff .line.same .new.code:visible").count() == 0, "one column"
    for part in ("#v9 .command", "#v9 .costs", "#v9 .checks", "#v9 .diff"):
        box = tab.locator(part).bounding_box()
        assert box and box["x"] >= 0 and box["x"] + box["width"] <= 375, part
    narrow = shown(drawn.html(structure(), "net.py"), viewport={"width": 375, "height": 700})
    assert narrow.evaluate("document.documentElement.scrollWidth") == 375


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_can_be_read(scheme: str, shown: Open, text: str) -> None:
    tab = shown(text, "#v9", color_scheme=scheme)
    tab.wait_for_selector("#v9 .diff")
    parts = ["h1", "dd", "dt", ".about", ".tiles b", ".chip", ".why", "td.soft", "td.number", "#head button", ".opener"]
    parts += [".args", ".checks li", ".costs td", ".key button", *(f".diff .t-{kind}" for kind in "kscnfb"), ".diff .no.new"]
    found = tab.evaluate(CONTRAST, parts)
    assert {selector for selector, _ in found} >= {"h1", ".chip", ".diff .t-c", "td.soft"}
    assert [each for each in found if each[1] < 4.5] == []  # WCAG 2.2, AA
    dark = tab.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).every((part) => part < 60)")
    assert dark is (scheme == "dark")


def test_paper_has_every_row_and_no_controls(shown: Open) -> None:
    tab = shown(page.html(contents(rows(320)), "demo"), color_scheme="dark")
    assert len(order(tab)) == 100
    paper = tab.pdf(format="A4")
    assert paper.startswith(b"%PDF") and len(re.findall(rb"/Type\s*/Page\b", paper)) > 3
    assert len(order(tab)) == 320
    tab.emulate_media(media="print")
    assert not tab.locator("#filters").is_visible() and tab.locator("tr[data-row]").first.is_visible()
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


# --- one model ---------------------------------------------------------------------------------------------------------


def test_pressing_a_box_of_a_structure_copies_what_names_it(shown: Open) -> None:
    tab = shown(drawn.html(structure(), "my net.py"), **READ)
    box = tab.locator("[data-site='blocks.0.conv']")
    box.click()
    assert clipboard(tab) == "blocks.0.conv" and tab.locator("#said").inner_text() == "copied: blocks.0.conv"
    tab.locator("#what").select_option("before")
    tab.locator("#module").fill("se(reduction=8)")
    box.focus()
    box.press("Enter")
    assert clipboard(tab) == "codegen insert 'my net.py' --module 'se(reduction=8)' --before blocks.0.conv"
    tab.keyboard.press("/")
    tab.keyboard.type("conv2d")
    found = tab.locator(".found").evaluate_all("all => all.map((e) => e.dataset.site)")
    assert found == ["stem", "blocks.0.conv", "blocks.1,2,3.conv"]
    assert tab.locator("#count").inner_text() == "3 found"
