"""Cases that one device, model or agent answers one after the other: to start one for each is what takes time."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def case(what: object) -> Iterator[None]:
    """Have what fails in its block say in which case."""
    try:
        yield
    except BaseException as error:
        error.add_note(f"in the case {what!r}")
        raise
