"""The native agent tells the state of a device by the same names as the Python agent."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from pytest_edgedevice.agent import conditions
from pytest_edgedevice.runners.native.building import LIBRARIES, SOURCES
from tests.native.builds import STRICT
from tests.native.conftest import SANITIZED

HARNESS = Path(__file__).with_name("conditions.c")
PARTS = ("conditions.c", "small_files.c", "text.c")


@pytest.fixture(scope="module")
def word(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the program looks for a Raspberry Pi's word; the program lies beside it."""
    path = tmp_path_factory.mktemp("conditions") / "get_throttled"
    flags = ["-std=c11", "-D_GNU_SOURCE", *STRICT, *SANITIZED, f"-I{SOURCES}", f'-DTHROTTLED="{path}"']
    parts = [str(SOURCES / part) for part in PARTS]
    command = ["cc", *flags, str(HARNESS), *parts, *LIBRARIES, "-o", str(path.with_name("told"))]
    subprocess.run(command, check=True, timeout=300)
    return path


@pytest.mark.parametrize(
    ("said", "told"),
    [("50005\n", "0x50005"), ("0x8", "0x8"), ("0\n", "0x0"), ("", None), ("throttled=0x5", None), ("xyz", None)],
)
def test_a_raspberry_pis_word_is_told(word: Path, said: str, told: str | None) -> None:
    word.write_text(said)
    ran = subprocess.run([word.with_name("told")], capture_output=True, check=True, timeout=60)
    assert json.loads(ran.stdout).get("throttled") == told


def test_a_machine_that_is_no_raspberry_pi_tells_what_the_python_agent_does(word: Path) -> None:
    word.unlink(missing_ok=True)
    ran = subprocess.run([word.with_name("told")], capture_output=True, check=True, timeout=60)
    assert json.loads(ran.stdout).keys() == conditions.conditions().keys() - {"throttled"}
