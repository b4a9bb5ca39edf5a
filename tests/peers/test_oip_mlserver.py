"""Recording from a real server of the Open Inference Protocol: MLServer, with scikit-learn's classifier."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from fixtures.recipes import digits
from pytest_edgedevice.cli.main import main
from pytest_edgedevice.errors import InfraError
from pytest_edgedevice.goldens import Wishes, load_golden, record
from pytest_edgedevice.goldens.servers.oip import OpenInferenceServer
from tests.ports import Port

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
MLSERVER = Path(os.environ.get("EDGEDEVICE_MLSERVER", str(ROOT / ".venv-mlserver" / "bin" / "mlserver")))
START_S = 120.0
pytestmark = pytest.mark.mlserver


@pytest.fixture(scope="module")
def ports() -> Iterator[tuple[Port, ...]]:
    """For HTTP, gRPC and metrics; MLServer cannot be handed sockets."""
    with contextlib.ExitStack() as held:
        yield tuple(held.enter_context(contextlib.closing(Port())) for _ in range(3))


@pytest.fixture(scope="module")
def address(ports: tuple[Port, ...], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A model behind a running server; its version is named, its tensors are not, as scikit-learn's runtime has it."""
    assert MLSERVER.exists(), f"{MLSERVER} is missing: run ./tests/run, which makes it"
    folder = tmp_path_factory.mktemp("mlserver")
    (folder / "digits").mkdir()
    (folder / "digits" / "model.joblib").write_bytes(pickle.dumps(digits.server()))
    model = {"name": "digits", "implementation": "mlserver_sklearn.SKLearnModel"}
    parameters = {"uri": "./model.joblib", "version": "v3"}
    (folder / "digits" / "model-settings.json").write_text(json.dumps({**model, "parameters": parameters}))
    port, grpc_port, metrics_port = (one.number for one in ports)
    settings = {"host": "127.0.0.1", "http_port": port, "grpc_port": grpc_port, "metrics_port": metrics_port}
    (folder / "settings.json").write_text(json.dumps({**settings, "parallel_workers": 0, "debug": False}))
    log = folder / "log"
    with log.open("wb") as output:
        started = subprocess.Popen([str(MLSERVER), "start", "."], cwd=folder, stdout=output, stderr=output)
        try:
            place = f"http://127.0.0.1:{port}/v2/models/digits"
            wait_for(place, started, log)
            yield place
        finally:
            started.terminate()
            try:
                started.wait(30)
            except subprocess.TimeoutExpired:
                started.kill()
                started.wait()


def wait_for(place: str, started: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_S
    while time.monotonic() < end and started.poll() is None:
        try:
            OpenInferenceServer(place)
            return
        except InfraError:
            time.sleep(0.3)
    raise AssertionError(log.read_text(errors="replace")[-2000:])


@pytest.fixture
def images(tmp_path: Path) -> Path:
    np.save(tmp_path / "images.npy", digits.test_images())
    return tmp_path / "images.npy"


def test_its_probabilities_become_the_golden(address: str, images: Path, tmp_path: Path) -> None:
    wishes = Wishes(reshape={"image": (64,)}, batch=16)
    recorded = record(
        tmp_path / "digits",
        address,
        inputs={"image": images},
        output_map={"predict_proba": "probabilities"},
        wishes=wishes,
    )
    assert recorded.changes
    golden = load_golden(tmp_path / "digits", inputs=[tmp_path])
    expected = digits.reference({"image": digits.test_images()})["probabilities"]
    assert np.abs(golden.references["probabilities"] - expected).max() < 1e-6
    assert (golden.provenance.framework, golden.provenance.version) == ("mlserver", "1.7.1")
    source = golden.provenance.source
    assert (source["model"], source["model_version"], source["reshaped"]) == ("digits", "v3", "image=64")


def test_the_command_says_who_answered(
    address: str, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    asked = ["record", "digits", "--from", f"{address}/versions/v3", "--inputs", f"image={images}"]
    mapped = ["--reshape", "image=64", "--output-map", "predict_proba=probabilities"]
    assert main([*asked, *mapped]) == 0
    said = capsys.readouterr().out
    assert said.startswith("recorded goldens/digits: 40 samples, answered by mlserver 1.7.1, model digits version v3\n")
    assert f"edge_inputs = {tmp_path}" in said


def test_the_server_says_itself_what_it_does_not_have(address: str) -> None:
    with pytest.raises(InfraError, match="answers with status 404: Model nothing not found"):
        OpenInferenceServer(address.replace("digits", "nothing"))


def test_a_shape_that_it_does_not_take_is_its_own_error(address: str, images: Path, tmp_path: Path) -> None:
    with pytest.raises(InfraError, match="answers with status 500") as caught:
        record(tmp_path / "digits", address, inputs={"image": images})
    assert "--reshape" in caught.value.hint
    assert not (tmp_path / "digits").exists()
