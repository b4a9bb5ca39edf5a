"""Whose fault it was decides how pytest counts it: failed, error, skipped, and never the wrong one."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from pytest_edgedevice.plugin import blame

if TYPE_CHECKING:
    from collections.abc import Callable

INFRA = [
    "InfraError",
    "DeviceLostError",
    "DeviceFullError",
    "AgentDiedError",
    "DeadlineError",
    "ProtocolError",
    "ConfigError",
]
MODEL = ["ModelError", "DelegateError", "InputError", "GoldenError", "UsageError"]
RAISES = "import pytest\nfrom pytest_edgedevice.errors import *\nfrom pytest_edgedevice import errors\n"
INCONCLUSIVE = """
from pytest_edgedevice.values import Timing
class Noisy:
    device_name = "local"
    class info: name, threads = "m.tflite", 1
    class placement: proven = shown = "cpu"
    def measure(self, **asked):
        return Timing("inconclusive", (1000000,) * 9, 1, 1.0, 1.0, 1.0, 1.0, None, None, 1.0, 0.95, 0.95, 1.0, 1.0, 3,
                      True, reason="p95 needs at least 59 runs")
@pytest.fixture
def noisy(edge_check, monkeypatch):
    monkeypatch.setattr("pytest_edgedevice.checks.check._subject", lambda model: (None, None, "local"))
    return lambda: edge_check.latency(Noisy(), p95_ms=1.0)
