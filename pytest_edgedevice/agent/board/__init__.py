"""The helper on a board that is reached by a byte stream: one process a session.

It starts programs and passes their streams on, takes files, holds the board's
own lock, and when its host is gone, or silent for ``TTL_S``, it ends everything
and wipes the session. Python 3.9, standard library only. What it needs from
elsewhere (folders of sessions, leases) is handed to ``main``.
"""

from __future__ import annotations

WINDOW_BYTES = 4 << 20
"""Bytes of one stream that may be on their way without having been asked for."""
CHUNK_BYTES = 256 << 10
"""Largest payload of a frame, either way."""
BEAT_S = 2.0
TTL_S = 10.0
"""Longest silence of a host that is alive, seconds; both ends judge the other by it."""
SILENT_S = TTL_S - 0.5
"""After such a silence the helper gives its host up, so that the board is clean and free within ``TTL_S``."""
