"""The site in a real browser, opened from disk: what a reader does with the mouse, the keyboard and a screen reader."""

import json

import pytest

from browser import chromium, needs_axe, opened, serious_findings
from em_bench.runs.result import from_dict
from em_bench_leaderboard.cells import COLUMNS
from em_bench_leaderboard.details import details
from em_bench_leaderboard.report import html_report
from em_bench_leaderboard.static_site import build
from em_bench_leaderboard.store import add, read_store
from leaderboard_data import KEYWORD, run_result, sample_row

pytestmark = pytest.mark.browser

PHONE, DESK = {"width": 390, "height": 844}, {"width": 1440, "height": 900}
BAD = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\u2028\u202e"
SAMPLES = 5_000


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Eight runs: a base, its children, one under a condition, one judged by keywords; `acme/child-1` has samples."""
    folder = tmp_path_factory.mktemp("site")
    base = run_result("acme/base")
    add(folder / "results", from_dict(base))
    for number in range(1, 6):
        path = add(folder / "results", from_dict(run_result(f"acme/child-{number}", number, baseline=base["id"])))
        if number == 1:
            rows = [sample_row(n) for n in range(SAMPLES)]
            rows[1] |= {"prompt": BAD, "response": BAD + "x" * 1_000_000, "document": BAD}
            rows[1]["verdicts"][KEYWORD]["reason"] = BAD
            path.with_suffix(".samples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    add(folder / "results", from_dict(run_result("acme/child-1", 7, condition="trigger", baseline=base["id"])))
    add(folder / "results", from_dict(run_result("acme/words", 8, judges=(KEYWORD,))))
    build(folder / "results", folder / "site")
    return folder / "site"


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def run_page(site):
    """The page of the run that has samples."""
    (samples,) = site.glob("runs/*/*/samples.js")
    return samples.parent.with_suffix(".html")


def names(page):
    """The checkpoints of the first ranking, as they stand."""
    return page.locator("#board tbody").nth(0).locator("tr:not([hidden]) th.who a").all_inner_texts()


def column(page, name):
    rows = page.locator("#board tbody").nth(0).locator("tr:not(.class)")
    values = [row.locator("td, th").nth(2 + COLUMNS.index(name)).get_attribute("data-v") for row in rows.all()]
    return [float(value) for value in values]


def test_a_heading_sorts_each_ranking_by_itself_and_back(browser, site):
    with opened(browser, site / "index.html") as page:
        heading = page.locator('th[data-sort="safety"]')
        heading.get_by_role("button").click()
        assert heading.get_attribute("aria-sort") == "ascending"
        assert column(page, "safety") == sorted(column(page, "safety"))
        heading.get_by_role("button").click()
        assert column(page, "safety") == sorted(column(page, "safety"), reverse=True)
        assert page.locator("#board tbody").count() == page.locator("tr.class").count() == 4


def test_search_and_filters_leave_what_fits(browser, site):
    with opened(browser, site / "index.html") as page:
        page.get_by_label("Search").fill("CHILD-3")
        assert names(page) == ["acme/child-3"]
        assert page.locator("#count").inner_text() == "2 of 15 rows"
        page.get_by_label("Search").fill("")
        page.get_by_label("Condition").select_option("trigger")
        assert page.locator("#count").inner_text() == "2 of 15 rows"
        assert page.locator("tr.class:visible").count() == 2
        page.get_by_label("Search").fill("no such thing")
        assert "No run fits" in page.locator("#count").inner_text()


def test_differences_take_the_place_of_rates_and_are_never_mixed_with_them(browser, site):
    with opened(browser, site / "index.html") as page:
        page.get_by_label("Difference to the parent").check()
        base, child = (
            page.locator("#board tr", has_text=name).first.locator("td").nth(1 + COLUMNS.index("bias"))
            for name in ("acme/base", "acme/child-2")
        )
        assert not base.locator("b").is_visible()
        assert not child.locator("b").is_visible()
        assert child.locator("u").inner_text()[0] in "+\u2212\u00b1"


def test_the_table_is_read_with_the_keyboard_alone(browser, site):
    with opened(browser, site / "index.html", viewport=DESK) as page:
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        page.locator('#board td[tabindex="0"]').focus()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowDown")
        focused = page.locator("#board td:focus")
        assert focused.evaluate("cell => cell.cellIndex") == 2 + COLUMNS.index("cybersecurity")
        assert "n 106" in focused.locator("i").inner_text()
        assert focused.locator("i").bounding_box()["width"] > 50
        page.locator('th[data-sort="em"] button').focus()
        page.keyboard.press("Enter")
        assert column(page, "em") == sorted(column(page, "em"))


def test_a_link_leads_to_the_run_and_back(browser, site):
    with opened(browser, site / "index.html") as page:
        page.get_by_role("link", name="acme/child-2").first.click()
        assert page.locator("h1").inner_text() == "acme/child-2"
        page.get_by_role("button", name="keyword").click()
        assert page.locator("section.panel:visible h2").inner_text().startswith("As judged by keyword")
        page.get_by_role("link", name="All runs").click()
        assert page.locator("#board").is_visible()


def test_the_theme_follows_the_system_and_then_the_reader(browser, site):
    colour = "getComputedStyle(document.body).backgroundColor"
    with opened(browser, site / "index.html", color_scheme="dark") as page:
        dark = page.evaluate(colour)
        page.get_by_role("button", name="Switch between light and dark").click()
        assert page.evaluate("document.documentElement.dataset.theme") == "light"
        assert page.evaluate(colour) != dark
        page.reload()
        assert page.evaluate(colour) != dark


def test_samples_wait_behind_a_warning_and_are_then_browsed(browser, run_page):
    with opened(browser, run_page) as page:
        assert page.locator(".sample").count() == 0
        assert "Harmful content" in page.locator("#warning").inner_text()
        page.get_by_role("button", name="Show prompts and responses").click()
        page.locator(".sample").first.wait_for()
        assert page.locator(".sample").count() == 25
        assert page.get_by_text("1 to 25 of 5,000 samples").is_visible()
        page.get_by_role("button", name="Next").click()
        page.get_by_text("26 to 50 of 5,000 samples").wait_for()
        page.get_by_text("Prompt number 26", exact=True).wait_for()
        page.get_by_role("combobox", name="Domain").select_option("privacy")
        page.get_by_text("1 to 25 of 714 samples").wait_for()
        page.get_by_label("Judges disagree").check()
        page.get_by_text("1 to 25 of 238 samples").wait_for()
        page.get_by_role("combobox", name="Judge").select_option("keyword")
        page.get_by_role("combobox", name="Verdict").select_option("compliance")
        page.get_by_text("No sample fits").wait_for()


def test_hostile_samples_are_text(browser, run_page):
    with opened(browser, run_page) as page:
        page.get_by_role("button", name="Show prompts and responses").click()
        page.locator(".sample").nth(1).wait_for()
        sample = page.locator(".sample").nth(1)
        assert sample.locator("img, script").count() == 0
        assert BAD[:40] in sample.inner_text()
        assert len(sample.inner_text()) < 10_000
        sample.get_by_role("button", name="Show all").click()
        assert len(sample.locator(".words").nth(1).text_content()) == len(BAD) + 1_000_000


def test_a_page_never_scrolls_sideways_on_a_phone(browser, site, run_page):
    for path in (site / "index.html", run_page):
        with opened(browser, path, viewport=PHONE) as page:
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@needs_axe
@pytest.mark.parametrize(("scheme", "viewport"), [("light", DESK), ("dark", PHONE)], ids=["light-desk", "dark-phone"])
def test_axe_finds_nothing_serious(browser, site, run_page, scheme, viewport):
    with opened(browser, site / "index.html", color_scheme=scheme, viewport=viewport, bypass_csp=True) as page:
        assert serious_findings(page) == []
    with opened(browser, run_page, color_scheme=scheme, viewport=viewport, bypass_csp=True) as page:
        page.get_by_role("button", name="Show prompts and responses").click()
        page.locator(".sample").first.wait_for()
        assert serious_findings(page) == []


def test_a_report_is_one_file_that_runs_only_its_own_scripts(browser, site, tmp_path):
    entries = read_store(site.parent / "results")
    entry = next(each for each in entries if each.samples)
    rows = [sample_row(number) for number in range(30)] + [sample_row(30, response=BAD)]
    (tmp_path / "report.html").write_text(html_report(details(entry, None, [entry]), rows))
    with opened(browser, tmp_path / "report.html") as page:
        page.get_by_role("button", name="Show prompts and responses").click()
        page.get_by_text("1 to 25 of 31 samples").wait_for()
        page.get_by_role("button", name="Next").click()
        page.get_by_text("Prompt number 30", exact=True).wait_for()
        page.get_by_role("button", name="Switch between light and dark").click()
        assert page.evaluate("document.documentElement.dataset.theme")
    assert [path.name for path in tmp_path.iterdir() if path.name != "cache"] == ["report.html"]
