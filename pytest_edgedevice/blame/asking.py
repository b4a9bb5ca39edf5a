"""Ask a device, or this host, for the same samples once more; every answer or the reason why there is none.

Whatever is loaded for that is ended before the answer is given.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from pytest_edgedevice.device import Device
from pytest_edgedevice.errors import DeadlineError, EdgeDeviceError, ModelError
from pytest_edgedevice.opening import Catalog, open_device
from pytest_edgedevice.runners.model_content import sha256_of
from pytest_edgedevice.transports.local import LocalTransport, local_identity

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pytest_edgedevice.interfaces import DeviceLike, LoadedModelLike

LEASE_S = 5.0
"""How long to wait for this host, where somebody else measures on it."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a run came from.

    Attributes:
        device: The device, still open.
        path: The model's file on this host.
        inputs: What was run: name to array, samples along the first axis, or a list of one a sample.
        options: What else the model was loaded with: ``delegate``, ``threads``, ``engine``, ``fallback`` ...
    """

    device: DeviceLike
    path: Path
    inputs: Mapping[str, Any]
    options: Mapping[str, Any] = field(default_factory=dict)


class Clock:
    """What is left of the time for all questions together."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds.

        Raises:
            DeadlineError: None.
        """
        left = self._end - time.monotonic()
        if left <= 0:
            raise DeadlineError(f"no time was left of the {self._seconds:g} s for finding the cause")
        return left


class Host:
    """This machine as a device to compare with; opened when it is first asked, in a ``with`` block.

    Args:
        tested: The device under test; where that is this machine too, its lease is ours already.
        clock: What is left of the time.
    """

    def __init__(self, tested: DeviceLike, clock: Clock) -> None:
        self._tested = tested
        self._clock = clock
        self._opened = contextlib.ExitStack()
        self._device: DeviceLike | None = None

    @property
    def is_tested(self) -> bool:
        """Whether it is the device under test."""
        return self._tested.identity == local_identity()

    def device(self) -> DeviceLike:
        """It, open.

        Raises:
            EdgeDeviceError: Somebody else holds it, or it cannot be opened.
        """
        if self._device is None:
            left_s = self._clock.left()
            if self.is_tested:
                opened: Any = Device(LocalTransport(), name="host", timeout_s=left_s)
            else:
                # numbers only, so that others may use it meanwhile; nobody's measurement is disturbed
                wait_s = min(LEASE_S, left_s)
                opened = open_device("local", wait_s=wait_s, timeout_s=left_s, shared=True, catalog=Catalog())
            self._device = self._opened.enter_context(opened)
        return self._device

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(EdgeDeviceError):
            self._opened.close()


@contextlib.contextmanager
def loaded(
    device: DeviceLike, path: Path, options: Mapping[str, Any], *, sha256: str, clock: Clock
) -> Iterator[LoadedModelLike]:
    """The same file, loaded; it ends with the block.

    Raises:
        ModelError: The file holds something else by now, or it cannot be loaded like that.
        InfraError: The world failed.
    """
    if sha256 and _hash_of(path) != sha256:
        raise ModelError(f"{path.name} has changed since it was loaded")
    with device.load(path, **options, timeout_s=clock.left()) as model:
        yield model


def _hash_of(path: Path) -> str:
    try:
        return sha256_of(path)
    except (OSError, ModelError):
        return ""
