"""What programs cost: what they say themselves, and what a shell says of their processes."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from pytest_edgedevice.runners.command.usage import UNTOLD, read_usage
from pytest_edgedevice.runners.usage import COARSE, UNKNOWN_CORES, Usage, Worked, processor_ns, resources_of, watched
from pytest_edgedevice.runners.usage import UNTOLD as NO_CLOCK

SHORT = Worked(6, 3, 30_000_000, 1_000_000_000, None)
LONG = Worked(106, 103, 1_030_000_000, 2_000_000_000, None)
TOLD = Usage(50_000_000, 10_000_000, "VmHWM", 515_000_000, 206_000, "INA219")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (b"a log\n0m0.00s 0m0.01s\n0m1.25s 0m0.50s\n", 1_750_000_000),
        (b"0m0.000000s 0m0.000000s\n2m0.000000s 0m0.030000s\n", 120_030_000_000),
        (b"0m0,00s 0m0,00s\n0m1,5s 0m0,0s", 1_500_000_000),
        (b"user 1.25\nsys 0.5\n", None),
        (b"0m1.25s 0m0.50s\nand more\n", None),
        (b"", None),
    ],
)
def test_the_shells_last_line_is_the_time_of_its_children(said: bytes, expected: int | None) -> None:
    assert processor_ns(said) == expected


def test_a_watched_program_runs_as_it_is_and_keeps_its_exit_code() -> None:
    program = [
        sys.executable,
        "-c",
        "import sys; print(sys.argv[1:]); sum(range(10**6)); sys.exit(7)",
        "a b $HOME",
        "*",
    ]
    done = subprocess.run(watched(program), capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout.splitlines()[0]) == (7, b"['a b $HOME', '*']")
    assert (processor_ns(done.stdout) or 0) > 0


def test_what_starting_takes_is_no_cost_of_an_inference() -> None:
    found = resources_of(SHORT, LONG, cores=4, untold=UNTOLD)
    assert (found.cpu_ms, found.cpu_load_percent, found.inferences, found.wall_ms) == (10.0, 25.0, 103, 1030.0)
    assert dict(found.problems) == UNTOLD


def test_what_the_program_tells_wins() -> None:
    found = resources_of(SHORT, Worked(*(106, 103, 1_030_000_000, None), TOLD), cores=4, untold=UNTOLD)
    assert (found.cpu_ms, found.peak_bytes, found.model_share_bytes) == (5.0, 50_000_000, 40_000_000)
    assert (found.energy_mj, found.power_mw, found.energy_source) == (2.0, 200.0, "INA219")
    assert dict(found.problems) == {}


@pytest.mark.parametrize(
    ("short", "long", "cores", "why"),
    [
        (Worked(6, 3, 1, None, None), LONG, 4, NO_CLOCK),
        (Worked(6, 3, 1, 2_000_000_000, None), LONG, 4, COARSE),
        (LONG, LONG, 4, COARSE),
        (SHORT, LONG, None, UNKNOWN_CORES),
        (SHORT, LONG, 0, UNKNOWN_CORES),
    ],
)
def test_a_processor_time_that_nobody_tells_has_a_reason(
    short: Worked, long: Worked, cores: int | None, why: str
) -> None:
    found = resources_of(short, long, cores=cores, untold=UNTOLD)
    assert (found.cpu_load_percent, found.problems["cpu"]) == (None, why)


@pytest.mark.parametrize(
    "wrong",
    [
        {"peak_bytes": 0, "counter": "x"},
        {"peak_bytes": 1.5, "counter": "x"},
        {"peak_bytes": 5},
        {"peak_bytes": 5, "counter": ""},
        {"peak_bytes": 5, "before_load_bytes": 6, "counter": "x"},
        {"cpu_ns": -1},
        {"cpu_ns": True},
        {"energy_uj": 5},
        {"energy_uj": 1 << 63, "energy_source": "x"},
    ],
    ids=str,
)
def test_a_cost_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        read_usage(wrong)


def test_what_is_left_out_of_a_cost_is_not_told() -> None:
    assert read_usage({}) == Usage()
    assert read_usage({"cpu_ns": 7, "counter": "of nothing"}) == Usage(cpu_ns=7)
