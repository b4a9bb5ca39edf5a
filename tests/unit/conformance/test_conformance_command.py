"""The command around the checks: what is meant, what cannot be, and what the checks say is what is written."""

from __future__ import annotations

import json
import math
import re
import socket
import struct
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fixtures.recipes.conformance import RECIPES
from pytest_edgedevice import agent
from pytest_edgedevice.agent.wire import ITEM_BYTES
from pytest_edgedevice.cli import main
from pytest_edgedevice.conformance import CHECKS
from pytest_edgedevice.conformance.models import announced_inputs, corners
from pytest_edgedevice.runners.model_content import sha256_of
from pytest_edgedevice.values import TensorSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

PROTOCOL = (Path(agent.__file__).parent / "PROTOCOL.md").read_text(encoding="utf-8")
MODELS = Path(__file__).parents[3] / "pytest_edgedevice" / "conformance" / "models"
DYING = [sys.executable, "-c", "raise SystemExit(3)"]


def test_every_check_quotes_the_protocol() -> None:
    written = " ".join(PROTOCOL.split())
    assert [check.name for check in CHECKS if check.says not in written] == []


def test_every_check_names_a_heading_of_the_protocol() -> None:
    headings = re.findall(r"^#+ (.*)$", PROTOCOL, re.MULTILINE)
    assert {check.section for check in CHECKS} - set(headings) == set()


def test_every_check_has_a_name_of_its_own() -> None:
    names = [f"{check.group}: {check.name}" for check in CHECKS]
    assert sorted(set(names)) == sorted(names)


@pytest.mark.parametrize("name", RECIPES)
def test_the_models_are_what_their_recipe_makes(name: str) -> None:
    assert (MODELS / f"{name}.tflite").read_bytes() == RECIPES[name]()


def test_there_are_no_other_models() -> None:
    assert {path.stem for path in MODELS.glob("*.tflite")} == set(RECIPES)


def test_the_packages_are_those_that_coremltools_found_valid() -> None:
    """It is no part of the tests: what it made is known by its hash."""
    assert {path.stem: sha256_of(path)[:12] for path in MODELS.glob("*.mlpackage")} == {
        "negate_float32": "f222fbc307ea",
        "negate_float16": "acf61cdf80f5",
    }


@pytest.mark.parametrize("dtype", ITEM_BYTES)
def test_corners_are_four_elements(dtype: str) -> None:
    assert len(corners(dtype)) == 4 * ITEM_BYTES[dtype]


@pytest.mark.parametrize("dtype", ITEM_BYTES)
def test_inputs_have_the_size_that_was_announced(dtype: str) -> None:
    (entry,), (data,) = announced_inputs([TensorSpec("x", dtype, (1, -1, 3), None)], 5)
    assert (entry["shape"], len(data)) == ([5, 1, 1, 3], 15 * ITEM_BYTES[dtype])


def test_inputs_are_small_numbers() -> None:
    _, (data,) = announced_inputs([TensorSpec("x", "float32", (10,), None)], 1)
    values = struct.unpack("<10f", data)
    assert (values[:3], max(values), any(map(math.isnan, values))) == ((0, 0.125, 0.25), 0.875, False)


def test_inputs_that_no_request_can_hold_are_refused() -> None:
    with pytest.raises(ValueError, match="over 256 MiB"):
        announced_inputs([TensorSpec("x", "float32", (1 << 40,), None)], 1)


def refused(capsys: pytest.CaptureFixture[str], arguments: Sequence[str]) -> str:
    """What is said of a misuse."""
    code = main(["conformance", *arguments])
    captured = capsys.readouterr()
    assert (code, captured.out) == (2, "")
    return captured.err


@pytest.mark.parametrize("text", ["127.0.0.1:99999", "user@host:80", "[::1:9000"])
def test_an_address_that_is_none_is_misuse(capsys: pytest.CaptureFixture[str], text: str) -> None:
    said = refused(capsys, [text])
    assert said.startswith(f"edgedevice: '{text}' is no HOST:PORT\n  hint: such as 127.0.0.1:9000")


@pytest.mark.parametrize("text", ["ios:9000", "ios:X:0", "ios:X:99999", "ios:X:", "ios:X:\u0663"])
def test_a_port_of_a_phone_that_is_none_is_misuse(capsys: pytest.CaptureFixture[str], text: str) -> None:
    assert refused(capsys, [text]).startswith(f"edgedevice: '{text}' is no ios:UDID:PORT\n  hint: such as ios:")


def test_a_port_where_nobody_listens_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert f"cannot connect to 127.0.0.1:{port}: Connection refused" in refused(capsys, [f"127.0.0.1:{port}"])


def test_a_command_that_is_not_there_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert "cannot start '/no/such/agent'" in refused(capsys, ["--", "/no/such/agent", "--folder", "{folder}"])


def test_a_model_that_is_not_there_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    said = refused(capsys, ["--model", "/no/such.mlmodel", "--", *DYING])
    assert "the model '/no/such.mlmodel' cannot be read: No such file or directory" in said


def test_a_model_that_no_blob_can_hold_is_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    huge = tmp_path / "huge.tflite"
    with huge.open("wb") as file:
        file.truncate((1 << 30) + 1)
    assert "is over 1 GiB" in refused(capsys, ["--model", str(huge), "--", *DYING])


def test_checks_that_are_not_there_are_told_with_those_that_are(capsys: pytest.CaptureFixture[str]) -> None:
    said = refused(capsys, ["--only", "flying", "--", *DYING])
    assert "no check has 'flying' in its name\n  hint: groups are greeting, blobs, loading" in said


def test_an_agent_that_says_nothing_fails_and_the_rest_is_not_run(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["conformance", "--", *DYING])
    out = capsys.readouterr().out
    assert code == 1
    assert out.count("came: the end of the stream; the process ended with exit code 3") == 2
    assert "an agent that does not say hello twice in a row is not asked again" in out
    assert f"2 failed, {len(CHECKS) - 2} not run in " in out


def test_programs_get_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["conformance", "--json", "--only", "greeting", "--", *DYING])
    found = json.loads(capsys.readouterr().out)
    assert (code, found["schema"], found["failed"], found["not_run"], found["hello"]) == (1, 1, 2, 7, {})
    assert found["checks"][1] | {"ms": 0} == {
        "group": "greeting",
        "name": "It speaks this version",
        "status": "failed",
        "reason": "",
        "sent": "nothing: the agent speaks first",
        "came": "the end of the stream; the process ended with exit code 3",
        "section": "The stream",
        "says": "The agent writes one `hello` frame, unasked",
        "ms": 0,
    }
