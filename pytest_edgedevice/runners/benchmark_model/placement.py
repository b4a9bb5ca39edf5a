"""Which delegate ran a model under ``benchmark_model``, by what was counted: node numbers win over statements.

"Applied NNAPI delegate" is no proof (builds say it after they failed to), nor is a delegate that was created. A
statement "Explicitly applied X ... completely|partially" is one, as the tool counts nodes for it; so are the runtime's
own counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_edgedevice.values import Placement

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_edgedevice.runners.backend import LoadRequest
    from pytest_edgedevice.runners.benchmark_model.flags import Build
    from pytest_edgedevice.runners.benchmark_model.report import Applied, Log, NodeCount

UNKNOWN = "unknown"
OPERATORS = "operators"
_SIGNS = {"xnnpack": "xnnpack", "gpu": "gpu", "nnapi": "nnapi"}


def placement_of(log: Log, request: LoadRequest, build: Build, *, nodes: int) -> Placement:
    """Say where the model ran.

    Args:
        log: Of a process that made an inference.
        request: What was asked for.
        build: The tool.
        nodes: Operators of the model, as this host counts them.
    """
    if request.delegate in ("default", "cpu"):
        return _without_choice(log, request, nodes)
    counts, said = _counts_of(log, request.delegate), _said_of(log, request.delegate)
    if counts and (said is None or said.extent != "not"):
        return _counted(counts, request, nodes, _names(log))
    if said is not None:
        return _said(said, request, nodes)
    if build.flavour == "litert" and not request.allow_fallback and request.delegate in ("gpu", "npu"):
        return _whole(request, nodes, "it ran with --require_full_delegation=true and --use_cpu=false")
    return Placement(request.delegate, UNKNOWN, 0, 0, 0, {}, "the tool's log counts no nodes for it")


def _said(said: Applied, request: LoadRequest, nodes: int) -> Placement:
    """By the tool's statement alone."""
    if said.extent == "completely":
        return _whole(request, nodes, f"the tool counted the nodes left: {said.name} runs the graph completely")
    left = {OPERATORS: max(nodes, 1)}
    if said.extent == "partially":
        evidence = f"{said.name} runs the graph partially, in {said.kernels} pieces; how many operators is not told"
        return Placement(request.delegate, request.delegate, max(nodes, 1), 0, said.kernels, left, evidence)
    evidence = f"the tool says that {said.name} runs nothing of the graph"
    return Placement(request.delegate, "cpu", max(nodes, 1), 0, 0, left, evidence)


def _without_choice(log: Log, request: LoadRequest, nodes: int) -> Placement:
    """Nothing was asked for but, for ``cpu``, that there be no delegate."""
    taken = [one for one in log.counts if one.taken]
    said = [one for one in log.applied if one.extent != "not"]
    if request.delegate == "cpu":
        left = {"DELEGATE": max(sum(one.taken for one in taken), 1)} if taken or said else {}
        left = {name: min(count, max(nodes, 1)) for name, count in left.items()}
        kept = max(nodes - sum(left.values()), 0)
        return Placement("cpu", "cpu", nodes, kept, 0, left, "no delegate is named in the tool's log")
    counts = _counts_of(log, "xnnpack")
    if counts:
        return _counted(counts, request, nodes, _names(log), proven="xnnpack")
    if any(one.name.lower() == "xnnpack" for one in said):
        whole = all(one.extent == "completely" for one in said)
        left = {} if whole else {OPERATORS: nodes}
        evidence = "the tool says that XNNPACK runs the graph " + ("completely" if whole else "partially")
        return Placement("default", "xnnpack", nodes, nodes if whole else 0, 1, left, evidence)
    return Placement("default", "cpu", nodes, 0, 0, {OPERATORS: nodes}, "no delegate is named in the tool's log")


def _counted(
    counts: Sequence[NodeCount], request: LoadRequest, nodes: int, names: dict[str, int], *, proven: str = ""
) -> Placement:
    """By the runtime's own numbers, one for each graph; the last word on a graph counts."""
    last = {one.where: one for one in counts}.values()
    taken = sum(one.taken for one in last)
    total = max(sum(one.total for one in last) or nodes, taken)
    left = total - taken
    told = names if left and sum(names.values()) == left else {OPERATORS: left} if left else {}
    evidence = f"the runtime counted {taken} of {total} nodes"
    name = proven or request.delegate if taken else "cpu"
    return Placement(request.delegate, name, total, taken, sum(one.partitions for one in last), told, evidence)


def _whole(request: LoadRequest, nodes: int, evidence: str) -> Placement:
    return Placement(request.delegate, request.delegate, max(nodes, 1), max(nodes, 1), 1, {}, evidence)


def _counts_of(log: Log, delegate: str) -> list[NodeCount]:
    """The runtime's counts; where it gives none, what the delegate announced."""
    found = [one for one in log.counts if _is(one.delegate, delegate)]
    return [one for one in found if not one.announced] or found


def _said_of(log: Log, delegate: str) -> Applied | None:
    """The last statement; tools call every external delegate EXTERNAL."""
    found = [one for one in log.applied if _is(one.name, delegate)]
    return found[-1] if found else None


def _is(name: str, delegate: str) -> bool:
    """Whether a delegate of that name in a log is the one; an external one, or an NPU's, may have any other name."""
    if delegate in _SIGNS:
        return _SIGNS[delegate] in name.lower()
    return not any(sign in name.lower() for sign in _SIGNS.values())


def _names(log: Log) -> dict[str, int]:
    """Types of operators in the profile that are no delegate."""
    found: dict[str, int] = {}
    for one in log.operators:
        if "delegate" not in one.name.lower():
            found[one.name] = found.get(one.name, 0) + one.nodes
    return found
