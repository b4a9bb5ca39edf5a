"""The real coremltools, which on Linux writes models and cannot predict: what keeps the stand-in honest."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.standins.coreml_models import FOLDER

ROOT = Path(__file__).parents[2]
REAL = Path(os.environ.get("EDGEDEVICE_COREML_PYTHON", str(ROOT / ".venv-coreml" / "bin" / "python")))


def told(python: str | Path, *arguments: str, path: Path | None = None) -> Any:
    assert Path(python).exists(), f"{python} is missing: run ./tests/run, which makes it"
    paths = os.pathsep.join(str(one) for one in (ROOT, path) if one)
    environment = {**os.environ, "PYTHONPATH": paths}
    command = [str(python), str(Path(__file__).with_name("coremltools_outside.py")), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def real() -> Any:
    """What the real one looks like, and what is made of its models: it takes seconds to import."""
    return told(REAL, "models")


@pytest.mark.coreml
def test_the_stand_in_looks_like_the_real_one(real: Any) -> None:
    assert told(sys.executable, path=FOLDER) == {"outside": real["outside"]}


@pytest.mark.coreml
def test_models_of_the_real_one_are_described(real: Any) -> None:
    row = ["float32", [1, 4]]
    assert real["models"] == {
        "plain": [[row], [row], False, "float32"],
        "half": [[["float16", [1, 4]]], [["float16", [1, 4]]], False, "float16"],
        "range": [[["float32", [-1, 4]]], [["float32", [-1, 4]]], False, "float32"],
        "enumerated": [[["float32", [-1, 4]]], [["float32", [-1, 4]]], False, "float32"],
        "positions": [[row], [["int32", [-1, 2]]], False, "float32"],
        "state": [[row], [row], True, "float16"],
        "image": [[["uint8", [1, 8, 6, 3]]], [["float32", [1, 3, 8, 6]]], False, "float16"],
        "refused": [
            "model",
            "Core ML does not take the model: Model prediction is only supported on macOS version 10.13 or later.",
        ],
    }
