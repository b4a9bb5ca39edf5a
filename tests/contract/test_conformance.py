"""``edgedevice conformance``: our agents keep every promise, and a wrong one fails the check that it breaks."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.cli import main
from pytest_edgedevice.conformance import CHECKS, Bench, CommandAgent, TcpAgent, try_all
from pytest_edgedevice.conformance.checks import endings
from pytest_edgedevice.leases import holders
from pytest_edgedevice.opening import Catalog, open_device
from tests.contract import agent_server
from tests.contract.ios_devices import IDENTITY, PORT, UDID, until_left
from tests.native.builds import agent_of
from tests.native.conftest import litert_library, tflite_library

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_edgedevice.conformance import Agent, Outcome
    from tests.peers.iphone import App, Phone

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60.0
NO_FOLDERS = "An agent that takes no folders says so"
ONLY_A_COMMAND = "It leaves no files behind"
ONLY_AN_APP = ["What it tells in one place it tells in all", "In the background it computes, or says why it cannot"]
COREML = [one.name for one in CHECKS if one.group == "coreml"]
PYTHONS = [one.name for one in CHECKS if one.section == "stages [p]"]
BROKEN = {
    "speaks_version_2": ("greeting", ["It speaks this version"]),
    "takes_any_hash": ("blobs", ["A blob with another hash is refused, and nothing is left"]),
    "misses_in_its_own_words": ("loading", ["A model that is not there is missing"]),
    "drops_a_bit_of_int16": ("running", ["int16 comes back bit by bit"]),
    "keeps_state": ("running", ["Samples know nothing of each other"]),
    "dies_of_nan": ("running", ["NaN goes in and comes out"]),
    "counts_what_settles": ("measuring", ["What settles is not in the series"]),
    "counts_in_picoseconds": ("measuring", ["The series fits into the time that we waited"]),
    "reads_nan_in_headers": ("frames", ["A header with NaN ends the conversation"]),
}


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, int]]:
    """Where the agents listen, by their fault."""
    command = [sys.executable, "-m", agent_server.__name__, str(tmp_path_factory.mktemp("agents"))]
    with subprocess.Popen(
        [*command, *agent_server.FAULTS],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
    ) as server:
        assert server.stdout is not None
        yield dict(zip(agent_server.FAULTS, json.loads(server.stdout.readline()), strict=True))
        server.communicate(timeout=PATIENCE_S)


def tried(agent: Agent, *only: str, timeout_s: float = PATIENCE_S) -> list[Outcome]:
    """What came of the checks in whose group or name one of these stands."""
    checks = [check for check in CHECKS if not only or any(one in (check.group, check.name) for one in only)]
    return list(try_all(Bench(agent, timeout_s=timeout_s, load_timeout_s=PATIENCE_S), checks))


def by_tcp(port: int) -> TcpAgent:
    return TcpAgent("127.0.0.1", port, timeout_s=PATIENCE_S)


def kept(outcomes: Sequence[Outcome]) -> dict[str, str]:
    """Every check that is not ok, with what is said of it."""
    return {one.check.name: one.reason or one.came for one in outcomes if one.status != "ok"}


def test_the_python_agent_keeps_every_promise(ports: dict[str, int]) -> None:
    outcomes = tried(by_tcp(ports["right"]))
    assert list(kept(outcomes)) == [NO_FOLDERS, *COREML, *ONLY_AN_APP, ONLY_A_COMMAND]
    assert len(outcomes) == len(CHECKS)


def test_the_python_agent_ends_as_a_command_should(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pytest_edgedevice.agent.main", "--folder", "{folder}", "--wipe"]
    names = ["It ends after bye", "It ends when its input does", ONLY_A_COMMAND, "Another magic ends the conversation"]
    outcomes = tried(CommandAgent(command, tmp_path), *names)
    assert [one.status for one in outcomes] == ["ok"] * len(names)


@pytest.mark.parametrize(
    ("library", "refused"),
    [
        ("tflite", []),
        (
            "litert",
            [
                "complex128 comes back bit by bit",
                "Shapes vary where the model lets them",
                "Samples know nothing of each other",
            ],
        ),
    ],
)
def test_the_native_agent_keeps_every_promise(tmp_path: Path, library: str, refused: list[str]) -> None:
    """But for models that the library itself does not take."""
    runtime = litert_library() if library == "litert" else tflite_library(platform.machine())
    program = agent_of()
    outcomes = tried(CommandAgent(program.command(str(program.path), "{folder}", str(runtime)), tmp_path))
    folders = [one.name for one in CHECKS if one.group == "folders" and one.name != NO_FOLDERS]
    not_there = [*folders, *refused, *COREML, *PYTHONS, *ONLY_AN_APP, "A second client does not disturb the first"]
    assert list(kept(outcomes)) == not_there
    assert {one.status for one in outcomes} == {"ok", "not offered"}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_wrong_agent_fails_what_it_breaks(ports: dict[str, int], fault: str) -> None:
    group, names = BROKEN[fault]
    outcomes = tried(by_tcp(ports[fault]), group)
    assert list(kept(outcomes)) == names
    (failed,) = (one for one in outcomes if one.status != "ok")
    assert (failed.status, bool(failed.sent), bool(failed.came)) == ("FAILED", True, True)


def test_a_silent_agent_is_told_as_such_and_not_waited_for_again(ports: dict[str, int]) -> None:
    first, second, *others = tried(by_tcp(ports["silent"]), timeout_s=0.3)
    assert first.came == second.came == "silence: no sentinel within 0.3 s"
    assert {one.status for one in others} == {"not run"}


def test_an_agent_that_does_not_leave_is_told(ports: dict[str, int]) -> None:
    (outcome,) = tried(by_tcp(ports["stays_after_bye"]), "It ends after bye", timeout_s=3)
    assert outcome.came == "the reply to bye, and then it lived on for 3 s"


def test_an_agent_that_outlives_its_host_is_told(ports: dict[str, int]) -> None:
    agent = by_tcp(ports["stays_when_nobody_is_left"])
    (outcome,) = tried(agent, "It ends when its input does", timeout_s=3)
    assert (outcome.sent, outcome.came) == ("the end of its input", "nothing: it lived on for 3 s")


@pytest.mark.parametrize(
    ("program", "check", "came"),
    [
        ("main(sys.argv[1:]); sys.exit(3)", "It ends after bye", "the reply to bye, and then exit status 3"),
        (
            "main(sys.argv[1:])",
            "Another magic ends the conversation",
            "the error, and then exit status 0 instead of 65",
        ),
        ("main(sys.argv[1:-1])", ONLY_A_COMMAND, "the folder is still there, with 1 file"),
    ],
)
def test_how_a_command_ends_is_seen(tmp_path: Path, program: str, check: str, came: str) -> None:
    start = f"import sys; from pytest_edgedevice.agent.main import main; {program}"
    command = [sys.executable, "-c", start, "--folder", "{folder}", "--wipe"]
    (outcome,) = tried(CommandAgent(command, tmp_path), check)
    assert (outcome.status, outcome.came) == ("FAILED", came)


def test_one_client_at_a_time_is_right_too(ports: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Who connects meanwhile waits; that two models are loaded at a time is then not offered."""
    monkeypatch.setattr(endings, "SECOND_S", 0.3)
    agent = by_tcp(ports["serves_one_at_a_time"])
    (models,) = tried(agent, "Two models do not mix")
    assert (models.status, models.reason) == ("not offered", "it serves one client at a time")
    (client,) = tried(agent, "A second client does not disturb the first")
    assert client.status == "ok"


