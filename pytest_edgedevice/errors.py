"""Every exception this package raises on purpose.

Three families, because a reader of a red build asks one question first: whose
fault is it? ``UsageError`` is the caller's (a wrong name, a bad golden),
``ModelError`` the model's, ``InfraError`` the world's (device, link, disk). The
plugin turns the third into a pytest *error*, the first two into a failure.
Knows nothing else of ours.
"""

from __future__ import annotations


class EdgeDeviceError(Exception):
    """Base of all our exceptions: one sentence, and a hint what to do next.

    Args:
        message: What, where and how much, in one or two lines.
        hint: What to do next, without the word "hint"; empty when there is nothing to add.

    Attributes:
        details: What the device's own logs said of it, title to text; printable, cut to a size, for the record.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details: dict[str, str] = {}

    def __str__(self) -> str:
        return f"{self.message}\n  hint: {self.hint}" if self.hint else self.message

    def __reduce__(self) -> tuple[object, ...]:
        # keyword-only arguments do not survive the default pickling, and xdist or a pool may pickle us
        return (_rebuild, (type(self), self.message, self.hint, self.details))


def _rebuild(kind: type[EdgeDeviceError], message: str, hint: str, details: dict[str, str]) -> EdgeDeviceError:
    error = kind(message, hint=hint)
    error.details = details
    return error


class UsageError(EdgeDeviceError):
    """The caller asked for something that cannot be."""


class SpecError(UsageError):
    """A device spec or selection expression that cannot be understood."""


class ConfigError(UsageError):
    """``edgedevice.toml`` (or its table in ``pyproject.toml``) is wrong."""


class InputError(UsageError):
    """Inputs that do not fit the model: name, shape, dtype, NaN."""


class GoldenError(UsageError):
    """A golden set that is incomplete, stale, malformed or unable to detect anything."""


class MissingExtraError(UsageError):
    """An optional dependency is absent; the hint is the command that installs it."""


class ModelError(EdgeDeviceError):
    """The model file is missing or broken, or the engine refuses it."""


class DelegateError(ModelError):
    """The delegate asked for is absent, or did not take the whole model."""


class DelegateImpossibleError(DelegateError):
    """What runs models on this device can never offer that delegate, whatever the model; a matrix skips such pairs."""


class UnsupportedError(EdgeDeviceError):
    """A user's own program does not know an operation, which it may say; the runner tells what that means."""


class InfraError(EdgeDeviceError):
    """The world failed, not the model: never counted as a failed assertion."""


class DeviceNotFoundError(InfraError):
    """No attached device fits what was asked for."""


class DeviceBusyError(InfraError):
    """Somebody else holds the device; the message names the holder.

    A hint to wait longer names the argument ``wait_s``; a program with an option for it names that.
    """

    def name_option(self, option: str) -> None:
        """Have the hint name a program's own option, such as ``--wait``."""
        self.hint = self.hint.replace("wait_s=SECONDS", f"{option} SECONDS")


class DeviceQuarantinedError(InfraError):
    """Every device that fits failed repeatedly and is quarantined; the message says which, why and until when."""


class LeaseError(InfraError):
    """The lock folder cannot be used; the hint says how to mend it."""


class TransportError(InfraError):
    """The link to the device failed. The only error a transport may raise."""


class DeviceLostError(TransportError):
    """The device vanished while it was in use."""


class PortRefusedError(TransportError):
    """Nothing listens on a port of the device: the app there is closed or suspended, or the phone is locked."""


class DeviceFullError(TransportError):
    """No space left in the device's folder."""


class OutputTooLongError(TransportError):
    """A program printed more than a link keeps, and was killed."""


class AgentDiedError(InfraError):
    """The process on the device ended by itself; signal or exit code and stderr are in the message."""


class DeadlineError(InfraError):
    """A wait reached its deadline."""


class ContractError(InfraError):
    """A user's own program, or the official tool, broke its file contract; that counts against no device."""


class ProtocolError(InfraError):
    """The other end broke the wire protocol, or speaks another version of it."""


DEVICE_FAULTS = (AgentDiedError, TransportError, DeadlineError, ProtocolError)
"""What counts against a device: two in a row, and it is quarantined."""
