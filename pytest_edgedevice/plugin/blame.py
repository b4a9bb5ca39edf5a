"""Whose fault an exception is, and how much of its traceback a user should see.

Pure functions on exceptions; what pytest is told is decided in ``outcomes``.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_edgedevice.errors import InfraError

HOUSE = Path(__file__).parent.parent
LIBRARY = Path(os.__file__).parent
MACHINERY = frozenset({"_pytest", "pluggy", "xdist"})
RANK = ("passed", "skipped", "inconclusive", "failed", "infra")


def is_ours(error: BaseException) -> bool:
    """Whether an exception is one of ours, or derived from one by whoever adds a device."""
    # nothing of ours can have been raised before its module was imported
    errors, verdict = (sys.modules.get(f"pytest_edgedevice.{name}") for name in ("errors", "checks.verdict"))
    return (errors is not None and isinstance(error, errors.EdgeDeviceError)) or (
        verdict is not None and isinstance(error, verdict.CheckFailed)
    )


def outcome_of(error: BaseException | None) -> str:
    """What an exception that pytest takes for neither a skip nor an expected failure makes of a test's outcome."""
    if error is None:
        return "passed"
    if is_infra(error):
        return "infra"
    evidence = getattr(error, "evidence", None) if is_ours(error) else None
    return "inconclusive" if getattr(evidence, "verdict", None) == "inconclusive" else "failed"


def is_infra(error: BaseException) -> bool:
    """Whether the world failed; of a group of exceptions, whether that is all that happened."""
    if isinstance(error, BaseExceptionGroup):
        return all(is_infra(one) for one in error.exceptions)
    return isinstance(error, _faults())


def _faults() -> tuple[type[Exception], ...]:
    """What no test of a model is to blame for: the world, and the file that describes its devices."""
    from pytest_edgedevice.errors import ConfigError, InfraError

    return InfraError, ConfigError


def fault_in(error: BaseException, kinds: tuple[type[InfraError], ...]) -> InfraError | None:
    """The first of these faults in an exception, or in a group of them."""
    if isinstance(error, BaseExceptionGroup):
        return next((found for one in error.exceptions if (found := fault_in(one, kinds))), None)
    return error if isinstance(error, kinds) else None


def expected_by_name(error: BaseException, raises: Any) -> bool:
    """Whether an ``xfail(raises=...)`` names this fault of the world; ``Exception`` names none.

    Args:
        error: A fault of the world.
        raises: An exception class, a tuple of them, ``pytest.RaisesExc``, or None.
    """
    given = raises if isinstance(raises, tuple) else getattr(raises, "expected_exceptions", (raises,))
    named = tuple(one for one in given if isinstance(one, type) and issubclass(one, _faults()))
    return isinstance(error, named)


def shorten(error: BaseException) -> bool:
    """End the traceback at the user's line, and hide what we caught on the way.

    Returns:
        Whether a line of the user's is left; the traceback is unchanged otherwise.
    """
    if is_ours(error):
        error.__cause__, error.__suppress_context__ = None, True
    kept = list(_without_ours(error))
    if not kept:
        return False
    rebuilt: TracebackType | None = None
    for part in reversed(kept):
        rebuilt = TracebackType(rebuilt, part.tb_frame, part.tb_lasti, part.tb_lineno)
    error.__traceback__ = rebuilt
    return True


def _without_ours(error: BaseException) -> Iterator[TracebackType]:
    """The frames up to the last of the user's, without ours; none where there is none of the user's."""
    frames = []
    part = error.__traceback__
    while part is not None:
        frames.append(part)
        part = part.tb_next
    last = max((number for number, one in enumerate(frames) if _is_users(_file(one))), default=-1)
    # of a foreign exception that was raised below us all is shown: it may be our mistake
    if is_ours(error) or last == len(frames) - 1:
        yield from (one for one in frames[: last + 1] if not _is_between(_file(one)))
    else:
        yield from frames


def _file(part: TracebackType) -> Path:
    return Path(part.tb_frame.f_code.co_filename)


def _is_between(path: Path) -> bool:
    """Whether a file is ours, or the standard library's (``contextlib`` stands between our fixtures and devices)."""
    if path.is_relative_to(HOUSE):
        return True
    return path.is_relative_to(LIBRARY) and {"site-packages", "dist-packages"}.isdisjoint(path.parts)


def _is_users(path: Path) -> bool:
    return not _is_between(path) and MACHINERY.isdisjoint(path.parts)
