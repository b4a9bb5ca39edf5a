"""The page as text: what a reader looks for is there, nothing comes from elsewhere, and nothing odd breaks it."""

from __future__ import annotations

import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_edgedevice.errors import UsageError
from pytest_edgedevice.records import pack
from pytest_edgedevice.reports.html import check_installed, wording, write
from pytest_edgedevice.reports.html.page import render
from pytest_edgedevice.reports.html.svg.scatter import Point, scatter
from pytest_edgedevice.reports.renderers import parse_report
from tests.report_records import model, placement, record, records

HOSTILE = "</script></noscript></style><script>document.title='owned'</script><img src=x onerror=alert(1)>"
HOSTILE += "\"'&\u202e\x00\ud800"
JUNK: Any = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.just(HOSTILE)
    | st.just(10**400),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


class Tags(HTMLParser):
    """Every element of a page with its attributes, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def panel(*told: dict[str, Any]) -> str:
    """The text of a page with plain panels only, without style and script."""
    return re.sub(r"<(style|script)>.*?</\1>", "", render(list(told)), flags=re.DOTALL)


def latency(**numbers: Any) -> dict[str, Any]:
    series = pack([1_000_000 + 1000 * (one % 37) for one in range(300)])
    told = {
        "p50_ms": 1.01,
        "p95_ms": 1.03,
        "runs": 300,
        "samples_ns": series,
        "load_ms": 12.5,
        "first_ms": 2.5,
        "budgets": [{"quantile": 0.95, "budget_ms": 5, "verdict": "pass", "lower_ms": 1.02, "upper_ms": 1.04}],
    }
    return record("latency", numbers={**told, **numbers})


def test_the_page_says_at_once_how_it_went() -> None:
    assert "1 of 2 cells passed" in panel(record(), record("size", "fail", model=model("n.tflite")))


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ([], "Nothing was checked"),
        ([record()], "The only cell passed"),
        ([record(outcome="skipped")], "Nothing was checked, 1 skipped"),
        ([record(), record(outcome="skipped", model=model("n.tflite"))], "The only cell passed, 1 skipped"),
    ],
)
def test_few_cells_are_worded_as_few(told: list[dict[str, Any]], said: str) -> None:
    assert said in panel(*told)


def test_nothing_in_the_page_comes_from_elsewhere() -> None:
    elements = Tags(render(records(40))).elements
    assert not [one for one, attrs in elements if {"src", "srcset", "data", "poster"} & attrs.keys()]
    assert not [one for one, _ in elements if one in ("link", "iframe", "object", "embed", "base", "img")]
    assert {(attrs.get("href") or "#")[0] for _, attrs in elements} == {"#"}


def test_the_policy_lets_two_texts_of_ours_run_and_nothing_be_loaded() -> None:
    elements = Tags(render([record()])).elements
    (policy,) = [attrs["content"] for tag, attrs in elements if attrs.get("http-equiv") == "Content-Security-Policy"]
    assert re.fullmatch(
        r"default-src 'none'; style-src 'sha256-[^']+'; script-src 'sha256-[^']+'; base-uri 'none'; form-action 'none'",
        policy or "",
    )
    assert not [attrs for _, attrs in elements if any(name.startswith("on") or name == "style" for name in attrs)]


def hostile_record() -> dict[str, Any]:
    """A record with a hostile text wherever a text can be."""
    close = {
        "outputs": [
            {
                "name": HOSTILE,
                "close": False,
                "hint": HOSTILE,
                "worst": {"id": HOSTILE},
                "artifact": HOSTILE,
                "blame": {"text": HOSTILE},
                "metrics": {HOSTILE: HOSTILE},
                "structure": [HOSTILE],
            }
        ]
    }
    return record(
        "close",
        "fail",
        test=f"{HOSTILE}::{HOSTILE}[{HOSTILE}]",
        message=HOSTILE,
        repeated=HOSTILE,
        version=HOSTILE,
        model={**model(HOSTILE, HOSTILE), "sha256": HOSTILE},
        delegate={**placement(HOSTILE), "left_over": {HOSTILE: 1}},
        engine={"name": HOSTILE, "version": HOSTILE, "threads": 2},
        device_log={HOSTILE: HOSTILE},
        time=HOSTILE,
        device={"name": HOSTILE, "facts": {HOSTILE: HOSTILE}, "recovered": [HOSTILE]},
        numbers=close,
    )


def test_no_text_of_a_record_becomes_markup() -> None:
    usual, found = Tags(render([record("close", "fail")])), Tags(render([hostile_record()]))
    assert {tag for tag, _ in found.elements} - {tag for tag, _ in usual.elements} <= {
        "small",
        "details",
        "summary",
        "caption",
    }
    assert render([hostile_record()]).count("<script") == render([record()]).count("<script")


def test_signs_that_no_page_can_carry_are_question_marks() -> None:
    page = render([hostile_record()])
    assert page.encode("utf-8")
    assert not {"\x00", "\u202e"} & set(page)


PANEL_TEXTS = {
    "budget": (latency(), ["p95", "5 ms", "1.02 ms to 1.04 ms"]),
    "start": (latency(), ["12.5 ms", "2.5 ms"]),
    "baseline": (latency(baseline={"median_ms": 1.1, "usual_ms": 1.0, "runs": 12, "verdict": "pass"}), ["+10 %", "12"]),
    "single": (
        latency(singles=[{"what": "load", "budget_ms": 9, "observed_ms": 12.5, "verdict": "fail"}]),
        ["load", "9 ms"],
    ),
    "sustained": (latency(judged_from=200), ["not judged"]),
    "batch": (latency(batch=5, steady=False), ["each a mean of 5 inferences", "warm-up never settled"]),
    "conditions": (
        latency(conditions={"before": {"temperature_c": 40}, "during 1": {}, "after": {"temperature_c": 52}}),
        ["Temperature", "52 \N{DEGREE SIGN}C"],
    ),
    "resources": (
        record("memory", numbers={"observed": 6.1, "unit": "MB", "resources": {"problems": {"energy": "no meter"}}}),
        ["6.1 MB", "not measured: no meter", "not measured: no test asked"],
    ),
    "unmeasured": (
        record("energy", "inconclusive", numbers={"observed": None, "reason": "this device tells no energy"}),
        ["not measured: this device tells no energy"],
    ),
    "faster": (
        record(
            "faster",
            numbers={
                "ratio": 0.18,
                "lower": 0.14,
                "upper": 0.24,
                "old": {"name": "old.tflite"},
                "new_block_ms": [6.1, 5.2],
                "old_block_ms": "x",
            },
        ),
        ["0.18\N{MULTIPLICATION SIGN}", "old.tflite", "6.1 ms"],
    ),
    "stream": (
        record(
            "realtime",
            numbers={
                "fps": 30,
                "achieved_fps": 29.7,
                "dropped_share": 0.02,
                "max_drop": 0.01,
                "max_age_ms": 100,
                "age_quantile": 0.99,
                "age_ms": 48,
                "age_samples_ns": [40_000_000, 48_000_000],
            },
        ),
        ["29.7 of 30 offered", "2 % (1 % allowed)", "48 ms (100 ms allowed)"],
    ),
    "stages": (
        record(
            "stages",
            "fail",
            numbers={
                "p50_ms": {"before": 90.0, "inference": 30.0, "total": 120.0},
                "p95_ms": {"total": 130.0},
                "budgets": [
                    {"stage": "total", "quantile": 0.95, "budget_ms": 100, "verdict": "fail", "reason": "late"}
                ],
            },
        ),
        ["Pre-processing", "90 ms", "All stages together", "130 ms", "100 ms", "late"],
    ),
    "operators": (
        record("profile", numbers={"operators": [{"name": "CONV_2D", "share": 0.49, "time_ms": 11.8, "count": 21}]}),
        ["CONV_2D", "49 %", "11.8 ms"],
    ),
    "requested": (
        record(delegate={**placement("cpu_and_ne"), "requested_only": True, "plan": {"cpu": 4, "neural_engine": 212}}),
        ["cpu_and_ne (requested)", "nothing: the runtime takes a request", "neural engine 212, cpu 4"],
    ),
    "no plan": (
        record(delegate={**placement("all"), "requested": "default", "requested_only": True}),
        ["default \N{RIGHTWARDS ARROW} all (requested)", "the runtime told no plan"],
    ),
    "left over": (record(delegate={**placement("cpu"), "left_over": {"SOFTMAX": 1}}), ["SOFTMAX"]),
    "output": (
        record(
            "close",
            "fail",
            numbers={
                "outputs": [
                    {
                        "name": "scores",
                        "close": False,
                        "max_abs_error": 0.229,
                        "worst": {"sample": 3, "index": [417, 0], "actual": 0.741},
                        "histogram": {"edges": [0, 1, 2], "counts": [5, 1]},
                        "blame": {"text": "the delegate is the likely cause"},
                        "artifact": "kept/a b.npz",
                    }
                ]
            },
        ),
        [
            "0.229",
            "sample 3 [417, 0]",
            "Errors of scores",
            "the delegate is the likely cause",
            "edgedevice replay 'kept/a b.npz'",
        ],
    ),
    "accuracy": (
        record(
            "accuracy",
            numbers={
                "dataset": "val",
                "metric": "top-1",
                "value": 0.96,
                "lower": 0.95,
                "upper": 0.97,
                "slices": [{"tag": "night", "value": 0.81, "verdict": "fail"}],
                "worst": [{"id": "night-17", "score": 0.02}],
            },
        ),
        ["top-1 on val", "0.95 to 0.97", "night", "0.81", "night-17"],
    ),
    "variants": (
        record(
            "variants",
            numbers={
                "best": "int8",
                "limits": {"p95_ms": 20},
                "rows": [
                    {
                        "variant": "int8",
                        "file": "a.tflite",
                        "size_bytes": 260_000,
                        "speed_up": 2.2,
                        "loss": 0.01,
                        "admissible": True,
                        "pareto": True,
                        "accuracy": 0.95,
                        "lower": 0.94,
                        "upper": 0.96,
                    },
                    {"variant": "float32", "admissible": False, "reasons": ["too slow"]},
                ],
            },
        ),
        ["260 kB", "best, Pareto front", "[0.94, 0.96]", "too slow", "p95_ms 20"],
    ),
    "unknown check": (
        record("thermal", numbers={"peak": {"skin_c": 41.5}, "moments": [1, 2]}),
        ["peak.skin_c", "41.5", "moments[1]"],
    ),
    "log": (record("device", "fail", device_log={"logcat": "SIGSEGV\nat 0x0"}), ["logcat", "SIGSEGV"]),
    "repeated": (record(repeated="rack was unplugged"), ["rack was unplugged"]),
    "recovered": (record(device={"name": "a", "facts": {}, "recovered": ["2 processes ended"]}), ["2 processes ended"]),
}


@pytest.mark.parametrize("name", PANEL_TEXTS)
def test_a_panel_shows(name: str) -> None:
    told, wanted = PANEL_TEXTS[name]
    text = Tags(panel(told)).text
    assert [one for one in wanted if one not in text] == []


@pytest.mark.parametrize(
    ("fields", "command"),
    [
        ({"test": "t.py::test_a"}, "pytest t.py::test_a --device local --edge-delegate cpu"),
        ({"test": "t.py::test_a[local-cpu]"}, "pytest t.py::test_a --device local --edge-delegate cpu"),
        ({"test": "t.py::test_a[3-cpu]"}, "pytest 't.py::test_a[3-cpu]' --device local --edge-delegate cpu"),
        ({"test": "t.py::test_a[]"}, "pytest 't.py::test_a[]' --device local --edge-delegate cpu"),
        ({"test": "a b.py::test_a", "delegate": placement("default")}, "pytest 'a b.py::test_a' --device local"),
        (
            {"test": "t.py::test_a[gpu]", "model": None, "delegate": None},
            "pytest t.py::test_a --device local --edge-delegate gpu",
        ),
        (
            {"engine": {"threads": 4}, "test": "t.py::a"},
            "pytest t.py::a --device local --edge-delegate cpu --edge-threads 4",
        ),
        *(
            (
                {"test": f"t.py::a[{told}]", "device": {"name": "desk"}, "run": {"devices": devices}},
                f"pytest {again} --device desk --edge-delegate cpu",
            )
            for told, devices, again in (
                ("desk-cpu-7", ["desk", "desk-two"], "'t.py::a[cpu-7]'"),
                ("desk-cpu-7", ["desk"], "'t.py::a[desk-cpu-7]'"),
                ("7-desk-cpu", ["desk", "nas"], "'t.py::a[7-cpu]'"),
                ("7-desk", ["desk", "nas"], "'t.py::a[7]'"),
                ("desk-cpu", ["desk", "nas"], "t.py::a"),
                ("linux and cores>1-cpu-7", ["nas", "linux and cores>1"], "'t.py::a[cpu-7]'"),
                ("desktop-7", ["desk", "nas"], "'t.py::a[desktop-7]'"),
            )
        ),
    ],
)
def test_a_failure_has_the_command_that_repeats_it(fields: dict[str, Any], command: str) -> None:
    assert f"\n{command}" in Tags(panel(record("close", "fail", **fields)).replace("<code>", "<code>\n")).text


def test_what_did_not_pass_is_told_from_the_gravest_on() -> None:
    order = ["inconclusive", "fail", "pass"]
    text = Tags(panel(*[record("size", one, message=f"it was {one}", model=model(one)) for one in order])).text
    assert text.index("it was fail") < text.index("it was inconclusive")
    assert "it was pass" not in text


def test_a_point_that_nothing_beats_is_on_the_front_and_budgets_are_lines() -> None:
    page = panel(*records(40))
    assert 'class="front"' in page
    assert "budget 60 ms" in page


def test_degradation_is_against_the_float_model() -> None:
    text = Tags(panel(*records(4))).text
    assert "Speed-up and loss are against float32, the first row." in text


def test_speed_up_is_against_the_cpu_of_the_same_device() -> None:
    both = [latency(p50_ms=12.0), {**latency(p50_ms=3.0), "delegate": placement("gpu")}]
    assert "4\N{MULTIPLICATION SIGN}" in Tags(panel(*both)).text


def test_two_hundred_cells_fit_into_a_megabyte_as_most_panels_are_packed() -> None:
    page = render(records(200, runs=100))
    assert len(page.encode()) < 1_000_000
    assert page.count("<script type") > 10


def test_the_panels_of_few_cells_are_plain_for_who_runs_no_scripts() -> None:
    page = render(records(4))
    assert (page.count("<noscript data-slug"), page.count("<script type")) == (4, 0)


def test_names_without_end_are_cut() -> None:
    assert len(render([record(test="x" * 10**6, model=model("y" * 10**6))])) < 200_000


@pytest.mark.parametrize("odd", [None, [], "x", 3, {}, {"numbers": []}, {"device": None, "check": {}}, float("nan")])
def test_what_is_no_record_at_all_breaks_nothing(odd: Any) -> None:
    assert "</html>" in render([odd, record()])


ODD_KEYS = [
    "p50_ms",
    "p95_ms",
    "budgets",
    "singles",
    "baseline",
    "samples_ns",
    "conditions",
    "disturbances",
    "judged_from",
    "batch",
    "outputs",
    "rows",
    "limits",
    "best",
    "slices",
    "worst",
    "operators",
    "resources",
    "observed",
    "limit",
    "value",
    "name",
    "histogram",
    "old",
    "new_block_ms",
    "age_samples_ns",
    "fps",
    "blame",
]
CHECKS = [
    "close",
    "latency",
    "size",
    "metric",
    "memory",
    "realtime",
    "profile",
    "faster",
    "accuracy",
    "variants",
    "stages",
    "new",
]


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(CHECKS),
    st.dictionaries(st.sampled_from(ODD_KEYS), JUNK, max_size=8),
    st.dictionaries(st.sampled_from(list(record())), JUNK, max_size=3),
)
def test_numbers_of_any_form_make_a_page(check: str, numbers: dict[str, Any], fields: dict[str, Any]) -> None:
    page = render([{**record(check, numbers=numbers), **fields}, latency()])
    assert page.rstrip().endswith("</html>")
    assert page.encode("utf-8")


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_one_odd_value_deep_in_a_sound_record_makes_a_page(data: st.DataObject) -> None:
    told = json.loads(json.dumps(data.draw(st.sampled_from(records(1, runs=20)))))
    place: Any = told["numbers"]
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(place[key], dict | list) or not place[key] or data.draw(st.booleans()):
            break
        place = place[key]
    place[key] = data.draw(JUNK)
    assert "</html>" in render([told])


@pytest.mark.parametrize(
    ("worded", "value", "text"),
    [
        (wording.milliseconds, 45_357, "45.4 s"),
        (wording.milliseconds, 1234.5, "1,234 ms"),
        (wording.milliseconds, 0.00123, "1.23 \N{MICRO SIGN}s"),
        (wording.milliseconds, 0, "0 ms"),
        (wording.size, 2_100_000_000, "2.1 GB"),
        (wording.size, 640, "640 B"),
        (wording.plain, 2.4e-7, "2.40e-7"),
        (wording.plain, 99_999_999, "1.00e+8"),
        (wording.percent, 0.041, "4.1 %"),
        (wording.plain, None, ""),
        (wording.size, "x", ""),
        (wording.milliseconds, float("nan"), ""),
        (wording.times, 10**400, ""),
    ],
)
def test_quantities_are_worded_with_three_digits_and_a_unit_that_fits(worded: Any, value: Any, text: str) -> None:
    assert worded(value) == text


@pytest.mark.parametrize("value", [1.7e308, -1.7e308, 5e-324, 1e101])
def test_a_number_beyond_all_quantities_is_none(value: float) -> None:
    told = {"p50_ms": value, "p95_ms": value, "load_ms": value, "baseline": {"median_ms": value, "usual_ms": 5e-324}}
    outputs = {"outputs": [{"name": "y", "max_abs_error": value, "share": value}]}
    several = [record(check, numbers=numbers, model=model(name)) for name in ("a.tflite", "b.tflite")
               for check, numbers in (("latency", told), ("close", outputs))]  # fmt: skip
    text = Tags(panel(*several, latency())).text
    assert not re.search(r"\b(inf|nan)\b", text)


def test_an_output_without_an_error_has_no_picture_of_one_bar() -> None:
    output = {"name": "y", "close": True, "max_abs_error": 0, "histogram": {"edges": [0, 2.2e-308], "counts": [90]}}
    assert "Errors of y" not in panel(record("close", numbers={"outputs": [output]}))


def test_names_of_points_do_not_cover_each_other() -> None:
    x_of = {"a": 1.0, "b": 1.02, "c": 1.6}  # the last is named to its left, up to where the first begins
    points = [Point(x, x, 0, "s", 0, False, name * 36, "") for name, x in x_of.items()]
    svg = scatter(points, [], low=False, x_text=str, y_text=str, names=("x", "y"))
    places = re.findall(r'<text x="([\d.]+)" y="([\d.]+)"( text-anchor="end")? class="tag">(\w+)', svg)
    spans = [((float(x) - 200, float(x)) if end else (float(x), float(x) + 200), float(y)) for x, y, end, _ in places]
    for one, (span, y) in enumerate(spans):
        for other, row in spans[:one]:
            assert abs(y - row) > 13 or span[0] > other[1] or span[1] < other[0]


def test_logs_of_many_failures_stay_in_their_cells() -> None:
    log = "E/tflite: fault\n" * 1000
    several = [record("device", "fail", model=model(f"{one}.tflite"), device_log={"logcat": log}) for one in range(9)]
    cards = re.findall(r'<article class="card.*?</article>', panel(*several), flags=re.DOTALL)
    assert [log in card for card in cards] == [True] + [False] * 8
    assert ["The cell has the device" in card for card in cards] == [False] + [True] * 8


@pytest.mark.parametrize("check", ["device", "size"])
def test_an_infra_outcome_is_explained_where_there_is_one(check: str) -> None:
    assert ("says nothing of the model" in panel(record(check, "fail"))) == (check == "device")


def test_the_file_is_written_whole(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "report.html"
    write([record()], path)
    assert path.read_text(encoding="utf-8") == render([record()])


def test_without_jinja_the_command_that_brings_it_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(UsageError, match=re.escape("pip install 'pytest-edgedevice[report]'")):
        check_installed()
    with pytest.raises(UsageError, match="needs Jinja2"):
        parse_report("html=report.html", Path())
