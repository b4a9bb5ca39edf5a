"""A phone over adb against adb's own program, on AOSP's adb daemon in namespaces of this machine. Needs root.

python -m benchmarks.adb [--rounds 11] [--program bundled|debian]

Both go through the same adb server, and in turn. What is compared with one ``adb shell`` a sample is
the least that this can cost: its command is ``true``, and loads no model.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.pairs import interleave, ratio, row
from benchmarks.ssh import echo
from pytest_edgedevice.device import Device
from pytest_edgedevice.runners.agents import AgentRunner
from pytest_edgedevice.runners.native.building import build_native_agent
from pytest_edgedevice.runners.native.program import NativeProgram
from pytest_edgedevice.transports.adb.transport import AdbTransport
from tests.native.conftest import tflite_library
from tests.phones import AdbServer, Phone, start_adb_server, start_phone

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_edgedevice.transports.base import Pushed

MODEL = Path(__file__).parents[1] / "fixtures" / "tiny" / "add_float32.tflite"
TMP = "/data/local/tmp"
SIZE_BYTES = 50_000_000
SAMPLES = 200
WAIT_S = 120.0


def opened(server: AdbServer, phone: Phone) -> AdbTransport:
    return AdbTransport(phone.address, server=("127.0.0.1", server.port))


def cpu_s() -> float:
    """Processor time of this process and of the programs that it ran."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


def push(server: AdbServer, phone: Phone, folder: Path, rounds: int) -> bool:
    """One large file: until its bytes are there, as adb's own, and until its hash was compared and it has its name."""
    model = folder / "model"
    content = bytearray(os.urandom(SIZE_BYTES))
    number = 0
    last: list[Pushed] = []
    cpu: dict[str, list[float]] = {"ours": [], "adb": [], "whole": []}

    def counted(who: str, call: Callable[[], object]) -> None:
        before = cpu_s()
        call()
        cpu[who].append(cpu_s() - before)

    def ours() -> None:
        last.append(link.push(model, timeout_s=WAIT_S))

    def whole() -> None:
        ours()
        assert last[-1].sha256

    def adb() -> None:
        done = server.adb("-s", phone.address, "push", str(model), f"{TMP}/copy", timeout_s=WAIT_S)
        assert done.returncode == 0, done.stderr

    def another() -> None:  # of another size too: nothing is known of it
        nonlocal number
        for pushed in last:
            assert pushed.sent_bytes == pushed.size_bytes
            (phone.root / link.folder[1:] / pushed.sha256).unlink()
        last.clear()
        (phone.root / TMP[1:] / "copy").unlink(missing_ok=True)
        number += 1
        content[0:8] = number.to_bytes(8, "little")
        model.write_bytes(content[: SIZE_BYTES - number])

    with opened(server, phone) as link:
        another()
        calls = [lambda: counted("ours", ours), lambda: counted("adb", adb), lambda: counted("whole", whole)]
        times = interleave(calls, rounds, after=another)
    speed, entire = 1 / ratio(times[0], times[1]), 1 / ratio(times[2], times[1])
    seconds = [statistics.median(one) for one in times]
    mine, theirs, all_of_mine = (statistics.median(cpu[who]) for who in cpu)
    figure = f"{speed:.2f} of adb push's speed ({seconds[0]:.3f} s against {seconds[1]:.3f} s; "
    figure += f"processor {mine:.3f} s against {theirs:.3f} s)"
    named = f"{entire:.2f} of adb push's, which compares nothing ({seconds[2]:.3f} s; processor {all_of_mine:.3f} s)"
    met = row("50 MB push", figure, ">= 0.95", met=speed >= 0.95)
    row("50 MB push, hash compared on the phone", named, "none", met=True)
    return met


def unchanged(server: AdbServer, phone: Phone, folder: Path, rounds: int) -> bool:
    """A model that is there already."""
    model = folder / "model"
    model.write_bytes(os.urandom(SIZE_BYTES))
    taken = []
    with opened(server, phone) as link:
        assert link.push(model, timeout_s=WAIT_S).sha256
        for _ in range(rounds):
            start = time.perf_counter()
            sent = link.push(model, timeout_s=WAIT_S).sent_bytes
            taken.append(time.perf_counter() - start)
            assert sent == 0
    figure = f"{statistics.median(taken) * 1e3:.0f} ms, no payload"
    return row("50 MB that are there", figure, "<= 150 ms", met=statistics.median(taken) <= 0.15)


def round_trip(server: AdbServer, phone: Phone, rounds: int) -> bool:
    """1 KB there and back, by our stream and by a bare one that is framed alike."""
    content = os.urandom(1024)
    with opened(server, phone) as link:
        ours = link.start(["cat"])
        bare = link.start(["cat"]).stream._packets._link  # noqa: SLF001 - the same connection without us
        bare.setblocking(True)
        framed = b"\0" + len(content).to_bytes(4, "little") + content

        def plain() -> None:
            bare.sendall(framed)
            left = len(framed)
            while left:
                left -= len(bare.recv(left))

        times = interleave([lambda: echo(ours.stream, content), plain], rounds * 100)
    mine, theirs = (statistics.median(one) * 1e3 for one in times)
    figure = f"{mine:.2f} ms, a bare socket {theirs:.2f} ms"
    return row("round trip of 1 KB", figure, "<= 1 ms", met=mine <= 1)


def samples(server: AdbServer, phone: Phone, rounds: int) -> bool:
    """A golden set through the agent, against one ``adb shell`` a sample."""
    runner = AgentRunner(
        NativeProgram(program=build_native_agent().path, runtime=str(tflite_library(platform.machine())))
    )
    with opened(server, phone) as link:
        device = Device(link, name="phone", runner=runner)
        model = device.load(MODEL, delegate="cpu")
        inputs = {one.name: np.ones((SAMPLES, *one.shape[1:]), np.float32) for one in model.info.inputs}

        def shells() -> None:
            for _ in range(SAMPLES):
                assert server.adb("-s", phone.address, "shell", "true").returncode == 0

        # the server and the phone are busy for a while with what so many shells leave behind
        times = interleave([lambda: model.run(inputs), shells], rounds, after=lambda: time.sleep(0.5))
        model.close()
    faster = 1 / ratio(*times)
    mine, theirs = (statistics.median(one) * 1e3 for one in times)
    figure = f"{faster:.0f} times faster ({mine:.1f} ms against {theirs:.0f} ms)"
    return row(f"{SAMPLES} samples, and an adb shell for each", figure, ">= 20", met=faster >= 20)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--program", choices=("bundled", "debian"), default="bundled")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (
            start_adb_server(folder / "adb", program=options.program) as server,
            start_phone(folder / "phone", data_mb=512) as phone,
        ):
            server.connect(phone)
            met = [
                push(server, phone, folder, options.rounds),
                unchanged(server, phone, folder, options.rounds),
                round_trip(server, phone, options.rounds),
                samples(server, phone, max(options.rounds // 4, 2)),
            ]
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
