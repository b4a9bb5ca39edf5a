"""A model in an agent process: run and timed over the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_edgedevice.agent.wire import TensorPart, WireError, split_tensors
from pytest_edgedevice.errors import InputError
from pytest_edgedevice.findings import Profile
from pytest_edgedevice.runners.backend import Backend, unmeasured
from pytest_edgedevice.runners.conditions import worse
from pytest_edgedevice.runners.exchange import Exchanged, exchange, flow
from pytest_edgedevice.runners.instruments import ask_profile, ask_resources, ask_stream, serves
from pytest_edgedevice.runners.measure import measure
from pytest_edgedevice.runners.replies import read_conditions
from pytest_edgedevice.runners.samples import packed
from pytest_edgedevice.runners.staged import ask_stages

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping, Sequence

    from pytest_edgedevice.findings import Resources, Stages, Stream
    from pytest_edgedevice.runners.backend import Question
    from pytest_edgedevice.runners.client import AgentClient
    from pytest_edgedevice.runners.samples import Batch
    from pytest_edgedevice.values import Array, Fact, ModelInfo, Timing

MAX_REPLY_BYTES = 16 << 20
NOT_SERVED = "the agent on the device does not serve {!r}"


class AgentBackend(Backend):
    """A conversation with the agent that has loaded the model.

    Args:
        client: The agent; it ends with ``close``.
        info: The model, as the agent announced it.
        timeout_s: Deadline for each exchange, seconds.
        more_conditions: What the link can ask of the device besides; these win over what the agent tells.
    """

    def __init__(
        self,
        client: AgentClient,
        info: ModelInfo,
        *,
        timeout_s: float,
        more_conditions: Callable[[], Mapping[str, Fact]] = dict,
    ) -> None:
        self.client = client
        self.emulated = client.hello.get("emulated") is True
        self._cold = True
        self._info = info
        self._timeout_s = timeout_s
        self._series = AgentSeries(client, timeout_s=timeout_s, more_conditions=more_conditions)

    def run(self, parts: Sequence[Batch], *, timeout_s: float, allow_nan: bool) -> Exchanged:
        """See ``Backend``."""
        self._cold = False
        return exchange(self.client, self._info, parts, timeout_s=timeout_s, allow_nan=allow_nan)

    def run_each(
        self, groups: Iterable[Sequence[Batch]], *, timeout_s: float, allow_nan: bool
    ) -> Generator[Exchanged, None, None]:
        """See ``Backend``."""
        self._cold = False
        return flow(self.client, self._info, groups, timeout_s=timeout_s, allow_nan=allow_nan)

    def measure(self, sample: Batch, question: Question, *, load_ms: float) -> Timing:
        """See ``Backend``."""
        cold, self._cold = self._cold, False
        return measure(self._series, sample, load_ms=load_ms, cold=cold, **question)

    def resources(self, sample: Batch, *, seconds: float) -> Resources:
        """See ``Backend``."""
        if not serves(self.client, "resources"):
            return unmeasured(NOT_SERVED.format("resources"))
        self._cold = False
        return ask_resources(self.client, sample, seconds=seconds, timeout_s=self._timeout_s)

    def stream(self, frames: Batch, *, fps: float, count: int) -> Stream:
        """See ``Backend``.

        Raises:
            InputError: The agent cannot.
        """
        if not serves(self.client, "stream"):
            raise InputError(NOT_SERVED.format("stream"), hint="run a newer agent on the device")
        self._cold = False
        return ask_stream(self.client, frames, fps=fps, count=count, timeout_s=self._timeout_s)

    def stages(self, module: bytes, sample: Mapping[str, Array], *, runs: int, seconds: float) -> Stages:
        """See ``Backend``.

        Raises:
            InputError: The agent cannot, or the module failed.
        """
        if not serves(self.client, "stages"):
            raise InputError(NOT_SERVED.format("stages"), hint="an agent in Python does")
        self._cold = False
        limits = {"seconds": seconds, "timeout_s": self._timeout_s}
        return ask_stages(self.client, module, sample, runs=runs, **limits)

    def profile(self, sample: Batch, *, runs: int, seconds: float, delegate: str) -> Profile:
        """See ``Backend``."""
        if not serves(self.client, "profile"):
            return Profile(problem=NOT_SERVED.format("profile"))
        limits = {"seconds": seconds, "timeout_s": self._timeout_s}
        return ask_profile(self.client, sample, runs=runs, **limits, delegate=delegate)

    def conditions(self) -> dict[str, Fact]:
        """See ``Backend``."""
        return self._series.conditions()

    def close(self) -> None:
        """See ``Backend``."""
        self.client.close()


class AgentSeries:
    """Inferences that an agent times; see ``TimingSource``."""

    def __init__(
        self, client: AgentClient, *, timeout_s: float, more_conditions: Callable[[], Mapping[str, Fact]] = dict
    ) -> None:
        self._client = client
        self._more_conditions = more_conditions
        self._timeout_s = timeout_s
        tick_ns = client.hello.get("clock_tick_ns")
        self.tick_ns = max(tick_ns, 1) if isinstance(tick_ns, int) else 0

    def conditions(self) -> dict[str, Fact]:
        """See ``TimingSource``; with the worst that was told of the work since the last time."""
        told = read_conditions(self._client, self._client.request("facts", timeout_s=self._timeout_s).header)
        before, self._client.worst = self._client.worst, {}
        return {**worse(before, told), **self._more_conditions()}

    def take(
        self, runs: int, *, sample: Batch | None = None, batch: int = 1, settle: int = 0, max_ns: int
    ) -> tuple[int, list[int]]:
        """See ``TimingSource``.

        Raises:
            ProtocolError: The reply is no such series; the agent is ended.
        """
        fields: dict[str, Any] = {"runs": runs, "batch": batch, "settle": settle, "max_ns": max_ns}
        views: list[memoryview] = []
        if sample is not None:
            entries, views = packed(sample.arrays)
            fields |= {"samples": 1, "tensors": entries}
        reply = self._client.request(
            "measure",
            fields,
            views,
            timeout_s=self._timeout_s + max_ns / 1e9,
            max_reply_bytes=min(8 * runs, MAX_REPLY_BYTES),
        )
        try:
            parts = split_tensors(reply.header, reply.payload)
        except WireError as error:
            raise self._client.broken(f"cannot be read: {error}") from error
        first_ns = reply.header.get("first_ns", 0)
        if type(first_ns) is not int:
            raise self._client.broken("is not one series of 64-bit times")
        return first_ns, self._checked(parts, runs)

    def _checked(self, parts: list[TensorPart], runs: int) -> list[int]:
        if len(parts) != 1 or parts[0].dtype != "int64" or len(parts[0].shape) != 1:
            raise self._client.broken("is not one series of 64-bit times")
        series = np.frombuffer(parts[0].data, np.int64)
        if not 1 <= len(series) <= runs or int(series.min()) < 0:
            raise self._client.broken(f"has {len(series)} times, or negative ones, instead of {runs}")
        return [int(value) for value in series]
