"""A transfer that takes long is shown within seconds: rewritten in one line on a terminal, in plain lines elsewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.plugin.test_telling import on_a_terminal

TINY = Path(__file__).parents[2] / "fixtures" / "tiny"
SLOW_LINK = '''
import time
import pytest
from pathlib import Path
from pytest_edgedevice.transports import local, progress

class Slow(local.LocalTransport):
    """Each push stands still until it was told of."""

    def push(self, source, *, timeout_s):
        told = []
        def tell(one):
            begun = one.sent_bytes > 0
            self.on_progress(one)
            told.extend([one] * begun)  # the first may be told before anything was sent
        with progress.shown(tell, source.name, 30_000_000) as moved:
            while len(told) < TOLD:
                moved.sent_bytes = 12_000_000
                time.sleep(0.001)
        return super().push(source, timeout_s=timeout_s)

def pytest_configure(config):
    progress.SHOW_EVERY_S = 0.01

def pytest_edgedevice_devices():
    return {"slow": Slow}
'''
TEST = f"def test_a(edge_model): edge_model({str(TINY / 'add_float32.tflite')!r})\n"
LINE = r"edgedevice: sending add_float32\.tflite: 12 of 30 MB after \d+ s, \d+\.\d MB/s"


@pytest.fixture(autouse=True)
def slow_link(own_surroundings: object, pytester: pytest.Pytester) -> None:
    """A device whose link takes its time."""
    pytester.makeconftest(SLOW_LINK.replace("TOLD", "3"))
    pytester.makepyfile(TEST)


def test_on_a_terminal_one_line_is_rewritten_and_wiped() -> None:
    written = on_a_terminal("--device", "slow")
    assert len(re.findall(rf"\r{LINE}", written)) >= 3
    shown = written[written.index("\redgedevice: sending") :].split("\r")
    after = next(one for one in shown[1:] if "sending" not in one)
    assert after.strip() == ""
    assert "\n" not in "".join(shown[1:4])


def test_without_a_terminal_the_next_line_comes_after_ten_seconds(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_subprocess("--device", "slow")
    result.assert_outcomes(passed=1)
    assert len(re.findall(rf"^{LINE}$", result.stdout.str(), re.MULTILINE)) == 1


def test_a_worker_tells_it_too(pytester: pytest.Pytester, workers: list[str]) -> None:
    result = pytester.runpytest_subprocess("-n", "1", "--device", "slow", timeout=240)
    result.assert_outcomes(passed=1)
    assert re.search(rf"^{LINE.replace('edgedevice: ', 'edgedevice: gw0: ')}$", result.stderr.str(), re.MULTILINE)


def test_a_quick_transfer_is_not_mentioned(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_subprocess("--device", "local")
    result.assert_outcomes(passed=1)
    assert "sending" not in result.stdout.str()
