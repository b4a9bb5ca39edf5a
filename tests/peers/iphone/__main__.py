"""``python -m tests.peers.iphone [OPTION=VALUE ...]``: a phone with an app, and usbmuxd, by hand, until Enter.

Options are those of ``Phone`` that are words, numbers, or yes and no. For tests/run there are ``packages``, which
prints what to install first, ``make``, which fetches go-ios, and ``check``: whether other people's clients run here.
"""

from __future__ import annotations

import inspect
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.peers.iphone import App, Phone, SimulatedPhones, clients

if TYPE_CHECKING:
    from collections.abc import Callable

PORT = 17341


def _options(words: list[str]) -> dict[str, Any]:
    parameters = inspect.signature(Phone).parameters.values()
    usual = {one.name: one.default for one in parameters if one.kind == one.KEYWORD_ONLY and one.name != "ports"}
    known: dict[str, Callable[[str], Any]] = {"udid": str, **{name: type(value) for name, value in usual.items()}}
    known |= {name: "True".__eq__ for name, kind in known.items() if kind is bool}
    known["connections"] = lambda value: tuple(value.split(","))
    pairs = [word.split("=", 1) for word in words]
    if wrong := [pair[0] for pair in pairs if len(pair) != 2 or pair[0] not in known]:
        raise SystemExit(
            f"tests.peers.iphone: no option {wrong[0]}; there are: {', '.join(sorted(known))} (name=value)"
        )
    return {name: known[name](value) for name, value in pairs}


def main(words: list[str]) -> None:
    """Start what was asked for and say how to reach it."""
    if words == ["packages"]:
        print(*clients.missing_packages())
    elif words == ["make"]:
        clients.fetch()
    elif words == ["check"]:
        clients.check()
    else:
        given = _options(words)
        with (
            tempfile.TemporaryDirectory(prefix="iphone-") as folder,
            App(Path(folder)) as app,
            SimulatedPhones() as bus,
        ):
            phone = bus.attach(**given, ports={PORT: app.address})
            print(
                f"{phone.values['DeviceName']} is attached, until Enter; its app is open on port {PORT}. Reach it by:"
            )
            print(f"USBMUXD_SOCKET_ADDRESS={bus.address} edgedevice list")
            print(f"USBMUXD_SOCKET_ADDRESS=UNIX:{bus.path} ideviceinfo --udid {phone.udid}", flush=True)
            sys.stdin.readline()


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except clients.ClientError as error:
        raise SystemExit(f"tests.peers.iphone: {error}") from None
