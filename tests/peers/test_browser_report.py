"""The HTML report in Chromium: what a reader does with it, and what it must never do."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING, Literal

import pytest
from playwright.sync_api import expect, sync_playwright

from pytest_edgedevice.reports.html.page import render
from tests.report_records import model, placement, record, records

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page, Request, Route

pytestmark = pytest.mark.browser
HOSTILE = "</script></noscript><script>owned=1</script><img src=//x.test/ onerror=owned=1>\"'`${owned=1}"
PATIENCE_MS = 30_000
USUAL, PHONE, PAPER = (1280, 720), (400, 800), (794, 1123)
Scheme = Literal["light", "dark"]
Opened = tuple["Page", list[str]]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = shutil.which("chromium")
    assert program, "tests marked browser need Chromium: apt-get install chromium"
    with sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Pages: of a team, of one too large for plain panels, of hostile names, of a delegate that is not there."""
    hostile = record("close", "fail", test=f"t.py::{HOSTILE}[a]", message=HOSTILE, model=model(HOSTILE, HOSTILE),
                     delegate=placement(HOSTILE), device={"name": HOSTILE, "facts": {HOSTILE: HOSTILE}},
                     numbers={"outputs": [{"name": HOSTILE, "close": False, "max_abs_error": 1.0}]})  # fmt: skip
    absent = record("model", "fail", model=None, delegate=None, test="t.py::test_a[gpu]", message="no OpenCL here")
    told = {
        "team": records(40, runs=30),
        "large": records(200, runs=5),
        "hostile": [hostile, {**hostile, "model": model("m.tflite"), "device": {"name": "local", "facts": {}}}],
        "absent": [record(test="t.py::test_a[cpu]"), absent],
    }
    folder = tmp_path_factory.mktemp("reports")
    paths = {name: folder / f"{name}.html" for name in told}
    for name, path in paths.items():
        path.write_text(render(told[name]), encoding="utf-8")
    return paths


class Tab:
    """A page of a browser, and what it said to the console, asked the network for or asked its reader.

    A tab of its own takes the browser three times as long as a report, so that the tests take one in turn.
    """

    def __init__(self, browser: Browser, *, javascript: bool = True) -> None:
        self.context = browser.new_context(java_script_enabled=javascript)
        self.context.set_default_timeout(PATIENCE_MS)
        self.context.route("**/*", self._let_only_the_page_through)
        self.page, self.complaints = self.context.new_page(), list[str]()
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda one: None if self._is_the_page(one) else self.complaints.append(one.url))
        self.page.on("dialog", lambda dialog: self.complaints.append(dialog.message))
        self._visits = 0

    def _let_only_the_page_through(self, route: Route) -> None:
        if self._is_the_page(route.request):
            route.continue_()
        else:
            route.abort()

    @staticmethod
    def _is_the_page(request: Request) -> bool:
        return request.is_navigation_request() and request.url.startswith("file:")

    def open(self, report: Path, fragment: str, *, viewport: tuple[int, int], scheme: Scheme) -> Opened:
        """Open it as if nothing had been opened before: whatever a test may have changed is set."""
        self._visits += 1  # an address of its own: one that differs in the fragment alone opens nothing anew
        self.complaints.clear()
        self.page.set_viewport_size({"width": viewport[0], "height": viewport[1]})
        self.page.emulate_media(media="null", color_scheme=scheme)
        self.page.goto(f"{report.as_uri()}?{self._visits}{fragment}")
        return self.page, self.complaints


@pytest.fixture(scope="module")
def usual(browser: Browser) -> Iterator[Tab]:
    tab = Tab(browser)
    yield tab
    tab.context.close()


@pytest.fixture(scope="module")
def without_javascript(browser: Browser) -> Iterator[Tab]:
    tab = Tab(browser, javascript=False)
    yield tab
    tab.context.close()


@pytest.fixture
def opened(request: pytest.FixtureRequest, reports: dict[str, Path]) -> Callable[..., Opened]:
    """Open a report at an address, in a window of some size, with the colours that the system asks for."""

    def open_(
        name: str,
        fragment: str = "",
        *,
        viewport: tuple[int, int] = USUAL,
        scheme: Scheme = "light",
        javascript: bool = True,
    ) -> Opened:
        tab: Tab = request.getfixturevalue("usual" if javascript else "without_javascript")
        return tab.open(reports[name], fragment, viewport=viewport, scheme=scheme)

    return open_


