"""A phone belongs to one at a time, whichever of its links it is reached by, and is clean for the next one."""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pytest_edgedevice import open_device
from pytest_edgedevice.errors import DeviceBusyError
from pytest_edgedevice.leases import Holder, who
from tests.contract.phone_devices import PhoneAgents, catalog, table, until_gone
from tests.phones import AdbServer, Phone, start_phone

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.phone, pytest.mark.usefixtures("adb_surroundings")]
ADD = Path(__file__).parents[2] / "fixtures" / "tiny" / "add_float32.tflite"
ONES = {name: np.ones((2, 4), np.float32) for name in "ab"}
TAKE_TURNS = """
import sys, time
from pathlib import Path
from pytest_edgedevice import open_device
for _ in range(4):
    with open_device(sys.argv[1], wait_s=120) as device:
        start = time.monotonic()
        time.sleep(0.02)
        with open("turns", "a") as file:
            file.write(f"{start} {time.monotonic()}\\n")
"""
HOLD = """
import sys, time
from pytest_edgedevice import open_device
device = open_device(sys.argv[1], wait_s=60)
model = device.load(sys.argv[2])
print("loaded", flush=True)
time.sleep(600)
"""


@pytest.fixture
def second(server: AdbServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Phone]:
    """Another daemon that says it is the same phone: its second link."""
    with start_phone(tmp_path_factory.mktemp("second"), serial="PIXEL1") as phone:
        server.connect(phone)
        yield phone
        server.disconnect(phone)


def test_two_links_to_one_phone_are_one_candidate_and_one_lease(pixel: Phone, second: Phone) -> None:
    known = catalog(table("pixel", pixel))
    (candidate,) = known.candidates(known.parse("adb"))
    assert (candidate.name, candidate.identity) == ("pixel", "android-PIXEL1")
    with (
        open_device("pixel", catalog=known),
        pytest.raises(DeviceBusyError, match="held by"),
    ):
        open_device(f"adb:{second.address}", catalog=known)


def test_processes_that_use_two_links_to_one_phone_never_overlap(pixel: Phone, second: Phone) -> None:
    running = [
        subprocess.Popen([sys.executable, "-c", TAKE_TURNS, f"adb:{phone.address}"], stderr=subprocess.PIPE)
        for phone in (pixel, second, pixel)
    ]
    said = [process.communicate(timeout=240)[1].decode() for process in running]
    assert [process.returncode for process in running] == [0, 0, 0], said
    turns = sorted(tuple(map(float, line.split())) for line in Path("turns").read_text().splitlines())
    assert len(turns) == 12
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(turns))


def test_after_a_holder_was_killed_the_next_one_finds_a_clean_phone(server: AdbServer, pixel: Phone) -> None:
    known = catalog(table("pixel", pixel))
    holder = subprocess.Popen([sys.executable, "-c", HOLD, "pixel", str(ADD)], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"loaded\n"
    assert PhoneAgents(server, pixel).count() == 1
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    with open_device("pixel", catalog=known, wait_s=60) as device:
        assert device.recovered[0].startswith(f"taken over from {Holder.here().user} (pid {holder.pid} on ")
        assert sum(text.startswith("taken over") for text in device.recovered) == 1
        assert PhoneAgents(server, pixel).count() == 0
        assert len([name for name in pixel.files() if name.startswith("session-") and "/" not in name]) <= 1
        assert (np.asarray(device.load(ADD).run(ONES).outputs["sum"]) == 2).all()
    until_gone(pixel)


def test_who_uses_the_phone_through_another_host_is_waited_for_and_named(
    pixel: Phone, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    known = catalog(table("pixel", pixel))
    with open_device("pixel", catalog=known, holder=Holder(user="eve", pid=5, host="elsewhere")):
        monkeypatch.setenv("EDGEDEVICE_LOCKS", str(tmp_path / "locks of another host"))
        waits: list[str] = []
        with pytest.raises(DeviceBusyError, match="eve"):
            open_device("pixel", catalog=known, on_wait=lambda waiting: waits.append(str(waiting)))
        assert who("android-PIXEL1") is None  # the lease here is handed back
    assert waits[0].startswith("waiting for pixel: place 1, held by eve (pid 5 on elsewhere); waited ")
