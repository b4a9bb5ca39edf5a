"""A simulated iPhone belongs to one at a time, by whatever spelling it is asked for, and is clean for the next one."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pytest_edgedevice import open_device
from pytest_edgedevice.errors import DeviceBusyError
from pytest_edgedevice.leases import Holder, who
from pytest_edgedevice.opening import Catalog
from pytest_edgedevice.testing.device import until
from tests.contract.ios_devices import IDENTITY, UDID, catalog, table, until_left
from tests.contract.processes import descendants

if TYPE_CHECKING:
    from tests.peers.iphone import App

pytestmark = pytest.mark.usefixtures("ios_surroundings")
ADD = Path(__file__).parents[2] / "fixtures" / "tiny" / "add_float32.tflite"
ONES = {name: np.ones((2, 4), np.float32) for name in "ab"}
SPELLINGS = (UDID, UDID.lower(), UDID.replace("-", ""))
HOLD = """
import sys, time
from pytest_edgedevice import open_device
device = open_device(sys.argv[1], wait_s=60)
model = device.load(sys.argv[2])
print("loaded", flush=True)
time.sleep(600)
"""
SESSION = """
import time
import numpy as np
import pytest
@pytest.mark.parametrize("number", range(3))
def test_it_is_ours_alone(edge_model, number):
    start = time.monotonic()
    edge_model(MODEL).run({name: np.ones((1, 4), np.float32) for name in "ab"})
    time.sleep(0.02)
    with open("turns", "a") as file:
        file.write(f"{start} {time.monotonic()}\\n")
"""


def turns() -> list[tuple[float, ...]]:
    """When each had it: from, to; in order."""
    return sorted(tuple(map(float, line.split())) for line in Path("turns").read_text().splitlines())


def assert_apart(expected: int) -> None:
    """Nobody had it while another one did."""
    taken = turns()
    assert len(taken) == expected
    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(taken))


def test_all_spellings_of_a_phone_are_one_lease() -> None:
    known = catalog(table("p15"))
    with open_device("p15", catalog=known):
        for spelling in SPELLINGS:
            with pytest.raises(DeviceBusyError, match="held by"):
                open_device(f"ios:{spelling}", catalog=known)


def test_two_runs_of_pytest_never_overlap_on_one_phone(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("test_it.py").write_text(f"MODEL = {str(ADD)!r}\n{SESSION}", encoding="utf-8")
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # those of others take longer than the tests do
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "pytest_edgedevice.plugin"]
    command += ["--edge-history", "off", "--edge-wait", "120", "--device"]
    running = [
        subprocess.Popen([*command, f"ios:{spelling}"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for spelling in SPELLINGS[:2]
    ]
    said = [process.communicate(timeout=240)[0].decode() for process in running]
    assert [process.returncode for process in running] == [0, 0], said
    assert_apart(6)
    until_left(app)


def test_whoever_was_killed_is_named_and_its_models_are_removed(app: App) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLD, f"ios:{UDID}", str(ADD)], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    with holder, holder.stdout:
        assert holder.stdout.readline() == b"loaded\n"
        assert app.kept()
        holder.kill()
    with open_device(f"ios:{UDID}", wait_s=60, catalog=Catalog()) as device:
        assert device.recovered[0].startswith(f"taken over from {Holder.here().user} (pid {holder.pid}")
        until(lambda: not descendants(app.number))
        assert app.kept() == []
        assert (np.asarray(device.load(ADD).run(ONES).outputs["sum"]) == 2).all()
    until_left(app)


def test_a_phone_that_was_handed_back_is_nobodys() -> None:
    with open_device(f"ios:{UDID}", catalog=Catalog()):
        assert who(IDENTITY) is not None
    assert who(IDENTITY) is None
