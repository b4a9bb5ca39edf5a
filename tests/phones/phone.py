"""A phone that runs: how to reach it, and what can happen to it.

Owns the folder with its state and log, its port, and its process 1.
"""

from __future__ import annotations

import os
import time
import uuid
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from tests.phones import furniture, init, sayings, tools
from tests.phones.debian import PhoneError
from tests.phones.furniture import Options
from tests.phones.making import make, use
from tests.phones.namespaces import ProcessOne
from tests.ports import Port

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.phones.server import AdbServer

DEADLINE_S = 30.0
FILLER = "data/system-filler"
TEMPERATURES = {"BIG": 36.0, "G3D": 34.0, "TPU": 34.0, "battery": 27.3, "VIRTUAL-SKIN": 28.4}


class Phone:
    """A phone; ``with start_phone(...) as phone`` is how to get one.

    Attributes:
        address: What adb connects to, and its serial for adb: 127.0.0.1 and a port.
        serial: Its own, ``ro.serialno``.
        folder: Its state and log, on the host.
        options: What was asked for.
        root: Its root as the host's root sees it; only below ``/data``, ``/sys`` and ``/sdcard`` can be written to.
    """

    def __init__(self, folder: Path, options: Options) -> None:
        if os.getuid():
            raise PhoneError("a phone needs root: it has users and mounts of its own")
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder.resolve()
        self.options = options
        self.serial = options.serial
        self._state = self.folder / "state"
        self._state.mkdir(exist_ok=True)
        self._properties = furniture.properties(options)
        made = make()
        self._in_use = use(made)
        self._port = Port()
        self.address = f"127.0.0.1:{self._port.number}"
        self._write("properties", _lines(self._properties))
        self._write("boot_id", "")
        self._write("log", "")
        (self._state / "dumpsys").mkdir(exist_ok=True)
        self.dumpsys("SurfaceFlinger", sayings.surface_flinger(options.gles))
        self.battery()
        self.thermal()
        given = {
            "folder": str(self.folder),
            "made": str(made),
            "data_mb": options.data_mb,
            "files": furniture.files(options),
            **tools.programs(options.tools),
        }
        try:
            self._one = ProcessOne(self.folder, given)
        except BaseException:
            self._give_back()
            raise
        self.root = self._one.root
        try:
            self.start()
        except BaseException:
            self.stop()
            raise

    def files(self) -> list[str]:
        """What lies below /data/local/tmp, paths relative to it; a fresh phone has none."""
        temporary = self.root / "data/local/tmp"
        # a folder may be removed while we look into it, which `rglob` takes for an error
        inside = ((folder, name) for folder, *names in os.walk(temporary) for name in chain.from_iterable(names))
        return sorted(str(Path(folder, name).relative_to(temporary)) for folder, name in inside)

    def processes(self) -> dict[int, str]:
        """What runs on it beside its adb daemon: process to command line."""
        found: dict[str, str] = self._one.ask({"do": "processes"})["processes"]
        return {int(number): words for number, words in found.items()}

    def start(self) -> None:
        """Switch it on, with a new boot id, and wait until its daemon listens."""
        self._write("boot_id", f"{uuid.uuid4()}\n")
        banner = {**self._properties, "service.adb.listen_addrs": f"tcp:localhost:{self._port.number}"}
        seed = ";".join(f"{name}={value}" for name, value in banner.items() if ";" not in value)
        self._one.ask({"do": "on", "properties": seed})
        deadline = time.monotonic() + DEADLINE_S
        while not self._port.served_by(init.SHELL):
            if time.monotonic() > deadline:
                log = (self.folder / "adbd.log").read_text(encoding="utf-8", errors="replace")
                raise PhoneError(f"no adbd on {self.address} within {DEADLINE_S:.0f} s: {log[-1000:]}")
            time.sleep(0.002)

    def kill(self) -> None:
        """Cut its power: every process ends at once, and what /data holds stays."""
        self._one.ask({"do": "off"})

    def freeze(self) -> None:
        """Stop every process: connections stay open, new ones are accepted, and nothing is answered."""
        self._one.ask({"do": "freeze"})

    def thaw(self) -> None:
        """Let them go on."""
        self._one.ask({"do": "thaw"})

    def stop(self) -> None:
        """End it and everything that runs on it; idempotent. Its folder stays, with the log."""
        self._one.end()
        self._give_back()

    def set_property(self, name: str, value: str) -> None:
        """Have ``getprop`` say so; what adb itself shows of a phone follows when it starts again."""
        self._properties[name] = value
        self._write("properties", _lines(self._properties))

    def dumpsys(self, service: str, text: str | None) -> None:
        """Have ``dumpsys SERVICE`` say so; None for a service that it does not have."""
        if text is None:
            (self._state / "dumpsys" / service).unlink(missing_ok=True)
        else:
            self._write(f"dumpsys/{service}", text)

    def battery(self, *, level: int = 83, temperature_c: float = 27.3, charging: bool = True) -> None:
        """Set what ``dumpsys battery`` says."""
        text = sayings.battery(self.options.sdk, level=level, temperature_c=temperature_c, charging=charging)
        self.dumpsys("battery", text)

    def thermal(self, *, status: int = 0, temperatures_c: Mapping[str, float] = TEMPERATURES) -> None:
        """Set what ``dumpsys thermalservice`` says, which Android has since version 10 (sdk 29).

        Args:
            status: 0 for none, 1 light, 2 moderate, 3 severe, 4 critical, 5 emergency, 6 shutdown.
            temperatures_c: Sensor to degrees Celsius.
        """
        text = sayings.thermal(self.options.sdk, status=status, temperatures_c=temperatures_c)
        self.dumpsys("thermalservice", text if self.options.sdk >= 29 else None)

    def log(  # what a line of Android's log consists of
        self,
        text: str,
        *,
        pid: int = 1234,
        tid: int = 0,
        user: int = init.SHELL,
        level: str = "I",
        tag: str = "test",
        buffer: str = "main",
        at_s: float = 0,
    ) -> None:
        """Add to what ``logcat`` prints.

        Args:
            text: A line of the log for each of its lines.
            pid: Of the process that said it, as the phone counts.
            tid: Its thread; the process's first when 0.
            user: Its user.
            level: V, D, I, W, E or F.
            tag: Who said it.
            buffer: main, system, crash, events, radio or kernel.
            at_s: Seconds since 1970; now when 0.
        """
        line = sayings.log_line(
            text, pid=pid, tid=tid, user=user, level=level, tag=tag, buffer=buffer, at_s=at_s or time.time()
        )
        with (self._state / "log").open("a", encoding="utf-8") as file:
            file.write(line)

    def fill_disk(self) -> None:
        """Leave no space on /data; it is memory that fills, so give such a phone a small ``data_mb``."""
        with (self.root / FILLER).open("wb") as file:
            space = os.statvfs(file.fileno())
            os.posix_fallocate(file.fileno(), 0, max(1, space.f_bavail * space.f_frsize))

    def free_disk(self) -> None:
        """Give the space back."""
        (self.root / FILLER).unlink(missing_ok=True)

    def authorize(self, server: AdbServer) -> None:
        """Accept the dialog that asks whether to trust the server's key; it is known from the next connection on."""
        keys = self.root / "data/misc/adb"
        with (keys / "adb_keys").open("a", encoding="ascii") as file:
            file.write(server.public_key.strip() + "\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _give_back(self) -> None:
        self._port.close()
        self._in_use.close()

    def _write(self, name: str, content: str) -> None:
        """Replace a file of its state; one that is bound alone is written to, as a bind shows what was there."""
        path = self._state / name
        if path.exists() and name == "boot_id":
            path.write_text(content, encoding="utf-8")
            return
        part = path.with_suffix(".part")
        part.write_text(content, encoding="utf-8")
        part.replace(path)


def _lines(values: dict[str, str]) -> str:
    return "".join(f"{name}={value}\n" for name, value in sorted(values.items()))


def start_phone(folder: Path, **options: Any) -> Phone:
    """Start a phone and wait until its daemon listens; the first one of all makes what phones are made of.

    Args:
        folder: For its state and log; made when it is not there.
        options: Fields of ``furniture.Options``.

    Raises:
        PhoneError: Something is missing here; the text says what.
    """
    return Phone(folder, Options(**options))
