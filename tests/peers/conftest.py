"""A phone that goes wrong on purpose, an adb server of one's own, and the link between them.

Modules whose phones are AOSP's own bring their own fixtures of these names.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests.peers.adb_daemon import FaultyPhone
from tests.peers.hostile_links import linked
from tests.phones import AdbServer, start_adb_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_edgedevice.transports.adb.transport import AdbTransport


@pytest.fixture
def nohup() -> Iterator[None]:
    """A run that ignores SIGHUP, as all that it starts does unless somebody sees to it."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AdbServer]:
    """An adb server of the module's own."""
    with start_adb_server(tmp_path_factory.mktemp("adb")) as one:
        yield one


@pytest.fixture
def fresh_phone(tmp_path: Path) -> Iterator[FaultyPhone]:
    """A phone of the test's own, to which nothing has happened yet."""
    with FaultyPhone(tmp_path / "phone") as one:
        yield one


@pytest.fixture(scope="module")
def lasting_phone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultyPhone]:
    """A phone of the module's own."""
    with FaultyPhone(tmp_path_factory.mktemp("phone") / "root") as one:
        yield one


@pytest.fixture
def phone(lasting_phone: FaultyPhone) -> Iterator[FaultyPhone]:
    """The module's phone, without the faults of other tests."""
    yield lasting_phone
    lasting_phone.faults.clear()


@pytest.fixture
def link(server: AdbServer, phone: FaultyPhone) -> Iterator[AdbTransport]:
    """A link to the phone; nothing of it is left at the end."""
    with linked(server, phone) as one:
        yield one