def test_the_model_of_another_engine_is_fed_by_what_it_announces(
    ports: dict[str, int], capsys: pytest.CaptureFixture[str]
) -> None:
    model = str(ROOT / "fixtures" / "tiny" / "copy_int8.tflite")
    port = ports["has_another_engine"]
    chosen = ["--only", "loading", "--only", "refusals", "--only", "samples run", "--only", "int8 comes"]
    code = main(["conformance", f"127.0.0.1:{port}", "--model", model, *chosen, "--json"])
    found = json.loads(capsys.readouterr().out)
    assert (code, found["failed"], found["not_offered"], found["hello"]["engines"]) == (0, 0, 2, {"onnx": "8"})


def test_without_a_model_nothing_is_proven(ports: dict[str, int], capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["conformance", f"127.0.0.1:{ports['has_another_engine']}", "--only", "One sample"])
    assert code == 1
    assert "no model was tried" in capsys.readouterr().out


def test_a_failure_says_what_was_sent_what_came_and_what_is_written(
    ports: dict[str, int], capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["conformance", f"127.0.0.1:{ports['speaks_version_2']}", "--only", "greeting"])
    lines = capsys.readouterr().out.splitlines()
    at = lines.index("  FAILED       It speaks this version")
    assert code == 1
    assert [line.strip() for line in lines[at + 1 : at + 4]] == [
        "sent: nothing: the agent speaks first",
        "came: 'protocol': 2",
        'PROTOCOL.md, "hello (from the agent, unasked)": integer 1. The host refuses any other',
    ]
    assert lines[-1].startswith("8 ok, 1 failed in ")


@pytest.mark.usefixtures("ios_surroundings")
def test_an_app_on_a_phone_keeps_every_promise(app: App, capsys: pytest.CaptureFixture[str]) -> None:
    """Through usbmuxd, as somebody with a Mac proves their own; and once more with another app in front of it."""
    agent = f"ios:{UDID}:{PORT}"
    assert main(["conformance", agent, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["checks"]
    assert [one["name"] for one in told if one["status"] != "ok"] == [
        *(NO_FOLDERS, *COREML, ONLY_AN_APP[1], ONLY_A_COMMAND)
    ]
    app.tell(app_state="background")
    try:
        assert main(["conformance", agent, "--only", ONLY_AN_APP[1], "--json"]) == 0
    finally:
        app.tell()
    assert json.loads(capsys.readouterr().out)["ok"] == 1


@pytest.mark.usefixtures("ios_surroundings")
def test_a_phone_that_is_held_is_not_disturbed(app: App, capsys: pytest.CaptureFixture[str]) -> None:
    with open_device(f"ios:{UDID}", catalog=Catalog()) as device:
        device.load(ROOT / "fixtures" / "tiny" / "add_float32.tflite")
        before = app.kept()
        assert main(["conformance", f"ios:{UDID}:{PORT}", "--wait", "0"]) == 2
        assert app.kept() == before
    assert f"ios:{UDID} is held by" in capsys.readouterr().err


@pytest.mark.usefixtures("ios_surroundings")
def test_nothing_that_was_tried_is_left_in_an_app(app: App) -> None:
    """Nor are whoever comes next told of a crash."""
    assert main(["conformance", f"ios:{UDID}:{PORT}", "--only", "loading", "--json"]) == 0
    until_left(app)
    with open_device(f"ios:{UDID}", catalog=Catalog()) as device:
        assert not device.recovered


@pytest.mark.usefixtures("ios_surroundings")
def test_an_app_that_is_closed_is_told_by_its_port(iphone: Phone, capsys: pytest.CaptureFixture[str]) -> None:
    """And leaves the phone as it was: nothing was done to it."""
    assert main(["conformance", f"ios:{UDID}:{PORT + 1}"]) == 2
    assert f"nothing listens on port {PORT + 1} of iPhone {iphone.udid}" in capsys.readouterr().err
    assert holders(IDENTITY) == []
