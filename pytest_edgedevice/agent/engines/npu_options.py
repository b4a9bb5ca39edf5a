"""Options of the delegate ``npu``: what its vendor's compiler is told.

One vendor's compiler and dispatcher work out of LiteRT's wheel for x86-64 once
``pip install openvino`` brings the very version that they were built with:
Intel's. OpenVINO compiles for an NPU unless it is told another device. Its
further properties are not offered: the compiler takes them, and the dispatcher
runs without them (a precision that was asked for, for one).
"""

from __future__ import annotations

from typing import Any, Dict

from pytest_edgedevice.agent.engines.base import EngineError

DEVICE = "openvino.device"
DEVICES = ("cpu", "gpu", "npu")


def check_options(delegate: str, told: Dict[str, str]) -> None:
    """Refuse what nothing would see: an option that is ignored is a model that was not tested.

    Raises:
        EngineError: Which, and what there is.
    """
    for name, value in told.items():
        if delegate != "npu" or name != DEVICE:
            offered = f"it has {DEVICE}" if delegate == "npu" else "it has none"
            raise EngineError("input", f"delegate {delegate!r} has no option {name!r}; {offered}")
        if value not in DEVICES:
            raise EngineError("input", f"option {DEVICE!r} is one of {', '.join(DEVICES)}, not {value!r}")


def grouped(accelerators: Any, told: Dict[str, str]) -> Any:
    """The same for LiteRT: its ``Options``.

    Raises:
        EngineError: This version has none for OpenVINO.
    """
    try:
        from ai_edge_litert.intel_openvino_options import IntelOpenVinoGraphBackend, IntelOpenVinoOptions
        from ai_edge_litert.options import Options
    except ImportError as error:
        raise EngineError("delegate", f"this version of litert takes no option {DEVICE!r}: {error}") from error
    openvino = IntelOpenVinoOptions(graph_backend=IntelOpenVinoGraphBackend[told[DEVICE].upper()])
    return Options(accelerators, intel_openvino_options=openvino)


def shown(told: Dict[str, str]) -> str:
    """The options for the evidence: who reads ``npu`` must see that it was the processor, where it was."""
    return "".join(f", {name}={value}" for name, value in told.items())
