"""The native agent finds the same sources of energy as the Python agent, and reads the same there; under sanitizers."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from pytest_edgedevice.runners.native.building import LIBRARIES, SOURCES
from tests.energy_devices import CASES, driven, write
from tests.native.builds import STRICT
from tests.native.conftest import SANITIZED

HARNESS = Path(__file__).with_name("energy.c")
PARTS = ("energy.c", "energy_sources.c", "small_files.c")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("energy") / "energy"
    flags = ["-std=c11", "-D_GNU_SOURCE", *STRICT, *SANITIZED, f"-I{SOURCES}"]
    parts = [str(SOURCES / part) for part in PARTS]
    subprocess.run(["cc", *flags, str(HARNESS), *parts, *LIBRARIES, "-o", str(made)], check=True, timeout=300)
    return made


class Native:
    """The meter in a process of its own."""

    def __init__(self, program: Path, root: Path) -> None:
        command = [str(program), str(root)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._source = self._line()

    def _line(self) -> str:
        assert self._process.stdout
        line = self._process.stdout.readline()
        assert line.endswith("\n"), "the meter died"
        return line.removesuffix("\n")

    def _order(self, name: str, now_ns: int) -> str:
        assert self._process.stdin
        self._process.stdin.write(f"{name} {now_ns}\n")
        self._process.stdin.flush()
        return self._line()

    def found(self) -> str:
        return self._source

    def start(self, now_ns: int) -> None:
        self._order("start", now_ns)

    def tick(self, now_ns: int) -> None:
        self._order("tick", now_ns)

    def stop(self, now_ns: int) -> tuple[int | None, str]:
        number, _, problem = self._order("stop", now_ns).partition(" ")
        return (None, problem) if number == "none" else (int(number), problem)

    def close(self) -> None:
        self._process.communicate(timeout=60)
        assert self._process.returncode == 0


@pytest.mark.parametrize("name", CASES)
def test_a_device_tells_its_energy_or_why_it_does_not(program: Path, tmp_path: Path, name: str) -> None:
    case = CASES[name]
    write(tmp_path, case.files)
    meter = Native(program, tmp_path)
    microjoules, problem = driven(tmp_path, case, meter)
    meter.close()
    assert meter.found() == case.source
    assert microjoules == case.microjoules
    assert case.problem in problem


def test_a_folder_of_any_length_of_name_is_survived(program: Path, tmp_path: Path) -> None:
    deep = tmp_path / ("n" * 200) / ("m" * 200) / ("o" * 200)
    write(deep, CASES["one package"].files)
    meter = Native(program, deep)
    meter.start(0)
    assert meter.stop(1)[0] is None
    meter.close()
