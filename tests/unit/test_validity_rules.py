"""What conditions say of a measurement, whatever a device calls its conditions."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_edgedevice.validity import CONDITIONS, RULES, Rules, causes, disturbances, spoiling, to_wait_for

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_edgedevice.values import Fact

ALL = Rules(**dict.fromkeys(CONDITIONS, "inconclusive"))  # type: ignore[arg-type]
KNOWN = (
    "load_1min",
    "cpu_pressure_10s",
    "thermal_status",
    "throttled",
    "temperature_c",
    "battery_c",
    "skin_c",
    "battery_percent",
    "charging",
    "governor",
    "clock_limited",
    "thermal_state",
    "app_state",
    "low_power_mode",
)
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.just(10**400),
    st.floats(),
    st.text(max_size=30),
    st.sampled_from(["0x5", "0x50000", "severe", "powersave", "\x1b[2J", "0x" + "f" * 40]),
    st.lists(st.integers(), max_size=2),
)


def met(told: Mapping[str, Any], moment: str = "before", *, threads: int = 1, cores: int | None = 2) -> dict[str, str]:
    """Condition to text, for one moment."""
    found = disturbances({moment: told}, ALL, threads=threads, cores=cores)
    return {one.condition: one.text for one in found}


def test_a_busy_machine_is_named_in_words_and_numbers() -> None:
    assert met({"load_1min": 3.9}) == {"busy": "load 3.9 on 2 cores before the run: the machine was busy"}


@pytest.mark.parametrize(
    ("told", "text"),
    [
        (
            {"cpu_pressure_10s": 63.4},
            "tasks that waited for a processor in 63.4 % of ten seconds before the run: the machine was busy",
        ),
        ({"thermal_status": "severe"}, "thermal status 'severe' before the run: the device was throttled"),
        ({"thermal_state": "serious"}, "thermal state 'serious' before the run: the device was throttled"),
        ({"app_state": "background"}, "the app's state was 'background' before the run: the system held it back"),
        ({"low_power_mode": True}, "low power mode before the run: the device kept its clocks low"),
        ({"throttled": "0x4"}, "clocks held down before the run (get_throttled 0x4): the device was throttled"),
        (
            {"throttled": "0x50005"},
            "too low a voltage before the run (get_throttled 0x50005): the device was throttled for lack of power",
        ),
        ({"temperature_c": 91.25}, "the processor at 91.2 C before the run, over 80 C: the device was hot"),
        ({"battery_c": 46}, "the battery at 46 C before the run, over 45 C: the device was hot"),
        ({"skin_c": 47.5}, "the case at 47.5 C before the run, over 45 C: the device was hot"),
        ({"battery_percent": 12}, "the battery at 12 % before the run, under 20 %: the device may save power"),
        ({"charging": True}, "charging before the run, which heats the device"),
        ({"governor": "powersave"}, "the governor 'powersave' before the run: it may have kept the clocks low"),
        ({"clock_limited": True}, "clocks limited below what the processor can before the run"),
    ],
)
def test_each_condition_is_told_in_its_own_words(told: dict[str, Fact], text: str) -> None:
    assert list(met(told).values()) == [text]


@pytest.mark.parametrize(
    "told",
    [
        {"load_1min": 0.9},
        {"cpu_pressure_10s": 10.0},
        {"thermal_status": "light"},
        {"thermal_state": "fair", "app_state": "active", "low_power_mode": False},
        {"throttled": "0x50000"},
        {"temperature_c": 80},
        {"battery_percent": 20},
        {"charging": False},
        {"governor": "schedutil", "clock_limited": False},
        {},
    ],
)
def test_a_calm_device_is_left_in_peace(told: dict[str, Fact]) -> None:
    assert met(told) == {}


def test_the_load_of_our_own_threads_is_nobody_elses() -> None:
    assert met({"load_1min": 2.0}, "before", threads=2) == {}
    assert met({"load_1min": 1.9}, "after", threads=1) == {}
    assert set(met({"load_1min": 2.1}, "after", threads=1)) == {"busy"}


def test_the_pressure_that_our_own_threads_may_have_made_is_no_sign() -> None:
    assert met({"cpu_pressure_10s": 90.0}, "after", threads=2, cores=2) == {}
    assert set(met({"cpu_pressure_10s": 90.0}, "after", threads=1, cores=None)) == {"busy"}


def test_a_load_on_nobody_knows_how_many_cores_says_nothing() -> None:
    assert met({"load_1min": 99.0}, cores=None) == {}


def test_every_moment_is_judged_and_a_cause_is_named_once() -> None:
    hot = {"temperature_c": 95.0}
    found = disturbances({"before": {}, "during 1": hot, "after": hot}, Rules())
    assert [one.moment for one in found] == ["during 1", "after"]
    assert causes(found) == "the processor at 95 C during the run, over 80 C: the device was hot"


def test_by_default_nothing_turns_a_verdict_and_only_throttling_is_waited_for() -> None:
    told: dict[str, Fact] = {
        "load_1min": 50.0,
        "cpu_pressure_10s": 99.0,
        "thermal_status": "severe",
        "temperature_c": 99.0,
        "battery_percent": 1,
        "charging": True,
        "governor": "powersave",
    }
    found = disturbances({"before": told}, Rules(), cores=2)
    assert spoiling(found) == ""
    assert {one.condition for one in found} == set(CONDITIONS) - {"charging"}
    assert [one.condition for one in to_wait_for(told, Rules(), threads=1, cores=2)] == ["throttled"]


def test_what_does_not_pass_by_itself_is_not_waited_for() -> None:
    rules = Rules(throttled="wait", governor="wait")
    assert to_wait_for({"throttled": "0x1", "clock_limited": True}, rules, threads=1, cores=1) == ()


def test_a_rule_that_gives_no_verdict_says_why() -> None:
    rules = Rules(hot="inconclusive")
    found = disturbances({"before": {"temperature_c": 99.0, "load_1min": 9.0}}, rules, cores=1)
    assert spoiling(found) == "the processor at 99 C before the run, over 80 C: the device was hot"


def test_limits_are_the_owners() -> None:
    rules = dataclasses.replace(ALL, max_load_per_core=3.0, max_temperature_c=50.0, min_battery_percent=5.0)
    told: dict[str, Fact] = {"load_1min": 5.0, "temperature_c": 60.0, "battery_percent": 6}
    assert [one.condition for one in disturbances({"before": told}, rules, cores=2)] == ["hot"]


@given(
    told=st.dictionaries(st.sampled_from(KNOWN), ODD),
    moment=st.text(max_size=60),
    threads=st.integers(1, 1024),
    cores=st.one_of(st.none(), st.integers()),
)
def test_whatever_a_device_tells_the_judge_answers_in_printable_text(
    told: dict[str, Any], moment: str, threads: int, cores: int | None
) -> None:
    for one in disturbances({moment: told}, ALL, threads=threads, cores=cores):
        assert one.text.isprintable()
        assert len(one.text) < 200
        assert one.rule in RULES
        assert one.condition in CONDITIONS
