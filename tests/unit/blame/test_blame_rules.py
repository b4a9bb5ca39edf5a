"""What observations prove, and what they do not."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from pytest_edgedevice.blame.rules import attribute, number
from pytest_edgedevice.checks.blamed import DONE, GUESS, Blame, Observation, with_blame
from pytest_edgedevice.checks.close import compare_run
from pytest_edgedevice.checks.close_text import failure_text
from pytest_edgedevice.values import ModelInfo, Placement, Run, TensorSpec

ERROR = 3.2


def seen(kind: Any, what: str, error: float | None, *, close: bool = False, same: bool = True) -> Observation:
    where: Any = "host" if "host" in what else "device"
    if error is None:
        return Observation(kind, where, what, what, problem="it is not there")
    return Observation(kind, where, what, what, close, same, error)


AGAIN = seen("again", "the same settings", ERROR)
CPU_WRONG, REFERENCE_WRONG = seen("delegate", "delegate 'cpu'", ERROR), seen("delegate", "delegate 'reference'", ERROR)
CPU_RIGHT = seen("delegate", "delegate 'cpu'", 4e-7, close=True, same=False)
HOST_RIGHT = seen("delegate", "delegate 'default' on this host", 1e-6, close=True, same=False)
HOST_WRONG = seen("delegate", "delegate 'default' on this host", ERROR)
HOST_ABSENT = seen("delegate", "delegate 'default' on this host", None)
TWIN = "the float model m.tflite on this host"
SWAPPED = seen("inputs", "red and blue swapped", 0.001, close=True, same=False)


@pytest.mark.parametrize(
    ("observations", "likely", "text"),
    [
        (
            [AGAIN, CPU_RIGHT, REFERENCE_WRONG, HOST_WRONG],
            "delegate",
            "agrees (4e-7), delegate 'reference' (3.2) does not, so the delegate 'gpu' is the likely",
        ),
        ([AGAIN, CPU_RIGHT], "delegate", "agrees (4e-7), so the delegate 'gpu'"),
        (
            [AGAIN, CPU_WRONG, REFERENCE_WRONG, HOST_RIGHT],
            "device",
            "(1e-6), with delegate 'cpu' (3.2) and delegate 'reference' (3.2) not, so the device",
        ),
        ([AGAIN, HOST_RIGHT], "device", "offers nothing to compare with, so it or its delegate"),
        (
            [AGAIN, CPU_WRONG, HOST_WRONG],
            "conversion",
            "give the same, so the conversion, the pre-processing or a stale",
        ),
        ([AGAIN, CPU_WRONG, HOST_ABSENT], "unknown", "and delegate 'default' on this host cannot be asked (it is not"),
        ([AGAIN, CPU_WRONG, HOST_WRONG, seen("twin", TWIN, 0.01, close=True)], "conversion", f"{TWIN} agrees (0.01)"),
        ([AGAIN, CPU_WRONG, HOST_WRONG, seen("twin", TWIN, 2.0)], "pre-processing", "differs too (2)"),
        ([AGAIN, CPU_WRONG, HOST_WRONG, SWAPPED], "pre-processing", "with red and blue swapped the same model agrees"),
        (
            [seen("again", "the same settings", 0.0, close=True)],
            "device",
            "agrees with the reference (0), so the device is not",
        ),
        ([seen("again", "the same settings", 9.0, same=False)], "device", "gives something else, so the device is not"),
        (
            [AGAIN, seen("delegate", "delegate 'cpu'", 0.02, same=False)],
            "delegate",
            "comes much closer (0.02 against 3.2)",
        ),
        (
            [AGAIN, CPU_WRONG, seen("delegate", "delegate 'x' on this host", 0.02, same=False)],
            "device",
            "comes much closer",
        ),
        (
            [AGAIN, seen("delegate", "delegate 'cpu'", 2.0, same=False)],
            "unknown",
            "all sides differ: delegate 'cpu' (2)",
        ),
        ([AGAIN, seen("delegate", "delegate 'cpu'", None)], "unknown", "(delegate 'cpu': it is not there)"),
        ([seen("again", "the same settings", None)], "unknown", "nothing else could be run"),
        ([], "unknown", "unknown: nothing else could be run to compare with"),
    ],
)
def test_each_pattern_has_its_cause(observations: list[Observation], likely: str, text: str) -> None:
    found, said = attribute("gpu", ERROR, observations)
    assert (found, text in said) == (likely, True), said


@pytest.mark.parametrize(
    ("value", "text"),
    [(4e-7, "4e-7"), (0.0, "0"), (12.34, "12"), (1.5e12, "1.5e12"), (math.inf, "no finite difference"),
     (None, "nothing to compare")],
)  # fmt: skip
def test_a_difference_is_told_in_two_digits(value: float | None, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize("lines", [1, 3, 4])
def test_a_message_has_four_lines_at_most(lines: int) -> None:
    message = "\n".join(["differs", *["  more"] * (lines - 1)])
    found = with_blame(message, Blame("delegate", "it is the delegate")).split("\n")
    assert len(found) == min(lines + 1, 4)
    assert found[-1].endswith("it is the delegate")


@pytest.mark.parametrize(("likely", "guessed"), [("delegate", False), ("device", False), ("conversion", True)])
def test_a_guess_that_is_ruled_out_is_not_repeated(likely: Any, guessed: bool) -> None:
    reference = {"y": np.arange(12, dtype=np.float32).reshape(3, 4)}
    info = ModelInfo("m", "ab", 1, "float32", (), (TensorSpec("y", "float32", (1, 4)),), "litert", "1", 1)
    run = Run({"y": reference["y"] + 2}, 3, (1,) * 3, info, Placement("cpu", "cpu", 1, 1, 0, {}, ""), "local")
    message = failure_text(compare_run(run, reference, atol=0.1))
    assert GUESS in message
    assert (GUESS in with_blame(message, Blame(likely, "so"))) == guessed


def test_the_advice_to_try_another_delegate_is_gone_once_it_was_followed() -> None:
    reference = {"y": np.arange(12, dtype=np.float32).reshape(3, 4)}
    info = ModelInfo("m", "ab", 1, "float32", (), (TensorSpec("y", "float32", (1, 4)),), "litert", "1", 1)
    run = Run({"y": reference["y"] * 0}, 3, (1,) * 3, info, Placement("cpu", "cpu", 1, 1, 0, {}, ""), "local")
    message = failure_text(compare_run(run, reference, atol=0.1))
    assert DONE in message
    assert DONE not in with_blame(message, Blame("unknown", "unknown"))


def test_the_record_has_what_json_can_hold() -> None:
    blame = Blame("device", "so", (seen("again", "the same settings", math.inf),))
    assert blame.numbers()["observations"][0]["max_abs_error"] == "inf"
