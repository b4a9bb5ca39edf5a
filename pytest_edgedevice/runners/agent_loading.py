"""A model that is there: have an agent load it, and believe of the answer only what can be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_edgedevice.agent.engines.coreml_here import DELEGATES as CORE_ML
from pytest_edgedevice.errors import DelegateError, DelegateImpossibleError, EdgeDeviceError, ModelError
from pytest_edgedevice.runners.agent_backend import AgentBackend
from pytest_edgedevice.runners.loaded import LoadedModel
from pytest_edgedevice.runners.replies import read_load
from pytest_edgedevice.runners.requested import check_requested
from pytest_edgedevice.runners.wording import printable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pytest_edgedevice.runners.backend import LoadRequest, Site
    from pytest_edgedevice.runners.client import AgentClient
    from pytest_edgedevice.transports.base import Pushed
    from pytest_edgedevice.values import Placement

WHERE_CORE_ML_IS = "Core ML is on Macs, with pip install 'pytest-edgedevice[coreml]', and in an app on an iPhone"


def load_there(client: AgentClient, site: Site, request: LoadRequest, *, pushed: Pushed, engine: str) -> LoadedModel:
    """Have an agent load a model whose blobs it has, and that it takes: see ``check_taken``.

    Args:
        client: The agent; it goes with the model.
        site: Where it runs.
        request: What was asked for.
        pushed: The model as it was placed.
        engine: Name of the engine; empty for the agent's own choice.

    Raises:
        ModelError, DelegateError, InputError, MissingExtraError: The agent refused, and why.
        InfraError: The world failed.
    """
    fields: dict[str, Any] = {
        "sha256": pushed.sha256,
        "delegate": request.delegate,
        "delegate_options": dict(request.options or {}),
        "threads": request.threads,
        "engine": engine,
        "allow_fallback": request.allow_fallback,
        **({"folder": True} if request.source.is_dir() else {}),
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
    if "Flatbuffer" in error.message and source.is_file():
        with source.open("rb") as file:
            start = file.read(24)
        if start.startswith(b"version https://git-lfs"):
            return "it is a Git LFS pointer, not the model: git lfs pull"
        return f"the file has {source.stat().st_size} bytes and begins with {start[:8]!r}: is it whole, and a .tflite?"
    return ""


def check_taken(client: AgentClient, site: Site, request: LoadRequest) -> None:
    """Refuse what an agent's hello says that it does not take: a model folder, or the delegate.

    Raises:
        ModelError, DelegateImpossibleError: Which, and what it has instead.
    """
    hello, source = client.hello, request.source
    check_offered(hello, request.delegate, name=site.name)
    if source.is_dir() and hello.get("folders") is not True:
        raise ModelError(
            f"model {source.name!r} is a folder, and the agent on {site.name}, with {_engines(hello)}, takes none",
            hint="Core ML's models run in an app on an iPhone, or on a Mac; convert it to .tflite for other devices",
        )


def _engines(hello: Mapping[str, Any]) -> str:
    engines = ", ".join(f"{engine} {version}" for engine, version in list(hello["engines"].items())[:4])
    return printable(engines)[:100] or "no engine"


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
    raise DelegateImpossibleError(
        f"delegate {delegate!r} cannot be had on {name}: its agent, with {_engines(hello)}, offers"
        f" {printable(', '.join(offered))[:200] or 'none'}",
        hint=WHERE_CORE_ML_IS if delegate in CORE_ML else "",
    )


def check_placement(placement: Placement, model: str) -> None:
    """Fail when a delegate that was asked for did not take the whole model.

    Raises:
        DelegateError: With the operators left over.
    """
    if placement.requested_only:
        check_requested(placement, model)
        return
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
