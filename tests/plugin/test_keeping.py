"""Both sides of a failing comparison as files, with the command that repeats only the compare."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pytest_edgedevice.cli.main import main
from pytest_edgedevice.replay import read_kept

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TEST = """
import numpy as np
import pytest

ROWS = np.arange(40, dtype="float32").reshape(10, 4)

@pytest.mark.parametrize("odd", ["../../a b;c"])
def test_one_of_two_is_wrong(edge_model, edge_check, odd):
    run = edge_model("two_outputs.tflite").run({"x": ROWS})
    edge_check.close(run, {"doubled": 2 * ROWS, "negated": ROWS}, atol=0.5)

def test_right(edge_model, edge_check):
    run = edge_model("two_outputs.tflite").run({"x": ROWS})
    edge_check.close(run, {"doubled": 2 * ROWS, "negated": -ROWS}, atol=0.5)

def test_text(edge_model, edge_check):
    run = edge_model("two_outputs.tflite").run({"x": ROWS})
    edge_check.close(run, {"doubled": 2 * ROWS, "negated": ROWS.astype(str)}, atol=0.5)
"""


@pytest.fixture(autouse=True)
def quick(pytester: pytest.Pytester) -> None:
    """A device in this process, and nobody who looks for causes."""
    pytester.makeconftest(
        "from tests.peers.board_in_process import BoardInProcess\n"
        "def pytest_edgedevice_devices(config):\n    return {'quick': lambda: BoardInProcess('quick')}"
    )
    pytester.makepyfile(test_it=TEST)


def kept_in(pytester: pytest.Pytester, *arguments: str) -> tuple[Any, list[Path]]:
    result = pytester.runpytest(
        "--device", "quick", "--edge-blame", "off", "--edge-report", "json=out.jsonl", *arguments
    )
    return result, sorted(pytester.path.rglob("*.npz"))


def test_failing_tensors_are_kept_alone_and_the_command_repeats_the_comparison(
    pytester: pytest.Pytester, records: Callable[[], list[dict[str, Any]]], capsys: pytest.CaptureFixture[str]
) -> None:
    result, (path,) = kept_in(pytester, "--edge-keep", "failing")
    kept = read_kept(path)
    assert (set(kept.run.outputs), dict(kept.inputs)) == ({"negated"}, {})
    assert path.parent.parent == pytester.path / ".edgedevice" / "kept"
    assert (pytester.path / ".edgedevice" / ".gitignore").read_text().endswith("*\n")
    artifacts = [record["numbers"].get("artifact") for record in records()]
    assert artifacts == [str(path), None, None]
    (told,) = [line for line in result.outlines if "edgedevice replay" in line]
    command = told.partition("compare again with: ")[2].removeprefix("edgedevice ")
    capsys.readouterr()
    assert main(shlex.split(command)) == 1
    failure = next(line for line in result.outlines if "CheckFailed: " in line).partition("CheckFailed: ")[2]
    assert failure in capsys.readouterr().out
    result.stdout.fnmatch_lines(["*test_text: its tensors were not kept: <U*is no dtype of numbers*"])


def test_everything_is_kept_on_request_and_inputs_only_when_they_are_named(pytester: pytest.Pytester) -> None:
    _, paths = kept_in(
        pytester, "--edge-keep", "all", "--edge-keep-inputs", "--edge-keep-dir", "tensors", "-k", "right"
    )
    (path,) = paths
    kept = read_kept(path)
    assert path.parent.parent == pytester.path / "tensors"
    assert set(kept.run.outputs) == {"doubled", "negated"}
    assert np.array_equal(kept.inputs["x"], np.arange(40, dtype="float32").reshape(10, 4))
    assert kept.compare().passed


@pytest.mark.parametrize(("folder", "why"), [("taken", "cannot write"), ("x" * 300, "*File name too long")])
def test_a_folder_that_cannot_be_written_hides_no_failure(pytester: pytest.Pytester, folder: str, why: str) -> None:
    (pytester.path / "taken").touch()
    result, paths = kept_in(pytester, "--edge-keep", "failing", "--edge-keep-dir", folder, "-k", "wrong")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*CheckFailed: output 'negated'*", f"*its tensors were not kept: {why}*"])
    assert paths == []


def test_a_run_keeps_no_more_than_a_limit(pytester: pytest.Pytester) -> None:
    limit = "import importlib\nimportlib.import_module('pytest_edgedevice.plugin.keeping').MOST_BYTES = 1\n"
    pytester.makepyfile(test_it=limit + TEST.replace('["../../a b;c"]', "range(3)"))
    result, paths = kept_in(pytester, "--edge-keep", "failing", "-k", "wrong")
    assert len(paths) == 1
    result.stdout.fnmatch_lines(["*nothing more was kept: this run has written*"])


def test_inputs_alone_are_a_mistake(pytester: pytest.Pytester) -> None:
    result, _ = kept_in(pytester, "--edge-keep-inputs")
    result.stderr.fnmatch_lines(["*--edge-keep-inputs keeps nothing by itself*"])
