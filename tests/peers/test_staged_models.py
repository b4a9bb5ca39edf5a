"""The user's code on a device: sent, run and timed there, with its own faults told as such."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pytest_edgedevice.device import Device
from pytest_edgedevice.errors import InputError, ProtocolError
from pytest_edgedevice.runners.staged import MOST_MODULE_BYTES
from pytest_edgedevice.transports.local import LocalTransport
from tests.peers.forked_agents import forked_agents
from tests.unit.runners.test_instruments import Client, backend, frames

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_edgedevice import LoadedModel

TINY = Path(__file__).parents[2] / "fixtures" / "tiny"
PHOTO = {"photo": np.full((8, 8, 3), 255, np.uint8), "gain": np.float32(2)}
SOURCE = """
import numpy as np

def preprocess(inputs):
    row = inputs["photo"][0, :4, 0].astype(np.float32) / 255 * inputs["gain"]
    print("this must not reach the wire")
    return {"a": row[None], "b": row[None]}

def postprocess(outputs):
    if outputs["sum"].tolist() != [[4.0] * 4]:
        raise ValueError(f"got {outputs['sum']}")
"""
NAMES = ("before_ns", "inference_ns", "after_ns")


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Device]:
    folder = tmp_path_factory.mktemp("device")
    with forked_agents(folder), Device(LocalTransport(base=folder), name="desk") as opened:
        yield opened


@pytest.fixture
def model(device: Device) -> Iterator[LoadedModel]:
    with device.load(TINY / "add_float32.tflite", delegate="cpu") as loaded:
        yield loaded


@pytest.fixture
def module(tmp_path: Path) -> Path:
    path = tmp_path / "pipeline.py"
    path.write_text(SOURCE)
    return path


def test_every_part_has_its_time(model: LoadedModel, module: Path) -> None:
    found = model.stages(module, PHOTO, runs=10)
    assert [len(one) for one in (found.before_ns, found.inference_ns, found.after_ns)] == [10] * 3
    assert set(found.p50_ms) == set(found.p95_ms) == {"before", "inference", "after", "total"}
    assert all(0 <= found.p50_ms[name] <= found.p95_ms[name] for name in found.p50_ms)
    assert found.p95_ms["total"] >= found.p50_ms["inference"] > 0
    assert set(found.conditions) == {"before", "after"}


def test_code_that_fails_is_told_with_its_line_and_the_model_goes_on(model: LoadedModel, module: Path) -> None:
    with pytest.raises(InputError, match=r"postprocess failed \(line 11\): ValueError: got"):
        model.stages(module, {**PHOTO, "gain": np.float32(1)}, runs=2)
    assert model.stages(module, PHOTO, runs=2).before_ns


def test_another_content_under_the_same_name_is_other_code(model: LoadedModel, module: Path) -> None:
    model.stages(module, PHOTO, runs=1)
    module.write_text("def preprocess(inputs):\n    raise KeyError('new')\n")
    with pytest.raises(InputError, match="KeyError"):
        model.stages(module, PHOTO, runs=1)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"sample": {"x": np.array(["text"])}}, "cannot be sent"),
        ({"sample": {"x": np.zeros(2, ">f4")}}, "cannot be sent"),
        ({"runs": 0}, "runs must be"),
        ({"seconds": 0}, "seconds must be"),
        ({"module": "/no/such/module.py"}, "cannot be read"),
    ],
)
def test_what_cannot_be_staged_is_the_callers_error(
    model: LoadedModel, module: Path, given: dict[str, Any], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        model.stages(**{"module": module, "sample": PHOTO, **given})


@pytest.mark.parametrize("size", [0, MOST_MODULE_BYTES + 1])
def test_a_module_of_no_sensible_size_is_not_sent(model: LoadedModel, module: Path, size: int) -> None:
    module.write_bytes(b"#" * size)
    with pytest.raises(InputError, match="can be sent"):
        model.stages(module, PHOTO)


class Odd:
    def __array__(self, *_: Any, **__: Any) -> Any:
        raise RuntimeError("not today")


def test_a_value_that_is_no_array_is_the_callers_error(model: LoadedModel, module: Path) -> None:
    with pytest.raises(InputError, match="'x' is not an array: not today"):
        model.stages(module, {"x": Odd()})


@pytest.mark.parametrize(
    "client",
    [
        frames([1], [1], [1], names=("before_ns", "inference_ns", "other_ns")),
        frames([1], [1, 2], [1], names=NAMES),
        frames([], [], [], names=NAMES),
        frames([-1], [1], [1], names=NAMES),
        frames([1] * 9, [1] * 9, [1] * 9, names=NAMES),
        Client({"tensors": [5]}),
    ],
)
def test_times_that_cannot_be_end_the_agent(client: Client) -> None:
    client.operations = ["stages"]
    with pytest.raises(ProtocolError):
        backend(client).stages(b"pass", {}, runs=5, seconds=1.0)


def test_an_agent_that_runs_no_python_is_not_asked() -> None:
    with pytest.raises(InputError, match="does not serve 'stages'"):
        backend(Client({}, operations=["run"])).stages(b"pass", {}, runs=5, seconds=1.0)
