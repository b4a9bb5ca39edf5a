"""The checks of ``edge_check`` that watch a model at work: cost, pace, profile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_edgedevice.checks import budgets, budgets_text
from pytest_edgedevice.checks.seams import check_loaded
from pytest_edgedevice.checks.settling import Settling

if TYPE_CHECKING:
    from pytest_edgedevice.checks.budgets import Budget, MemoryOf
    from pytest_edgedevice.checks.seams import ModelLike, Watchable
    from pytest_edgedevice.checks.settling import Subject
    from pytest_edgedevice.findings import Profile, Resources, Stream
    from pytest_edgedevice.values import Verdict


class WatchingChecks(Settling):
    """Part of ``EdgeCheck``. What could not be measured is inconclusive with its reason, and never passes."""

    def memory(
        self,
        model: Watchable,
        *,
        max_mb: float,
        of: MemoryOf = "model",
        inputs: Any = None,
        seconds: float = 1.0,
        allow_emulated: bool = False,
    ) -> Resources:
        """Assert that a model's peak of resident memory stays within its budget.

        Args:
            model: The loaded model.
            max_mb: Budget, MB of 1,000,000 bytes.
            of: ``model`` judges what was added to the process since before the load: the model, its buffers and
                what the runtime made for it. ``process`` judges all of it, the agent and its runtime included.
            inputs: One sample to run, as for ``latency``.
            seconds: How long to run it.
            allow_emulated: Judge what an emulator takes; otherwise that is inconclusive.

        Raises:
            CheckFailed: It is over, or (by policy) could not be measured.
            UsageError: A number is out of its range.
        """
        __tracebackhide__ = True
        limit = budgets.limit_of("max_mb", max_mb)
        budgets.check_of(of)
        found, void = _watched(model, inputs, seconds=seconds, allow_emulated=allow_emulated)
        budget = budgets.memory_budget(found, limit, of=of, void=void)
        return self._cost("memory", model, found, budget, budgets_text.memory_details(found))

    def cpu_load(
        self,
        model: Watchable,
        *,
        max_percent: float,
        inputs: Any = None,
        seconds: float = 2.0,
        allow_emulated: bool = False,
    ) -> Resources:
        """Assert that a model that runs back to back leaves enough of the processors to others.

        Args:
            model: The loaded model.
            max_percent: Budget: percent of all processors that its process may use; one of four busy is 25.
            inputs: One sample to run, as for ``latency``.
            seconds: How long to run it.
            allow_emulated: Judge what an emulator takes; otherwise that is inconclusive.

        Raises:
            CheckFailed: It is over, or (by policy) could not be measured.
            UsageError: A number is out of its range.
        """
        __tracebackhide__ = True
        limit = budgets.limit_of("max_percent", max_percent)
        found, void = _watched(model, inputs, seconds=seconds, allow_emulated=allow_emulated)
        budget = budgets.cpu_budget(found, limit, void=void)
        return self._cost("cpu_load", model, found, budget, budgets_text.cpu_details(found))

    def energy(
        self,
        model: Watchable,
        *,
        max_mj: float,
        inputs: Any = None,
        seconds: float = 5.0,
        allow_emulated: bool = False,
    ) -> Resources:
        """Assert that an inference takes no more energy than its budget, where the device tells any.

        Args:
            model: The loaded model.
            max_mj: Budget of one inference, millijoules; what else runs on the device meanwhile counts, too.
            inputs: One sample to run, as for ``latency``.
            seconds: How long to run it.
            allow_emulated: Judge what an emulator takes; otherwise that is inconclusive.

        Raises:
            CheckFailed: It is over, or (by policy) could not be measured.
            UsageError: A number is out of its range.
        """
        __tracebackhide__ = True
        limit = budgets.limit_of("max_mj", max_mj)
        found, void = _watched(model, inputs, seconds=seconds, allow_emulated=allow_emulated)
        budget = budgets.energy_budget(found, limit, void=void)
        return self._cost("energy", model, found, budget, budgets_text.energy_details(found))

    def load_time(self, model: Watchable, *, max_ms: float, allow_emulated: bool = False) -> float:
        """Assert that the engine loaded and prepared the model within its budget; one observation.

        Args:
            model: The loaded model.
            max_ms: Budget, milliseconds; the transfer to the device is not in it.
            allow_emulated: Judge what an emulator took; otherwise that is inconclusive.

        Returns:
            What it took, milliseconds.

        Raises:
            CheckFailed: It is over, or (by policy) says nothing.
            UsageError: The budget is no positive number.
        """
        __tracebackhide__ = True
        limit = budgets.limit_of("max_ms", max_ms)
        check_loaded(model, "resources")
        void = budgets.EMULATED if getattr(model, "emulated", False) and not allow_emulated else ""
        told = model.load_ms if model.load_ms > 0 else None
        reason = "what runs the model does not tell how long loading took"
        budget = budgets.judge("loading time", told, limit, "ms", reason=reason, void=void)
        text = budgets_text.budget_text(model, budget, "one observation")
        self._settle("load_time", budget.verdict, text, budgets.budget_numbers(budget), subject=_subject(model))
        return model.load_ms

    def realtime(
        self,
        model: Watchable,
        *,
        fps: float = 30.0,
        max_drop: float = 0.01,
        max_age_ms: float = 100.0,
        age_quantile: float = 0.99,
        frames: Any = None,
        seconds: float = 10.0,
        allow_emulated: bool = False,
    ) -> Stream:
        """Assert that a model keeps up with a stream of frames on its device.

        Args:
            model: The loaded model.
            fps: Frames a second.
            max_drop: Share of frames that may be dropped for a newer one.
            max_age_ms: How old a result may be: from the moment that its frame was due until it can be used.
            age_quantile: Share of results that must be so young; 1 for all.
            frames: Samples of one shape, offered again and again; one of the model's own choice by default.
            seconds: How long.
            allow_emulated: Judge times that an emulated device took; otherwise they are inconclusive.

        Raises:
            CheckFailed: It does not keep up, or (by policy) nobody can tell.
            UsageError: A number is out of its range, or nothing there can feed a stream.
        """
        __tracebackhide__ = True
        pace = budgets.Pace.of(max_drop, max_age_ms, age_quantile)
        check_loaded(model, "stream")
        found = model.stream(frames, fps=fps, seconds=seconds)
        verdict, reason = budgets.judge_stream(found, pace, void=budgets.void_of(found, allow_emulated=allow_emulated))
        text = budgets_text.stream_text(model, found, pace, verdict=verdict, reason=reason)
        self._settle("realtime", verdict, text, budgets.stream_numbers(found, pace, reason), subject=_subject(model))
        return found

    def profile(self, model: Watchable, *, inputs: Any = None, runs: int = 50) -> Profile:
        """Record where a model's time goes: its ten slowest types of operators. Asserts that this can be told.

        Args:
            model: The loaded model.
            inputs: One sample to run, as for ``latency``.
            runs: Inferences, 1 to 1000.

        Raises:
            CheckFailed: There is no profile (by policy).
            UsageError: A number is out of its range.
        """
        __tracebackhide__ = True
        check_loaded(model, "profile")
        found = model.profile(inputs, runs=runs)
        reason = budgets.profile_reason(found)
        numbers = budgets_text.profile_numbers(found, reason)
        verdict: Verdict = "inconclusive" if reason else "pass"
        self._settle("profile", verdict, budgets_text.profile_text(model, reason), numbers, subject=_subject(model))
        return found

    def _cost(self, check: str, model: Watchable, found: Resources, budget: Budget, details: str) -> Resources:
        """Settle one budget of what was found."""
        __tracebackhide__ = True
        met = () if check == "memory" else found.disturbances  # a busy or hot device makes no memory larger
        text = budgets_text.budget_text(model, budget, details, met=met)
        self._settle(check, budget.verdict, text, budgets.resource_numbers(budget, found), subject=_subject(model))
        return found


def _watched(model: Watchable, inputs: Any, *, seconds: float, allow_emulated: bool) -> tuple[Resources, str]:
    """What a model takes of its device, and why that counts for nothing; mostly empty."""
    __tracebackhide__ = True
    check_loaded(model, "resources")
    found = model.resources(inputs, seconds=seconds)
    return found, budgets.void_of(found, allow_emulated=allow_emulated)


def _subject(model: ModelLike) -> Subject:
    return model.info, model.placement, model.device_name
