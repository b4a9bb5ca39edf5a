"""The descriptors of ssh connections, waited for with a deadline. Knows nothing of frames."""

from __future__ import annotations

import select
import time


def awaited(descriptor: int, event: int, deadline: float) -> bool:
    """Whether a poll event comes before a deadline on the monotonic clock; looks at least once."""
    poll = select.poll()
    poll.register(descriptor, event)
    return bool(poll.poll(max(deadline - time.monotonic(), 0) * 1000))
