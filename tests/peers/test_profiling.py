"""LiteRT's own profiler behind both agents: real models, and models that bring it down."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import sys
import threading
import time
import types
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pytest_edgedevice.agent.engines import profiling
from pytest_edgedevice.agent.engines.base import EngineError, LoadOptions, Profiled
from pytest_edgedevice.agent.engines.litert_library import LiteRtError, ProfiledModel, library_path
from pytest_edgedevice.agent.engines.profiling import check_profilable, profile
from pytest_edgedevice.device import Device
from pytest_edgedevice.errors import EdgeDeviceError
from pytest_edgedevice.transports.local import LocalTransport
from tests.peers.forked_agents import forked_agents

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
TINY = ROOT / "fixtures" / "tiny"
MODELS = ROOT / "fixtures" / "models"
PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Device]:
    folder = tmp_path_factory.mktemp("device")
    with forked_agents(folder, measured=True), Device(LocalTransport(base=folder), name="desk") as opened:
        yield opened


def test_a_models_operators_are_timed(device: Device) -> None:
    with device.load(MODELS / "face_detector.tflite", delegate="default") as model:
        found = model.profile(runs=5)
    assert (found.problem, found.runs, found.total_ms > 0) == ("", 5, True)
    assert {one.delegate for one in found.operators} == {"xnnpack"}
    assert sum(one.share for one in found.operators) == pytest.approx(1, abs=0.01)
    assert found.total_ms == pytest.approx(sum(one.time_ms for one in found.operators), rel=0.01)
    assert any("Convolution" in one.name for one in found.operators)


def test_what_a_delegate_left_is_the_processors(device: Device) -> None:
    with device.load(TINY / "partial.tflite", delegate="xnnpack", fallback="allow") as model:
        found = model.profile(runs=3)
    assert {(one.name, one.delegate, one.count) for one in found.operators} == {
        ("CUMSUM", "cpu", 1),
        ("Negate (NC)", "xnnpack", 2),
    }


def test_built_in_kernels_have_the_names_of_the_file(device: Device) -> None:
    with device.load(TINY / "partial.tflite", delegate="cpu") as model:
        assert {one.name for one in model.profile(runs=3).operators} == {"NEG", "CUMSUM"}


def test_the_main_graph_is_profiled_whatever_the_order_of_signatures(device: Device) -> None:
    with device.load(TINY / "two_signatures.tflite", delegate="cpu") as model:
        (output,) = model.info.outputs
        assert [one.name for one in model.profile(runs=2).operators] == [
            {"doubled": "ADD", "negated": "NEG"}[output.name]
        ]


def test_a_model_that_kills_the_profiler_leaves_the_agentalive(device: Device) -> None:
    deadly = {"a": np.full((1, 4), -(2**31), np.int32), "b": np.full((1, 4), -1, np.int32)}
    with device.load(TINY / "crash.tflite", delegate="cpu") as model:
        found = model.profile(deadly, runs=2)
        harmless = model.run({"a": np.full((1, 4), 7, np.int32), "b": np.full((1, 4), 4, np.int32)})
    assert np.asarray(next(iter(harmless.outputs.values()))).tolist() == [[3] * 4]
    if found.problem:  # on some processors that division kills nobody
        assert f"signal {int(signal.SIGFPE)}" in found.problem


@pytest.mark.parametrize(
    ("model", "delegate", "why"),
    [
        ("dynamic", "cpu", "cannot run this model"),
        ("invoke_fails", "cpu", "cannot run this model"),
        ("add_float32", "reference", "would profile built-in kernels"),
    ],
)
def test_a_model_without_a_profile_says_why_and_goes_on(device: Device, model: str, delegate: str, why: str) -> None:
    with device.load(TINY / f"{model}.tflite", delegate=delegate) as loaded:
        found = loaded.profile(runs=2)
        assert (found.operators, why in found.problem) == ((), True)
        assert loaded.conditions() is not None


def test_the_profilers_memory_is_not_the_agents(device: Device) -> None:
    with device.load(MODELS / "face_detector.tflite", delegate="cpu") as model:
        before = model.resources(seconds=0.05)
        assert model.profile(runs=2).problem == ""
        after = model.resources(seconds=0.05)
    assert before.peak_bytes is not None
    assert after.peak_bytes is not None
    assert after.peak_bytes < before.peak_bytes + 10_000_000


def test_an_engine_without_a_profiler_says_so() -> None:
    with pytest.raises(EngineError, match="the engine 'tflite' has no profiler; 'litert' has"):
        check_profilable("tflite", "2.14.0", "cpu")


@pytest.mark.parametrize(
    ("version", "delegate", "why"),
    [
        ("2.1.6", "cpu", "2.2 or later is needed"),
        ("nightly", "cpu", "2.2 or later is needed"),
        ("2.3.0", "external:/x.so", "takes no external delegates"),
        ("2.3.0", "reference", "reference ones"),
    ],
)
def test_what_the_profiler_would_show_otherwise_is_refused(version: str, delegate: str, why: str) -> None:
    with pytest.raises(EngineError, match=why):
        check_profilable("litert", version, delegate)


@pytest.mark.parametrize("version", ["2.2.0", "2.3", "3.0.1", "2.3.0.dev20260101"])
def test_later_versions_have_a_profiler(version: str) -> None:
    check_profilable("litert", version, "cpu")


def start(path: Path, **changes: Any) -> Profiled:
    options = {"signature": "", "runs": 2, "max_ns": 10**9, **changes}
    return profile(str(path), {0: bytes(16), 1: bytes(16)}, LoadOptions(delegate="cpu"), **options)


def test_an_answer_that_is_none_is_told_with_the_last_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profiling, "CHILD", "print('nonsense'); raise SystemExit('no such {0}')")
    with pytest.raises(EngineError, match=r"ended with status 1: no such pytest_edgedevice"):
        start(TINY / "add_float32.tflite")


def test_a_profiler_that_was_killed_is_told_by_its_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profiling, "CHILD", f"import os; os.kill(os.getpid(), {int(signal.SIGKILL)})  # {{0}}")
    with pytest.raises(EngineError, match="ended with signal 9"):
        start(TINY / "add_float32.tflite")


def test_a_python_that_cannot_start_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    with pytest.raises(EngineError, match="cannot be started"):
        start(TINY / "add_float32.tflite")


@pytest.mark.parametrize(
    ("model", "changes", "why"),
    [
        ("absent", {}, "No such file"),
        ("two_signatures", {"signature": "third"}, "no signature of the model"),
        ("string", {}, "failed|names an input|room for"),
    ],
)
def test_what_stops_the_profiler_is_told(model: str, changes: dict[str, Any], why: str) -> None:
    with pytest.raises(EngineError, match=why):
        start(TINY / f"{model}.tflite", **changes)


def test_an_input_that_is_too_long_is_not_written() -> None:
    with pytest.raises(EngineError, match="room for"):
        profile(
            str(TINY / "add_float32.tflite"),
            {0: bytes(1 << 16), 1: bytes(16)},
            LoadOptions(delegate="cpu"),
            signature="",
            runs=1,
            max_ns=0,
        )


def test_what_the_runtime_prints_is_no_part_of_the_answer() -> None:
    found = start(TINY / "add_float32.tflite")
    assert found.summary.lstrip().startswith(b"=")
    assert found.runs == 2


def in_this_process(
    monkeypatch: pytest.MonkeyPatch, path: Path, contents: dict[int, bytes], **changes: Any
) -> tuple[dict[str, Any], bytes]:
    """What the child does, here: one of its own would not be counted."""
    octets = io.BytesIO(b"".join(contents.values()))
    monkeypatch.setattr(sys, "stdin", types.SimpleNamespace(buffer=octets))
    asked = {"path": str(path), "kernels": "builtin", "accelerators": 1, "threads": 1, "runs": 3, "max_ns": 10**9,
             "signature": "", "inputs": [[index, len(one)] for index, one in contents.items()], **changes}  # fmt: skip
    told, summary = profiling._profiled(json.loads(json.dumps(asked)))
    return told, summary


def test_a_profile_ends_after_its_runs_or_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    two = {0: bytes(16), 1: bytes(16)}
    told, summary = in_this_process(monkeypatch, TINY / "add_float32.tflite", two)
    assert (told, b"ADD" in summary) == ({"runs": 3}, True)
    assert in_this_process(monkeypatch, TINY / "add_float32.tflite", two, max_ns=0, runs=10**6)[0]["runs"] < 1000


@pytest.mark.parametrize(
    ("contents", "changes", "why"),
    [
        ({0: bytes(16)}, {}, "names an input that the main graph does not have"),
        ({0: bytes(1 << 12), 1: bytes(16)}, {}, "room for"),
        ({0: bytes(16), 1: bytes(16)}, {"signature": "none"}, "no signature"),
        ({0: bytes(16), 1: bytes(16)}, {"accelerators": 2}, "failed with status"),
    ],
)
def test_the_profilers_own_refusals_are_words(
    monkeypatch: pytest.MonkeyPatch, contents: dict[int, bytes], changes: dict[str, Any], why: str
) -> None:
    with pytest.raises(LiteRtError, match=why):
        in_this_process(monkeypatch, TINY / "add_float32.tflite", contents, **changes)


def test_a_library_without_the_functions_is_too_old() -> None:
    with pytest.raises(LiteRtError, match="no function LiteRtCreateEnvironment"):
        ProfiledModel("libc.so.6", b"", kernels="builtin", accelerators=1, threads=1)


def test_a_package_without_the_library_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import ai_edge_litert

    monkeypatch.setattr(ai_edge_litert, "__path__", [str(tmp_path)])
    with pytest.raises(LiteRtError, match=r"holds no libLiteRt\.so"):
        library_path()


def test_the_profilers_process_ends_with_its_agent(device: Device) -> None:
    """However the agent ends: one that counts to two thousand million is killed in the middle of it."""
    steps = {"steps": np.array([2**31 - 1], np.int32)}
    with device.load(TINY / "slow.tflite", delegate="cpu") as model:
        agent = model._backend.client.hello["pid"]  # type: ignore[attr-defined]
        asking = threading.Thread(target=lambda: suppressed(model.profile, steps), daemon=True)
        asking.start()
        (child,) = eventually(lambda: children(agent))
        os.kill(agent, signal.SIGKILL)
        assert eventually(lambda: not alive(child))
        asking.join(PATIENCE_S)


def suppressed(call: Any, *given: Any) -> None:
    with contextlib.suppress(EdgeDeviceError):
        call(*given)


def children(pid: int) -> list[int]:
    """Processes that have done a tenth of a second of work for this parent: the model runs in them."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = path.read_text().rpartition(")")[2].split()
            if int(fields[1]) == pid and int(fields[11]) >= 10:
                found.append(int(path.parent.name))
    return found


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def eventually(found: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE_S
    while not (seen := found()):
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.05)
    return seen
