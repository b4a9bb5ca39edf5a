"""A look at a board by what every POSIX system has, for boards whose Python is missing or too old."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_edgedevice.cli.boards.looks import Look, text, version_in
from pytest_edgedevice.cli.checks.programs import ended

if TYPE_CHECKING:
    from pytest_edgedevice.transports.ssh.client import Target

ANSWER_S = 30.0
MARK = "EDGEDEVICE-SAYS"
MOST_LINES = 200
# one line without quotes, backslashes or exclamation marks inside, so that any login shell passes it on as it is
COMMAND = (
    "exec sh -c '"
    f"e() {{ echo {MARK} $*; }}; "
    "e machine $(uname -m); e kernel $(uname -r); "
    "e glibc $(getconf GNU_LIBC_VERSION 2>/dev/null); "
    "e ldd $(ldd --version 2>&1 | head -n 2); "
    "for f in /lib/ld-musl-* /usr/lib/*/libstdc++.so.6.* /usr/lib/libstdc++.so.6.* /usr/lib64/libstdc++.so.6.* "
    "/lib/*/libstdc++.so.6.* /lib/libstdc++.so.6.*; do test -e $f && e file $f; done; "
    "e bits $(getconf LONG_BIT 2>/dev/null); "
    "for p in python3 python3.14 python3.13 python3.12 python3.11 python3.10 python3.9 python; "
    "do e python $p $(command -v $p) $($p --version 2>&1 | head -n 1); done; "
    "for f in /proc/cpuinfo /sys/devices/system/cpu/possible /sys/devices/system/cpu/present; "
    "do test -r $f || e unread $f; done; "
    "e governor $(cat /sys/devices/system/cpu/cpu0/cpufreq/scaling_governor 2>/dev/null); "
    "e free $(df -Pk /tmp 2>/dev/null | tail -n 1); e end"
    "'"
)


def look_without_python(target: Target) -> tuple[Look, tuple[str, ...]] | None:
    """Ask a board by its shell.

    Args:
        target: Whom to connect to.

    Returns:
        What it said, and the Pythons that it has, each with its version; None when it did not say all of it.
    """
    done = ended([*target.arguments()[:-1], COMMAND], timeout_s=ANSWER_S)
    said = [line.split(" ")[1:] for line in done.stdout.splitlines() if line.startswith(MARK + " ")][:MOST_LINES]
    if ["end"] not in said:
        return None
    told: dict[str, list[str]] = {}
    for word, *rest in said:
        told.setdefault(word, []).append(text(" ".join(rest)))
    first = {word: lines[0] for word, lines in told.items()}
    files = told.get("file", [])
    cxx = max((path for path in files if "libstdc++" in path), key=_number, default="")
    look = Look(
        machine=_machine(first.get("machine", ""), first.get("bits", "")),
        kernel=first.get("kernel", ""),
        libc=_libc(first.get("glibc", ""), first.get("ldd", ""), files),
        cxx=(3, 4, _number(cxx)) if cxx else None,
        cxx_path=cxx,
        base_free_bytes=_free(first.get("free", "")),
        unread=tuple(told.get("unread", ())),
        governors=tuple(one for one in told.get("governor", ()) if one),
    )
    return look, tuple(_pythons(told.get("python", [])))


def _pythons(lines: list[str]) -> list[str]:
    """Those that are there: ``python3 /usr/bin/python3 Python 3.7.3`` is 3.7.3 at /usr/bin/python3."""
    split = (line.split() for line in lines)
    found = [f"{words[1]} ({words[3]})" for words in split if len(words) > 3 and _is_python(words)]
    return list(dict.fromkeys(found))


def _is_python(words: list[str]) -> bool:
    return words[1].startswith("/") and words[2] == "Python" and version_in(words[3]) is not None


def _machine(machine: str, bits: str) -> str:
    return {"aarch64": "armv7l", "x86_64": "i686"}.get(machine, machine) if bits == "32" else machine


def _libc(getconf: str, ldd: str, files: list[str]) -> str:
    if "glibc" in getconf:
        return getconf
    if "musl" in ldd.lower() or any("ld-musl" in path for path in files):
        return "musl"
    found = version_in(ldd.rpartition(" ")[2]) if "glibc" in ldd.lower() or "gnu libc" in ldd.lower() else None
    return f"glibc {'.'.join(map(str, found))}" if found else ""


def _number(path: str) -> int:
    """The library's own number: ``libstdc++.so.6.0.30`` gives the symbols of GLIBCXX_3.4.30."""
    last = path.rpartition(".")[2]
    return int(last) if last.isdecimal() and len(last) < 5 else -1


def _free(words: str) -> int | None:
    parts = words.split()
    return int(parts[3]) * 1024 if len(parts) > 4 and parts[3].isdecimal() and len(parts[3]) < 16 else None
