"""How a check ends: its evidence is recorded first, whatever comes then."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Literal

from pytest_edgedevice.checks.verdict import CheckFailed, InconclusiveWarning
from pytest_edgedevice.errors import UsageError
from pytest_edgedevice.values import Evidence, ModelInfo, Placement, Regression, Timing, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_edgedevice.checks.seams import ModelLike

OnInconclusive = Literal["fail", "warn", "xfail"]
Subject = tuple[ModelInfo | None, Placement | None, str]
"""The model that was checked, where it ran, and on which device."""


class Settling:
    """Records what a check saw, and raises or warns by its verdict and the policy.

    Args:
        record: Called once per check with its evidence, before a failure is raised.
        on_inconclusive: See ``EdgeCheck``.
        baseline: See ``EdgeCheck``.
    """

    def __init__(
        self,
        record: Callable[[Evidence], None],
        *,
        on_inconclusive: OnInconclusive = "fail",
        baseline: Callable[[ModelLike, Timing], Regression | None] | None = None,
    ) -> None:
        if on_inconclusive not in {"fail", "warn", "xfail"}:
            raise UsageError(f"on_inconclusive must be 'fail', 'warn' or 'xfail', not {on_inconclusive!r}")
        self._record = record
        self._on_inconclusive = on_inconclusive
        self._baseline = baseline

    def _settle(
        self, check: str, verdict: Verdict, message: str, numbers: Mapping[str, Any], *, subject: Subject
    ) -> None:
        __tracebackhide__ = True
        info, placement, device = subject
        evidence = Evidence(check, verdict, message, numbers, model=info, placement=placement, device=device)
        self._record(evidence)
        if verdict == "inconclusive" and self._on_inconclusive == "warn":
            warnings.warn(message, InconclusiveWarning, stacklevel=3)
        elif verdict != "pass":
            raise CheckFailed(evidence)
