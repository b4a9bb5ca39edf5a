"""The examples on a simulated iPhone, as a user starts them; nothing is left there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.leases import who
from tests.contract.ios_devices import IDENTITY, until_left

if TYPE_CHECKING:
    from tests.peers.iphone import App

pytestmark = pytest.mark.usefixtures("ios_surroundings")
ROOT = Path(__file__).parents[2]


def test_the_examples_pass_on_an_iphone_and_leave_nothing_there(app: App) -> None:
    plugins = ["-p", "no:cacheprovider", "-p", "pytest_edgedevice.plugin", "--edge-history", "off"]
    plugins += ["--edge-inconclusive", "warn", "-W", "default"]  # other work on this machine disturbs
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *plugins, "examples", "--ignore=examples/vendor_engine", "--device", "ios"],
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "COLUMNS": "200",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # those of others take longer than the tests do
        },
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 passed" in done.stdout
    assert who(IDENTITY) is None
    until_left(app)
