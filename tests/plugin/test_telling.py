"""Why nothing happens is said within a second: rewritten in one line on a terminal, in plain lines elsewhere."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.leases import Holder, acquire
from pytest_edgedevice.transports.local import local_identity

if TYPE_CHECKING:
    from collections.abc import Iterator

HOLDER = Holder(user="ada", pid=4242, test="tests/theirs.py::test_long")
SAID = "edgedevice: waiting for device 'local': place 1, held by ada (pid 4242), test tests/theirs.py::test_long"


@pytest.fixture(autouse=True)
def holder(own_surroundings: object, pytester: pytest.Pytester) -> Iterator[None]:
    """Somebody holds this machine."""
    pytester.makepyfile("def test_a(edge_device): pass\ndef test_b(edge_check): edge_check.metric('x', 1)\n")
    with acquire(local_identity(), holder=HOLDER, wait_s=0):
        yield


def on_a_terminal(*arguments: str, columns: int = 100) -> str:
    """What a pytest that runs on a terminal of so many columns writes to it."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(columns), "TERM": "xterm"}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        written = b""
        try:
            while chunk := os.read(ours, 1 << 16):
                written += chunk
        except OSError:  # how Linux says that the other end was closed
            pass
        process.wait(timeout=240)
    os.close(ours)
    return written.decode()


def test_on_a_terminal_one_line_is_rewritten_and_wiped() -> None:
    written = on_a_terminal("--edge-wait", "1")
    (start,) = [match.start() for match in re.finditer(r"\redgedevice: waiting for device", written)]
    shown, wiped = written[start + 1 :].split("\r")[:2]
    assert len(shown) == len(wiped) == 99
    assert "\n" not in shown
    assert wiped.strip() == ""


def test_in_ci_a_terminal_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    written = on_a_terminal("--edge-wait", "1")
    assert f"\n{SAID}" in written.replace("\r\n", "\n")


def test_without_a_terminal_lines_are_plain(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_subprocess("--edge-wait", "1")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines([f"{SAID}, for *; waited 0 s"])


def test_a_worker_tells_that_a_stranger_has_the_device(pytester: pytest.Pytester, workers: list[str]) -> None:
    result = pytester.runpytest_subprocess("-n", "1", "--edge-wait", "1", timeout=240)
    result.assert_outcomes(passed=1, errors=1)
    result.stderr.fnmatch_lines([SAID.replace("edgedevice: ", "edgedevice: gw0: ") + "*"])


def test_every_half_minute_it_is_said_again(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        "import time\nfrom pytest_edgedevice.plugin import telling\n"
        "def test_a(pytestconfig, monkeypatch):\n"
        "    monkeypatch.setattr(telling, 'EVERY_S', 0.01)\n    seen = []\n"
        "    def text(waited_s):\n        seen.append(waited_s)\n        return 'waiting'\n"
        "    with telling.telling(pytestconfig, text):\n"
        "        while len(seen) < 3: time.sleep(0.001)\n"
        "    assert seen[0] == 0 < seen[1] < seen[2]\n"
    )
    result = pytester.runpytest()
    result.assert_outcomes(passed=1)
    assert result.stdout.str().count("edgedevice: waiting") >= 3


def test_a_narrow_terminal_gets_place_holder_and_what_fits_of_the_test() -> None:
    written = on_a_terminal("--edge-wait", "1", columns=80)
    shown = re.search(r"\redgedevice: ([^\r]*)", written)
    assert shown
    assert shown[1].startswith("device 'local': place 1, ada (pid 4242)")
    assert shown[1].rstrip().endswith("st_long")
    assert len(shown[0]) == 80


@pytest.mark.parametrize("terminal", [True, False])
def test_results_that_stand_on_the_line_already_stay_there(pytester: pytest.Pytester, terminal: bool) -> None:
    pytester.makepyfile("def test_a(): pass\ndef test_b(edge_device): pass\n")
    quiet = ("-q", "--color=no", "--edge-wait", "1")
    written = on_a_terminal(*quiet) if terminal else pytester.runpytest_subprocess(*quiet).stdout.str()
    assert re.search(r"^\.\n\r?edgedevice: waiting", written.replace("\r\n", "\n"), re.MULTILINE)
