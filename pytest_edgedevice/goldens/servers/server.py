"""The one interface that whatever computes references offers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_edgedevice.values import TensorSpec


@dataclass(frozen=True, slots=True)
class Origin:
    """Where references come from, for the provenance.

    Attributes:
        framework: The distribution or program that computes them; empty where that cannot be told.
        version: Its version.
        model_sha256: Of the model file, where it is one.
        source: What else is known, by the keys of ``provenance.source``; empty texts are left out.
    """

    framework: str = ""
    version: str = ""
    model_sha256: str = ""
    source: Mapping[str, str] = field(default_factory=dict)


class Server(ABC):
    """Answers inputs with outputs, by its own names.

    Attributes:
        inputs: What it says of its inputs, with their own sample axis where they have one; empty where it does not.
        outputs: What it says of its outputs; empty where it does not.
        batch: Most samples that it should get at once; 0 leaves that to the size of a sample, -1 is all.
    """

    inputs: Sequence[TensorSpec] = ()
    outputs: Sequence[TensorSpec] = ()
    batch: int = 0

    @abstractmethod
    def answer(self, inputs: Mapping[str, Any], outputs: Sequence[str]) -> Mapping[str, Any]:
        """Answer one batch.

        Args:
            inputs: Input name to array; read-only, in C order.
            outputs: The outputs that are wanted; empty for those that it gives unasked.

        Raises:
            EdgeDeviceError: It cannot, or does not.
        """

    @abstractmethod
    def origin(self) -> Origin:
        """Where the answers come from; asked for after the last of them."""

    def close(self) -> None:  # noqa: B027 - most have nothing to close
        """Let go of what it holds."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
