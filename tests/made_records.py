"""Records as a run would make them, by what a test varies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_edgedevice.records import Record, build, with_outcome
from pytest_edgedevice.values import Evidence, ModelInfo, Placement, TensorSpec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_edgedevice.values import Outcome, Verdict

TENSOR = TensorSpec("x", "float32", (1, 4))


def made(
    check: str,
    numbers: Mapping[str, Any],
    *,
    test: str = "test_it.py::test_a",
    model: str = "m.tflite",
    delegate: str = "cpu",
    device: str = "kitchen",
    verdict: Verdict = "pass",
    outcome: Outcome = "passed",
    message: str = "",
    time: str = "2026-01-01T00:00:00.000+00:00",
    run: str = "run1",
    facts: Mapping[str, Any] | None = None,
) -> Record:
    """One record; without a model where ``model`` is empty, and without a run where ``run`` is."""
    info = ModelInfo(model, "a" * 64, 640, "float32", (TENSOR,), (TENSOR,), "litert", "2.1.0", 1) if model else None
    placement = Placement(delegate, delegate, 4, 4, 1, {}, "counted") if model else None
    evidence = Evidence(check, verdict, message, numbers, info, placement, device)
    record = with_outcome(build(evidence, test=test, facts=facts or {}, version="0", time=time), outcome)
    if run:
        record["run"] = {"id": run, "commit": "c0ffee", "devices": ["kitchen"], "delegates": []}
    return record


def latency(p50_ms: float = 2.0, p95_ms: float = 3.0, *, samples_ns: Sequence[int] = (), **more: Any) -> Record:
    """A latency that counts."""
    budgets = [
        {"quantile": 0.95, "budget_ms": 9, "verdict": "pass", "lower_ms": p95_ms * 0.9, "upper_ms": p95_ms * 1.1}
    ]
    numbers = {"p50_ms": p50_ms, "p95_ms": p95_ms, "runs": 59, "steady": True, "batch": 1, "budgets": budgets}
    return made("latency", {**numbers, "samples_ns": list(samples_ns)}, **more)


def close(error: float = 1e-6, **more: Any) -> Record:
    """Outputs that were compared."""
    return made("close", {"outputs": [{"name": "y", "max_abs_error": error}]}, **more)
