"""What the end of an agent, its silence and its refusals mean, in words and as errors."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.errors import (
    AgentDiedError,
    DeadlineError,
    DelegateError,
    DeviceFullError,
    EdgeDeviceError,
    InfraError,
    InputError,
    MissingExtraError,
    ModelError,
    ProtocolError,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

# the agent's words for whose fault it is
_KINDS: dict[str, type[EdgeDeviceError]] = {
    "model": ModelError,
    "delegate": DelegateError,
    "engine": MissingExtraError,
    "input": InputError,
    "full": DeviceFullError,
    "memory": InfraError,
    "background": InfraError,
}
_FOREGROUND = "bring the app to the foreground and keep the screen on: a system refuses the GPU to whatever is behind"
# what runtimes print at every start, e.g. "INFO: Created TensorFlow Lite XNNPACK delegate for CPU."
SMALL_TALK = ("INFO:", "I0000 ")


def refusal(
    header: dict[str, Any], said: Sequence[str], *, where: str, operation: str, app: bool = False
) -> EdgeDeviceError:
    """The error for an agent's reply ``error``; a ``ProtocolError`` where it is the agent that failed.

    Args:
        header: The reply.
        said: New lines on the agent's standard error.
        where: Name of the device.
        operation: What was asked for.
        app: Whether it is an app on the device, which keeps blobs itself.
    """
    kind, message = header.get("kind"), printable(str(header.get("message"))[:2000]).strip()
    if kind in ("model", "delegate", "engine", "internal"):
        message += "".join(f"\n  stderr: {line}" for line in [line for line in said if line not in message][-3:])
    if kind == "missing" and app:
        return InfraError(
            f"{where}: the app has lost what it was sent, or said it had ({message})",
            hint="open the app again; blobs have to stay until the app starts anew, or a 'bye' with 'wipe'",
        )
    if kind == "missing":
        return InfraError(
            f"{where}: the file that was pushed is not in the session's folder any more ({message})",
            hint="who cleans that folder? open the device again, or set 'folder' in edgedevice.toml",
        )
    error = _KINDS.get(kind) if isinstance(kind, str) else None
    if error is None:
        return ProtocolError(f"{where}: the agent failed in {operation!r}: {message}")
    if kind == "background":
        return error(f"{where} computed nothing, as the app is not in front: {message}", hint=_FOREGROUND)
    return error(f"{where}: {message}" if kind in ("full", "memory") else message)


def turned_away(header: dict[str, Any], *, where: str) -> InfraError:
    """The error for an agent that says no instead of hello."""
    message = printable(str(header.get("message"))[:2000]).strip()
    return InfraError(
        f"{where}: the agent turned this conversation away: {message}",
        hint="it may serve one at a time: close the model that is loaded there, or whatever else speaks with it",
    )


def death(status: int | None, lines: Sequence[str], *, where: str, operation: str) -> AgentDiedError:
    """The error for an end of the stream; ``status`` is None where the process lives on."""
    how = "closed its stream" if status is None else describe_status(status)
    said_last = "".join(f"\n  stderr: {line[:300]}" for line in lines[-8:])
    return AgentDiedError(
        f"the agent on {where} {how} during {operation!r}{said_last}", hint=_death_hint(status, operation)
    )


def app_death(lines: Sequence[str], *, where: str, operation: str) -> AgentDiedError:
    """The error for an end of the stream of an app: nobody tells an exit status, and the device is still there.

    Args:
        lines: What came instead of a hello.
        where: Name of the device.
        operation: What the app was doing.
    """
    said = "".join(f"\n  it said: {line[:300]}" for line in lines[-3:])
    if operation == "start":
        return AgentDiedError(
            f"the app on {where} closed the connection before it said hello{said}",
            hint="it crashed as it started, serves somebody else, or another program listens on that port",
        )
    return AgentDiedError(
        f"the app on {where} ended amid {operation!r}: it crashed, or the system ended it, most often for want of"
        " memory",
        hint=_APP_HINTS.get(operation, "see the crash reports of the device: Settings, Privacy, Analytics Data"),
    )


_APP_HINTS = {
    "load": 'the model may be too large to be compiled there: try delegate="cpu_only", or a smaller model',
    "run": 'the first prediction on the Neural Engine takes most: try delegate="cpu_only" or "cpu_and_gpu"',
    "put": "is there room for the model? then open the app again",
}


def app_late(timeout_s: float, lines: Sequence[str], *, where: str, operation: str) -> DeadlineError:
    """The error for an app that did not answer in time; as ``late``."""
    said = "".join(f"\n  it said: {line[:300]}" for line in lines[-3:])
    text = f"the app on {where} did not answer {operation!r} within {timeout_s:g} s"
    if operation == "start":
        return DeadlineError(
            f"the app on {where} took the connection and did not say hello within {timeout_s:.3g} s{said}",
            hint="bring it to the foreground, for the system suspends what is behind, and unlock the phone",
        )
    hint = "raise --edge-timeout if the model is slow, and see that the app is still in the foreground"
    return DeadlineError(text + said, hint=_SLOW_LOAD if operation == "load" else hint)


_SLOW_LOAD = "accelerators compile for minutes: give it longer with edge_device.load(..., timeout_s=...)"


def late(timeout_s: float, lines: Sequence[str], *, where: str, operation: str) -> DeadlineError:
    """The error for an agent that did not answer in time."""
    text = f"the agent on {where} did not answer {operation!r} within {timeout_s:g} s and was ended"
    return DeadlineError(
        text + "".join(f"\n  stderr: {line}" for line in lines[-3:]),
        hint="raise --edge-timeout if the model is slow",
    )


def telling_lines(text: str) -> list[str]:
    """Lines of standard error worth showing: without the runtime's small talk."""
    lines = [printable(line).strip() for line in text.splitlines()]
    return [line[:300] for line in lines if line and not line.startswith(SMALL_TALK)]


def printable(text: str) -> str:
    """Text from a peer without what could steer a terminal or break a report."""
    return "".join(char if char.isprintable() or char == "\n" else " " for char in text)


def _death_hint(status: int | None, operation: str) -> str:
    if status == -signal.SIGKILL:
        return "somebody killed it, or the system did for lack of memory"
    if status == -signal.SIGILL:
        return "the runtime used an instruction that this processor lacks: is it, or /proc/cpuinfo, for another one?"
    if status is not None and status < 0 and operation in ("load", "run", "measure"):
        return 'the runtime crashed on this model or its inputs; does it with delegate="reference" too?'
    return ""


def describe_status(status: int) -> str:
    """An exit status in words: ``died by SIGSEGV`` or ``ended with exit code 3``."""
    if status < 0:
        try:
            return f"died by {signal.Signals(-status).name}"
        except ValueError:
            return f"died by signal {-status}"
    return f"ended with exit code {status}"
