"""``python -m tests.phones [OPTION=VALUE ...]``: a phone and an adb server by hand, until Enter.

For tests/run there are ``packages``, which prints what to install first, ``make``, which makes what phones are made
of, and ``check``, which starts a phone and ends it: whether one can be had here.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.phones.debian import PhoneError
from tests.phones.furniture import Options
from tests.phones.making import make, missing_packages
from tests.phones.phone import start_phone
from tests.phones.server import start_adb_server


def _options(words: list[str]) -> dict[str, Any]:
    kinds = {"True": True, "False": False}
    known = Options.__dataclass_fields__
    pairs = [word.split("=", 1) for word in words]
    if wrong := [pair[0] for pair in pairs if len(pair) != 2 or pair[0] not in known]:
        raise SystemExit(f"tests.phones: no option {wrong[0]}; there are: {', '.join(known)} (as name=value)")
    return {name: kinds.get(value, int(value) if value.isdigit() else value) for name, value in pairs}


def main(words: list[str]) -> None:
    """Start what was asked for and say how to reach it."""
    if words == ["packages"]:
        print(*missing_packages())
        return
    if words == ["make"]:
        make(aloud=True)
        return
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="phone-") as folder:
        given = {} if words == ["check"] else _options(words)
        with start_phone(Path(folder) / "phone", **given) as phone, start_adb_server(Path(folder) / "adb") as server:
            server.connect(phone, state="unauthorized" if phone.options.secure else "device")
            if words == ["check"]:
                if (said := server.adb("-s", phone.address, "shell", "id", "-un")).stdout != "shell\n":
                    raise PhoneError(f"nobody can run a program on a phone: {said.stdout}{said.stderr}")
                return
            print(f"{phone.options.model} is up after {time.monotonic() - begun:.2f} s, until Enter. Reach it by:")
            print(*(f"{name}={value}" for name, value in server.variables.items()), server.program, "shell")
            sys.stdin.readline()


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except PhoneError as error:
        raise SystemExit(f"tests.phones: {error}") from None
