"""Descriptors of connections, let go of in forked children: they would live for as long as the child otherwise."""

from __future__ import annotations

import os
import weakref

_held: weakref.WeakKeyDictionary[object, frozenset[int]] = weakref.WeakKeyDictionary()


def hold(owner: object, descriptors: frozenset[int]) -> None:
    """Have a forked child let go of these."""
    _held[owner] = descriptors


def release(owner: object) -> None:
    """Forget what ``hold`` was told, as its owner closes them itself."""
    _held.pop(owner, None)


def _leave_to_parent() -> None:
    nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for descriptors in list(_held.values()):
        for descriptor in descriptors:
            os.dup2(nothing, descriptor, inheritable=False)  # not closed: their owner may do so yet
    os.close(nothing)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_parent)
