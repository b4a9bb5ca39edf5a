"""What doctor says of a board: the right status, and a remedy that can be typed."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from pytest_edgedevice.cli.boards.judging import NEWER, judged, python_finding
from pytest_edgedevice.cli.boards.looks import Look, Site, Tried
from pytest_edgedevice.cli.boards.needs import TABLE, fitting, lacks

if TYPE_CHECKING:
    from pytest_edgedevice.cli.checks.finding import Finding

GOOD = Look(
    python="3.11.2",
    executable="/usr/bin/python3",
    implementation="cpython",
    kind="cpython-311-aarch64",
    machine="aarch64",
    kernel="6.1",
    libc="glibc 2.36",
    cxx=(3, 4, 30),
    cxx_path="/usr/lib/libstdc++.so.6",
    engines={"litert": Tried("2.3.0", "1.26.4"), "tflite": Tried()},
    sites=(Site("/home/pi/site/cpython-311-aarch64", writable=True, free_bytes=10**9),),
    base_free_bytes=10**9,
    governors=("performance",),
    locks="/var/tmp/pytest-edgedevice",
)
NONE = {"litert": Tried(), "tflite": Tried()}


def found(about: str, **changes: Any) -> Finding:
    look = dataclasses.replace(GOOD, **changes)
    return next(one for one in judged(look, name="ssh:pi") if one.about == about)


def test_a_board_in_order_needs_nothing() -> None:
    findings = [python_finding(GOOD), *judged(GOOD, name="ssh:pi")]
    assert {one.status for one in findings} == {"ok"}
    assert not any(one.hint for one in findings)


def test_an_engine_is_told_with_where_it_was_brought() -> None:
    site = Site("/s/cpython-311-aarch64", there=True, engine="litert")
    assert found("litert", sites=(site,)).text == "2.3.0 loads, from /s/cpython-311-aarch64, with numpy 1.26.4"


def test_a_board_without_an_engine_is_set_up() -> None:
    one = found("engine", engines=NONE)
    assert (one.status, one.hint) == ("wrong", "edgedevice setup ssh:pi")


def test_a_board_that_is_too_old_for_litert_gets_tflite() -> None:
    old: dict[str, Any] = {"engines": NONE, "libc": "glibc 2.31", "cxx": (3, 4, 28)}
    assert found("engine", **old).hint == "edgedevice setup ssh:pi --engine tflite"
    libc = found("libc", **old)
    assert (libc.status, libc.hint) == ("missing", "edgedevice setup ssh:pi --engine tflite")
    assert libc.text == "glibc 2.31; litert needs 2.34, tflite needs 2.27: tflite fits, litert does not"
    assert found("libstdc++", **old).status == "missing"


def test_what_litert_lacks_is_told_with_what_there_is() -> None:
    one = found("engine", engines=NONE, libc="glibc 2.31", cxx=(3, 4, 28))
    assert "litert lacks glibc 2.34 (it has 2.31), GLIBCXX 3.4.30 (it has 3.4.28)" in one.text


def test_a_board_that_no_engine_fits_needs_a_newer_system() -> None:
    one = found("libc", engines=NONE, libc="glibc 2.24", cxx=(3, 4, 22))
    assert (one.status, one.hint) == ("wrong", NEWER)
    assert found("engine", engines=NONE, libc="glibc 2.24", cxx=(3, 4, 22)).hint == NEWER


def test_an_old_library_is_no_fault_where_an_engine_loads() -> None:
    assert found("libc", libc="glibc 2.31").status == "ok"


def test_musl_is_wrong_and_named() -> None:
    one = found("libc", libc="musl", engines=NONE)
    assert (one.status, one.text) == ("wrong", "musl: the engines need glibc")


def test_a_board_without_the_c_plus_plus_library_can_have_tflite() -> None:
    one = found("libstdc++", cxx=None, cxx_path="", engines=NONE)
    assert (one.status, one.hint) == ("missing", "edgedevice setup ssh:pi --engine tflite")
    assert one.text.startswith("GLIBCXX not found")


def test_an_engine_that_does_not_load_is_wrong_with_the_boards_words() -> None:
    why = "libstdc++.so.6: version `GLIBCXX_3.4.30' not found"
    one = found("litert", engines={"litert": Tried("2.3.0", "", why), "tflite": Tried()})
    assert (one.status, one.text) == ("wrong", f"2.3.0 does not load: {why}")


def test_an_engine_that_does_not_load_beside_one_that_does_is_not_needed() -> None:
    one = found("tflite", engines={"litert": Tried("2.3.0", "1.0"), "tflite": Tried("2.14.0", "", "numpy.core failed")})
    assert (one.status, one.hint) == ("missing", "")


def test_a_numpy_that_does_not_fit_is_replaced() -> None:
    one = found("tflite", engines={"litert": Tried(), "tflite": Tried("2.14.0", "", "numpy.core failed to import")})
    assert "/usr/bin/python3 -m pip install 'numpy<2'" in one.hint


def test_an_engine_is_not_tried_while_somebody_measures() -> None:
    one = found("litert", engines={"litert": Tried("2.3.0"), "tflite": Tried()}, holder="ada (pid 3)")
    assert (one.status, one.text) == ("ok", "2.3.0 is there; not tried while held by ada (pid 3)")


def test_an_architecture_without_engines_is_wrong() -> None:
    one = found("board", machine="riscv64")
    assert (one.status, one.hint) == ("wrong", "there are engines for aarch64, armv7l, x86_64")


def test_an_emulated_board_is_said_to_be_one() -> None:
    one = found("board", facts={"emulated": True, "model": "Raspberry Pi 4"})
    assert one.text == "Raspberry Pi 4, aarch64, Linux 6.1, emulated: no time taken there means anything"


@pytest.mark.parametrize(("free", "status"), [(10**6, "wrong"), (None, "missing"), (10**9, "ok")])
def test_room_is_needed(free: int | None, status: str) -> None:
    assert found("disk", base_free_bytes=free).status == status


def test_files_that_xnnpack_reads_are_named() -> None:
    one = found("xnnpack", unread=("/proc/cpuinfo",))
    assert one.status == "wrong"
    assert one.text.startswith("/proc/cpuinfo cannot be read")


def test_a_governor_that_changes_the_clock_is_told_with_the_command() -> None:
    one = found("clock", governors=("ondemand",))
    assert one.status == "missing"
    assert "echo performance | sudo tee" in one.hint


def test_a_clock_that_is_limited_is_told() -> None:
    limited = list(judged(dataclasses.replace(GOOD, facts={"clock_limited": True}), name="x"))
    assert any("limited below" in one.text for one in limited)


@pytest.mark.parametrize(
    ("word", "says"),
    [("0x50005", "now: voltage is too low, is throttled"), ("0x50000", "since it was started: voltage is too low")],
)
def test_a_raspberry_pis_word_on_heat_and_voltage_is_translated(word: str, says: str) -> None:
    assert says in found("throttling", throttled=word).text


@pytest.mark.parametrize("word", ["0x0", "", "VCHI initialization failed"])
def test_no_word_on_heat_is_no_finding(word: str) -> None:
    assert "throttling" not in {one.about for one in judged(dataclasses.replace(GOOD, throttled=word), name="x")}


def test_a_lock_folder_that_cannot_be_used_is_wrong_with_the_boards_command() -> None:
    one = found("locks", locks_fault="Permission denied", locks_hint="run: sudo chmod 1777 /x")
    assert (one.status, one.hint) == ("wrong", "on the board: sudo chmod 1777 /x")


def test_the_holder_of_a_board_is_told() -> None:
    assert found("locks", holder="ada (pid 3)").text.endswith("can be used; the board is held by ada (pid 3)")


def test_another_python_than_cpython_is_wrong() -> None:
    assert python_finding(dataclasses.replace(GOOD, implementation="pypy")).status == "wrong"


def test_nothing_is_said_of_engines_where_there_is_no_python() -> None:
    findings = judged(Look(machine="aarch64", libc="glibc 2.36"), name="x")
    assert {one.about for one in findings} == {"board", "libc", "libstdc++", "disk", "xnnpack"}


@pytest.mark.parametrize(
    ("changes", "engines"),
    [
        ({}, ["litert", "tflite"]),
        ({"python": "3.12.1"}, ["litert"]),
        ({"python": "3.8.1"}, []),
        ({"libc": "glibc 2.31"}, ["tflite"]),
        ({"libc": "musl"}, []),
        ({"machine": "armv7l"}, ["tflite"]),
        ({"machine": "riscv64"}, []),
        ({"libc": "", "python": "", "cxx": None}, ["litert", "tflite"]),
    ],
)
def test_the_engines_that_fit(changes: dict[str, Any], engines: list[str]) -> None:
    assert fitting(dataclasses.replace(GOOD, **changes)) == engines


def test_a_python_that_is_too_new_is_named() -> None:
    look = dataclasses.replace(GOOD, python="3.13.0")
    assert lacks(look, TABLE["tflite", "aarch64"]) == ["Python 3.9 to 3.11 (it has 3.13.0)"]
