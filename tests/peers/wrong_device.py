"""Starts the real agent with one fault in what it computes: a device or a delegate that is wrong, on the real wire.

    python wrong_device.py FAULT DELEGATES AGENT [agent's arguments]

See ``wrong_numbers.spoilt`` for the first two.
"""

from __future__ import annotations

import runpy
import sys
from importlib import import_module
from typing import Any

spoilt: Any = import_module("wrong_numbers").spoilt  # beside this file: the agent's Python knows no package of ours

FAULT, WRONG, AGENT = sys.argv[1:4]


def go_wrong() -> None:
    """Put the fault between the engine and the wire."""
    from pytest_edgedevice.agent import session

    honest: Any = vars(session)["write_outputs"]

    def write_outputs(engine: Any, collected: list[list[Any]], elapsed: list[int]) -> Any:
        proven = engine.placement()["proven"]
        return honest(engine, spoilt(collected, fault=FAULT, wrong=WRONG, proven=proven), elapsed)

    setattr(session, "write_outputs", write_outputs)  # noqa: B010 - the module's own name is what its code looks up


if __name__ == "__main__":
    sys.path.insert(0, AGENT)
    go_wrong()
    sys.argv = sys.argv[3:]
    runpy.run_module("pytest_edgedevice.agent.main", run_name="__main__", alter_sys=False)
