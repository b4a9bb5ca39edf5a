"""The same question outside pytest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.blame.asking import Origin
from pytest_edgedevice.blame.inputs import by_name
from pytest_edgedevice.blame.investigating import DEADLINE_S, investigate
from pytest_edgedevice.checks.blamed import Blame, compared

if TYPE_CHECKING:
    import os

    from pytest_edgedevice.checks import GoldenLike
    from pytest_edgedevice.checks.asking import Asked
    from pytest_edgedevice.interfaces import DeviceLike
    from pytest_edgedevice.values import Outputs, Run


def find_blame(
    run: Run,
    reference: GoldenLike | Outputs,
    *,
    device: DeviceLike,
    path: str | os.PathLike[str],
    inputs: Any,
    atol: float | None = None,
    rtol: float | None = None,
    metric: Asked | None = None,
    at_least: float | None = None,
    at_most: float | None = None,
    preset: str | None = None,
    deadline_s: float = DEADLINE_S,
    **options: Any,
) -> Blame | None:
    """Say what is the likely cause of a run that is not close to its reference, by running the samples again.

    Args:
        run: What ``model.run(inputs)`` gave.
        reference: A golden, or output name to array with samples along the first axis.
        device: The device that it ran on, still open.
        path: The model's file on this host.
        inputs: What it ran on, in any form that ``run`` takes.
        atol: See ``edge_check.close``.
        rtol: See ``edge_check.close``.
        metric: See ``edge_check.close``.
        at_least: See ``edge_check.close``.
        at_most: See ``edge_check.close``.
        preset: See ``edge_check.close``.
        deadline_s: For all of it together, seconds.
        options: What else the model was loaded with: ``delegate``, ``threads``, ``engine`` ...

    Returns:
        The likely cause with what it rests on; None where the run is close.

    Raises:
        UsageError: Run, reference, tolerance or metric cannot be used.
    """
    found = compared(
        run, reference, atol=atol, rtol=rtol, metric=metric, at_least=at_least, at_most=at_most, preset=preset
    )
    if found.result.passed:
        return None
    origin = Origin(device, Path(path), by_name(inputs, run.model.inputs), options)
    return investigate(found, origin, deadline_s=deadline_s)
