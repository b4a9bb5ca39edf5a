"""Pools: the first device that fits what the test requires; nothing, busy and sick are three things."""

from __future__ import annotations

import pytest

from pytest_edgedevice.leases import Holder, acquire, note_fault
from tests.plugin.rack import conftest

THREE: dict[str, dict[str, object]] = {
    "plain": {"rack": True},
    "big": {"rack": True, "gpu": "big", "camera": True},
    "small": {"rack": True, "gpu": "small", "volts": 5},
}
START = "import pytest\nnames = []\n"


@pytest.fixture(autouse=True)
def racks(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(conftest(**THREE))


def requires(text: str, name: str, then: str = "pass") -> str:
    return f"@pytest.mark.edge_requires({text!r})\ndef test_{name}(edge_device):\n    {then}\n"


def run(pytester: pytest.Pytester, body: str, *arguments: str) -> pytest.RunResult:
    pytester.makepyfile(test_it=START + body)
    return pytester.runpytest("--device", "rack", "-rsE", *arguments)


def test_the_first_test_narrows_the_pool(pytester: pytest.Pytester) -> None:
    run(pytester, requires("gpu==small", "a", "assert edge_device.name == 'small'")).assert_outcomes(passed=1)


def test_a_device_that_fits_is_kept_from_test_to_test(pytester: pytest.Pytester) -> None:
    body = (
        requires("gpu", "a", "names.append(edge_device)") + "def test_b(edge_device): assert names == [edge_device]\n"
    )
    run(pytester, body).assert_outcomes(passed=2)


def test_where_the_device_does_not_fit_another_one_of_the_pool_is_leased(pytester: pytest.Pytester) -> None:
    body = (
        "def test_a(edge_device): assert edge_device.name == 'plain'\n"
        + requires("gpu", "b", "assert edge_device.name == 'big'")
        + requires("volts>=5", "c", "assert edge_device.name == 'small'")
        + "def test_d(edge_device): assert edge_device.name == 'small'\n"
    )
    run(pytester, body).assert_outcomes(passed=4)


@pytest.mark.parametrize("first", ["", "def test_0(edge_device): pass\n"])
def test_where_no_device_of_the_pool_fits_the_test_is_skipped_with_the_reason(
    pytester: pytest.Pytester, first: str
) -> None:
    result = run(pytester, first + requires("gpu==huge", "a") + "def test_z(edge_device): pass\n")
    result.assert_outcomes(skipped=1, passed=2 if first else 1)
    reason = "plain does not fit 'gpu==huge': gpu=not known" if first else "no device of 'rack' fits 'gpu==huge'*"
    result.stdout.fnmatch_lines([f"SKIPPED*{reason}"])


def test_in_ci_a_run_whose_only_test_fits_no_device_is_not_green(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "1")
    assert run(pytester, requires("gpu==huge", "a")).ret == pytest.ExitCode.TESTS_FAILED


def test_a_spec_that_nothing_matches_is_an_error_that_shows_what_there_is(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_a(edge_device): pass")
    result = pytester.runpytest("--device", "camera and volts>=9")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*no device matches 'camera and volts>=9'. There are: *big (camera=True, no volts)*"])


def test_a_device_that_fits_but_is_busy_is_an_error_that_names_the_holder(pytester: pytest.Pytester) -> None:
    with acquire("serial-big", holder=Holder(user="ada", pid=1, test="tests/x.py::test_y"), wait_s=0):
        result = run(pytester, requires("camera", "a"), "--edge-wait", "0")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*device 'rack' is held by ada (pid 1), test tests/x.py::test_y*"])


def test_a_device_that_fits_but_is_sick_is_an_error_with_the_reason(pytester: pytest.Pytester) -> None:
    for _ in range(2):
        note_fault("serial-big", name="big", reason="it broke")
    body = "def test_0(edge_device): pass\n" + requires("camera", "a")
    result = run(pytester, body)
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["device 'rack' cannot be used: big is quarantined*it broke*"])


def test_one_that_is_busy_is_passed_over_for_another_that_fits(pytester: pytest.Pytester) -> None:
    with acquire("serial-big", holder=Holder(user="ada", pid=1), wait_s=0):
        run(pytester, requires("gpu", "a", "assert edge_device.name == 'small'")).assert_outcomes(passed=1)


def test_a_device_that_cannot_be_reached_is_left_out_of_a_pool(pytester: pytest.Pytester) -> None:
    (pytester.path / "plain.down").write_text("9999")
    body = "def test_a(edge_device): assert edge_device.name == 'big'\n" + requires("gpu==huge", "b")
    run(pytester, body).assert_outcomes(passed=1, skipped=1)


def test_where_nothing_matches_what_cannot_be_reached_is_named(pytester: pytest.Pytester) -> None:
    (pytester.path / "big.down").write_text("9999")
    pytester.makepyfile("def test_a(edge_device): pass")
    result = pytester.runpytest("--device", "rack and gpu==big")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*There are: *; big (cannot be opened: big does not answer)*"])


def test_a_fact_that_nobody_has_is_told_before_anything_runs(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_a(edge_device): pass")
    result = pytester.runpytest("--device", "camara")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*'camara' is neither a kind*", "*closest first: camera,*"])


def test_links_are_opened_once_to_ask_for_facts(pytester: pytest.Pytester) -> None:
    text = conftest(**THREE).replace(
        "        self.name, self.own",
        "        with open('opened', 'a') as file: file.write(name + ' ')\n        self.name, self.own",
    )
    pytester.makeconftest(text)
    run(pytester, "def test_a(edge_device): pass\ndef test_b(edge_device): pass\n").assert_outcomes(passed=2)
    assert (pytester.path / "opened").read_text().split() == ["plain", "big", "small", "plain"]


def test_a_contributed_device_has_the_name_that_the_hook_gave_it(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_a(edge_device): assert edge_device.facts['name'] == 'big'")
    pytester.runpytest("--device", "name==big").assert_outcomes(passed=1)
