"""A device that is lost in mid-run: it is waited for, proven to be the same, and the test repeated once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

from pytest_edgedevice.leases import Holder, acquire, quarantine_of
from tests.plugin.rack import conftest

if TYPE_CHECKING:
    from collections.abc import Callable

START = """
import pytest
from pathlib import Path
attempts = []
def unplug(refused=2):
    Path("rack.down").write_text(str(refused))
"""
LOST_IN = {
    "setup": """
@pytest.fixture
def prepared(edge_model):
    attempts.append(1)
    if len(attempts) == 1: unplug()
    return edge_model("add_float32.tflite")
def test_a(prepared, edge_check, tmp_path):
    edge_check.size(prepared, max_mb=1)
    assert len(attempts) == 2
""",
    "call": """
def test_a(edge_model, edge_check, tmp_path):
    attempts.append(1)
    if len(attempts) == 1: unplug()
    edge_check.size(edge_model("add_float32.tflite"), max_mb=1)
""",
    "teardown": """
@pytest.fixture
def cleaned(edge_device):
    yield
    attempts.append(1)
    if len(attempts) == 1: unplug()
    edge_device.check_health()
def test_a(cleaned, edge_model, edge_check):
    edge_check.size(edge_model("add_float32.tflite"), max_mb=1)
""",
    "a module's fixture": """
@pytest.fixture(scope="module")
def shared_model(edge_device, pytestconfig):
    attempts.append(1)
    if len(attempts) == 1: unplug()
    with edge_device.load(pytestconfig.getini("edge_models")[0] / "add_float32.tflite") as model:
        yield model
def test_a(shared_model, edge_check):
    edge_check.size(shared_model, max_mb=1)
    assert len(attempts) == 2
""",
}
AGAIN = """
def test_a(edge_device):
    attempts.append(1)
    unplug(refused=0 if len(attempts) < 3 else 999)
    edge_device.check_health()
"""
NEXT = """
def test_next(edge_model, edge_check):
    edge_check.size(edge_model("add_float32.tflite"), max_mb=1)
"""


@pytest.fixture(autouse=True)
def rack(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(conftest(rack={}))


def run(pytester: pytest.Pytester, body: str, *arguments: str) -> pytest.RunResult:
    pytester.makepyfile(START + body)
    return pytester.runpytest("--device", "rack", "--edge-report", "json=out.jsonl", *arguments)


@pytest.mark.parametrize("phase", LOST_IN)
def test_a_test_that_lost_its_device_is_repeated_and_counted_once(
    pytester: pytest.Pytester, phase: str, records: Callable[[], list[dict[str, Any]]]
) -> None:
    result = run(pytester, LOST_IN[phase] + NEXT, "--junit-xml", "out.xml", "-x")
    result.assert_outcomes(passed=2)
    first, second = records()
    assert (first["repeated"], second["repeated"]) == ("rack was unplugged", "")
    assert first["device"]["recovered"][0] == "lost and back"
    assert second["device"]["recovered"] == []
    assert len(ET.parse(pytester.path / "out.xml").findall(".//testcase")) == 2
    result.stdout.fnmatch_lines(
        [
            "edgedevice: rack was lost (rack was unplugged); keeping it, and waiting 60 s for it to come back",
            "test_a *passed, repeated*",
            "edgedevice: *::test_a was repeated, for rack was lost and came back: rack was unplugged",
        ]
    )


def test_a_repeated_test_starts_from_fresh_fixtures(pytester: pytest.Pytester) -> None:
    body = """
@pytest.fixture(scope="session")
def built_on_it(edge_device):
    attempts.append("built")
    yield object()
    attempts.append("torn down")
@pytest.fixture
def own():
    return []
def test_a(edge_device, built_on_it, own):
    first = "torn down" not in attempts
    own.append(1)
    assert own == [1]
    if first: unplug()
    edge_device.check_health()
    assert attempts == ["built", "torn down", "built"]
