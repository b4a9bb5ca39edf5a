"""Metrics of a whole set that are no mean over its samples, such as mAP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Sequence


@runtime_checkable
class Aggregate(Protocol):
    """A metric in two steps: what counts of each sample, and the number that all of that gives.

    It may have ``name``, ``higher_is_better`` (True unless it says otherwise), and ``score(observation) -> float`` for
    the list of the worst samples. Its interval is a bootstrap over samples: ``result`` is called a few hundred times.
    """

    def observe(self, output: Any, label: Any) -> Any:
        """What counts of one sample, as plain as JSON: an evaluation that was cut goes on with it."""

    def result(self, observations: Sequence[Any]) -> float:
        """The number over all of these samples, or over as many drawn from them with repetition."""
