"""Shared by tests and examples: pytester for the plugin's own tests, and a cache folder of their own."""

from __future__ import annotations

import gc
import os
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

pytest_plugins = ["pytester"]
BUILT = Path(__file__).parent / "build" / "native" / "native"


@pytest.fixture(scope="session", autouse=True)
def _cache_of_its_own() -> Iterator[None]:
    """Boards that tests reach, and agents that they build, are nothing that the user's own runs should know."""
    with tempfile.TemporaryDirectory(prefix="edgedevice-cache-") as folder, pytest.MonkeyPatch.context() as patch:
        patch.setitem(os.environ, "XDG_CACHE_HOME", folder)
        # the native agent is compiled once for all workers, not by each
        built = Path(folder, "pytest-edgedevice", "native")
        BUILT.mkdir(parents=True, exist_ok=True)
        built.parent.mkdir()
        built.symlink_to(BUILT)
        yield


def pytest_configure() -> None:
    """A run that was started in the background may ignore Ctrl-C, and the processes that tests interrupt with it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """A million objects of thousands of tests stay to the end: no collection of garbage need look at them, ever."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()