"""


@pytest.mark.parametrize("error", INFRA)
def test_the_worlds_fault_in_a_test_is_a_pytest_error(pytester: pytest.Pytester, error: str) -> None:
    pytester.makepyfile(RAISES + f"def test_a(edge_check):\n    raise {error}('the cable broke')")
    result = pytester.runpytest()
    result.assert_outcomes(errors=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED


@pytest.mark.parametrize("error", MODEL)
def test_the_models_and_the_users_fault_is_a_failure(pytester: pytest.Pytester, error: str) -> None:
    pytester.makepyfile(RAISES + f"def test_a(edge_check):\n    raise {error}('left over: SOFTMAX x1')")
    pytester.runpytest().assert_outcomes(failed=1)


def test_a_check_that_fails_is_a_failure(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_a(edge_check):\n    edge_check.metric('top1', 0.5, at_least=0.9)")
    pytester.runpytest().assert_outcomes(failed=1)


def test_the_worlds_fault_in_a_test_without_our_fixtures_is_an_error_too(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(RAISES + "def test_a():\n    raise AgentDiedError('died by SIGSEGV')")
    pytester.runpytest().assert_outcomes(errors=1)


def test_pytest_and_the_closing_table_agree_on_a_wrong_device_file(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        RAISES + "@pytest.fixture\ndef rack():\n    raise ConfigError('no such table')\n"
        "def test_a(rack, edge_check): pass\ndef test_b(edge_check):\n    raise ConfigError('no such table')"
    )
    result = pytester.runpytest()
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(["test_a *infra", "test_b *infra"])


def test_an_error_derived_from_ours_keeps_its_family(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(RAISES + "class Mine(TransportError): pass\ndef test_a():\n    raise Mine('rack has no power')")
    pytester.runpytest().assert_outcomes(errors=1)


@pytest.mark.parametrize("phase", ["setup", "teardown"])
def test_the_worlds_fault_around_a_test_is_an_error(pytester: pytest.Pytester, phase: str) -> None:
    before, after = ("raise InfraError('x')", "") if phase == "setup" else ("", "raise InfraError('x')")
    body = f"@pytest.fixture\ndef rack():\n    {before or 'pass'}\n    yield\n    {after or 'pass'}\n"
    pytester.makepyfile(RAISES + body + "def test_a(edge_check, rack): pass")
    pytester.runpytest().assert_outcomes(errors=1, passed=1 if phase == "teardown" else 0)


def test_junit_has_an_error_for_the_world_and_a_failure_for_the_model(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        RAISES + "def test_world(edge_check):\n    raise InfraError('x')\n"
        "def test_model(edge_check):\n    raise ModelError('y')"
    )
    pytester.runpytest("--junitxml=out.xml")
    cases = {case.get("name"): [child.tag for child in case] for case in ET.parse("out.xml").iter("testcase")}
    assert cases == {"test_world": ["properties", "error"], "test_model": ["properties", "failure"]}


def test_an_expected_failure_does_not_hide_the_worlds_fault(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(RAISES + "@pytest.mark.xfail\ndef test_a(edge_check):\n    raise InfraError('x')")
    pytester.runpytest().assert_outcomes(errors=1)


def test_an_expected_failure_of_the_model_stays_expected(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(RAISES + "@pytest.mark.xfail\ndef test_a(edge_check):\n    raise ModelError('x')")
    pytester.runpytest().assert_outcomes(xfailed=1)


def test_a_fault_of_the_world_that_is_expected_by_name_stays_expected(pytester: pytest.Pytester) -> None:
    mark = "@pytest.mark.xfail(raises=errors.DeadlineError)"
    pytester.makepyfile(RAISES + mark + "\ndef test_a(edge_check):\n    raise DeadlineError('x')")
    pytester.runpytest().assert_outcomes(xfailed=1)


@pytest.mark.parametrize("named", ["DeadlineError", "InfraError", "(ValueError, DeadlineError)", "RAISES_EXC"])
def test_a_raises_that_names_a_fault_of_the_world_lets_it_through(pytester: pytest.Pytester, named: str) -> None:
    if named == "RAISES_EXC":
        named = "pytest.RaisesExc(DeadlineError)"
        if not hasattr(pytest, "RaisesExc"):
            pytest.skip("this pytest has no RaisesExc")
    mark = f"@pytest.mark.xfail(raises={named})"
    pytester.makepyfile(RAISES + mark + "\ndef test_a(edge_check):\n    raise DeadlineError('x')")
    pytester.runpytest().assert_outcomes(xfailed=1)


@pytest.mark.parametrize("named", ["Exception", "EdgeDeviceError", "(Exception, DeviceLostError)", "(ValueError,)"])
def test_a_raises_that_names_no_fault_of_the_world_lets_none_through(pytester: pytest.Pytester, named: str) -> None:
    mark = f"@pytest.mark.xfail(raises={named})"
    pytester.makepyfile(RAISES + mark + "\ndef test_a(edge_check):\n    raise DeadlineError('x')")
    pytester.runpytest().assert_outcomes(errors=1)


CHECK = "    edge_check.metric('x', 1, at_least=2)"
GREEN = {
    "marked": f"@pytest.mark.xfail\ndef test_a(edge_check):\n{CHECK}",
    "inconclusive": "@pytest.mark.xfail\ndef test_a(noisy):\n    noisy()",
    "imperative": "def test_a(edge_check):\n    edge_check.metric('x', 1)\n    pytest.xfail('known')",
    "unittest": "def test_a(edge_check):\n    edge_check.metric('x', 1)\n    raise unittest.SkipTest('not here')",
    "pytest": "def test_a(edge_check):\n    edge_check.metric('x', 1)\n    pytest.skip('not here')",
    "by name": "@pytest.mark.xfail(raises=InfraError)\ndef test_a(edge_check):\n    raise InfraError('x')",
    "teardown": "@pytest.fixture\ndef late(edge_check):\n    yield\n" + CHECK + "\n"
    "@pytest.mark.xfail\ndef test_a(late):\n    assert False",
}


@pytest.mark.parametrize("kind", GREEN)
def test_what_pytest_counts_as_green_has_no_red_row(
    pytester: pytest.Pytester, records: Callable[[], list[dict[str, object]]], kind: str
) -> None:
    pytester.makepyfile("import unittest\n" + RAISES + INCONCLUSIVE + GREEN[kind])
    result = pytester.runpytest("--edge-report", "json=out.jsonl", "--color=yes")
    assert result.ret == pytest.ExitCode.OK
    assert {one["outcome"] for one in records()} == {"skipped"}
    (row,) = [line for line in result.outlines if "test_a" in line and line.rstrip("\x1b[0m ").endswith("skipped")]
    assert row.startswith("\x1b[33m")


def test_a_strict_expected_failure_that_passes_is_recorded_as_failed(
    pytester: pytest.Pytester, records: Callable[[], list[dict[str, object]]]
) -> None:
    mark = "import pytest\n@pytest.mark.xfail(strict=True)\n"
    pytester.makepyfile(mark + "def test_a(edge_check):\n    edge_check.metric('x', 1)")
    pytester.runpytest("--edge-report", "json=out.jsonl").assert_outcomes(failed=1)
    assert {one["outcome"] for one in records()} == {"failed"}


def test_an_inconclusive_latency_fails_with_its_text(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("import pytest\n" + INCONCLUSIVE + "def test_a(noisy):\n    noisy()")
    result = pytester.runpytest()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E *cannot show p95 < 1 ms*", "test_a *inconclusive"])


def test_an_inconclusive_latency_warns_where_that_is_the_policy(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("import pytest\n" + INCONCLUSIVE + "def test_a(noisy):\n    noisy()")
    result = pytester.runpytest("--edge-inconclusive", "warn", "-W", "default")
    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(["*InconclusiveWarning: *cannot show p95 < 1 ms*", "test_a *inconclusive"])


def test_an_inconclusive_latency_is_an_expected_failure_where_that_is_the_policy(
    pytester: pytest.Pytester, records: Callable[[], list[dict[str, object]]]
) -> None:
    pytester.makeini("[pytest]\nedge_inconclusive = xfail")
    pytester.makepyfile("import pytest\n" + INCONCLUSIVE + "def test_a(noisy):\n    noisy()")
    result = pytester.runpytest("--edge-report", "json=out.jsonl", "-rx")
    result.assert_outcomes(xfailed=1)
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["test_a *inconclusive", "XFAIL *cannot show p95 < 1 ms*"])
    assert [one["outcome"] for one in records()] == ["inconclusive"]


def test_a_failure_stays_one_where_inconclusive_ones_are_expected(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_a(edge_check):\n    edge_check.metric('x', 1, at_least=2)")
    pytester.runpytest("--edge-inconclusive", "xfail").assert_outcomes(failed=1)


@pytest.mark.parametrize("spec", ["nas", "cores>=4000", "adb:R5CT"])
@pytest.mark.parametrize("ci", ["", "true"])
def test_a_device_that_was_named_and_is_absent_is_an_error(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, spec: str, ci: str
) -> None:
    monkeypatch.setenv("CI", ci)
    (pytester.path / "edgedevice.toml").write_text('[devices.nas]\nspec = "ssh:nas"\n')
    pytester.makepyfile("def test_a(edge_device): pass")
    pytester.runpytest("--device", spec).assert_outcomes(errors=1)


def test_a_device_that_the_ini_file_names_is_an_error_when_absent(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nedge_device = adb:R5CT")
    pytester.makepyfile("def test_a(edge_device): pass")
    pytester.runpytest().assert_outcomes(errors=1)


def test_a_pool_of_the_ini_file_that_is_empty_skips_with_the_reason(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nedge_device = cores>=4000")
    pytester.makepyfile("def test_a(edge_device): pass\ndef test_b(edge_model): pass")
    result = pytester.runpytest("-rs")
    result.assert_outcomes(skipped=2)
    result.stdout.fnmatch_lines(["SKIPPED*no device matches 'cores>=4000'*"])


def test_a_pool_of_the_ini_file_that_is_empty_is_an_error_in_ci(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")
    pytester.makeini("[pytest]\nedge_device = cores>=4000")
    pytester.makepyfile("def test_a(edge_device): pass")
    pytester.runpytest().assert_outcomes(errors=1)


@pytest.mark.parametrize("fixture", ["edge_device", "edge_model"])
def test_a_device_that_does_not_fit_skips_with_its_facts(pytester: pytest.Pytester, fixture: str) -> None:
    mark = "import pytest\n@pytest.mark.edge_requires('cores>=4000 and gpu')\n"
    pytester.makepyfile(mark + f"def test_a({fixture}):\n    assert False")
    result = pytester.runpytest("-rs")
    result.assert_outcomes(skipped=1)
    result.stdout.re_match_lines([r"SKIPPED.*local does not fit 'cores>=4000 and gpu': cores=\d+, gpu="])


def test_a_device_that_fits_every_marker_runs(pytester: pytest.Pytester) -> None:
    mark = "import pytest\n@pytest.mark.edge_requires('cores>=1')\n@pytest.mark.edge_requires('local')\n"
    pytester.makepyfile(mark + "def test_a(edge_device): pass")
    pytester.runpytest().assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("count", "text"),
    [(1, "the only test that needs a device was skipped"), (2, "all 2 tests that need a device were")],
)
def test_in_ci_a_run_that_tested_nothing_is_not_green(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, count: int, text: str
) -> None:
    monkeypatch.setenv("CI", "true")
    pytester.makepyfile(
        f"import pytest\n@pytest.mark.parametrize('x', range({count}))\n"
        "def test_a(edge_device, x):\n    pytest.skip('no')\ndef test_other(): pass"
    )
    result = pytester.runpytest()
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines([f"edgedevice: {text}*in CI that is a failure"])


SKIPPED = "import pytest\n@pytest.mark.skip\ndef test_a(edge_model): pass\n"


def test_a_check_that_needs_no_device_does_not_make_up_for_a_device_that_was_never_used(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, records: Callable[[], list[dict[str, object]]]
) -> None:
    monkeypatch.setenv("CI", "true")
    pytester.makepyfile(SKIPPED + "def test_host(edge_check):\n    edge_check.metric('x', 1)")
    result = pytester.runpytest("--edge-report", "json=out.jsonl")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["edgedevice: the only test that needs a device was skipped*"])
    assert sorted(str(one["check"]) for one in records()) == ["metric", "skip"]


@pytest.mark.parametrize(
    "other",
    [
        "def test_b(edge_device): pass",
        "@pytest.mark.xfail\ndef test_b(edge_device):\n    assert False",
    ],
)
def test_in_ci_one_test_that_used_its_device_is_enough(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, other: str
) -> None:
    monkeypatch.setenv("CI", "true")
    pytester.makepyfile(SKIPPED + other)
    assert pytester.runpytest().ret == pytest.ExitCode.OK


def test_in_ci_tests_that_need_no_device_may_all_be_skipped(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")
    pytester.makepyfile("import pytest\ndef test_a(edge_check):\n    pytest.skip('no')")
    assert pytester.runpytest().ret == pytest.ExitCode.OK


def test_without_a_terminal_the_reason_goes_to_standard_error(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")
    pytester.makepyfile(SKIPPED)
    result = pytester.runpytest("-p", "no:terminal")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stderr.fnmatch_lines(["edgedevice: the only test that needs a device was skipped*"])


def test_outside_ci_skipped_device_tests_are_green(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(SKIPPED)
    assert pytester.runpytest().ret == pytest.ExitCode.OK


@pytest.mark.parametrize(
    ("errors", "outcome"),
    [
        (["InfraError", "DeadlineError"], "infra"),
        (["InfraError", "ConfigError"], "infra"),
        (["InfraError", "ModelError"], "failed"),
    ],
)
def test_a_group_is_the_worlds_fault_only_if_all_of_it_is(errors: list[str], outcome: str) -> None:
    from pytest_edgedevice import errors as ours

    group = ExceptionGroup("teardown", [getattr(ours, name)("x") for name in errors])
    assert blame.outcome_of(group) == outcome


def test_records_say_the_outcome_of_the_whole_test(
    pytester: pytest.Pytester, records: Callable[[], list[dict[str, object]]]
) -> None:
    pytester.makepyfile(RAISES + "def test_a(edge_check):\n    edge_check.metric('x', 1)\n    raise InfraError('gone')")
    pytester.runpytest("--edge-report", "json=out.jsonl")
    assert [(one["check"], one["verdict"], one["outcome"]) for one in records()] == [
        ("metric", "pass", "infra"),
        ("device", "fail", "infra"),
    ]
