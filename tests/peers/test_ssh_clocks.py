"""Somebody sets the clock, of the board or of the host, by hours: nothing that is counted in seconds may notice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_edgedevice.agent.board import TTL_S
from pytest_edgedevice.errors import DeviceBusyError
from pytest_edgedevice.leases import Holder
from pytest_edgedevice.leases.holder import to_record
from pytest_edgedevice.transports.ssh.transport import SshTransport
from tests.peers.jumping_clock import HOUR_S, Clock
from tests.peers.plain_sshd import NAME, PlainSshd, plain_sshd

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
JUMPS = pytest.mark.parametrize("hours", [5, -5], ids=["forward", "back"])
SESSION = textwrap.dedent("""
    import json, os, struct, sys, time
    import numpy as np
    from pytest_edgedevice.device import Device
    from pytest_edgedevice.errors import DeadlineError
    from pytest_edgedevice.leases import Holder
    from pytest_edgedevice.leases.holder import to_record
    from pytest_edgedevice.transports.ssh.transport import SshTransport

    offset, python, hours, *program = sys.argv[1:]

    def jump(hours):
        file = os.open(offset, os.O_WRONLY)
        os.pwrite(file, struct.pack("<q", int(hours * 3600e9)), 0)
        os.close(file)

    def board_time():
        return float(link.run([python, "-c", "import time; print(time.time())"], timeout_s=60).stdout)

    hours = float(hours)
    link = SshTransport("kitchen", program=program, python=python)
    link.guard(to_record(Holder(user="ada", pid=7, host="lab", since=1.0), key=link.identity()), wait_s=0)
    device = Device(link, name="board")
    model = device.load("fixtures/tiny/slow.tflite", delegate="cpu")
    for _ in range(3):  # between two beats, and for longer than the board waits for something to happen
        link.run(["true"], timeout_s=60)
        jump(hours)
        time.sleep(1.2)
        jump(0)
    here, there = time.time(), board_time()
    jump(hours)
    saw = {"here_h": round((time.time() - here) / 3600), "there_h": round((board_time() - there) / 3600)}
    saw["rested"] = link.run(["sleep", "3"], timeout_s=60).returncode
    saw["counted"] = model.run({"steps": np.full(3, 200, np.int32)}).outputs["counted"].tolist()
    jump(0)
    timing = model.measure({"steps": np.full(1, 200, np.int32)}, min_runs=50, max_runs=50, max_s=60)
    jump(-hours)
    saw["runs"], saw["sane"] = len(timing.samples_ns), all(0 < one < 60e9 for one in timing.samples_ns)
    try:
        link.run(["sleep", "987"], timeout_s=0.5)
    except DeadlineError as error:
        saw["late"] = str(error)
    saw["alive"] = link.is_alive
    device.close()
    print(json.dumps(saw))
""")
HOLDER = textwrap.dedent("""
    import sys, time
    from pytest_edgedevice.transports.ssh.transport import SshTransport
    from pytest_edgedevice.leases import Holder
    from pytest_edgedevice.leases.holder import to_record

    link = SshTransport("kitchen", program=sys.argv[2:], python=sys.argv[1])
    link.guard(to_record(Holder(user="ada", pid=7, host="lab", since=1.0), key=link.identity()), wait_s=0)
    print(link.folder, flush=True)
    time.sleep(600)
""")


@pytest.fixture(scope="module")
def clock(tmp_path_factory: pytest.TempPathFactory) -> Clock:
    return Clock(tmp_path_factory.mktemp("clock"))


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[PlainSshd]:
    with plain_sshd(tmp_path / "board") as server:
        yield server


@pytest.fixture
def python(clock: Clock, tmp_path: Path) -> Iterator[str]:
    """The board's interpreter, under the clock that jumps."""
    yield str(clock.program(tmp_path / "python", sys.executable))
    clock.jump(0)


def session(clock: Clock, sshd: PlainSshd, python: str, hours: int, **environment: str) -> dict[str, Any]:
    """Everything that a device is used for, while the clock jumps; what was seen of it."""
    done = subprocess.run(
        [sys.executable, "-c", SESSION, clock.environment["JUMPING_CLOCK"], python, str(hours), *sshd.program],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    saw: dict[str, Any] = json.loads(done.stdout)
    return saw


UNMOVED = {
    "rested": 0,
    "counted": [200, 200, 200],
    "runs": 50,
    "sane": True,
    "late": "'sleep' did not end within 0.5 s and was killed",
    "alive": True,
}


@JUMPS
def test_a_board_whose_clock_jumps_is_used_as_if_it_had_not(
    clock: Clock, sshd: PlainSshd, python: str, hours: int
) -> None:
    assert session(clock, sshd, python, hours) == {"here_h": 0, "there_h": hours, **UNMOVED}


@JUMPS
def test_a_host_whose_clock_jumps_uses_a_board_as_if_it_had_not(
    clock: Clock, sshd: PlainSshd, python: str, hours: int
) -> None:
    saw = session(clock, sshd, sys.executable, hours, **clock.environment)
    clock.jump(0)
    assert saw == {"here_h": hours, "there_h": 0, **UNMOVED}


def opened(sshd: PlainSshd, python: str) -> SshTransport:
    return SshTransport(NAME, program=sshd.program, python=python)


def record(link: SshTransport) -> bytes:
    return to_record(Holder(user="bob", pid=8, host="desk", since=2.0), key=link.identity())


@pytest.fixture
def holder(sshd: PlainSshd, python: str) -> Iterator[subprocess.Popen[str]]:
    """Another host that holds the board and does nothing more."""
    command = [sys.executable, "-c", HOLDER, python, *sshd.program]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip()
        yield process
        process.kill()


@JUMPS
def test_a_holder_that_lives_keeps_the_board_when_its_clock_jumps(
    clock: Clock, sshd: PlainSshd, python: str, holder: subprocess.Popen[str], hours: int
) -> None:
    with opened(sshd, python) as link:
        clock.jump(hours * HOUR_S)
        with pytest.raises(DeviceBusyError, match=r"ada \(pid 7 on lab"):
            link.guard(record(link), wait_s=3)


@JUMPS
def test_a_holder_that_is_frozen_loses_the_board_when_its_time_is_over_by_any_clock(
    clock: Clock, sshd: PlainSshd, python: str, holder: subprocess.Popen[str], hours: int
) -> None:
    holder.send_signal(signal.SIGSTOP)
    with opened(sshd, python) as link:
        clock.jump(hours * HOUR_S)
        link.guard(record(link), wait_s=TTL_S + 60)
