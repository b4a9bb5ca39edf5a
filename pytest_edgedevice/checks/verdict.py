"""The failure and the warning that a check ends in."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_edgedevice.values import Evidence


class CheckFailed(AssertionError):  # noqa: N818 - a failed assertion reads as what happened, like pytest's own
    """A check that did not pass; at most four lines, the rest is in ``evidence``."""

    def __init__(self, evidence: Evidence) -> None:
        super().__init__(evidence.message)
        self.evidence = evidence

    def __reduce__(self) -> tuple[type[CheckFailed], tuple[Evidence]]:
        # the default would rebuild from the message, which is no evidence
        return type(self), (self.evidence,)


class BaselineWarning(UserWarning):
    """A latency beyond its baseline, whose noise is not known yet."""


class InconclusiveWarning(UserWarning):
    """A measurement that could show neither pass nor fail, where the policy is to warn."""
