"""Shared by tests and examples: pytester for the plugin's own tests, and a cache folder of their own."""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest_plugins = ["pytester"]


@pytest.fixture(scope="session", autouse=True)
def _cache_of_its_own() -> Iterator[None]:
    """Boards that tests reach, and agents that they build, are nothing that the user's own runs should know."""
    with tempfile.TemporaryDirectory(prefix="edgedevice-cache-") as folder, pytest.MonkeyPatch.context() as patch:
        patch.setitem(os.environ, "XDG_CACHE_HOME", folder)
        yield
