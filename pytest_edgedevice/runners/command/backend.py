"""A model that a user's own program runs: each order is one process, chunks of samples and blocks of timed runs."""

from __future__ import annotations

import math
import statistics
from typing import TYPE_CHECKING

from pytest_edgedevice.errors import AgentDiedError, ContractError, DelegateError, InputError, UnsupportedError
from pytest_edgedevice.runners.backend import Backend
from pytest_edgedevice.runners.command.manifest import Order
from pytest_edgedevice.runners.command.usage import UNTOLD
from pytest_edgedevice.runners.exchange import Exchanged
from pytest_edgedevice.runners.host_view import conditions_there, is_emulated
from pytest_edgedevice.runners.measure import measure
from pytest_edgedevice.runners.samples import refuse_nan
from pytest_edgedevice.runners.staged import SETTLE_RUNS, summed_up
from pytest_edgedevice.runners.usage import Worked, resources_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_edgedevice.findings import Resources, Stages
    from pytest_edgedevice.runners.backend import Question, Site
    from pytest_edgedevice.runners.command.process import CommandModel, Done
    from pytest_edgedevice.runners.command.result import Told
    from pytest_edgedevice.runners.samples import Batch
    from pytest_edgedevice.values import Array, Fact, ModelInfo, Placement, Timing

CHUNK_BYTES = 32 << 20
CHUNK_GROWTH = 8
MOST_SAMPLES = 4096
SHARE_OF_TIME = 0.25
"""How much of a process's time limit its samples should take at most, by those before."""
MOST_RUNS = 5000
MOST_WARMUP_RUNS = 2000
WARMUP_NS = 20_000_000
FEWEST_WATCHED, MOST_WATCHED = 3, 1_000_000
MOST_BLOCK_NS = 5_000_000_000