def shown(page: Page, selector: str) -> int:
    return page.locator(f"{selector} >> visible=true").count()


@pytest.mark.parametrize("name", ["team", "absent"])
def test_it_opens_without_a_word_to_console_or_network(opened: Callable[..., Opened], name: str) -> None:
    page, complaints = opened(name)
    page.locator(".cells tbody a").first.click()
    expect(page.locator("dialog h4").first).to_be_visible(timeout=PATIENCE_MS)
    assert complaints == []


def test_a_filter_narrows_every_part_and_stands_in_the_address(opened: Callable[..., Opened]) -> None:
    page, _ = opened("team")
    page.locator("#filter [name=delegate]").select_option("xnnpack")
    expect(page.locator("#filter output")).to_have_text("20 of 40 cells", timeout=PATIENCE_MS)
    assert shown(page, ".cells tbody tr") == 20
    assert page.locator(".matrix thead small").all_inner_texts() == ["xnnpack"]
    assert shown(page, ".scatter a") == 2 * 20
    assert page.url.endswith("#delegate=xnnpack")


def test_a_filter_that_leaves_no_model_says_so_in_a_line_that_can_be_read(opened: Callable[..., Opened]) -> None:
    page, _ = opened("absent", "#find=gpu")
    caption = page.locator(".matrix caption")
    expect(caption).to_have_text("None of the cells shown has a model.", timeout=PATIENCE_MS)
    assert caption.evaluate("box => box.clientWidth > 4 * box.clientHeight")


def test_an_address_with_a_filter_shows_what_it_says(opened: Callable[..., Opened]) -> None:
    page, _ = opened("team", "#variant=int8&find=pose")
    assert shown(page, ".cells tbody tr") == 2
    page.get_by_role("button", name="Clear").click()
    expect(page.locator("#filter output")).to_have_text("", timeout=PATIENCE_MS)
    assert shown(page, ".cells tbody tr") == 40


def test_an_outcome_shows_only_its_cells_until_it_is_clicked_again(opened: Callable[..., Opened]) -> None:
    page, _ = opened("team")
    failed = page.locator("button.failed")
    count = int(failed.locator("b").inner_text())
    failed.click()
    assert shown(page, ".cells tbody tr") == count
    assert failed.get_attribute("aria-pressed") == "true"
    failed.click()
    assert shown(page, ".cells tbody tr") == 40


def test_the_front_is_that_of_the_points_shown(opened: Callable[..., Opened]) -> None:
    page, _ = opened("team")
    before = page.locator(".scatter .front").first.get_attribute("d")
    page.locator("#filter [name=variant]").select_option("float32")
    expect(page.locator("#filter output")).to_have_text("10 of 40 cells", timeout=PATIENCE_MS)
    narrowed = page.locator(".scatter .front").first.get_attribute("d")
    page.locator("#filter [name=variant]").select_option("")
    expect(page.locator("#filter output")).to_have_text("", timeout=PATIENCE_MS)
    assert narrowed != before
    assert page.locator(".scatter .front").first.get_attribute("d") == before


def test_a_heading_sorts_by_number_and_back(opened: Callable[..., Opened]) -> None:
    page, _ = opened("team")
    page.locator(".cells thead").get_by_role("button", name="Model size").click()
    assert sizes(page) == sorted(sizes(page))
    page.locator(".cells thead").get_by_role("button", name="Model size").click()
    assert sizes(page) == sorted(sizes(page), reverse=True)


def sizes(page: Page) -> list[float]:
    place = page.locator(".cells thead th").evaluate_all(
        "heads => heads.findIndex(one => one.dataset.metric === 'size')"
    )
    return list(
        page.locator(f".cells tbody td:nth-child({place + 1})").evaluate_all("all => all.map(one => +one.dataset.v)")
    )


def test_the_matrix_turns_and_says_what_is_the_worst_of_several(opened: Callable[..., Opened]) -> None:
    page, _ = opened("team")
    page.locator("[name=rows]").select_option("delegate")
    page.locator("[name=columns]").select_option("variant")
    assert page.locator(".matrix tbody th").all_inner_texts() == ["cpu", "xnnpack"]
    assert page.locator(".matrix thead th").all_inner_texts() == ["dynamic_int8", "float16", "float32", "int8"]
    assert page.locator(".matrix small", has_text="worst of 5").count() == 8