"""
    run(pytester, body).assert_outcomes(passed=1)


def test_a_test_that_loses_its_device_twice_is_an_error_after_one_repetition(pytester: pytest.Pytester) -> None:
    result = run(pytester, AGAIN + "def test_b(): assert len(attempts) == 2\n")
    result.assert_outcomes(errors=1, passed=1)
    assert "was repeated, for rack" in result.stdout.str()


def test_a_repeated_test_that_fails_by_itself_has_failed(pytester: pytest.Pytester) -> None:
    result = run(pytester, LOST_IN["call"] + "    assert attempts == ['no']\n")
    result.assert_outcomes(failed=1)
    assert "During handling" not in result.stdout.str()


def test_the_lease_is_kept_while_the_device_is_away(pytester: pytest.Pytester) -> None:
    body = LOST_IN["call"] + "    assert who('serial-rack').since == since\n"
    body = body.replace(
        "    attempts.append(1)\n",
        "    global since\n    if not attempts: since = who('serial-rack').since\n    attempts.append(1)\n",
    )
    run(pytester, "from pytest_edgedevice.leases import who\n" + body).assert_outcomes(passed=1)


def test_a_device_that_never_comes_back_is_an_error_that_says_what_was_tried(pytester: pytest.Pytester) -> None:
    result = run(pytester, AWAY.replace("unplug(0)", "unplug(9999)"), "--edge-reconnect", "1")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["E *DeviceLostError: rack was unplugged; rack did not come back within 1 s: rack does not answer"]
    )


def test_other_hardware_in_its_place_is_an_error_that_names_both(pytester: pytest.Pytester) -> None:
    body = (
        "def test_a(edge_device):\n    unplug(0)\n    Path('rack.identity').write_text('other')\n"
        "    edge_device.check_health()\n"
    )
    result = run(pytester, body)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["E *rack was unplugged; another device answers for rack now: other, not serial-rack"])


def test_zero_seconds_repeat_nothing(pytester: pytest.Pytester) -> None:
    result = run(pytester, LOST_IN["call"], "--edge-reconnect", "0")
    result.assert_outcomes(errors=1)
    assert "keeping it" not in result.stdout.str()


BACK_WITHOUT_WORK = """
def test_a(edge_device):
    attempts.append(1)
    if len(attempts) == 1:
        unplug(0)
        edge_device.check_health()
"""
AWAY = """
def test_a(edge_device):
    unplug(0)
    edge_device.check_health()
"""


@pytest.mark.parametrize(("body", "reconnect_s"), [(BACK_WITHOUT_WORK, "60"), (AWAY, "0")])
def test_a_loss_counts_once_against_the_device(pytester: pytest.Pytester, body: str, reconnect_s: str) -> None:
    run(pytester, body, "--edge-reconnect", reconnect_s)
    found = quarantine_of("serial-rack")
    assert found is not None
    assert found.count == 1
    assert "test_a" in found.reason


def test_a_test_that_expects_the_loss_is_not_repeated(pytester: pytest.Pytester) -> None:
    mark = "from pytest_edgedevice.errors import DeviceLostError\n@pytest.mark.xfail(raises=DeviceLostError)"
    run(pytester, mark + AWAY).assert_outcomes(xfailed=1)


def test_beside_other_repetitions_there_is_one_of_ours(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, records: Callable[[], list[dict[str, Any]]]
) -> None:
    monkeypatch.setenv("PYTEST_PLUGINS", "pytest_edgedevice.plugin,pytest_rerunfailures")
    body = """
def test_a(edge_model, edge_check):
    attempts.append(1)
    if len(attempts) == 1: unplug(0)
    edge_check.size(edge_model("add_float32.tflite"), max_mb=1)
    assert len(attempts) == 3
"""
    result = run(pytester, body, "--reruns", "2")
    assert result.parseoutcomes() == {"passed": 1, "rerun": 1}
    assert [one["repeated"] for one in records()] == ["rack was unplugged"]


def test_a_repetition_that_never_reaches_the_device_hands_it_back(pytester: pytest.Pytester) -> None:
    body = """
from pytest_edgedevice.leases import who
@pytest.fixture
def first():
    assert not attempts
def test_a(first, edge_check, request):
    attempts.append(1)
    device = request.getfixturevalue("edge_device")
    unplug(0)
    device.check_health()
def test_b():
    assert who("serial-rack") is None
"""
    result = run(pytester, body)
    assert result.parseoutcomes()["passed"] == 1
    result.stdout.fnmatch_lines(["*assert not [[]1[]]"])


def test_a_lost_device_that_stays_away_is_left_dirty_for_the_next_holder(pytester: pytest.Pytester) -> None:
    run(pytester, AWAY.replace("unplug(0)", "unplug(9999)"), "--edge-reconnect", "0.1")
    with acquire("serial-rack", holder=Holder.here(), wait_s=0) as lease:
        assert lease.dirty is not None
        lease.release(clean=True)
