"""Devices that fail again and again are set aside; the tests after that say so at once."""

from __future__ import annotations

import pytest

from pytest_edgedevice.leases import note_fault, quarantine_of
from tests.plugin.rack import conftest

START = """
import pytest
from pathlib import Path
from pytest_edgedevice.errors import *
"""
BREAKS = "def test_NAME(edge_device):\n    raise KIND('it broke')\n"
WORKS = "def test_NAME(edge_model, edge_check):\n    edge_check.size(edge_model('add_float32.tflite'), max_mb=1)\n"
FAILS = WORKS.replace("max_mb=1", "max_mb=0.0001")
KEY = "serial-rack"


@pytest.fixture(autouse=True)
def rack(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(conftest(rack={"gpu": "big"}, spare={"gpu": "small"}))


def run(
    pytester: pytest.Pytester, *bodies: str, device: str = "rack", kind: str = "AgentDiedError"
) -> pytest.RunResult:
    tests = [body.replace("NAME", "abcdef"[number]).replace("KIND", kind) for number, body in enumerate(bodies)]
    pytester.makepyfile(test_it=START + "\n".join(tests))
    return pytester.runpytest("--device", device, "--edge-reconnect", "0", "-rE")


@pytest.mark.parametrize(
    "kind", ["AgentDiedError", "TransportError", "DeviceLostError", "DeviceFullError", "DeadlineError", "ProtocolError"]
)
def test_two_faults_in_a_row_set_a_device_aside_and_the_next_tests_say_so(pytester: pytest.Pytester, kind: str) -> None:
    result = run(pytester, BREAKS, BREAKS, WORKS, kind=kind)
    result.assert_outcomes(errors=3)
    result.stdout.fnmatch_lines(
        [
            (
                "edgedevice: rack was quarantined after 2 errors in a row: it broke (in test_it.py::test_b); "
                "lift it with: edgedevice release rack"
            ),
            "ERROR test_it.py::test_c - DeviceQuarantinedError*",
        ]
    )
    assert result.stdout.str().count("was quarantined after") == 1


@pytest.mark.parametrize("kind", ["InfraError", "DeviceBusyError", "DeviceNotFoundError", "LeaseError", "ModelError"])
def test_what_is_no_fault_of_the_device_does_not_count(pytester: pytest.Pytester, kind: str) -> None:
    run(pytester, BREAKS, BREAKS, kind=kind)
    assert quarantine_of(KEY) is None


@pytest.mark.parametrize("between", [WORKS, FAILS])
def test_a_test_in_which_the_device_worked_ends_the_count(pytester: pytest.Pytester, between: str) -> None:
    run(pytester, BREAKS, between, BREAKS)
    found = quarantine_of(KEY)
    assert found is not None
    assert found.count == 1


def test_a_test_that_asked_nothing_of_the_device_does_not_end_the_count(pytester: pytest.Pytester) -> None:
    result = run(pytester, BREAKS, "def test_NAME(edge_device): pass\n", BREAKS, WORKS)
    result.assert_outcomes(errors=3, passed=1)


def test_a_fault_in_a_group_of_exceptions_counts(pytester: pytest.Pytester) -> None:
    run(
        pytester,
        "def test_NAME(edge_device):\n    raise ExceptionGroup('two', [AgentDiedError('x'), ValueError('y')])\n",
    )
    found = quarantine_of(KEY)
    assert found is not None
    assert found.reason == "x (in test_it.py::test_a)"


def test_a_fault_while_tearing_down_counts(pytester: pytest.Pytester) -> None:
    body = "@pytest.fixture\ndef own(edge_device):\n    yield\n    raise DeadlineError('stuck')\n"
    body += "def test_NAME(own): pass\n"
    run(pytester, body).assert_outcomes(passed=1, errors=1)
    found = quarantine_of(KEY)
    assert found is not None
    assert found.reason == "stuck (in test_it.py::test_a)"


def test_opening_errors_name_the_test_and_set_the_device_aside(pytester: pytest.Pytester) -> None:
    off = "@pytest.mark.edge_shared\ndef test_NAME(edge_device):\n    Path('rack.down').write_text('9999')\n"
    pytester.makeconftest(conftest(rack={"local": True}))
    result = run(pytester, off, WORKS, WORKS, WORKS)
    result.assert_outcomes(passed=1, errors=3)
    result.stdout.fnmatch_lines(
        [
            (
                "edgedevice: rack was quarantined after 2 errors in a row: rack does not answer "
                "(while opening it for test_it.py::test_c); lift it with: edgedevice release rack"
            ),
            "ERROR test_it.py::test_b - TransportError: rack does not answer",
            "ERROR test_it.py::test_d - DeviceQuarantinedError: *",
        ]
    )


def test_a_device_that_was_never_reached_is_not_waited_for_again_and_again(pytester: pytest.Pytester) -> None:
    (pytester.path / "rack.down").write_text("9999")
    result = run(pytester, WORKS, WORKS, WORKS, WORKS)
    result.assert_outcomes(errors=4)
    assert (pytester.path / "rack.down").read_text() == "9997"
    result.stdout.fnmatch_lines(["*rack does not answer (not tried again after 2 errors in a row)"])


def test_of_a_pool_the_tests_go_on_with_another_device(pytester: pytest.Pytester) -> None:
    other = WORKS + "    assert edge_check._record\n"
    result = run(pytester, BREAKS, BREAKS, other.replace("    assert edge_check._record\n", ""), device="gpu")
    result.assert_outcomes(errors=2, passed=1)
    result.stdout.fnmatch_lines(["test_c *spare*passed"])


def test_a_pool_that_is_sick_as_a_whole_is_an_error_with_every_reason(pytester: pytest.Pytester) -> None:
    for key, name in ((KEY, "rack"), ("serial-spare", "spare")) * 2:
        note_fault(key, name=name, reason=f"{name} broke")
    result = run(pytester, WORKS, device="gpu")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*all 2 devices that fit 'gpu' are sick: rack is *rack broke; spare is *spare broke*"])


def test_a_device_that_falls_sick_while_we_wait_for_it_is_an_error_at_once(pytester: pytest.Pytester) -> None:
    body = """
@pytest.fixture
def sick():
    from pytest_edgedevice.opening import leasing
    taken = leasing.acquire
    def acquire(*args, **kwargs):
        for _ in range(2): leasing.note_fault("serial-rack", name="rack", reason="the one before us broke it")
        return taken(*args, **kwargs)
    leasing.acquire = acquire
    yield
    leasing.acquire = taken
def test_NAME(sick, request):
    request.getfixturevalue("edge_device")
"""
    result = run(pytester, body)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*device 'rack' cannot be used: rack is quarantined*the one before us broke it"])
