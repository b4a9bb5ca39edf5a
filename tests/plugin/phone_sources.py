"""Test files for phones, to be run by pytest inside a test; phones and their agents are those of that test."""

from __future__ import annotations

MODEL = """
import numpy as np, pytest
ONES = {name: np.ones((2, 4), np.float32) for name in "ab"}
def test_sum(edge_model, edge_check):
    model = edge_model("add_float32.tflite")
    edge_check.close(model.run(ONES), {"sum": np.full((2, 4), 2, np.float32)}, atol=0)
    edge_check.latency(model, p95_ms=10_000)
"""
LOSS = """
import numpy as np
from pathlib import Path
from tests.contract.phone_devices import RUNNING
ONES = {name: np.ones((2, 4), np.float32) for name in "ab"}
def test_sum(edge_model):
    model = edge_model("add_float32.tflite")
    if not Path("lost").exists():
        Path("lost").touch()
        RUNNING["ONE"].kill()
        RUNNING["ONE"].start()
    assert (model.run(ONES).outputs["sum"] == 2).all()
"""
CRASH = """
import numpy as np, signal
from tests.contract.phone_devices import AGENTS, RUNNING
def test_crash(edge_model):
    model = edge_model("add_float32.tflite")
    (agent,) = AGENTS["ONE"].living()
    RUNNING["ONE"].log("Fatal signal 11 (SIGSEGV)\\x1b[2J", pid=agent, level="F", tag="libc", buffer="crash")
    RUNNING["ONE"].log("a secret of somebody else", pid=77)
    AGENTS["ONE"].kill(signal.SIGSEGV)
    model.run({name: np.ones((2, 4), np.float32) for name in "ab"})
"""


MEET = """
import os, time, pytest
from pathlib import Path
HERE = Path(__file__).parent
@pytest.mark.parametrize("number", range(8))
def test_a(edge_model, edge_check, number):
    edge_check.size(edge_model("add_float32.tflite"), max_mb=1)
    (HERE / os.environ["PYTEST_XDIST_WORKER"]).touch()
    deadline = time.monotonic() + 120
    while len(list(HERE.glob("gw*"))) < 2:  # each worker is given two tests at least
        assert time.monotonic() < deadline
        time.sleep(0.01)
"""
SICK = """
import numpy as np, pytest
from tests.contract.phone_devices import AGENTS
@pytest.mark.edge_requires("big")
@pytest.mark.parametrize("number", [1, 2])
def test_crash(edge_model, number):
    model = edge_model("add_float32.tflite")
    AGENTS["ONE"].kill()
    model.run({name: np.ones((2, 4), np.float32) for name in "ab"})
def test_other(edge_device):
    assert edge_device.name == "two"
"""
