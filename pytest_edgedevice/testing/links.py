"""What every link must keep, also one that starts no programs, and what one must keep that reaches ports.

A link to a phone that runs nothing but apps keeps ``LinkContract`` and ``PortContract``; one to a machine that runs
what it is told keeps ``TransportContract``, which the first is a part of.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.errors import DeadlineError, PortRefusedError, TransportError
from pytest_edgedevice.testing.patience import PATIENCE_S

if TYPE_CHECKING:
    from pytest_edgedevice.transports.base import Stream, Transport

MOST_IN_FLIGHT_BYTES = 64 << 20
"""More than sockets hold all the way to a device and back."""


class LinkContract:
    """Identity, facts, conditions, the end; provide the fixture ``transport``."""

    @pytest.fixture
    def transport(self) -> Transport:
        """An open link; closed by the fixture."""
        raise NotImplementedError

    def test_identity_and_facts_are_stable(self, transport: Transport) -> None:
        """A lease and a selection rest on them."""
        assert transport.identity() == transport.identity() != ""
        assert transport.facts() == transport.facts()
        assert all(isinstance(value, str | int | float | bool) for value in transport.facts().values())

    def test_conditions_are_names_and_plain_values(self, transport: Transport) -> None:
        """Records hold them; none is a sign of an unknown one."""
        told = transport.conditions()
        assert {type(name) for name in told} <= {str}
        assert {type(value) for value in told.values()} <= {str, int, float, bool}
        assert transport.is_alive

    def test_of_a_process_that_is_not_ours_no_log_is_told(self, transport: Transport) -> None:
        """A log holds other people's secrets."""
        assert transport.aftermath(1, time.time()) == {}

    def test_a_link_may_be_closed_twice(self, transport: Transport) -> None:
        """And is what it was."""
        identity = transport.identity()
        transport.close()
        transport.close()
        assert transport.identity() == identity


class PortContract(LinkContract):
    """Streams to programs that listen on the device already; provide ``transport`` and the three ports."""

    @pytest.fixture
    def echo_port(self) -> int:
        """A port of the device whose program sends back what it gets, until its end."""
        raise NotImplementedError

    @pytest.fixture
    def silent_port(self) -> int:
        """A port of the device whose program neither reads nor writes."""
        raise NotImplementedError

    @pytest.fixture
    def closed_port(self) -> int:
        """A port of the device on which nothing listens."""
        raise NotImplementedError

    def test_a_port_talks_both_ways(self, transport: Transport, echo_port: int) -> None:
        """Any bytes, in order, and twice at once."""
        sent = bytes(range(256))
        processes = [transport.open_port(echo_port, timeout_s=PATIENCE_S) for _ in range(2)]
        for process in processes:
            process.stream.send([sent[:100], bytearray(sent[100:])], timeout_s=PATIENCE_S)
        assert [_read(process.stream, len(sent)) for process in processes] == [sent, sent]
        for process in processes:
            process.kill()

    def test_silence_of_a_port_is_a_deadline(self, transport: Transport, silent_port: int) -> None:
        """Not a hang."""
        process = transport.open_port(silent_port, timeout_s=PATIENCE_S)
        with pytest.raises(DeadlineError):
            process.stream.receive_into(memoryview(bytearray(1)), timeout_s=0.05)
        process.kill()

    def test_a_port_that_takes_nothing_is_a_deadline(self, transport: Transport, silent_port: int) -> None:
        """Not a hang, and not unbounded memory."""
        process = transport.open_port(silent_port, timeout_s=PATIENCE_S)
        with pytest.raises(DeadlineError):
            process.stream.send([bytes(MOST_IN_FLIGHT_BYTES)], timeout_s=0.5)
        process.kill()

    def test_a_port_tells_no_exit_status(self, transport: Transport, echo_port: int) -> None:
        """Nor standard error; ending the conversation twice is no error, and it is no loss of the device."""
        process = transport.open_port(echo_port, timeout_s=PATIENCE_S)
        assert (process.wait(timeout_s=0.01), process.stderr_tail()) == (None, "")
        assert process.why_ended(timeout_s=PATIENCE_S) is None
        process.kill()
        process.kill()
        transport.open_port(echo_port, timeout_s=PATIENCE_S).kill()

    def test_a_port_without_a_listener_is_told_apart(self, transport: Transport, closed_port: int) -> None:
        """By number: somebody may start what listens there."""
        with pytest.raises(PortRefusedError, match=str(closed_port)):
            transport.open_port(closed_port, timeout_s=PATIENCE_S)

    def test_a_closed_link_has_ended_its_streams_and_opens_no_more(self, transport: Transport, echo_port: int) -> None:
        """It says so."""
        process = transport.open_port(echo_port, timeout_s=PATIENCE_S)
        transport.close()
        with pytest.raises(TransportError):
            process.stream.send([b"late"], timeout_s=PATIENCE_S)
        with pytest.raises(TransportError, match="closed"):
            transport.open_port(echo_port, timeout_s=PATIENCE_S)


def _read(stream: Stream, size: int) -> bytes:
    """So many bytes."""
    got = bytearray()
    while len(got) < size:
        piece = bytearray(size - len(got))
        count = stream.receive_into(memoryview(piece), timeout_s=PATIENCE_S)
        assert count, "the stream ended"
        got += piece[:count]
    return bytes(got)
