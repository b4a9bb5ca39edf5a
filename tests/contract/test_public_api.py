"""``open_device`` and what it returns, as pipelines and notebooks use it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pytest_edgedevice import open_device
from pytest_edgedevice.agent import conditions
from pytest_edgedevice.agent.store import Store, StoreError
from pytest_edgedevice.errors import (
    DeviceBusyError,
    DeviceFullError,
    DeviceNotFoundError,
    EdgeDeviceError,
    InputError,
    MissingExtraError,
    ProtocolError,
    SpecError,
    TransportError,
)
from pytest_edgedevice.inventory import load_inventory
from pytest_edgedevice.opening import Catalog
from pytest_edgedevice.transports.local import LocalTransport
from tests.peers.forked_agents import forked_agents

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_edgedevice.device import Device

TINY = Path(__file__).parents[2] / "fixtures" / "tiny"
ROW = np.ones((2, 4), np.float32)


@pytest.fixture(scope="module", autouse=True)
def _forked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Agents that need not start from nothing."""
    with forked_agents(tmp_path_factory.mktemp("agents")):
        yield


@pytest.fixture(autouse=True)
def _own_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEDEVICE_LOCKS", str(tmp_path / "locks"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def device() -> Iterator[Device]:
    with open_device("local") as opened:
        yield opened


def test_a_model_runs_and_is_measured_on_the_sample_of_its_run(device: Device) -> None:
    model = device.load(TINY / "add_float32.tflite")
    assert np.asarray(model.run({"a": ROW, "b": ROW}).outputs["sum"]).tolist() == [[2.0] * 4] * 2
    timing = model.measure(budget_ms=10_000)
    assert (timing.verdict, timing.budget_ms, timing.load_ms > 0) == ("pass", 10_000, True)
    assert "load_1min" in model.conditions()
    assert repr(model) == "<LoadedModel add_float32.tflite on local by xnnpack>"
    assert repr(device) == "<Device local by local>"


@pytest.mark.parametrize("name", ["copy_bool", "copy_int8", "copy_int64", "copy_float16", "dynamic", "scalar"])
def test_a_model_is_measured_on_values_of_our_own_where_it_never_ran(device: Device, name: str) -> None:
    with device.load(TINY / f"{name}.tflite") as model:
        assert len(model.measure(min_runs=5, max_runs=5).samples_ns) == 5


def test_a_model_is_measured_on_the_sample_that_is_given(device: Device) -> None:
    with device.load(TINY / "nan.tflite") as model:
        assert model.measure(ROW, min_runs=3, max_runs=3).verdict is None
        with pytest.raises(InputError, match="needs float32"):
            model.measure(ROW.astype(int))


def test_pushing_twice_sends_once(device: Device) -> None:
    first, second = (device.push(TINY / "nan.tflite") for _ in range(2))
    assert (first.sent_bytes, second.sent_bytes) == (first.size_bytes, 0)


@pytest.mark.parametrize("options", [{"threads": 0}, {"threads": True}, {"fallback": "maybe"}], ids=str)
def test_an_option_without_such_a_value_is_refused(device: Device, options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(options))):
        device.load(TINY / "nan.tflite", **options)


def test_a_closed_device_does_nothing_more(device: Device) -> None:
    device.tell_waiters("test_a")
    device.close()
    device.close()
    with pytest.raises(InputError, match="device 'local' is closed; open it again"):
        device.load(TINY / "nan.tflite")


def test_a_closed_model_is_its_users_mistake_and_no_fault_of_the_device(device: Device) -> None:
    with device.load(TINY / "nan.tflite") as model:
        pass
    with pytest.raises(InputError, match=r"model 'nan.tflite' was closed; load it again"):
        model.measure(max_runs=1)