def test_the_matrix_takes_the_colour_of_a_metric_and_keeps_the_words(opened: Callable[..., Opened]) -> None:
    page, _ = opened("team")
    page.locator("[name=colour]").select_option("error")
    kinds = set(page.eval_on_selector_all(".matrix tbody td", "places => places.map(place => place.className)"))
    assert {"q0", "q6"} <= kinds <= {f"q{step}" for step in range(7)}
    assert page.locator(".matrix tbody .outcome").count() == 40
    assert page.locator(".ramp").is_visible()
    page.locator("[name=colour]").select_option("outcome")
    assert page.locator(".matrix tbody td.passed").count() > 0


def test_an_empty_slot_keeps_its_reason_when_the_matrix_is_coloured(opened: Callable[..., Opened]) -> None:
    page, _ = opened("absent")
    assert page.locator("#filter [name=model] option").all_inner_texts() == ["all", "m.tflite"]
    page.locator("[name=colour]").select_option("size")
    expect(page.locator(".matrix td.empty")).to_contain_text("no OpenCL here")


@pytest.mark.parametrize("name", ["team", "large"], ids=["plain", "packed"])
def test_a_link_to_a_cell_opens_it_and_closing_forgets_it(opened: Callable[..., Opened], name: str) -> None:
    page, _ = opened(name)
    link = page.locator(".cells tbody tr").last.locator("a")
    title, address = link.text_content() or "", link.get_attribute("href") or ""
    page, complaints = opened(name, address)
    expect(page.locator("dialog h3")).to_have_text(title, timeout=PATIENCE_MS)
    for block in ("Latency", "Error of each output", "Placement and operators", "Resources", "Device"):
        expect(page.locator("dialog").get_by_role("heading", name=block, exact=True)).to_be_visible()
    assert page.locator("dialog svg.plot").count() >= 4
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).to_be_hidden(timeout=PATIENCE_MS)
    assert "cell=" not in page.url
    assert complaints == []


def test_going_back_closes_the_cell_and_keeps_the_filter(opened: Callable[..., Opened]) -> None:
    page, _ = opened("team", "#delegate=xnnpack")
    page.locator(".cells tbody tr >> visible=true").first.locator("a").click()
    expect(page.locator("dialog")).to_be_visible(timeout=PATIENCE_MS)
    assert re.search(r"delegate=xnnpack&cell=", page.url)
    page.go_back()
    expect(page.locator("dialog")).to_be_hidden(timeout=PATIENCE_MS)
    assert shown(page, ".cells tbody tr") == 20


@pytest.mark.parametrize("address", ["#cell=nobody", "#cell=%00%ff", "#find=%3Cimg%3E&device=none", "#%"])
def test_an_address_that_means_nothing_breaks_nothing(opened: Callable[..., Opened], address: str) -> None:
    page, complaints = opened("team", address)
    expect(page.locator("dialog")).to_be_hidden()
    assert complaints == []


@pytest.mark.parametrize("javascript", [True, False])
def test_hostile_names_are_texts_and_run_nothing(opened: Callable[..., Opened], javascript: bool) -> None:
    page, complaints = opened("hostile", javascript=javascript)
    assert page.locator("img").count() == 0
    assert HOSTILE[:40] in (page.locator(".cells tbody").text_content() or "")
    if javascript:
        page.locator(".matrix td.failed a").first.click()
        expect(page.locator("dialog h3")).to_have_text(HOSTILE, timeout=PATIENCE_MS)
        page.locator("[name=rows]").evaluate(
            "one => { one.value = 'device'; one.dispatchEvent(new Event('change', {bubbles: true})) }"
        )
        assert page.evaluate("typeof owned") == "undefined"
        assert page.locator("img").count() == 0
    assert complaints == []


def test_the_policy_stops_a_script_that_got_in_all_the_same(opened: Callable[..., Opened]) -> None:
    page, complaints = opened("team")
    page.evaluate("document.body.append(Object.assign(document.createElement('script'), {textContent: 'owned = 1'}))")
    assert page.evaluate("typeof owned") == "undefined"
    assert ["violates the following Content Security Policy" in one for one in complaints] == [True]


