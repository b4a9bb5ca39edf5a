"""What is special about Core ML: tensors that are not dense, and float16."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pytest_edgedevice.agent.wire import describe
from pytest_edgedevice.conformance.check import Group
from pytest_edgedevice.conformance.checks.running import equal
from pytest_edgedevice.conformance.models import pack

if TYPE_CHECKING:
    from pytest_edgedevice.conformance.bench import Bench

COREML = Group("coreml")
ODD = (1, 3, 5, 7)


def _dense(dtype: str) -> None:
    @COREML.check(
        name=f"{dtype} with rows of 7 comes out of a Core ML package without gaps",
        section="Tensors",
        says="the agent makes them dense before they are sent",
    )
    def dense(bench: Bench) -> None:
        loaded = bench.loaded(bench.coreml(f"negate_{dtype}"))
        numbers = range(1, 1 + math.prod(ODD))  # which float16 holds to the bit, whatever computes with it
        found = loaded.run(2, [describe("x", dtype, (2, *ODD))], [2 * pack(dtype, numbers)])
        equal(found, "y", 2 * pack(dtype, [-number for number in numbers]))


for _dtype in ("float32", "float16"):
    _dense(_dtype)
