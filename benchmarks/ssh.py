"""A board over SSH against ssh's own tools, through an OpenSSH server on a loopback port of this machine.

python -m benchmarks.ssh [--rounds 11]

scp and the bare pipe get a connection that is up already (a master), as ours is: what is
compared is the transfer, not the login.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.pairs import interleave, ratio, row
from pytest_edgedevice.agent.board import TTL_S
from pytest_edgedevice.device import Device
from pytest_edgedevice.leases import Holder
from pytest_edgedevice.leases.holder import to_record
from pytest_edgedevice.transports.local import LocalTransport
from pytest_edgedevice.transports.ssh.transport import SshTransport
from tests.peers.holding_client import client
from tests.peers.plain_sshd import NAME, PlainSshd, plain_sshd
from tests.peers.relay import Relay

if TYPE_CHECKING:
    from pytest_edgedevice.transports.base import Stream

MODEL = Path(__file__).parents[1] / "fixtures" / "tiny" / "slow.tflite"
SIZE_BYTES = 50_000_000
SFTP = "Subsystem sftp internal-sftp\n"
FILES, FILE_BYTES = 1000, 20_000


def opened(sshd: PlainSshd) -> SshTransport:
    return SshTransport(NAME, program=sshd.program, python=sys.executable)


def push(link: SshTransport, master: list[str], folder: Path, rounds: int) -> bool:
    """One large file."""
    model = folder / "model"
    content = bytearray(os.urandom(SIZE_BYTES))

    def ours() -> None:
        pushed = link.push(model, timeout_s=120)
        assert pushed.sent_bytes == SIZE_BYTES

    def scp() -> None:
        subprocess.run(["scp", "-q", *master, str(model), f"{NAME}:{folder}/copy"], check=True)

    def another() -> None:  # not the one that is there already
        content[0:8] = os.urandom(8)
        model.write_bytes(content)
        (folder / "copy").unlink(missing_ok=True)

    another()
    times = interleave([ours, scp], rounds, after=another)
    speed = 1 / ratio(*times)
    figure = (
        f"{speed:.2f} of scp's speed ({statistics.median(times[0]):.2f} s against {statistics.median(times[1]):.2f} s)"
    )
    return row("50 MB push", figure, ">= 0.9", met=speed >= 0.9)


def many(link: SshTransport, master: list[str], folder: Path, rounds: int) -> bool:
    """A thousand small files."""
    small = folder / "small"
    small.mkdir()

    def renew() -> None:
        for number in range(FILES):
            (small / str(number)).write_bytes(os.urandom(FILE_BYTES))

    def ours() -> None:
        link.push_all(list(small.iterdir()), timeout_s=60)

    def scp() -> None:
        subprocess.run(["scp", "-q", "-r", *master, str(small), f"{NAME}:{folder}/copies"], check=True)

    renew()
    times = interleave([ours, scp], rounds, after=renew)
    speed = 1 / ratio(*times)
    figure = f"{speed:.2f} of scp -r ({statistics.median(times[0]):.2f} s against {statistics.median(times[1]):.2f} s)"
    return row("1,000 files of 20 KB", figure, ">= 1", met=speed >= 1)


def echo(stream: Stream, content: bytes) -> None:
    stream.send([content], timeout_s=20)
    left = len(content)
    view = memoryview(bytearray(left))
    while left:
        left -= stream.receive_into(view[:left], timeout_s=20)


def round_trip(link: SshTransport, bare: list[str], rounds: int) -> bool:
    """1 KB there and back."""
    from pytest_edgedevice.transports.pipes import ChildProcess

    ours, theirs = link.start(["cat"]), ChildProcess([*bare, NAME, "cat"])
    content = os.urandom(1024)
    times = interleave([lambda: echo(ours.stream, content), lambda: echo(theirs.stream, content)], rounds * 50)
    ours.kill()
    theirs.kill()
    more_ms = (statistics.median(times[0]) - statistics.median(times[1])) * 1e3
    figure = f"{more_ms:.2f} ms more than a bare pipe's {statistics.median(times[1]) * 1e3:.2f} ms"
    return row("round trip of 1 KB", figure, "<= 1 ms more", met=more_ms <= 1)


def golden(link: SshTransport, rounds: int) -> bool:
    """A golden set, against the same agent on this machine: tiny samples of a model that takes its time."""
    inputs = {"steps": np.full(200, 2000, np.int32)}
    with LocalTransport() as here:
        far = Device(link, name="ssh").load(MODEL, delegate="cpu")
        near = Device(here, name="local").load(MODEL, delegate="cpu")
        times = interleave([lambda: far.run(inputs), lambda: near.run(inputs)], rounds)
        far.close()
        near.close()
    speed = 1 / ratio(*times)
    ours_ms, theirs_ms = (statistics.median(one) * 1e3 for one in times)
    figure = f"{speed:.2f} of local's speed ({ours_ms:.1f} against {theirs_ms:.1f} ms)"
    return row("200 small samples", figure, ">= 0.9", met=speed >= 0.9)


def lease(sshd: PlainSshd, rounds: int) -> bool:
    """Until the board's own lock is ours: with the connection, and on one that is up; after a bare login's time."""
    cold, warm, login = [], [], []
    for _ in range(rounds):
        start = time.perf_counter()
        subprocess.run([*sshd.program, NAME, "true"], check=True)
        login.append(time.perf_counter() - start)
        start = time.perf_counter()
        with opened(sshd) as link:
            connected = time.perf_counter()
            link.guard(to_record(Holder.here(), key=link.identity()), wait_s=0)
            cold.append(time.perf_counter() - start)
            warm.append(time.perf_counter() - connected)
    bare = f"; a bare login takes {statistics.median(login):.2f} s"
    met = row("lease, cold", f"{statistics.median(cold):.2f} s{bare}", "<= 0.5 s", met=statistics.median(cold) <= 0.5)
    return (
        row("lease, warm", f"{statistics.median(warm):.3f} s", "<= 0.15 s", met=statistics.median(warm) <= 0.15) and met
    )


def takeover_s(sshd: PlainSshd, how: str) -> float:
    """Until a board is ours, who wait for it already, after its holder was killed, frozen or cut off."""
    with Relay(sshd.port) as relay, opened(sshd) as link:
        holder, _ = client(*sshd.behind(relay.port))
        waits = threading.Event()
        record = to_record(Holder.here(), key=link.identity())
        wait = threading.Thread(
            target=lambda: link.guard(record, wait_s=60, on_wait=lambda _: waits.set()), daemon=True
        )
        with holder:
            wait.start()
            waits.wait(60)
            start = time.perf_counter()
            if how == "cut":
                relay.cut()
            else:
                holder.send_signal(signal.SIGKILL if how == "killed" else signal.SIGSTOP)
            wait.join()
            taken_s = time.perf_counter() - start
            holder.kill()
    return taken_s


def takeovers(sshd: PlainSshd, rounds: int) -> bool:
    """After each way in which a holder may vanish."""
    met = []
    for how, most_s in (("killed", 1.0), ("frozen", TTL_S), ("cut", TTL_S)):
        longest = max(takeover_s(sshd, how) for _ in range(rounds))
        figure = f"{longest:.2f} s, the longest of {rounds}"
        met.append(row(f"takeover, client {how}", figure, f"<= {most_s:g} s", met=longest <= most_s))
    return all(met)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=11)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as name, plain_sshd(Path(name) / "board", extra=SFTP) as sshd:
        folder = Path(name)
        master = ["-F", str(sshd.config), "-o", f"ControlPath={folder}/m"]
        kept = subprocess.Popen([*sshd.program, "-o", f"ControlPath={folder}/m", "-M", "-N", NAME])
        try:
            with opened(sshd) as link:
                met = [
                    push(link, master, folder, rounds),
                    many(link, master, folder, max(rounds // 4, 2)),
                    round_trip(link, ["ssh", *master], rounds),
                    golden(link, rounds),
                ]
            met.append(lease(sshd, rounds))
            met.append(takeovers(sshd, max(rounds // 2, 2)))
        finally:
            kept.kill()
            kept.wait()
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
