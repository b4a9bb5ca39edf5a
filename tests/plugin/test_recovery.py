"""What had to be cleaned up after somebody who crashed stands in the next test's record and at the end of the run."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

CRASH = """
import os, sys
from pytest_edgedevice.leases import Holder, acquire
from pytest_edgedevice.transports.local import local_identity
acquire(local_identity(), holder=Holder(user="ada", pid=4242, test="tests/test_x.py::test_y"), wait_s=0)
os._exit(9)
"""
CHECKS = "def test_a(edge_model, edge_check):\n    edge_check.size(edge_model('add_float32.tflite'), max_mb=1)\n"
SAID = "taken over from ada (pid 4242, test tests/test_x.py::test_y), who crashed"


@pytest.fixture(autouse=True)
def crashed(own_surroundings: object) -> None:
    """Somebody crashed with this machine."""
    assert subprocess.run([sys.executable, "-c", CRASH], check=False, timeout=240).returncode == 9


@pytest.mark.parametrize("distributed", [False, True])
def test_the_next_tests_record_and_a_closing_line_name_who_crashed(
    pytester: pytest.Pytester,
    workers: list[str],
    records: Callable[[], list[dict[str, Any]]],
    distributed: bool,
) -> None:
    pytester.makepyfile(CHECKS + CHECKS.replace("test_a", "test_b"))
    arguments = [*workers, "--dist", "loadfile"] if distributed else []
    result = pytester.runpytest_subprocess("--edge-report", "json=out.jsonl", *arguments, timeout=240)
    result.assert_outcomes(passed=2)
    first, second = records()
    assert first["device"]["recovered"][0] == SAID
    assert second["device"]["recovered"] == []
    (line,) = [line for line in result.outlines if "was taken over from" in line]
    assert line.startswith(f"edgedevice: local was {SAID}: ")
    assert line.endswith("; healthy")


def test_where_the_next_test_leaves_no_record_the_closing_line_is_still_there(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_a(edge_device): assert len(edge_device.recovered) >= 1")
    result = pytester.runpytest()
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines([f"edgedevice: local was {SAID}: *; healthy"])


def test_a_device_that_cannot_be_cleaned_stays_dirty_for_the_next(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        "import pytest\nfrom pytest_edgedevice.errors import TransportError\n"
        "from pytest_edgedevice.transports.local import LocalTransport\n"
        "@pytest.fixture(scope='session', autouse=True)\ndef broken():\n    clean = LocalTransport.clean\n"
        "    def failing(*_, **__): raise TransportError('stuck')\n    LocalTransport.clean = failing\n"
        "    yield\n    LocalTransport.clean = clean\n"
    )
    pytester.makepyfile(CHECKS)
    result = pytester.runpytest()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*stuck"])
    (pytester.path / "conftest.py").unlink()
    pytester.runpytest().stdout.fnmatch_lines([f"edgedevice: local was {SAID}: *; healthy"])


def test_a_device_that_cannot_be_connected_to_names_only_who_crashed(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        "import pytest\nfrom pytest_edgedevice.errors import TransportError\n"
        "from pytest_edgedevice.opening import candidates\n"
        "@pytest.fixture(scope='session', autouse=True)\ndef broken():\n    link = candidates.LocalTransport\n"
        "    def failing(): raise TransportError('no link')\n    candidates.LocalTransport = failing\n"
        "    yield\n    candidates.LocalTransport = link\n"
    )
    pytester.makepyfile(CHECKS)
    pytester.runpytest().assert_outcomes(errors=1)
    (pytester.path / "conftest.py").unlink()
    result = pytester.runpytest()
    result.assert_outcomes(passed=1)
    assert sum("was taken over from" in line for line in result.outlines) == 1
