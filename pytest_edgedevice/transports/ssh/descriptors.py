"""The descriptors of ssh connections: waited for with a deadline, and let go of in forked children.

Knows nothing of frames.
"""

from __future__ import annotations

import os
import select
import time
import weakref

_held: weakref.WeakKeyDictionary[object, frozenset[int]] = weakref.WeakKeyDictionary()


def hold(owner: object, descriptors: frozenset[int]) -> None:
    """Have a forked child let go of these: the connection would live for as long as the child otherwise."""
    _held[owner] = descriptors


def release(owner: object) -> None:
    """Forget what ``hold`` was told, as its owner closes them itself."""
    _held.pop(owner, None)


def awaited(descriptor: int, event: int, deadline: float) -> bool:
    """Whether a poll event comes before a deadline on the monotonic clock; looks at least once."""
    poll = select.poll()
    poll.register(descriptor, event)
    return bool(poll.poll(max(deadline - time.monotonic(), 0) * 1000))


def _leave_to_parent() -> None:
    nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for descriptors in list(_held.values()):
        for descriptor in descriptors:
            os.dup2(nothing, descriptor, inheritable=False)  # not closed: their owner may do so yet
    os.close(nothing)
    _held.clear()


os.register_at_fork(after_in_child=_leave_to_parent)
