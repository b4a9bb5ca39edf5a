"""Prove which operators a delegate took, from the interpreter's own graph.

After a delegate is applied the graph gains nodes named ``DELEGATE``, while the
nodes they replace stay in the list. What is really executed is found by
walking back from the outputs and taking the last producer of every tensor.
Pure functions on lists of dictionaries, so that they can be tested without a
runtime.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, Dict, Iterable, List, Sequence, Set

DELEGATE = "DELEGATE"
Node = Dict[str, Any]


def executed(nodes: Sequence[Node], outputs: Iterable[int]) -> List[int]:
    """Positions of the nodes that run, in graph order.

    Roots are the producers of ``outputs`` and the nodes without outputs
    (CALL_ONCE, ASSIGN_VARIABLE), which run for their effect. Those are counted
    as left over even where a delegate swallowed them: the graph does not tell,
    and a fallback that is reported wrongly is better than one that is hidden.
    """
    producer = {int(tensor): at for at, node in enumerate(nodes) for tensor in node["outputs"]}
    roots = [producer[int(tensor)] for tensor in outputs if int(tensor) in producer]
    roots += [at for at, node in enumerate(nodes) if not len(node["outputs"])]
    seen: Set[int] = set()
    while roots:
        at = roots.pop()
        if at in seen:
            continue
        seen.add(at)
        roots += [producer[int(tensor)] for tensor in nodes[at]["inputs"] if int(tensor) in producer]
    return sorted(seen)


def account(nodes: Sequence[Node], outputs: Iterable[int], delegate_nodes: Iterable[int]) -> Dict[str, Any]:
    """Split the executed graph into what the delegate took and what it left.

    Args:
        nodes: The graph after everything was applied: ``op_name``, ``inputs``, ``outputs``.
        outputs: Tensor indices of the model's outputs.
        delegate_nodes: Positions of the ``DELEGATE`` nodes that belong to the delegate in question.

    Returns:
        ``nodes`` and ``delegated`` as counts of original operators, ``partitions``, and
        ``left_over`` as operator name to count.
    """
    outputs = list(outputs)
    mine = set(delegate_nodes)
    original = [node for node in nodes if node["op_name"] != DELEGATE]
    total = len(executed(original, outputs))
    running = executed(nodes, outputs)
    left = Counter(nodes[at]["op_name"] for at in running if nodes[at]["op_name"] != DELEGATE)
    others = _taken_by(nodes, {at for at in running if nodes[at]["op_name"] == DELEGATE} - mine)
    left.update(others)
    count = sum(left.values())
    return {
        "nodes": total,
        "delegated": max(total - count, 0),
        "partitions": len(mine & set(running)),
        "left_over": dict(sorted(left.items())),
    }


def _taken_by(nodes: Sequence[Node], delegates: Set[int]) -> Counter[str]:
    """Operators that run inside the given ``DELEGATE`` nodes: from their outputs back to their inputs."""
    taken: Counter[str] = Counter()
    producer = {
        int(tensor): at for at, node in enumerate(nodes) if node["op_name"] != DELEGATE for tensor in node["outputs"]
    }
    for delegate in delegates:
        edge = {int(tensor) for tensor in nodes[delegate]["inputs"]}
        todo = [int(tensor) for tensor in nodes[delegate]["outputs"]]
        seen: Set[int] = set()
        while todo:
            tensor = todo.pop()
            at = producer.get(tensor)
            if tensor in edge or at is None or at in seen:
                continue
            seen.add(at)
            todo += [int(before) for before in nodes[at]["inputs"]]
        taken.update(nodes[at]["op_name"] for at in seen)
    return taken
