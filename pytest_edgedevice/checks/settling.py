"""How a check ends: its evidence is recorded first, whatever comes then."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pytest_edgedevice.checks.blamed import with_blame
from pytest_edgedevice.checks.verdict import CheckFailed, InconclusiveWarning
from pytest_edgedevice.errors import UsageError
from pytest_edgedevice.values import Evidence, ModelInfo, Placement, Regression, Timing, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_edgedevice.checks.blamed import Blame, Compared
    from pytest_edgedevice.checks.seams import ModelLike

OnInconclusive = Literal["fail", "warn", "xfail"]
HERE = str(Path(__file__).parent)
Subject = tuple[ModelInfo | None, Placement | None, str]
"""The model that was checked, where it ran, and on which device."""


class Settling:
    """Records what a check saw, and raises or warns by its verdict and the policy.

    Args:
        record: Called once per check with its evidence, before a failure is raised.
        on_inconclusive: See ``EdgeCheck``.
        baseline: See ``EdgeCheck``.
        investigate: See ``EdgeCheck``.
        keep: See ``EdgeCheck``.
    """

    def __init__(
        self,
        record: Callable[[Evidence], None],
        *,
        on_inconclusive: OnInconclusive = "fail",
        baseline: Callable[[ModelLike, Timing], Regression | None] | None = None,
        investigate: Callable[[Compared], Blame | None] | None = None,
        keep: Callable[[Compared], str] | None = None,
    ) -> None:
        if on_inconclusive not in {"fail", "warn", "xfail"}:
            raise UsageError(f"on_inconclusive must be 'fail', 'warn' or 'xfail', not {on_inconclusive!r}")
        self._record = record
        self._on_inconclusive = on_inconclusive
        self._baseline = baseline
        self._investigate = investigate
        self._keep = keep

    def _looked_into(self, found: Compared, message: str, numbers: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """Message and numbers of a comparison, with the cause of a failure and the file that keeps both sides."""
        more: dict[str, Any] = {}
        if self._keep and (path := self._keep(found)):
            more["artifact"] = path
        if message and self._investigate and (blame := self._investigate(found)):
            message, more["blame"] = with_blame(message, blame), blame.numbers()
        return message, {**numbers, **more}

    def _settle(
        self, check: str, verdict: Verdict, message: str, numbers: Mapping[str, Any], *, subject: Subject
    ) -> None:
        __tracebackhide__ = True
        info, placement, device = subject
        evidence = Evidence(check, verdict, message, numbers, model=info, placement=placement, device=device)
        self._record(evidence)
        if verdict == "inconclusive" and self._on_inconclusive == "warn":
            warnings.warn(message, InconclusiveWarning, stacklevel=callers_level())
        elif verdict != "pass":
            raise CheckFailed(evidence)


def callers_level() -> int:
    """The ``stacklevel`` for a warning that shall name the line that called a check, however deep in here it arises."""
    level, frame = 1, sys._getframe(1)  # noqa: SLF001 - what warnings itself does, with a number instead of a place
    while frame.f_back is not None and frame.f_code.co_filename.startswith(HERE):
        level, frame = level + 1, frame.f_back
    return level
