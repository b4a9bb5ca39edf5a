"""What boards and phones were when they were last reached from this account: address to identity.

For looking at their leases. A hint for people only: an address may belong to another board by now, and whoever
opens one asks it anew.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

MOST_BYTES = 1 << 20
MOST_KNOWN = 500
MOST_TEXT = 200


@dataclass(frozen=True, slots=True)
class Known:
    """A board or phone as it was.

    Attributes:
        identity: Key of its lease.
        when: When it said so, seconds since the epoch.
    """

    identity: str
    when: float


_writing = threading.Lock()


def recall(address: str) -> Known | None:
    """What answered at an address lately, ``ssh:pi@kitchen`` or ``adb:10.0.0.7:5555``; None where nothing ever did."""
    return _all().get(address)


def remember(address: str, identity: str) -> None:
    """Note what answered at an address; a disk that refuses is no fault, as nothing rests on it."""
    with _writing:  # boards are asked at the same time
        _remember(address, identity)


def _remember(address: str, identity: str) -> None:
    known = {**_all(), address: Known(identity, time.time())}
    latest = sorted(known.items(), key=lambda item: item[1].when)[-MOST_KNOWN:]
    content = {place: [one.identity, one.when] for place, one in latest}
    path = _path()
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, part = tempfile.mkstemp(dir=path.parent, prefix=".boards-")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(content, file)
            Path(part).replace(path)
        except BaseException:
            Path(part).unlink(missing_ok=True)
            raise


def _path() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME", "")
    root = Path(cache) if cache.startswith("/") else Path(os.path.expanduser("~")) / ".cache"  # noqa: PTH111 - never raises
    return root / "edgedevice" / "boards.json"


def _all() -> dict[str, Known]:
    try:
        with _path().open("rb") as file:
            content = json.loads(file.read(MOST_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(content, dict):
        return {}
    return {
        address: Known(entry[0], float(entry[1]))
        for address, entry in content.items()
        if isinstance(entry, list) and len(entry) == 2 and _is_sane(*entry)
    }


def _is_sane(identity: object, when: object) -> bool:
    sound = isinstance(identity, str) and 0 < len(identity) <= MOST_TEXT and identity.isprintable()
    return sound and type(when) in (int, float) and 0 <= when < 1e12  # type: ignore[operator]
