"""A phone that an adb server can connect to, and that goes wrong when it is told to."""

from __future__ import annotations

import asyncio
import functools
import os
from typing import TYPE_CHECKING

from tests.peers.adb_daemon.faults import Faults
from tests.peers.adb_daemon.in_thread import InThread
from tests.peers.adb_daemon.link import Link, Manners
from tests.peers.adb_daemon.programs import run_framed, run_plain
from tests.peers.adb_daemon.root import Root
from tests.peers.adb_daemon.sync import Sync

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from tests.peers.adb_daemon.stream import Service, Stream

FEATURES = ("shell_v2", "cmd", "stat_v2", "fixed_push_mkdir")
PROPERTIES = {
    "ro.product.name": "faulty",
    "ro.product.model": "Faulty Phone",
    "ro.product.device": "faulty",
    "ro.product.cpu.abi": "x86_64",
    "ro.build.version.sdk": "34",
}


class FaultyPhone(InThread):
    """A phone on a port of this machine, to be used as a context manager: ``adb connect`` its ``address``.

    Its programs are real ones, run by ``/bin/sh`` as this user, and end with it. Faults may be armed at any time.

    Args:
        folder: Absent or empty; ``folder/tmp`` plays ``/data/local/tmp`` and ``folder/bin`` plays ``/system/bin``.
        serial: ``ro.serialno``; to adb it is known by its address.
        features: What it offers; without ``shell_v2`` it refuses ``shell,v2``.
        properties: More properties, or others than ours; ``getprop`` and adb's banner tell them.
        state: What adb shall find: ``device``, ``unauthorized``, ``offline``, ``recovery``, ``sideload``, ``rescue``
            or ``bootloader``.
        namespace: Programs see its folders under a phone's names. Needs root, and is what root gets. Otherwise the
            names are replaced in the text of commands.

    Attributes:
        faults: What goes wrong.
        opened: Service strings, in order, also of those that were refused.
        received: Bytes of content that came by pushes.
        tmp: The folder that plays ``/data/local/tmp``.
    """

    def __init__(
        self,
        folder: Path,
        *,
        serial: str = "FAULTY1",
        features: Iterable[str] = FEATURES,
        properties: Mapping[str, str] | None = None,
        state: str = "device",
        namespace: bool | None = None,
    ) -> None:
        self.received = 0
        self.opened: list[str] = []
        self.faults = Faults()
        self._features = tuple(features)
        self._properties = {**PROPERTIES, **(properties or {}), "ro.serialno": serial}
        self._root = Root(folder, self._properties, namespace=os.geteuid() == 0 if namespace is None else namespace)
        self.tmp = self._root.tmp
        self._manners = Manners(state, self._banner(), self.faults, self._service, self.opened, asyncio.Event())
        self._manners.awake.set()
        self._links: set[Link] = set()
        super().__init__()

    def tool(self, name: str, script: str) -> None:
        """Put a stand-in for one of a phone's own programs on its PATH, written in sh."""
        self._root.tool(name, script)

    def running(self) -> dict[int, str]:
        """What runs on it: command lines by process."""
        return self._root.running()

    def vanish(self) -> None:
        """Be gone: all connections end, new ones are refused, and programs get SIGHUP."""
        self._do(self._leave())

    def come_back(self, *, serial: str | None = None, state: str | None = None) -> None:
        """Be there again at the same address, perhaps as another phone or in another state."""
        if serial is not None:
            self._properties["ro.serialno"] = serial
            self._root.tell(self._properties)
        self._manners.state = state or self._manners.state
        self._do(self._listen())

    def authorize(self) -> None:
        """Accept the key of whoever is connected and waits."""

        async def accept() -> None:
            self._manners.state = "device"
            for link in self._links:
                link.hello()

        self._do(accept())

    def freeze(self) -> None:
        """Answer nothing at all any more; connections stay."""
        self._do(self._set_awake(False))

    def thaw(self) -> None:
        """Go on where it was frozen."""
        self._do(self._set_awake(True))

    async def _set_awake(self, awake: bool) -> None:
        if awake:
            self._manners.awake.set()
        else:
            self._manners.awake.clear()

    def _banner(self) -> str:
        told = [f"{name}={self._properties[name]};" for name in PROPERTIES if name.startswith("ro.product.")][:3]
        return "".join(told) + "features=" + ",".join(self._features)

    def _service(self, opened: str) -> Service | None:
        head, _, rest = opened.partition(":")
        name, *options = head.split(",")
        if name == "sync":
            return self._sync
        if name == "exec" or (name == "shell" and "v2" not in options):
            return functools.partial(run_plain, self._root)
        framed = (
            name == "shell" and "shell_v2" in self._features and "pty" not in options and (rest or "raw" in options)
        )
        return functools.partial(run_framed, self._root) if framed else None

    async def _sync(self, stream: Stream) -> None:
        def count(size: int) -> None:
            self.received += size

        await Sync(self._root, stream, count).serve()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = Link(self._manners, reader, writer)
        self._links.add(link)
        try:
            await link.serve()
        finally:
            self._links.discard(link)

    def _end(self) -> None:
        self._root.end()