class CommandBackend(Backend):
    """See ``Backend``.

    Args:
        model: The model on its device.
        info: Its identity and tensors.
        placement: What its program said when it was loaded.
        site: Where.
        time_limit_s: Longest time of one process, seconds; 0 for the session's timeout.
        allow_fallback: Whether operators may run elsewhere than on the delegate.
        tick_ns: Resolution of the program's clock; 0 where it is not told.
        typed: Whether the model's outputs are known before it runs.
    """

    why_not = "that takes an agent, and a program of your own runs this model"

    def __init__(
        self,
        model: CommandModel,
        info: ModelInfo,
        placement: Placement,
        *,
        site: Site,
        time_limit_s: float,
        allow_fallback: bool,
        tick_ns: int,
        typed: bool = True,
    ) -> None:
        self.emulated = is_emulated(site.link)
        self._model = model
        self._info = info
        self._placement = placement
        self._site = site
        self._limit_s = time_limit_s or site.timeout_s
        self._limited = bool(time_limit_s)
        self._allow_fallback = allow_fallback
        self._tick_ns = tick_ns
        self._typed = typed
        self._memory: dict[str, Fact] = {}
        self._closed = False

    def run(self, parts: Sequence[Batch], *, timeout_s: float, allow_nan: bool) -> Exchanged:
        """See ``Backend``; a process for each chunk of samples."""
        outputs: dict[str, list[Array]] = {}
        times: list[int] = []
        limit_s = self._limit_s if self._limited else timeout_s
        size = 1
        for part in parts:
            at = 0
            while at < part.samples:
                count = min(size, part.samples - at)
                arrays = {name: array[at : at + count] for name, array in part.arrays.items()}
                if not allow_nan and self._typed:
                    refuse_nan(arrays, self._info.inputs, first=len(times))
                done = self.perform(Order("run", arrays, count, runs=1), timeout_s=limit_s)
                for name, pieces in done.outputs.items():
                    outputs.setdefault(name, []).extend(pieces)
                times += done.told.inference_ns
                at += count
                size = _next_size(size, part, done, limit_s)
        for name, pieces in outputs.items():
            if sum(len(piece) for piece in pieces) != len(times):
                raise ContractError(f"{self._model.name} wrote output {name!r} for some samples only")
        return Exchanged(outputs, tuple(times))

    def perform(self, order: Order, *, timeout_s: float, watch: bool = False) -> Done:
        """One process; its placement, if it tells one, must be that of the load.

        Raises:
            AgentDiedError: The model was closed.
            DelegateError: It ran elsewhere than it said when it was loaded.
        """
        if self._closed:
            raise AgentDiedError(f"model {self._info.name!r} was closed; load it again")
        specs = self._info.outputs if self._typed else None
        try:
            done = self._model.perform(
                order, timeout_s=timeout_s, specs=specs, with_outputs=order.op == "run", watch=watch
            )
        except UnsupportedError as error:
            raise ContractError(f"{self._model.name} does not support {order.op!r}: {error.message}") from None
        now = done.told.placement
        if now is not None and not self._allow_fallback and now != self._placement:
            raise DelegateError(
                f"{self._model.name} ran {self._info.name!r} on {now.proven!r} ({now.delegated} of {now.nodes} "
                f"operators), and told {self._placement.proven!r} ({self._placement.delegated} of "
                f"{self._placement.nodes}) when it was loaded"
            )
        self._memory = {f"program_{name}": value for name, value in (done.told.memory or {}).items()} or self._memory
        return done

    def measure(self, sample: Batch, question: Question, *, load_ms: float) -> Timing:
        """See ``Backend``."""
        return measure(CommandSeries(self, tick_ns=self._tick_ns), sample, load_ms=load_ms, **question)

    def resources(self, sample: Batch, *, seconds: float) -> Resources:
        """See ``Backend``; two processes, so that the cost of starting one can be left out."""
        short = self._worked(sample, runs=FEWEST_WATCHED, max_ns=int(seconds * 1e9))
        typical_ns = max(short.timed_ns // short.timed, 1)
        runs = min(max(int(seconds * 1e9) // typical_ns, 2 * FEWEST_WATCHED), MOST_WATCHED)
        long = self._worked(sample, runs=runs, max_ns=int(seconds * 1e9))
        return resources_of(short, long, cores=self._site.care.cores, untold=UNTOLD)

    def _worked(self, sample: Batch, *, runs: int, max_ns: int) -> Worked:
        timeout_s, max_ns = self.block_limit(max_ns)
        order = Order("measure", sample.arrays, 1, runs=runs, warmup=FEWEST_WATCHED, max_ns=max_ns)
        done = self.perform(order, timeout_s=timeout_s, watch=True)
        times = done.told.inference_ns
        return Worked(len(times) + FEWEST_WATCHED, len(times), sum(times), done.processor_ns, done.told.usage)

    def own_stages(self, sample: Batch, *, runs: int, seconds: float) -> Stages:
        """See ``Backend``: by the times that the program tells."""
        timeout_s, max_ns = self.block_limit(int(seconds * 1e9))
        order = Order("measure", sample.arrays, 1, runs=runs, warmup=SETTLE_RUNS, max_ns=max_ns, stages=True)
        told = self.perform(order, timeout_s=timeout_s).told
        if not told.staged:
            raise InputError(
                f"{self._model.name} tells no times of what it does before and after an inference",
                hint="write before_ns, after_ns or both to the result of 'measure' (see COMMAND.md)",
            )
        none = (0,) * len(told.inference_ns)
        return summed_up(told.before_ns or none, told.inference_ns, told.after_ns or none)

    def conditions(self) -> dict[str, Fact]:
        """See ``Backend``: what the host can see of the device, and what the program told of its memory."""
        return {**conditions_there(self._site.link, timeout_s=self._site.timeout_s), **self._memory}

    def block_limit(self, max_ns: int) -> tuple[float, int]:
        """The deadline of a process that times for ``max_ns``, seconds, and how long it may do so, nanoseconds."""
        if self._limited:
            max_ns = min(max_ns, int(self._limit_s * 1e9 / 2))
            return self._limit_s, max_ns
        return self._limit_s + max_ns / 1e9, max_ns

    def close(self) -> None:
        """See ``Backend``."""
        if not self._closed:
            self._closed = True
            self._model.close()


def _next_size(size: int, part: Batch, done: Done, limit_s: float) -> int:
    """Samples of the next process: few enough for its time limit and for one transfer."""
    sent = sum(array.nbytes for array in part.arrays.values()) // part.samples
    got = sum(piece.nbytes for pieces in done.outputs.values() for piece in pieces) // len(done.told.inference_ns)
    each_ns = max(int(statistics.fmean(done.told.inference_ns)), 1)
    fitting = min(CHUNK_BYTES // max(sent, got, 1), int(limit_s * 1e9 * SHARE_OF_TIME) // each_ns, MOST_SAMPLES)
    return max(1, min(fitting, size * CHUNK_GROWTH))


class CommandSeries:
    """Inferences that a user's program times; see ``TimingSource``.

    A process costs more than a short inference, so each takes more runs than were asked for, if that cost is large,
    and the rest of its series is handed out before the next one starts. Each but the first warms itself up.
    """

    def __init__(self, backend: CommandBackend, *, tick_ns: int) -> None:
        self.tick_ns = tick_ns
        self._backend = backend
        self._sample: Batch | None = None
        self._first_ns = 0
        self._typical_ns = 0
        self._overhead_ns = 0
        self._batch = 1
        self._left: list[int] = []

    def conditions(self) -> dict[str, Fact]:
        """See ``TimingSource``."""
        return self._backend.conditions()

    def take(
        self, runs: int, *, sample: Batch | None = None, batch: int = 1, settle: int = 0, max_ns: int
    ) -> tuple[int, list[int]]:
        """See ``TimingSource``."""
        if sample is not None:
            self._sample = sample
            told = self._process(runs + 1, warmup=0, batch=1, max_ns=max_ns)
            series = list(told.inference_ns)
            self._first_ns = told.first_ns or series[0]
            return self._first_ns, series[1:] or series
        if batch != self._batch:
            self._batch, self._left = batch, []
        if not self._left:
            warmup = max(settle, min(max(WARMUP_NS // self._typical_ns, 3), MOST_WARMUP_RUNS))
            worth = math.ceil(2 * self._overhead_ns / (self._typical_ns * batch))
            worth = min(worth, MOST_RUNS, MOST_BLOCK_NS // (self._typical_ns * batch))
            told = self._process(max(runs, worth), warmup=warmup, batch=batch, max_ns=max_ns)
            self._left = list(told.inference_ns)
        series, self._left = self._left[:runs], self._left[runs:]
        return self._first_ns, series

    def _process(self, runs: int, *, warmup: int, batch: int, max_ns: int) -> Told:
        assert self._sample is not None
        timeout_s, max_ns = self._backend.block_limit(max_ns)
        order = Order("measure", self._sample.arrays, 1, runs=runs, warmup=warmup, batch=batch, max_ns=max_ns)
        done = self._backend.perform(order, timeout_s=timeout_s)
        series = done.told.inference_ns
        self._typical_ns = max(int(statistics.median(series)), 1)
        self._overhead_ns = max(done.wall_ns - sum(series) * batch - warmup * self._typical_ns, 0)
        return done.told
