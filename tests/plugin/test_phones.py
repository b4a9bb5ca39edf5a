"""pytest on phones: pools, workers, skips, crashes and losses, with what the record and the terminal say of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import pytest_edgedevice.transports.adb.server  # noqa: F401 - pytester forgets what is first imported inside a run
from pytest_edgedevice.opening import links
from tests.contract import phone_devices
from tests.contract.phone_devices import PhoneAgents, table, until_gone
from tests.phones import AdbServer, Phone, start_adb_server, start_phone
from tests.plugin.phone_sources import CRASH, LOSS, MEET, MODEL, SICK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.phone
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def phones(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[AdbServer, Phone, Phone]]:
    folder = tmp_path_factory.mktemp("phones")
    with (
        start_adb_server(folder / "adb") as server,
        start_phone(folder / "one", serial="ONE") as one,
        start_phone(folder / "two", serial="TWO", model="Galaxy S23", sdk=33) as two,
    ):
        phone_devices.RUNNING.update(ONE=one, TWO=two)
        for phone in (one, two):
            server.connect(phone)
            phone_devices.AGENTS[phone.serial] = PhoneAgents(server, phone)
        yield server, one, two


@pytest.fixture(autouse=True)
def rack(
    phones: tuple[AdbServer, Phone, Phone], pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """A device file with both phones, and an adb server that knows them."""
    server, one, two = phones
    monkeypatch.delenv("ADB_SERVER_SOCKET", raising=False)
    for name, value in server.variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    # a pool keeps its links to the phones that it did not take, which end with a program; these runs are in this one
    monkeypatch.setattr(links, "KEPT_S", 1.0)
    (pytester.path / "edgedevice.toml").write_text(table("one", one, 'tags = ["big"]') + table("two", two))
    yield
    for phone in (one, two):
        until_gone(phone)


def test_a_phone_runs_and_measures_with_its_facts_and_conditions_in_every_record(
    pytester: pytest.Pytester,
    records: Callable[[], list[dict[str, Any]]],
    phones: tuple[AdbServer, Phone, Phone],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    phones[1].battery(level=61, temperature_c=31.5, charging=False)
    pytester.makepyfile(MODEL)
    result = pytester.runpytest("--device", "one", "--edge-report", "json=out.jsonl")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["test_sum *add_float32.tflite *one *xnnpack *passed"])
    close, latency = records()
    for record in (close, latency):
        facts, conditions = record["device"]["facts"], record["device"]["conditions"]
        assert {
            "model": "Pixel 8",
            "soc": "Tensor G3",
            "sdk": 34,
            "serial": "ONE",
            "big": True,
        }.items() <= facts.items()
        assert {"abi", "build", "gpu", "arch"} <= set(facts)
        for moment in ("before", "after"):
            told = conditions[moment]
            assert {"thermal_status", "governor", "clock_khz", "memory_free_mb", "space_free_mb"} <= set(told)
            assert 61 in told.values()
            assert 31.5 in told.values()
        assert record["device_log"] == {}
    before = latency["numbers"]["conditions"]["before"]
    assert {"load_1min", "thermal_status", "space_free_mb"} <= set(before)


def test_a_phone_is_named_by_its_address(pytester: pytest.Pytester, phones: tuple[AdbServer, Phone, Phone]) -> None:
    pytester.makepyfile("def test_a(edge_device): assert edge_device.identity == 'android-TWO'")
    pytester.runpytest("--device", f"adb:{phones[2].address}").assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("spec", "identity"), [("android and sdk<34", "TWO"), ("adb and big", "ONE"), ('model=="Galaxy S23"', "TWO")]
)
def test_a_phone_is_found_by_its_facts(pytester: pytest.Pytester, spec: str, identity: str) -> None:
    pytester.makepyfile(f"def test_a(edge_device): assert edge_device.identity == 'android-{identity}'")
    pytester.runpytest("--device", spec).assert_outcomes(passed=1)


def test_a_pool_takes_the_phone_that_fits_what_a_test_requires(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        "import pytest\n"
        "@pytest.mark.edge_requires('sdk<34')\n"
        "def test_a(edge_device): assert edge_device.name == 'two'\n"
        "@pytest.mark.edge_requires('big')\n"
        "def test_b(edge_device): assert edge_device.name == 'one'\n"
        "@pytest.mark.edge_requires('sdk>=99')\n"
        "def test_c(edge_device): pass\n"
    )
    result = pytester.runpytest("--device", "adb", "-rs")
    result.assert_outcomes(passed=2, skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED*does not fit 'sdk>=99': sdk=34"])


def test_workers_take_a_phone_each(
    pytester: pytest.Pytester, workers: list[str], records: Callable[[], list[dict[str, Any]]]
) -> None:
    del workers
    pytester.makepyfile(MEET)
    result = pytester.runpytest_subprocess(
        "-n", "auto", "--device", "adb", "--edge-report", "json=out.jsonl", timeout=240
    )
    result.assert_outcomes(passed=8)
    used = {(one["worker"], one["device"]["facts"]["serial"]) for one in records()}
    assert sorted(serial for _, serial in used) == ["ONE", "TWO"]
    assert sorted(worker for worker, _ in used) == ["gw0", "gw1"]


def test_a_crash_is_told_with_the_phones_own_log_and_nobody_elses(
    pytester: pytest.Pytester, records: Callable[[], list[dict[str, Any]]]
) -> None:
    pytester.makepyfile(CRASH)
    result = pytester.runpytest("--device", "one", "--edge-report", "json=out.jsonl")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*the agent on one died by SIGSEGV during 'run'*", "*logcat: *Fatal signal 11*"])
    assert "\x1b[2J" not in result.stdout.str()
    (record,) = records()
    assert "Fatal signal 11" in record["device_log"]["logcat"]
    assert "secret" not in str(record)
    assert record["device"]["conditions"]["before"]


def test_a_phone_that_fails_twice_is_set_aside_and_the_pool_takes_another(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(SICK)
    result = pytester.runpytest("--device", "adb")
    result.assert_outcomes(errors=2, passed=1)
    result.stdout.fnmatch_lines(["edgedevice: one was quarantined after 2 errors in a row: *edgedevice release one"])


def test_a_phone_that_is_lost_and_back_repeats_the_test(
    pytester: pytest.Pytester, phones: tuple[AdbServer, Phone, Phone]
) -> None:
    del phones
    pytester.makepyfile(LOSS)
    result = pytester.runpytest("--device", "one", "--edge-reconnect", "60")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["edgedevice: *was repeated, for one was lost and came back: *"])


@pytest.mark.parametrize(("delegate", "reason"), [("nnapi", "nnapi"), ("reference", "reference"), ("npu", "npu")])
def test_a_delegate_that_the_phone_cannot_have_is_skipped_with_the_reason(
    pytester: pytest.Pytester, delegate: str, reason: str
) -> None:
    pytester.makepyfile(
        f"import pytest\n@pytest.mark.edge_delegate('cpu', 'xnnpack', {delegate!r})\n"
        "def test_a(edge_model, edge_delegate):\n"
        "    assert edge_model('add_float32.tflite').placement.proven == edge_delegate\n"
    )
    result = pytester.runpytest("--device", "one", "-rs")
    result.assert_outcomes(passed=2, skipped=1)
    result.stdout.fnmatch_lines([f"SKIPPED*delegate '{reason}' cannot be had on one: *"])


def test_a_phone_that_is_away_is_an_error_that_says_what_adb_sees(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_a(edge_device): pass")
    result = pytester.runpytest("--device", "adb:NOT-HERE")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*no device 'NOT-HERE' on the adb server at *. adb sees: *device*"])


def test_phones_that_a_pool_passed_over_are_told_at_the_end(
    pytester: pytest.Pytester, phones: tuple[AdbServer, Phone, Phone], tmp_path: Path
) -> None:
    server = phones[0]
    pytester.makepyfile("def test_a(edge_device): assert edge_device.name in ('one', 'two')")
    with start_phone(tmp_path / "secure", serial="SECURE", secure=True) as secure:
        server.connect(secure, state="unauthorized")
        result = pytester.runpytest("--device", "adb")
        server.disconnect(secure)
    result.assert_outcomes(passed=1)
    told = f"edgedevice: adb:{secure.address} is unauthorized and was passed over: accept the USB debugging dialog*"
    result.stdout.fnmatch_lines([told])


def test_a_shared_test_leases_a_phone_alone(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        "import pytest\n@pytest.mark.edge_shared\ndef test_a(edge_device): assert edge_device.shared is False"
    )
    pytester.runpytest("--device", "one").assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("example", "checks"),
    [
        ("test_digits.py", ["close", "close", "metric", "size"]),
        ("test_faces.py", ["close", "size", "close", "size", "metric"]),  # by two delegates, and once for its meaning
    ],
)
def test_the_examples_run_on_a_phone(
    pytester: pytest.Pytester,
    records: Callable[[], list[dict[str, Any]]],
    monkeypatch: pytest.MonkeyPatch,
    example: str,
    checks: list[str],
) -> None:
    for name in ("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "PYTEST_PLUGINS"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("EDGEDEVICE_CONFIG", str(pytester.path / "edgedevice.toml"))
    report = f"json={pytester.path}/out.jsonl"
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"examples/{example}"]
    done = subprocess.run(
        [*command, "--edge-device", "two", "--edge-report", report],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    # a budget of milliseconds may not be kept on a machine that does much else
    found = [(one["check"], one["verdict"]) for one in records() if one["check"] != "latency"]
    assert found == [(check, "pass") for check in checks], done.stdout
    assert {one["device"]["facts"].get("serial") for one in records()} == {"TWO"}
