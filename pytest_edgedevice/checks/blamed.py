"""What ``close`` hands to whoever keeps both sides or looks for the cause of a failure, and what comes back.

Plain values: where the answers come from (the device again, other delegates,
this host) and where files lie is not the check's to know.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from pytest_edgedevice.checks.close import compare_run
from pytest_edgedevice.checks.numerals import json_ready
from pytest_edgedevice.values import Run

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_edgedevice.checks.close import CloseResult

Likely = Literal["conversion", "delegate", "device", "pre-processing", "unknown"]
MOST_LINES = 4
DONE = "; run it with delegate 'cpu' to tell the delegate from the model"
"""Advice of a failure text that has been followed once there is a blame."""
GUESS = ": a step of pre- or post-processing differs"
"""What a failure text guesses from the numbers alone, and a delegate or a device that is to blame rules out."""


@dataclass(frozen=True, slots=True)
class Compared:
    """A comparison that was made, and the means to make it again for other outputs.

    Attributes:
        run: What was compared, with the compared outputs only.
        references: Output name to reference, for the same outputs.
        result: What was found.
        compare: Makes the comparison again, by the same tolerances and metrics, for a run and references.
        arguments: Those tolerances and metrics, by the names that ``edge_check.close`` has for them.
        golden: The golden that the references are of; None for any other.
        other: The run that the references are of; None for any other.
    """

    run: Run
    references: Mapping[str, Any]
    result: CloseResult
    compare: Callable[[Run, Mapping[str, Any]], CloseResult]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    golden: Any = None
    other: Run | None = None

    def judge(self, run: Run, references: Mapping[str, Any]) -> bool:
        """Whether another run is close to references, by the tolerances of the check."""
        return self.compare(run, references).passed


@dataclass(frozen=True, slots=True)
class Observation:
    """One thing that was tried to find the cause of a failure.

    Attributes:
        kind: ``again`` (the same settings), ``delegate`` (another delegate or place), ``inputs`` (another
            pre-processing) or ``twin`` (the float model).
        where: ``device`` or ``host``.
        delegate: The delegate that was asked for.
        what: In words, e.g. ``delegate 'cpu' on the device``.
        close: Whether it agrees with the reference, by the check's own tolerances; None where it could not be run.
        same: Whether it gives what the failing run gave, as far as that matters for the failure.
        max_abs_error: Its largest difference from the reference; infinite for NaN.
        problem: Why it could not be run; empty where it was.
    """

    kind: Literal["again", "delegate", "inputs", "twin"]
    where: Literal["device", "host"]
    delegate: str
    what: str
    close: bool | None = None
    same: bool | None = None
    max_abs_error: float | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Blame:
    """The likely cause of a failure.

    Attributes:
        likely: Which one.
        text: One clause with the numbers that it rests on.
        observations: Everything that was tried, in order.
    """

    likely: Likely
    text: str
    observations: tuple[Observation, ...] = ()

    def numbers(self) -> dict[str, Any]:
        """JSON-ready, for the record."""
        tried = [{key: json_ready(value) for key, value in asdict(one).items()} for one in self.observations]
        return {"likely": self.likely, "text": self.text, "observations": tried}


def with_blame(message: str, blame: Blame) -> str:
    """The failure text with the cause in its last line; four lines at most, as pytest cuts longer ones."""
    known = message.replace(DONE, "")
    if blame.likely in ("delegate", "device"):
        known = known.replace(GUESS, "")
    lines = known.split("\n")
    own = [*lines, f"  {blame.text}"] if len(lines) < MOST_LINES else [*lines[:-1], f"{lines[-1]}; {blame.text}"]
    return "\n".join(own)


def compared(run: Run, reference: Any, *, outputs: Sequence[str] | str | None = None, **arguments: Any) -> Compared:
    """Compare a run with references, and keep what it takes to do so again; see ``EdgeCheck.close``.

    Args:
        run: The whole run.
        reference: A golden, another run, or output name to reference.
        outputs: Those to compare; None for all.
        arguments: Tolerances and metrics, by their names there.

    Raises:
        UsageError, GoldenError: As there.
    """
    result = compare_run(run, reference, outputs=outputs, **arguments)
    whole = reference.outputs if isinstance(reference, Run) else reference
    golden = None if isinstance(whole, Mapping) else reference
    references = whole if golden is None else golden.references
    names = [name for name in result.outputs if name in run.outputs and name in references]
    chosen = replace(run, outputs={name: run.outputs[name] for name in names})
    other = reference if isinstance(reference, Run) else None

    def again(part: Run, theirs: Mapping[str, Any]) -> CloseResult:
        side = theirs if other is None else replace(other, outputs=theirs, samples=part.samples)
        return compare_run(part, side, outputs=None, **arguments)

    known = {name: references[name] for name in names}
    return Compared(chosen, known, result, again, arguments=arguments, golden=golden, other=other)
