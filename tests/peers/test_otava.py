"""Apache Otava, the change-point tool, on what ``edgedevice trend --otava`` writes."""

from __future__ import annotations

import json
import os
import random
import subprocess
from pathlib import Path
from typing import Any

import pytest

from pytest_edgedevice.cli import main
from pytest_edgedevice.history.journal import remember
from tests.made_records import latency

ROOT = Path(__file__).parents[2]
OTAVA = Path(os.environ.get("EDGEDEVICE_OTAVA", str(ROOT / ".venv-otava" / "bin" / "otava")))
RUNS, CHANGED = 40, 24
pytestmark = pytest.mark.otava


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What Otava says of a model that became slower in one commit, and of one that did not, by series."""
    folder, chance = tmp_path_factory.mktemp("otava"), random.Random(8)
    for place in range(RUNS):
        slower = 1.2 if place >= CHANGED else 1.0
        told: dict[str, Any] = {
            "time": f"2026-01-{1 + place // 2:02}T{12 * (place % 2):02}:00:00.000+00:00",
            "run": f"run{place:02}",
        }
        records = [
            latency(2.0, 3.0 * slower * chance.gauss(1, 0.01), model="a_slower.tflite", **told),
            latency(2.0, 3.0 * chance.gauss(1, 0.01), model="a_steady.tflite", **told),
        ]
        for record in records:
            record["run"]["commit"] = f"c0ffee{place:02}"
        remember(folder, records)
    assert main(["trend", "a_", "--history", str(folder), "--otava", str(folder / "out")]) == 0
    config, names = folder / "out" / "otava.yaml", [path.stem for path in sorted((folder / "out").glob("*.csv"))]
    asked = [str(OTAVA), "analyze", "--config-file", str(config), *names, "--output", "json", "--since", "2026-01-01"]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=120, check=True)
    return {name: changes for line in done.stdout.splitlines() for name, changes in json.loads(line).items()}


def test_each_model_is_a_series(found: dict[str, Any]) -> None:
    assert list(found) == [f"a-{word}-tflite-float32-kitchen-cpu-p95-ms" for word in ("slower", "steady")]


def test_the_change_is_found_in_its_commit(found: dict[str, Any]) -> None:
    (change,) = found["a-slower-tflite-float32-kitchen-cpu-p95-ms"]
    assert change["attributes"]["commit"] == f"c0ffee{CHANGED}"


def test_the_change_is_as_large_as_it_was(found: dict[str, Any]) -> None:
    (change,) = found["a-slower-tflite-float32-kitchen-cpu-p95-ms"]
    assert float(change["changes"][0]["forward_change_percent"]) == pytest.approx(20, abs=2)


def test_no_change_is_found_where_there_is_none(found: dict[str, Any]) -> None:
    assert found["a-steady-tflite-float32-kitchen-cpu-p95-ms"] == []