def test_without_javascript_every_table_can_be_read_and_a_link_leads_to_its_cell(
    opened: Callable[..., Opened],
) -> None:
    page, complaints = opened("team", javascript=False)
    assert shown(page, ".matrix tbody td") == 40
    assert shown(page, ".cells tbody tr") == 40
    assert page.locator("#variants table >> visible=true").count() > 0
    assert page.locator("#delegates table >> visible=true").count() > 0
    assert shown(page, "h4:text-is('Error of each output')") == 40
    assert page.locator("#filter").is_hidden()
    link = page.locator(".cells tbody a").last
    slug = (link.get_attribute("href") or "").removeprefix("#")
    link.click()
    expect(page.locator(f'[id="{slug}"] h3')).to_be_in_viewport(timeout=PATIENCE_MS)
    assert complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_can_be_read_on_every_colour_that_the_system_asks_for(
    opened: Callable[..., Opened], scheme: Scheme
) -> None:
    page, _ = opened("team", scheme=scheme)
    assert (brightness(page, "body", "backgroundColor") < 0.1) == (scheme == "dark")
    for colour in ("outcome", "p95"):
        page.locator("[name=colour]").select_option(colour)
        for kind in set(page.eval_on_selector_all(".matrix tbody td", "places => places.map(one => one.className)")):
            ground = brightness(page, f".matrix td.{kind}", "backgroundColor")
            words = brightness(page, f".matrix td.{kind} .outcome", "color")
            assert (max(ground, words) + 0.05) / (min(ground, words) + 0.05) >= 4.5, kind


def test_somebody_may_choose_other_colours(opened: Callable[..., Opened]) -> None:
    page, _ = opened("absent")
    before = brightness(page, "body", "backgroundColor")
    page.locator("#theme").click()
    assert abs(before - brightness(page, "body", "backgroundColor")) > 0.5
    page.locator("#theme").click()
    assert brightness(page, "body", "backgroundColor") == before


def brightness(page: Page, selector: str, what: str) -> float:
    """Relative luminance of a colour, by the web's own rules for contrast."""
    told = page.locator(selector).first.evaluate(f"one => getComputedStyle(one).{what}")
    parts = [int(part) / 255 for part in re.findall(r"\d+", told)[:3]]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_a_phone_shows_it_without_scrolling_sideways(opened: Callable[..., Opened]) -> None:
    page, _ = opened("team", viewport=PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    page.locator(".cells tbody a").first.click()
    expect(page.locator("dialog h4").first).to_be_visible(timeout=PATIENCE_MS)
    assert page.locator("dialog").evaluate("one => one.scrollWidth") <= 400


def test_a_closed_group_has_its_table_when_it_is_opened(opened: Callable[..., Opened]) -> None:
    page, _ = opened("team", "#delegate=cpu")
    group = page.locator("#delegates details").last
    assert group.get_attribute("open") is None
    group.locator("summary").click()
    expect(group.locator("tbody tr >> visible=true")).to_have_count(1, timeout=PATIENCE_MS)
    expect(group.get_by_role("button", name="p50").first).to_be_visible()


def test_paper_has_no_controls(opened: Callable[..., Opened]) -> None:
    page, _ = opened("team", viewport=PAPER)
    page.emulate_media(media="print")
    assert page.locator("#filter").is_hidden()
    assert page.locator("#theme").is_hidden()
    assert shown(page, ".cells tbody tr") == 40


def test_tables_fit_on_paper(opened: Callable[..., Opened]) -> None:
    page, _ = opened("team", viewport=PAPER)
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate("document.documentElement.scrollWidth") <= 794
    assert page.locator(".cells tbody td[data-v]").first.is_visible()


def test_paper_of_an_open_cell_has_the_cell_alone(opened: Callable[..., Opened]) -> None:
    page, _ = opened("team", viewport=PAPER)
    page.locator(".cells tbody a").first.click()
    expect(page.locator("dialog h4").first).to_be_visible(timeout=PATIENCE_MS)
    page.emulate_media(media="print")
    assert page.locator("dialog h3").is_visible()
    assert page.locator("main").is_hidden()


def test_a_command_can_be_copied(opened: Callable[..., Opened]) -> None:
    page, _ = opened("team")
    command = page.locator("#failures .command").first
    command.get_by_role("button").click()
    expect(command.get_by_role("button")).to_have_text(re.compile("Copied|Selected"), timeout=PATIENCE_MS)


def test_a_page_is_as_high_before_it_was_scrolled_as_it_is_afterwards(opened: Callable[..., Opened]) -> None:
    page, _ = opened("team")
    heights = "() => [document.documentElement.scrollHeight, document.querySelector('footer').offsetTop]"
    before = page.evaluate(heights)
    page.locator("footer").scroll_into_view_if_needed()
    assert page.evaluate(heights) == before
    assert page.locator("#panels").bounding_box() is None
