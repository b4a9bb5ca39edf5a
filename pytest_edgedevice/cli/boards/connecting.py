"""From what a user typed to a connection with a board."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_edgedevice.errors import DeviceNotFoundError, UsageError
from pytest_edgedevice.inventory import load_inventory
from pytest_edgedevice.inventory.known import remember

if TYPE_CHECKING:
    from pytest_edgedevice.spec import DeviceSpec
    from pytest_edgedevice.transports.ssh.client import Target
    from pytest_edgedevice.transports.ssh.transport import SshTransport


@dataclass(frozen=True, slots=True)
class Place:
    """A board that was named.

    Attributes:
        name: What the user typed.
        spec: How to reach it.
        python, folder: Of its table in the device file; empty for the defaults.
        cache_mb: How much of models may stay there, by that table.
    """

    name: str
    spec: DeviceSpec
    python: str = ""
    folder: str = ""
    cache_mb: int = 0

    @property
    def interpreter(self) -> str:
        """What is run there."""
        return self.python or "python3"

    def target(self) -> Target:
        """Whom ssh connects to."""
        from pytest_edgedevice.transports.ssh.client import Target

        return Target(self.spec.host, user=self.spec.user, port=self.spec.port)

    def connect(self) -> SshTransport:
        """Connect, and note what answered there.

        Raises:
            TransportError: It cannot be reached, or runs no helper.
        """
        from pytest_edgedevice.cli.transfers import Transfers
        from pytest_edgedevice.transports.ssh.transport import SshTransport

        spec = self.spec
        transport = SshTransport(
            spec.host,
            user=spec.user,
            port=spec.port,
            python=self.python,
            base=self.folder,
            cache_bytes=self.cache_mb * 1_000_000,
        )
        transport.on_progress = Transfers()
        remember(str(spec), transport.identity())
        return transport


def place_of(text: str, config: Path | None) -> Place:
    """Understand a board's name.

    Args:
        text: ``ssh:[user@]host[:port]``, or a name from ``edgedevice.toml``.
        config: The device file; None to search for it.

    Raises:
        SpecError, ConfigError: The text or the device file cannot be understood.
        UsageError: It is no board over SSH.
        DeviceNotFoundError: It names no host.
    """
    inventory = load_inventory(Path.cwd(), explicit=config)
    spec = inventory.parse(text)
    entry = inventory.devices.get(spec.name) if spec.kind == "named" else None
    reached = entry.spec if entry else spec
    if reached.kind != "ssh":
        raise UsageError(
            f"{text[:80]!r} is no board that is reached over SSH",
            hint="write ssh:[user@]host[:port], or its name in edgedevice.toml; for this host: edgedevice doctor",
        )
    if not reached.host:
        boards = [one.name for one in inventory.devices.values() if one.spec.kind == "ssh"]
        known = f": {', '.join(boards[:10])}" if boards else ""
        raise DeviceNotFoundError(f"{text!r} names no host", hint=f"write ssh:[user@]host[:port], or a name{known}")
    if entry is None:
        return Place(text, reached)
    return Place(entry.name, reached, entry.python or "", entry.folder or "", entry.cache_mb)
