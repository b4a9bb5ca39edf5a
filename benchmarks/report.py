"""How long the HTML report takes to make, how large it is, and how soon Chromium answers in it.

python -m benchmarks.report [--rounds 7]

A cell here has five records: a series of 400 runs, two outputs with histograms, memory, operators, accuracy with
slices. The page is interactive when its script has run and a filter set in the address has been applied.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.pairs import row
from pytest_edgedevice.reports.html.page import render
from tests.report_records import records

if TYPE_CHECKING:
    from collections.abc import Sequence

    from playwright.sync_api import Browser

    from pytest_edgedevice.records import Record

READY = "() => document.querySelector('#filter output').textContent !== ''"
TIMES = "performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"
FILTER = """() => {
    const start = performance.now();
    const device = document.querySelector('#filter [name=device]');
    device.value = '';
    device.dispatchEvent(new Event('input', {bubbles: true}));
    return new Promise((done) => {
        const look = () => document.querySelector('#filter output').textContent
            ? setTimeout(look) : requestAnimationFrame(() => done(performance.now() - start));
        look();
    });
}"""


def rendering(told: Sequence[Record], rounds: int) -> tuple[float, float, str]:
    """Median seconds by the clock and by the processor, and the page."""
    walls, works, page = [], [], render(told)
    for _ in range(rounds):
        wall, work = time.perf_counter(), time.process_time()
        page = render(told)
        walls.append(time.perf_counter() - wall)
        works.append(time.process_time() - work)
    return statistics.median(walls), statistics.median(works), page


def opening(browser: Browser, page: str, rounds: int) -> tuple[float, float]:
    """Median seconds until a page with a filter in its address is ready, and until another choice is shown."""
    ready, filtered = [], []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "report.html")
        path.write_text(page, encoding="utf-8")
        for _ in range(rounds):
            tab = browser.new_page()
            tab.goto(path.as_uri() + "#device=pixel8")
            tab.wait_for_function(READY)
            ready.append(float(tab.evaluate(TIMES)) / 1e3)
            filtered.append(float(tab.evaluate(FILTER)) / 1e3)
            tab.close()
    return statistics.median(ready), statistics.median(filtered)


def main() -> bool:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_known_args()[0].rounds
    program = shutil.which("chromium")
    if program is None:
        parser.error("needs Chromium: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    wall, work, page = rendering(records(400), rounds)
    few, many = render(records(200)), render(records(2000))
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        ready, filtered = opening(browser, page, rounds)
        large, large_filtered = opening(browser, many, rounds)
        browser.close()
    size = len(few.encode()) / 1e6
    told = f"{wall:.2f} s ({work:.2f} s of the processor)"
    return all(
        [
            row("HTML report: 2,000 records of 400 cells rendered", told, "at most 2 s", met=wall <= 2),
            row("HTML report: a page of 200 cells", f"{size:.2f} MB", "below 1 MB", met=size < 1),
            row("HTML report: 2,000 records interactive in Chromium", f"{ready:.2f} s", "at most 1 s", met=ready <= 1),
            row(
                f"HTML report: 2,000 cells ({len(many.encode()) / 1e6:.1f} MB) interactive",
                f"{large:.2f} s",
                "none",
                met=True,
            ),
            row(
                "HTML report: a filter shown, 400 and 2,000 cells",
                f"{filtered:.2f} s and {large_filtered:.2f} s",
                "none",
                met=True,
            ),
        ]
    )


if __name__ == "__main__":
    raise SystemExit(not main())
