"""The bench on which an agent is checked: its conversations, the models, the deadlines."""

from __future__ import annotations

import contextlib
import hashlib
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.conformance.check import NotOfferedError, PromiseError, UnreachableError
from pytest_edgedevice.conformance.loaded import Loaded, read_loaded
from pytest_edgedevice.conformance.models import COREML_ENGINE, TFLITE_ENGINES, Model, built_in, built_in_package
from pytest_edgedevice.conformance.talk import NOTHING, Talk, shown
from pytest_edgedevice.errors import TransportError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_edgedevice.agent.wire import Header
    from pytest_edgedevice.conformance.ends import Agent

CHUNK_BYTES = 1 << 20
SIMPLEST, SIMPLEST_PACKAGE = "add_float32", "negate_float32"
FIELDS: dict[str, Any] = {
    "engine": "", "delegate": "default", "delegate_options": {}, "threads": 1, "allow_fallback": True
}  # fmt: skip


class Bench:
    """What a check has to work with.

    Args:
        agent: The agent to be checked.
        models: The caller's own models; the first is the one that most checks use.
        timeout_s: Deadline of every answer, seconds.
        load_timeout_s: Deadline of the answer to ``load``, seconds: compilers take their time.

    Attributes:
        hello: The last one that came.
        without_model: Whether checks went untried because no model of ours suits the agent, and none was named.
        failed_openings: How many conversations did not begin since the last one that did.
    """

    def __init__(self, agent: Agent, models: Sequence[Model] = (), *, timeout_s: float, load_timeout_s: float) -> None:
        self.agent = agent
        self.own_models = tuple(models)
        self.timeout_s = timeout_s
        self._load_timeout_s = load_timeout_s
        self._open: list[Talk] = []
        self._loaded: Loaded | None = None
        self.failed_openings = 0
        self.hello: dict[str, Any] = {}
        self.without_model = False

    @property
    def sent(self) -> str:
        """The last thing that was sent."""
        return self._open[-1].sent if self._open else NOTHING

    def talk(self) -> Talk:
        """The conversation that the checks of a group share."""
        return self._open[0] if self._open else self.fresh()

    def fresh(self) -> Talk:
        """A conversation of a check's own; all others are left before."""
        self.leave()
        return self.beside()

    def beside(self, *, wait_s: float | None = None) -> Talk:
        """One more conversation.

        Args:
            wait_s: How long it may take to begin, seconds; as long as any answer by default.

        Raises:
            UnreachableError: The agent did not begin it.
        """
        try:
            end = self.agent.open()
        except TransportError as error:
            self.failed_openings += 1
            raise UnreachableError(error.message) from None
        try:
            talk = Talk(end, timeout_s=self.timeout_s, greeting_s=self.timeout_s if wait_s is None else wait_s)
        except BaseException:
            self.failed_openings += 1
            end.kill()
            raise
        self.failed_openings = 0
        self.hello = talk.hello
        self._open.append(talk)
        return talk

    def leave(self) -> None:
        """End every conversation."""
        for talk in self._open:
            talk.end.kill()
        self._open.clear()
        self._loaded = None

    def tflite(self, name: str) -> Model:
        """One of our models.

        Raises:
            NotOfferedError: The agent has no engine for them.
        """
        engines = self.talk().hello.get("engines")
        if not isinstance(engines, dict) or not TFLITE_ENGINES & engines.keys():
            raise NotOfferedError(f"it takes a TensorFlow Lite model, and the engines are {shown(engines)}")
        return built_in(name)

    def coreml(self, name: str) -> Model:
        """One of our Core ML packages.

        Raises:
            NotOfferedError: The agent has no engine for them, or takes no folders.
        """
        hello = self.talk().hello
        engines = hello.get("engines")
        if not isinstance(engines, dict) or COREML_ENGINE not in engines or hello.get("folders") is not True:
            raise NotOfferedError(f"it takes a Core ML package, and the engines are {shown(engines)}")
        return built_in_package(name)

    def model(self) -> Model:
        """The model that serves where any does.

        Raises:
            NotOfferedError: There is none that the agent could run.
        """
        if self.own_models:
            return self.own_models[0]
        for ours, simplest in ((self.tflite, SIMPLEST), (self.coreml, SIMPLEST_PACKAGE)):
            with contextlib.suppress(NotOfferedError):
                return ours(simplest)
        self.without_model = True
        engines = shown(self.talk().hello.get("engines"))
        raise NotOfferedError(f"no model of ours is for its engines, {engines}; name a model of yours")

    def loaded(self, model: Model) -> Loaded:
        """The model, loaded in the conversation that checks share.

        Raises:
            NotOfferedError: The engine refuses it.
            PromiseError: The agent does.
        """
        if self._loaded is None or self._loaded.model != model:
            talk = self.fresh()
            self.put(talk, model)
            self._loaded = self.load(talk, model)
        return self._loaded

    def load(self, talk: Talk, model: Model) -> Loaded:
        """Load what is there; as ``loaded``."""
        return self.read(talk, model, self.ask_to_load(talk, model))

    def read(self, talk: Talk, model: Model, header: Header) -> Loaded:
        """Understand the answer to ``load``; as ``loaded``."""
        if header.get("op") == "error" and header.get("kind") in ("model", "delegate") and not self._has_to_load(model):
            raise NotOfferedError(f"the engine refuses {model.name}: {shown(header.get('message'))}")
        if header.get("op") != "load":
            raise PromiseError(f"{shown(header)} for the model {model.name}")
        return read_loaded(talk, model, header)

    def ask_to_load(self, talk: Talk, model: Model) -> Header:
        """The header of the answer to ``load``, whatever it is.

        Raises:
            PromiseError: It answers something else.
        """
        # the processor computes ours to the bit; what runs the caller's own, or a package, is the agent's choice
        delegate = "default" if model in self.own_models or model.folder else "cpu"
        fields = {**FIELDS, "delegate": delegate, **({"folder": True} if model.folder else {})}
        number = talk.send("load", sha256=model.sha256, **fields)
        header = talk.receive(timeout_s=self._load_timeout_s).header
        if header.get("id") != number:
            raise PromiseError(f"{shown(header)} for the model {model.name}")
        return header

    def _has_to_load(self, model: Model) -> bool:
        """The caller's own have to, or else the simplest of ours: nothing could be said of an agent that loads none."""
        return model in (self.own_models or (built_in(SIMPLEST), built_in_package(SIMPLEST_PACKAGE)))

    def put(self, talk: Talk, model: Model) -> None:
        """Bring a model there, unless it is."""
        for blob in model.blobs:
            self._put_blob(talk, blob)

    def _put_blob(self, talk: Talk, blob: bytes) -> None:
        sha256, size = hashlib.sha256(blob).hexdigest(), len(blob)
        if talk.ask("have", sha256=sha256).get("present") is True:
            return
        for offset in range(0, max(size, 1), CHUNK_BYTES):
            chunk = blob[offset : offset + CHUNK_BYTES]
            reply = talk.ask("put", chunk, sha256=sha256, offset=offset, total=size)
            if reply.get("complete") is not (offset + len(chunk) == size):
                raise PromiseError(shown(reply))
