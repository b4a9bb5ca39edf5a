"""A device over adb under the contract: AOSP's own adb daemon, with Android's tools, and with next to none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.testing import TransportContract
from pytest_edgedevice.transports.adb.transport import AdbTransport
from tests.phones import AdbServer, Phone, start_adb_server, start_phone

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.phone


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AdbServer]:
    with start_adb_server(tmp_path_factory.mktemp("adb")) as started:
        yield started


@pytest.fixture(scope="module", params=["android", "busybox"])
def phone(
    request: pytest.FixtureRequest, server: AdbServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Phone]:
    with start_phone(tmp_path_factory.mktemp("phone"), tools=request.param) as started:
        server.connect(started)
        yield started


class TestAdbTransport(TransportContract):
    @pytest.fixture
    def transport(self, server: AdbServer, phone: Phone) -> Iterator[AdbTransport]:
        with AdbTransport(phone.address, server=("127.0.0.1", server.port)) as link:
            yield link
