"""An app that nobody has opened yet: no fault of the one phone that was named, and one of a phone in a pool."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.leases import quarantine_of
from pytest_edgedevice.transports.usbmux import library
from tests.contract.ios_devices import IDENTITY, UDID, table
from tests.peers.iphone import SimulatedPhones

if TYPE_CHECKING:
    from collections.abc import Iterator

library.require(lockdown=True)  # pytester forgets what is first imported inside a run, and ours keeps classes of it


@pytest.fixture(autouse=True)
def phone(monkeypatch: pytest.MonkeyPatch, pytester: pytest.Pytester) -> Iterator[None]:
    """The only phone there, with its app closed."""
    test = "@pytest.mark.parametrize('turn', range(3))\ndef test_it(turn, edge_model):\n    edge_model('add.tflite')\n"
    pytester.makepyfile("import pytest\n" + test)
    (pytester.path / "add.tflite").write_bytes(b"no model")  # nobody gets to see it
    with SimulatedPhones() as bus:
        monkeypatch.setenv("USBMUXD_SOCKET_ADDRESS", bus.address)
        bus.attach(udid=UDID, ports={})
        yield


def test_the_one_phone_that_was_named_is_not_set_aside(pytester: pytest.Pytester) -> None:
    (pytester.path / "edgedevice.toml").write_text(table("p15"), encoding="utf-8")
    result = pytester.runpytest("--device", "p15")
    result.assert_outcomes(errors=3)
    assert (quarantine_of(IDENTITY), result.stdout.str().count("DeviceQuarantinedError")) == (None, 0)


def test_one_of_a_pool_is_set_aside_so_that_the_next_test_takes_another(pytester: pytest.Pytester) -> None:
    pytester.runpytest("--device", "ios").assert_outcomes(errors=3)
    found = quarantine_of(IDENTITY)
    assert found is not None
    assert found.active
