"""Models in agents: one process a model, which speaks the wire."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from pytest_edgedevice.runners.aftermath import aftermath_of
from pytest_edgedevice.runners.agent_loading import check_taken, load_there
from pytest_edgedevice.runners.backend import LoadRequest, Runner, Site
from pytest_edgedevice.runners.bundle import agent_bundle
from pytest_edgedevice.runners.client import AgentClient

if TYPE_CHECKING:
    from pytest_edgedevice.runners.aftermath import Aftermath
    from pytest_edgedevice.runners.loaded import LoadedModel
    from pytest_edgedevice.transports.base import Process


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
        pushed = None
        if not request.source.is_dir():  # a folder only travels to an agent that says that it takes one
            try:  # the file travels while the agent starts
                pushed = self.push(site, request.source, timeout_s=site.timeout_s)
            except BaseException:
                process.kill()
                raise
        client = self._client(process, site, aftermath)
        try:
            check_taken(client, site, request)
            pushed = pushed or self.push(site, request.source, timeout_s=site.timeout_s)
            return load_there(client, site, request, pushed=pushed, engine=request.engine or self._engine)
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
