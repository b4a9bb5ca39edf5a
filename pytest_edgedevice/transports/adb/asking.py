"""Questions to a device over adb, each a script on it: what it is, in what state, and what its logs say of a death."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING

from pytest_edgedevice.errors import DeadlineError, DeviceLostError, EdgeDeviceError, TransportError
from pytest_edgedevice.transports.adb import aftermath as adb_aftermath
from pytest_edgedevice.transports.adb import conditions as adb_conditions
from pytest_edgedevice.transports.adb import facts as adb_facts
from pytest_edgedevice.transports.adb.process import run_to_end

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from pytest_edgedevice.transports.adb.session import Session
    from pytest_edgedevice.values import Fact

CONDITIONS_S = 10.0
AFTERMATH_S = 5.0
CLOCK_SLACK_S = 2.0
"""By how much the device's clock may be misjudged: it tells whole seconds, and takes time to answer."""
MOST_ANSWER_BYTES = 8 << 20


class Asking:
    """Asks one device.

    Args:
        session: Of the device.
        timeout_s: Deadline for what it is, which is asked at once.

    Attributes:
        told: What it is; see ``adb_facts``.

    Raises:
        TransportError: The device is lost.
        DeadlineError: It does not answer in time.
    """

    def __init__(self, session: Session, *, timeout_s: float) -> None:
        self._session = session
        self.told = adb_facts.read(self._ask(["sh", "-c", adb_facts.SCRIPT], timeout_s))
        clock_s = adb_facts.clock_s(self.told)
        self._ahead_s = clock_s - time.time() if clock_s else 0.0

    def conditions(self) -> dict[str, Fact]:
        """See ``Transport.conditions``; what is not told in time is not there."""
        token = f"EDGEDEVICE-{secrets.token_hex(8)}"
        arguments = ["sh", "-c", adb_conditions.SCRIPT, "sh", token, self._session.folder]
        try:
            return adb_conditions.read(self._ask(arguments, CONDITIONS_S), token)
        except DeviceLostError:
            raise
        except (TransportError, DeadlineError):
            return {}

    def aftermath(self, pids: Collection[int], since: float) -> Mapping[str, str]:
        """What its logs say of our processes; never raises.

        Args:
            pids: Their numbers there.
            since: When the first was started, seconds since the epoch by this host's clock.
        """
        if not pids:
            return {}
        there_s = max(since + self._ahead_s - CLOCK_SLACK_S, 0.0)
        log = self._tried(["sh", "-c", adb_aftermath.LOG, "sh", f"{there_s:.3f}"])
        tombstone = self._tried(["sh", "-c", adb_aftermath.TOMBSTONE, "sh", *map(str, pids)])
        found = {
            "logcat": adb_aftermath.own_lines(log, pids, since_s=there_s),
            "tombstone": adb_aftermath.cut(tombstone),
        }
        return {title: text for title, text in found.items() if text}

    def _tried(self, arguments: Sequence[str]) -> str:
        try:
            return self._ask(arguments, AFTERMATH_S)
        except EdgeDeviceError:
            return ""

    def _ask(self, arguments: Sequence[str], timeout_s: float) -> str:
        _, said, _ = run_to_end(self._session, arguments, b"", timeout_s=timeout_s, most_bytes=MOST_ANSWER_BYTES)
        return said.decode("utf-8", "replace")
