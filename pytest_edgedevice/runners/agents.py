"""Models in agents: one process a model, which speaks the wire."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.errors import DelegateError, DelegateImpossibleError, EdgeDeviceError
from pytest_edgedevice.runners.aftermath import aftermath_of
from pytest_edgedevice.runners.agent_backend import AgentBackend
from pytest_edgedevice.runners.backend import LoadRequest, Runner, Site
from pytest_edgedevice.runners.bundle import agent_bundle
from pytest_edgedevice.runners.client import AgentClient
from pytest_edgedevice.runners.loaded import LoadedModel
from pytest_edgedevice.runners.replies import read_load
from pytest_edgedevice.runners.wording import printable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pytest_edgedevice.runners.aftermath import Aftermath
    from pytest_edgedevice.transports.base import Process
    from pytest_edgedevice.values import Placement


class Agent(ABC):
    """A program that speaks the wire, and how it is started on a device.

    Attributes:
        name: As the key ``runner`` of the device file names it.
        sha256: Hash that its hello must show.
    """

    name: str
    sha256: str

    @abstractmethod
    def start(self, site: Site) -> Process:
        """Place it there, if it is not, and start it.

        Raises:
            InfraError: It cannot be placed or started.
        """

    def forget(self) -> None:  # noqa: B027 - most remember nothing
        """See ``Runner``."""


class PythonAgent(Agent):
    """The zipapp, for devices with a Python and a runtime for it."""

    name = "python"

    def __init__(self) -> None:
        self.sha256 = agent_bundle().sha256

    def start(self, site: Site) -> Process:
        """See ``Agent``."""
        path = site.link.place(agent_bundle().content, timeout_s=site.timeout_s)
        return site.link.start(site.link.agent_command(path))


class AgentRunner(Runner):
    """Starts an agent a model.

    Args:
        agent: Which one; by default the Python one.
        engine: Engine to use where none is asked for; empty for the first that the agent has.
    """

    def __init__(self, agent: Agent | None = None, *, engine: str = "") -> None:
        self._agent = agent or PythonAgent()
        self._engine = engine
        self.name = self._agent.name

    def load(self, site: Site, request: LoadRequest) -> LoadedModel:
        """See ``Runner``."""
        aftermath = aftermath_of(site.link)
        process = self._agent.start(site)
        try:  # the file travels while the agent starts
            pushed = site.link.push(request.source, timeout_s=site.timeout_s)
        except BaseException:
            process.kill()
            raise
        client = self._client(process, site, aftermath)
        try:
            check_offered(client.hello, request.delegate, name=site.name)
            fields = {
                "sha256": pushed.sha256,
                "delegate": request.delegate,
                "delegate_options": dict(request.options or {}),
                "threads": request.threads,
                "engine": request.engine or self._engine,
                "allow_fallback": request.allow_fallback,
            }
            reply = _ask_to_load(client, request.source, fields, request.timeout_s)
            loaded = read_load(client, reply, requested=request.delegate)
            if not request.allow_fallback:
                check_placement(loaded.placement, request.source.name)
            info = loaded.info(request.source.name, pushed, request.threads)
            return LoadedModel(
                AgentBackend(client, info, timeout_s=site.timeout_s, more_conditions=site.link.conditions),
                info=info,
                placement=loaded.placement,
                site=site,
                load_ms=loaded.load_ms,
            )
        except BaseException:
            client.close()
            raise

    def check(self, site: Site) -> None:
        """See ``Runner``: an agent can start and answers."""
        aftermath = aftermath_of(site.link)
        self._client(self._agent.start(site), site, aftermath).close()

    def forget(self) -> None:
        """See ``Runner``."""
        self._agent.forget()

    def _client(self, process: Process, site: Site, aftermath: Aftermath) -> AgentClient:
        return AgentClient(
            process,
            where=site.name,
            sha256=self._agent.sha256,
            timeout_s=site.timeout_s,
            aftermath=aftermath,
        )


def _ask_to_load(client: AgentClient, source: Path, fields: dict[str, Any], timeout_s: float) -> dict[str, Any]:
    """Ask for the load; a refusal is told with the model's name."""
    try:
        return client.request("load", fields, timeout_s=timeout_s).header
    except EdgeDeviceError as error:
        hint = error.hint or _load_hint(error, source)
        worded = type(error)(f"model {source.name!r}: {error.message}", hint=hint)
        worded.details = error.details
        raise worded from None


def _load_hint(error: EdgeDeviceError, source: Path) -> str:
    if "custom op" in error.message:
        return "the runtime lacks this operator; convert the model without it, or use a runtime that has it"
    if "Flatbuffer" in error.message:
        with source.open("rb") as file:
            start = file.read(24)
        if start.startswith(b"version https://git-lfs"):
            return "it is a Git LFS pointer, not the model: git lfs pull"
        return f"the file has {source.stat().st_size} bytes and begins with {start[:8]!r}: is it whole, and a .tflite?"
    return ""


def check_offered(hello: Mapping[str, Any], delegate: str, *, name: str) -> None:
    """Refuse a delegate that an agent says it can never make; of one that does not say, nothing is known.

    Raises:
        DelegateImpossibleError: It says what it has instead.
    """
    offered = hello.get("delegates")
    if not isinstance(offered, list) or not all(isinstance(one, str) for one in offered):
        return
    if delegate.partition(":")[0] in offered:
        return
    engines = ", ".join(f"{engine} {version}" for engine, version in list(hello["engines"].items())[:4])
    raise DelegateImpossibleError(
        f"delegate {delegate!r} cannot be had on {name}: its agent, with {printable(engines)[:100]}, offers"
        f" {printable(', '.join(offered))[:200] or 'none'}"
    )


def check_placement(placement: Placement, model: str) -> None:
    """Fail when a delegate that was asked for did not take the whole model.

    Raises:
        DelegateError: With the operators left over.
    """
    if placement.requested == "default" or (placement.complete and placement.proven == placement.requested):
        return
    left = ", ".join(
        f"{name} x{count}" for name, count in sorted(placement.left_over.items(), key=lambda item: -item[1])[:12]
    )
    taken = f"took {placement.delegated} of {placement.nodes} operators of {model!r}; left over: {left or 'all'}"
    if placement.complete:
        taken = f"did not run {model!r}: {placement.proven!r} ran all its {placement.nodes} operators"
    raise DelegateError(
        f"delegate {placement.requested!r} {taken}",
        hint='fallback="allow" runs those elsewhere and says so',
    )
