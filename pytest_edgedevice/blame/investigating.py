"""Find the likely cause of a failed comparison by asking again, within a deadline; never raises for what it cannot."""

from __future__ import annotations

import contextlib
import dataclasses
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.agent.engines import installed
from pytest_edgedevice.blame.alternatives import alternatives
from pytest_edgedevice.blame.asking import Clock, Host, Origin, loaded
from pytest_edgedevice.blame.likeness import alike, kind_of
from pytest_edgedevice.blame.rules import attribute
from pytest_edgedevice.blame.twins import float_twin
from pytest_edgedevice.checks import parts
from pytest_edgedevice.checks.blamed import Blame, Compared, Observation
from pytest_edgedevice.errors import EdgeDeviceError, GoldenError, UsageError
from pytest_edgedevice.goldens import dequantize, dequantized

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_edgedevice.interfaces import LoadedModelLike
    from pytest_edgedevice.values import Run

DEADLINE_S = 60.0
KERNELS = {"coreml": ("cpu_only",)}
"""Engine to the delegates that a suspect one is compared with."""
PLAIN_KERNELS = ("cpu", "reference")
ON_HOST = ("default", "cpu", "xnnpack", "reference")
MOST_ALTERNATIVE_SAMPLES = 2
MATTERS = 0.1
"""Share of the error above which two answers are not the same."""


def investigate(failure: Compared, origin: Origin, *, deadline_s: float = DEADLINE_S) -> Blame:
    """Run the failing samples again, on the device and on this host, and say what is the likely cause.

    Args:
        failure: What failed.
        origin: Where its run came from; the device must still be open. Nothing stays loaded on it.
        deadline_s: For all of it together, seconds.
    """
    try:
        clock = Clock(deadline_s)
        with Host(origin.device, clock) as host:
            return _Investigation(failure, origin, host=host, clock=clock).blame()
    except Exception as error:  # noqa: BLE001 - it must not take the place of the failure that it explains
        return Blame("unknown", f"unknown: {_first_line(error)}")


class _NoAnswerError(Exception):
    """There is no way to ask; the text says why."""