def test_a_push_that_fails_ends_the_agent_that_was_starting(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise DeviceFullError("full")

    monkeypatch.setattr(LocalTransport, "push", full)
    with pytest.raises(DeviceFullError):
        device.load(TINY / "nan.tflite")
    assert isinstance(device._transport, LocalTransport)
    assert [child.killed for child in device._transport._children] == [True]


def test_a_device_is_held_until_its_block_ends(device: Device) -> None:
    with pytest.raises(DeviceBusyError):
        open_device("local")
    device.close()
    open_device("local").close()


def test_a_link_that_cannot_be_opened_gives_the_device_back(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setenv("TMPDIR", "/dev/null")
        patched.setattr("tempfile.tempdir", None)
        patched.setattr("tempfile.gettempdir", lambda: "/dev/null")
        with pytest.raises(TransportError):
            open_device("local")
    open_device("local").close()


def test_a_link_whose_hardware_cannot_be_told_gives_the_device_back(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> str:
        raise TransportError("gone")

    with monkeypatch.context() as patched:
        patched.setattr(LocalTransport, "identity", fail)
        with pytest.raises(TransportError, match="gone"):
            open_device("local")
    open_device("local").close()


@pytest.mark.parametrize(
    ("spec", "kind", "text"),
    [
        (7, SpecError, "a device spec is a text"),
        ("cores >= 100000", DeviceNotFoundError, r"no device matches .* local \(cores=\d+\)"),
        ("ssh:no-such-board.invalid", TransportError, "cannot connect to no-such-board.invalid"),
    ],
)
def test_a_device_that_cannot_be_is_explained(spec: Any, kind: type[EdgeDeviceError], text: str) -> None:
    with pytest.raises(kind, match=text):
        open_device(spec)


def test_an_expression_finds_this_machine() -> None:
    with open_device("local and cores >= 1") as found:
        assert found.name == "local"


def test_a_named_device_has_its_folder_and_its_engine(tmp_path: Path) -> None:
    Path("edgedevice.toml").write_text(
        f'[devices.desk]\nspec = "local"\nfolder = "{tmp_path / "here"}"\nengine = "tflite"\n', encoding="utf-8"
    )
    with open_device("desk", catalog=Catalog(load_inventory(tmp_path))) as desk:
        assert (desk.name, len(list((tmp_path / "here").iterdir()))) == ("desk", 1)
        with pytest.raises(MissingExtraError, match="tflite"):  # whose environment is another one
            desk.load(TINY / "add_float32.tflite")


def test_a_contributed_device_is_opened_by_its_name(tmp_path: Path) -> None:
    catalog = Catalog(contributed={"bench": lambda: LocalTransport(base=tmp_path / "bench")})
    with open_device("bench", catalog=catalog) as bench:
        assert bench.name == "bench"
    assert list((tmp_path / "bench").iterdir()) == []


def test_a_blob_starts_over_at_offset_zero(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert store.put(sha256, 0, 3, b"xx") is False
    assert [store.put(sha256, 0, 3, b"a"), store.put(sha256, 1, 3, b"bc")] == [False, True]
    assert Path(store.find(sha256)).read_bytes() == b"abc"
    with pytest.raises(StoreError, match="does not follow"):
        store.put(sha256, 1, 3, b"bc")


def test_conditions_that_are_not_told_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> Any:
        raise OSError

    monkeypatch.setattr(Path, "open", fail)
    monkeypatch.setattr("os.getloadavg", fail)
    assert conditions.conditions() == {}
    assert {"os", "arch", "cores"} <= set(conditions.static_facts())


def test_a_run_that_is_larger_than_a_frame_is_refused_and_the_model_goes_on(device: Device) -> None:
    with device.load(TINY / "grow.tflite", delegate="cpu") as model:
        with pytest.raises((EdgeDeviceError, ProtocolError), match="over the limit"):
            model.run(np.array([(1 << 28) + 1], np.int32))
        assert np.asarray(model.run(np.array([2], np.int32)).outputs["ones"]).tolist() == [[1.0, 1.0]]
