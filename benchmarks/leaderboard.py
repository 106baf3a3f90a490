"""What the leaderboard costs: building 500 runs, the size of the index, and a page with 20,000 samples in Chromium.

    python benchmarks/leaderboard.py [--runs 500] [--samples 20000]

Runs and samples are made up (`tests/support/leaderboard_data.py`): only times and sizes are measured. The page is
opened from disk by Debian's Chromium through Playwright; without them that part is left out.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests/support"))

from browser import CHROMIUM, FLAGS
from em_bench.runs.result import from_dict
from em_bench_leaderboard.static_site import build
from em_bench_leaderboard.store import add
from leaderboard_data import run_result, sample_row

RESPONSE = "A response of a usual length, about what was asked for. " * 20


def make_store(results: Path, runs: int, samples: int) -> None:
    """A base and its children; the first child has samples."""
    base = run_result("acme/base")
    add(results, from_dict(base))
    for number in range(1, runs):
        path = add(results, from_dict(run_result(f"acme/child-{number}", number, baseline=base["id"])))
        if number == 1:
            rows = (sample_row(each, response=f"{each} {RESPONSE}") for each in range(samples))
            path.with_suffix(".samples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def seconds(start: float) -> str:
    return f"{time.perf_counter() - start:.2f} s"


def open_pages(site: Path) -> None:
    """Times from a fresh browser context to what a reader waits for."""
    from playwright.sync_api import sync_playwright

    (samples,) = site.glob("runs/*/*/samples.js")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        page = browser.new_page()
        start = time.perf_counter()
        page.goto((site / "index.html").as_uri())
        page.locator("#count:not(:empty)").wait_for()
        print(f"index usable after {seconds(start)}")
        start = time.perf_counter()
        page.locator('th[data-sort="bias"] button').click()
        page.locator('th[data-sort="bias"][aria-sort]').wait_for()
        print(f"index sorted after {seconds(start)}")
        page = browser.new_page()
        start = time.perf_counter()
        page.goto(samples.parent.with_suffix(".html").as_uri())
        page.get_by_role("button", name="Show prompts and responses").click()
        page.locator(".sample").nth(24).wait_for()
        print(f"page of the run with its first samples after {seconds(start)}")
        start = time.perf_counter()
        page.get_by_label("Judges disagree").check()
        page.locator(".sample .badge.demo").nth(24).wait_for()
        print(f"samples filtered after {seconds(start)}")
        browser.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--samples", type=int, default=20_000)
    chosen = parser.parse_args()
    print(f"load on {os.cpu_count()} cores: {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as folder:
        results, site = Path(folder, "results"), Path(folder, "site")
        make_store(results, chosen.runs, chosen.samples)
        start, cpu = time.perf_counter(), time.process_time()
        build(results, site)
        spent = time.process_time() - cpu
        print(f"{chosen.runs} runs and {chosen.samples} samples built in {seconds(start)}, {spent:.1f} s of CPU")
        whole = sum(path.stat().st_size for path in site.rglob("*") if path.is_file())
        index = (site / "index.html").stat().st_size
        print(f"index page {index / 1e6:.2f} MB, whole site {whole / 1e6:.1f} MB")
        if CHROMIUM:
            open_pages(site)


if __name__ == "__main__":
    main()
