"""What counts where a runtime only takes a wish and shows a plan, as Core ML does.

Nothing proves such a delegate, so nothing here says that it ran. A plan that gives the named accelerator no
operator at all is as good as a refusal, though, and is treated as one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_edgedevice.errors import DelegateError
from pytest_edgedevice.values import plan_text

if TYPE_CHECKING:
    from pytest_edgedevice.values import Placement

ALSO_CALLED = {"coreml": "all"}
NAMED = {"cpu_and_gpu": "gpu", "cpu_and_ne": "neural_engine"}
"""The accelerator that a delegate is named for; ``all`` names none."""
BEYOND = {"cpu_only": ("gpu", "neural_engine"), "cpu_and_gpu": ("neural_engine",), "cpu_and_ne": ("gpu",)}
"""What a delegate rules out."""


def check_requested(placement: Placement, model: str) -> None:
    """Fail where the plan leaves the accelerator that was asked for without work; without a plan, believe the request.

    Raises:
        DelegateError: With the plan; also when the engine was told to use something else.
    """
    asked = ALSO_CALLED.get(placement.requested, placement.requested)
    told = ALSO_CALLED.get(placement.proven, placement.proven)
    if asked == "default":
        return
    if told != asked:
        raise DelegateError(
            f"delegate {placement.requested!r} did not reach the engine: for {model!r} it was told {placement.proven!r}"
        )
    if not placement.plan:
        return
    wanted = NAMED.get(asked, "")
    beyond = [device for device in BEYOND.get(asked, ()) if placement.plan.get(device)]
    if beyond or (wanted and not placement.plan.get(wanted)):
        what = "goes beyond it" if beyond else f"leaves the {wanted.replace('_', ' ')} without work"
        raise DelegateError(
            f"delegate {placement.requested!r}: the engine's plan for {model!r} {what}: {plan_text(placement.plan)}",
            hint='fallback="allow" runs it as planned and says so',
        )
