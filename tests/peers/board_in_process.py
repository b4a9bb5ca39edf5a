"""A device whose models run in this process, by the real engine, and whose numbers may be wrong.

It stands in for a board where an agent's process for every model would cost more than
the test: what is asked of it is what ``DeviceLike`` offers. ``FAULT`` and ``WRONG`` in the
environment are those of ``wrong_numbers.spoilt``, read with every run; ``STALE`` is a model
that it runs in the place of every other.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any, Self

import numpy as np

from pytest_edgedevice.agent import engines
from pytest_edgedevice.agent.engines.base import EngineError, LoadOptions
from pytest_edgedevice.errors import DelegateError, ModelError
from pytest_edgedevice.evaluation.evaluated import Evaluated
from pytest_edgedevice.runners.samples import batches, join, refuse_nan
from pytest_edgedevice.transports.local import local_facts
from pytest_edgedevice.values import ModelInfo, Placement, Quantization, Run, TensorSpec
from tests.peers.wrong_numbers import spoilt


class BoardInProcess:
    """See ``DeviceLike``; only what comparisons need does anything."""

    def __init__(self, name: str = "board") -> None:
        self.name, self.identity = name, f"{name}-7"
        self.facts = {**local_facts(), "local": False}
        self.shared, self.recovered = False, ()
        self.open_models = 0

    def load(self, path: Any, *, delegate: str = "default", threads: int = 1, **options: Any) -> Model:
        asked = LoadOptions("", delegate, options.get("delegate_options") or {}, threads, True)
        try:
            engine = engines.load(os.environ.get("STALE") or str(path), asked)
        except EngineError as error:
            raise (DelegateError if error.kind == "delegate" else ModelError)(str(error)) from error
        self.open_models += 1
        return Model(self, engine, Path(path), delegate=delegate, threads=threads)

    def reconnect(self, *, wait_s: float) -> None: ...
    def waiters(self) -> int:
        return 0

    def tell_waiters(self, test: str) -> None: ...
    def note_fault(self, reason: str) -> None: ...
    def note_health(self) -> None: ...
    def close(self) -> None: ...
    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...


class Model(Evaluated):
    """See ``LoadedModelLike``."""

    def __init__(self, board: BoardInProcess, engine: Any, path: Path, *, delegate: str, threads: int) -> None:
        content = path.read_bytes()
        self._board, self._engine = board, engine
        inputs, outputs = (tuple(map(_spec, told)) for told in (engine.inputs, engine.outputs))
        sha256 = hashlib.sha256(content).hexdigest()
        self.info = ModelInfo(
            path.name, sha256, len(content), engine.variant, inputs, outputs, engine.name, engine.version, threads
        )
        self.placement = Placement(requested=delegate, **engine.placement())
        self.device_name, self.load_ms = board.name, 1.0

    def run(self, inputs: Any, *, allow_nan: bool = False, timeout_s: float | None = None) -> Run:
        collected: list[list[Any]] = [[] for _ in self.info.outputs]
        count = 0
        for part in batches(inputs, self.info.inputs):
            if not allow_nan:
                refuse_nan(part.arrays, self.info.inputs, first=count)
            for at in range(part.samples):
                self._engine.reset()
                self._engine.set_inputs([part.arrays[spec.name][at] for spec in self.info.inputs])
                self._engine.invoke()
                count += 1
                for position, results in enumerate(collected):
                    results.append(np.array(self._engine.output(position)))
        fault, wrong = os.environ.get("FAULT", "none"), os.environ.get("WRONG", "all")
        collected = spoilt(collected, fault=fault, wrong=wrong, proven=self.placement.proven)
        outputs = {
            spec.name: join([one[np.newaxis] for one in results], spec, batch_varies=False)
            for spec, results in zip(self.info.outputs, collected, strict=True)
        }
        times = tuple(int(one) for one in np.random.default_rng().integers(1, 1 << 40, count))
        return Run(outputs, count, times, self.info, self.placement, self.device_name)

    def close(self) -> None:
        self._board.open_models -= 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _spec(told: dict[str, Any]) -> TensorSpec:
    scale = told["quantization"]
    known = Quantization(tuple(scale["scales"]), tuple(scale["zero_points"]), scale.get("axis")) if scale else None
    return TensorSpec(told["name"], told["dtype"], tuple(told["shape"]), known)