class _Investigation:
    def __init__(self, failure: Compared, origin: Origin, *, host: Host, clock: Clock) -> None:
        self._failure = failure
        self._origin = origin
        self._host = host
        self._clock = clock
        self._asked = str(origin.options.get("delegate", "default"))
        self._picked = self._choose()
        self._run = parts.part_of_run(failure.run, self._picked)
        self._references = parts.part_of(failure.references, self._picked)
        self._inputs = parts.part_of(origin.inputs, self._picked)
        self._error = parts.apart(self._run.outputs, self._references)

    def _choose(self) -> list[int]:
        """The samples to look at: few that show the failure by themselves."""
        failure = self._failure
        counts = {len(values) for values in (*self._origin.inputs.values(), *failure.references.values())}
        if counts != {failure.run.samples}:
            raise _NoAnswerError("inputs, outputs and references have different numbers of samples")
        for picked in parts.choices(failure.run, failure.references):
            with contextlib.suppress(UsageError):  # a metric may need more samples than these
                if not failure.judge(parts.part_of_run(failure.run, picked), parts.part_of(failure.references, picked)):
                    return picked
        raise _NoAnswerError(f"the failure only shows over all {failure.run.samples} samples")

    def blame(self) -> Blame:
        seen: list[Observation] = []
        for one in self._observations():
            seen.append(one)
            if one.kind == "again" and one.close is not None and (one.close or not one.same):
                break
        proven = self._run.placement.proven
        likely, text = attribute(self._asked if self._asked != "default" else proven, self._error, seen)
        return Blame(likely, text, tuple(seen))

    def _observations(self) -> Iterator[Observation]:
        again = self._on_device("again", self._asked, "the same settings", self._origin.options)
        yield again
        if again.problem:
            return  # what cannot even do the same again is not asked for more
        answers = []
        for delegate in KERNELS.get(self._run.model.engine, PLAIN_KERNELS):
            if delegate not in (self._asked, self._run.placement.proven):
                answers.append(self._other(delegate))
                yield answers[-1]
        answers += [one for one in [self._on_host()] if one is not None]
        yield from answers[-1:] if answers and answers[-1].where == "host" else ()
        if not any(one.close for one in answers):
            yield from self._other_inputs()
            yield from self._twin()

    def _other(self, delegate: str) -> Observation:
        options = {key: value for key, value in self._origin.options.items() if key != "delegate_options"}
        options |= {"delegate": delegate, "fallback": "allow"}
        return self._on_device("delegate", delegate, f"delegate {delegate!r}", options)

    def _on_device(self, kind: Any, delegate: str, what: str, options: Mapping[str, Any]) -> Observation:
        asked = Observation(kind, "device", delegate, what)
        try:
            with self._loaded(options) as model:
                return self._answer(asked, model.run(self._inputs, allow_nan=True, timeout_s=self._clock.left()))
        except EdgeDeviceError as error:
            return dataclasses.replace(asked, problem=_first_line(error))

    def _loaded(self, options: Mapping[str, Any]) -> Any:
        origin, sha256 = self._origin, self._run.model.sha256
        return loaded(origin.device, origin.path, options, sha256=sha256, clock=self._clock)

    def _on_host(self) -> Observation | None:
        """What this host makes of it, with the same kind of kernels; None where that is what was tested."""
        if self._host.is_tested and _engine_here() == _engine(self._run):
            return None
        delegate = self._asked if self._asked in ON_HOST else "default"
        asked = Observation("delegate", "host", delegate, f"delegate {delegate!r} on this host")
        options = {"delegate": delegate, "threads": self._run.model.threads, "fallback": "allow"}
        sha256 = self._run.model.sha256
        try:
            with loaded(self._host.device(), self._origin.path, options, sha256=sha256, clock=self._clock) as model:
                what = f"delegate {delegate!r} on this host{self._versions(model)}"
                answer = model.run(self._inputs, allow_nan=True, timeout_s=self._clock.left())
                return self._answer(dataclasses.replace(asked, what=what), answer)
        except EdgeDeviceError as error:
            return dataclasses.replace(asked, problem=_first_line(error))

    def _versions(self, model: LoadedModelLike) -> str:
        """Both engines where they differ: versions alone move outputs."""
        here, there = _engine(model), _engine(self._run)
        return "" if here == there else f" ({here}, on the device {there})"

    def _answer(self, asked: Observation, answer: Run) -> Observation:
        outputs = self._as_compared(answer).outputs
        if outputs.keys() != self._run.outputs.keys():
            raise _NoAnswerError("the compared outputs are not those of the model: they were changed after the run")
        again = dataclasses.replace(self._run, outputs=outputs)
        close = self._failure.judge(again, self._references)
        apart = parts.apart(outputs, self._run.outputs)
        if asked.kind == "again" and apart and not alike(outputs, self._run.outputs):
            raise _NoAnswerError("the compared outputs have other shapes or dtypes than the model gives")
        same = not apart or (apart <= MATTERS * self._error and apart < float("inf"))  # NaN in the same places, too
        error = parts.apart(outputs, self._references)
        return dataclasses.replace(asked, close=close, same=same, max_abs_error=error)

    def _as_compared(self, answer: Run) -> Run:
        """The outputs that were compared, as real numbers where those were made real."""
        wanted = self._run.outputs
        chosen = {name: answer.outputs[name] for name in wanted if name in answer.outputs}
        part = dataclasses.replace(answer, outputs=chosen)
        made_real = any(kind_of(chosen[name]) in "iu" and kind_of(wanted[name]) == "f" for name in chosen)
        return dequantized(part) if made_real else part

    def _other_inputs(self) -> Iterator[Observation]:
        """Other pre-processings of the worst samples, all in one loaded model."""
        few = sorted(range(len(self._picked)), key=lambda at: -self._apart_at(at))[:MOST_ALTERNATIVE_SAMPLES]
        run, references = parts.part_of_run(self._run, few), parts.part_of(self._references, few)
        if self._failure.judge(run, references):
            return
        specs, declared = self._run.model.inputs, getattr(self._failure.golden, "preprocessing", None) or {}
        tried = list(alternatives(parts.part_of(self._inputs, few), specs, declared))
        if not tried:
            return
        try:
            with self._loaded(self._origin.options) as model:
                for what, inputs in tried:
                    answer = self._as_compared(model.run(inputs, timeout_s=self._clock.left()))
                    again = dataclasses.replace(run, outputs=answer.outputs)
                    if self._failure.judge(again, references) and (yes := self._confirmed(model, what)) is not None:
                        yield yes
                        return
        except EdgeDeviceError as error:
            what = "another pre-processing"
            yield Observation("inputs", "device", self._asked, what, problem=_first_line(error))

    def _confirmed(self, model: LoadedModelLike, what: str) -> Observation | None:
        """Another pre-processing with all samples, as a few may agree by chance; None where they do not."""
        specs, declared = self._run.model.inputs, getattr(self._failure.golden, "preprocessing", None) or {}
        inputs = next((made for name, made in alternatives(self._inputs, specs, declared) if name == what), None)
        if inputs is None:
            return None
        outputs = self._as_compared(model.run(inputs, timeout_s=self._clock.left())).outputs
        if not self._failure.judge(dataclasses.replace(self._run, outputs=outputs), self._references):
            return None
        error = parts.apart(outputs, self._references)
        return Observation("inputs", "device", self._asked, what, True, False, error)

    def _apart_at(self, at: int) -> float:
        one = [at]
        return parts.apart(parts.part_of(self._run.outputs, one), parts.part_of(self._references, one))

    def _twin(self) -> Iterator[Observation]:
        """The float model beside a quantised one, on this host."""
        path = float_twin(self._origin.path)
        if path is None:
            return
        asked = Observation("twin", "host", "default", f"the float model {path.name} on this host")
        try:
            with loaded(self._host.device(), path, {"fallback": "allow"}, sha256="", clock=self._clock) as model:
                answer = model.run(self._inputs_of(model), timeout_s=self._clock.left())
        except EdgeDeviceError as error:
            yield dataclasses.replace(asked, problem=_first_line(error))
            return
        chosen = {name: values for name, values in answer.outputs.items() if name in self._run.outputs}
        apart = parts.apart(chosen, self._references)
        if apart == float("inf") or not alike(chosen, self._run.outputs):
            yield dataclasses.replace(asked, problem="it has other outputs")
            return
        close = self._failure.judge(dataclasses.replace(self._run, outputs=chosen), self._references)
        yield dataclasses.replace(asked, close=close, same=False, max_abs_error=apart)

    def _inputs_of(self, model: LoadedModelLike) -> dict[str, Any]:
        """The inputs as the float model takes them: real numbers for the integers of the quantised one."""
        wanted = {spec.name: spec.dtype for spec in model.info.inputs}
        real = dict(self._inputs)
        for spec in self._run.model.inputs:
            if wanted.get(spec.name, "").startswith("float") and kind_of(real[spec.name]) in "iu" and spec.quantization:
                try:
                    real[spec.name] = dequantize(real[spec.name], spec)
                except GoldenError:
                    continue  # then the float model refuses the integers, and says so
        return real


def _engine_here() -> str:
    """The engine that this host would take, the first of this environment."""
    return next((f"{name} {version}".strip() for name, version in installed().items()), "")


def _engine(one: Any) -> str:
    info = one.model if hasattr(one, "model") else one.info
    return f"{info.engine} {info.engine_version}".strip()


def _first_line(error: BaseException) -> str:
    text = (str(error) or type(error).__name__).split("\n", 1)[0]
    return text if isinstance(error, EdgeDeviceError | _NoAnswerError) else f"{type(error).__name__}: {text}"
