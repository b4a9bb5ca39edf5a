"""The method ``evaluate`` of models, for whatever stands in for one too."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.evaluation.evaluating import BATCH, evaluate

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from pytest_edgedevice.evaluation.result import Evaluation
    from pytest_edgedevice.values import ModelInfo, Placement, Run


class Evaluated:
    """The part of ``LoadedModel`` that evaluates data sets; needs ``run``, and uses ``run_each`` where it is."""

    info: ModelInfo
    placement: Placement
    device_name: str

    @abstractmethod
    def run(self, inputs: Any, *, allow_nan: bool = False, timeout_s: float | None = None) -> Run:
        """Run samples."""

    def evaluate(
        self,
        dataset: Any,
        metric: Any = "accuracy",
        *,
        batch: int = BATCH,
        output: str | None = None,
        worst: int = 10,
        resume: bool | str | os.PathLike[str] | None = None,
        progress: Callable[[str], None] | None = None,
        allow_nan: bool = False,
        timeout_s: float | None = None,
    ) -> Evaluation:
        """Run a whole data set and score it, in constant memory: samples are drawn while others are computed.

        Args:
            dataset: Arrays by name in which ``labels`` are the labels, e.g. ``{"image": x, "labels": y}`` with x
                (n, 8, 8) float32; an NPZ file of such; a golden, whose references are the labels; a ``Dataset``; or
                samples ``(inputs, label[, id[, tags]])``: a sequence, a generator of any length, or a function that
                makes one. Floats become integers by the model's own scales where it takes those.
            metric: ``accuracy`` (or ``top-1``, ``top-5``): whether the label, the number of a class, is among the
                greatest values of the output; ``mean_abs_error``, ``max_abs_error`` or ``mean_squared_error`` of
                outputs and labels of one shape; a callable of one sample's output and label that gives a number or
                whether it is right; or an ``Aggregate``, such as mAP. Quantised outputs are real numbers there.
            batch: Samples that are drawn and scored together at most; fewer where they are large.
            output: The output that the metric is given; by default the only one, or a mapping of all by name.
            worst: How many of the worst samples to keep, by id.
            resume: Where the scores of finished samples are kept, so that an evaluation that is cut goes on from
                there: a path; True for a file in ``.edgedevice/evaluations``; None for that too, once it has taken a
                second; False for nowhere. Inputs are never kept, and a finished evaluation leaves nothing.
            progress: Given a line to show now and then, and an empty one when it is over.
            allow_nan: As for ``run``.
            timeout_s: As for ``run``.

        Raises:
            InputError: The data set is none, does not fit the model, or has no samples.
            UsageError: The metric is none, failed, or does not fit the labels; the message names the sample.
            ModelError, InfraError: As ``run`` does; what was finished is kept.
        """
        return evaluate(
            self,
            dataset,
            metric,
            batch=batch,
            output=output,
            worst=worst,
            resume=resume,
            progress=progress or self._tell(),
            allow_nan=allow_nan,
            timeout_s=timeout_s,
            identity=self._identity(),
        )

    def _tell(self) -> Callable[[str], None] | None:
        """What shows lines to whoever waits; None for nothing."""
        return None

    def _identity(self) -> str:
        """What tells the device, and how it was told to compute, from all other; empty where only its name is known."""
        return ""
