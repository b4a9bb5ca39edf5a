"""Whose fault it is when an engine fails."""

from __future__ import annotations

from typing import Optional

from pytest_edgedevice.agent.engines.base import EngineError
from pytest_edgedevice.agent.tensors import RequestError
from pytest_edgedevice.agent.wire import WireError

PASSED_ON = (EngineError, MemoryError, RequestError, WireError)
"""What says itself whose fault it is."""


class EngineAtWork:
    """Turns whatever an engine raises into a refusal of the model: the agent is whole, and may be asked again.

    One for a whole request: a guard for each step would cost as much as the step.
    """

    def __init__(self, what: str) -> None:
        self.what = what

    def __enter__(self) -> EngineAtWork:  # noqa: PYI034 - Python 3.9 has no Self
        return self

    def __exit__(self, kind: object, error: Optional[BaseException], trace: object) -> None:
        if not isinstance(error, Exception) or isinstance(error, PASSED_ON):
            return
        if isinstance(error, ImportError):
            raise EngineError("engine", f"the engine does not load: {error}") from error
        plain = isinstance(error, (RuntimeError, ValueError))
        text = str(error) if plain else f"{type(error).__name__}: {error}"
        raise EngineError("model", f"{self.what} failed: {text}") from error
