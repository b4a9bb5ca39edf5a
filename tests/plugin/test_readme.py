"""The README is run: its tests pass, its files parse, its tables agree with the code."""

from __future__ import annotations

import inspect
import json
import re
import shlex
import shutil
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fixtures.recipes import digits
from pytest_edgedevice import __version__, errors, plugin
from pytest_edgedevice.cli.commands import COMMANDS as COMMAND_TABLE
from pytest_edgedevice.cli.main import build_parser
from pytest_edgedevice.device import DELEGATES
from pytest_edgedevice.inventory import Inventory, load_inventory, locate
from pytest_edgedevice.leases import folder
from pytest_edgedevice.plugin import options
from pytest_edgedevice.reports.renderers import RENDERERS
from pytest_edgedevice.runners.native import runtimes
from pytest_edgedevice.spec import BUILT_IN
from tests.standins import coreml_models

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
PYTHON = {text.split()[1]: text for language, text in BLOCKS if language == "python"}
TESTS = [name for name in PYTHON if name.startswith("test_")]
SCRIPTS = [name for name in PYTHON if not name.startswith(("test_", "conftest"))]
COMMANDS = [line for language, text in BLOCKS if language == "console" for line in text.splitlines()]
# whoever else is installed must not decide how the README runs; a busy machine may leave a budget undecided
QUIET = ("-p", "no:playwright", "-p", "no:randomly", "--edge-inconclusive", "warn")
EXTRA = r"pip install 'pytest-edgedevice\[[a-z]+\]'"  # test_extras_that_are_named_exist looks at their names
MODELS = {
    "my_model.tflite": "models/digits_float32.tflite",
    "my_model_int8.tflite": "models/digits_int8.tflite",
    "other_model.tflite": "tiny/partial.tflite",
    "face_detector.tflite": "models/face_detector.tflite",
    **{
        f"digits_{name}.tflite": f"models/digits_{name}.tflite"
        for name in ("float32", "float16", "dynamic_int8", "int8")
    },
}
SERVER = """
import numpy as np

WEIGHTS = dict(np.load("weights.npz"))

def predict(images):
    hidden = np.maximum(images.reshape(len(images), -1) @ WEIGHTS["hidden"].T + WEIGHTS["hidden_bias"], 0)
    logits = hidden @ WEIGHTS["logits"].T + WEIGHTS["logits_bias"]
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)
"""


def blocks(language: str) -> list[str]:
    return [text for kind, text in BLOCKS if kind == language]


def column(heading: str) -> list[str]:
    """What the first column of the table under a heading holds between its first backticks."""
    section = README.split(f"\n{heading}\n", 1)[1].split("\n#", 1)[0]
    return re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE)


@pytest.fixture(autouse=True)
def own_locks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(folder.ENVIRONMENT, str(tmp_path))
    for name in (options.ENVIRONMENT, locate.ENVIRONMENT):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    """A folder with everything that the README's reader has: models, a server, and the README's own files."""
    for name, source in MODELS.items():
        shutil.copy(ROOT / "fixtures" / source, pytester.path / name)
    shutil.copy(digits.WEIGHTS, pytester.path / "weights.npz")
    (pytester.path / "server.py").write_text(SERVER)
    for name, text in PYTHON.items():
        (pytester.path / name).write_text(text)
    golden = pytester.path / "goldens" / "digits"
    golden.mkdir(parents=True)
    shutil.copy(ROOT / "examples" / "goldens" / "digits" / "images.npy", golden)
    (golden / "golden.json").write_text(blocks("json")[0])
    return pytester


def run_script(project: pytest.Pytester, name: str) -> str:
    ran = project.runpython(project.path / name)
    assert ran.ret == 0, ran.stderr.str()
    return ran.stdout.str()


def passed(result: pytest.RunResult, file: str) -> int:
    return sum(line.startswith(f"{file}::") and " PASSED " in line for line in result.outlines)


def test_every_python_block_says_its_file_and_is_one_of_those_that_are_run() -> None:
    assert len(PYTHON) == len(blocks("python"))
    assert TESTS == [
        "test_my_model.py",
        "test_golden.py",
        "test_compare.py",
        "test_recorded.py",
        "test_delegates.py",
        "test_int8.py",
        "test_dataset.py",
        "test_conversions.py",
        "test_requires.py",
        "test_core_ml.py",
        "test_polite.py",
    ]
    assert SCRIPTS == ["save_reference.py", "names.py", "serving.py", "search.py"]


def test_the_first_test_passes_with_the_saved_reference_and_fails_with_the_wrong_model(
    project: pytest.Pytester,
) -> None:
    """What the README's reader sees is no test that always passes."""
    run_script(project, "save_reference.py")
    project.runpytest_subprocess(*QUIET, "test_my_model.py").assert_outcomes(passed=1)
    shutil.copy(digits.WEIGHTS.with_name("digits_int8.tflite"), project.path / "my_model.tflite")
    project.runpytest_subprocess(*QUIET, "test_my_model.py").assert_outcomes(failed=1)


def test_a_golden_is_recorded_and_what_needs_it_or_proves_delegates_beside_it_passes(project: pytest.Pytester) -> None:
    recorded = project.runpytest_subprocess(*QUIET, "test_golden.py", "--edge-update-goldens")
    recorded.assert_outcomes(failed=1)
    recorded.stdout.fnmatch_lines(["*run again without --edge-update-goldens*"])
    counts = {"test_golden.py": 1, "test_compare.py": 1, "test_int8.py": 1, "test_delegates.py": 3}
    run = project.runpytest_subprocess(*QUIET, "-v", *counts)
    assert {file: passed(run, file) for file in counts} == counts
    run.assert_outcomes(passed=6)


def test_a_recorded_golden_finds_its_inputs_where_they_stayed(project: pytest.Pytester) -> None:
    shutil.copytree(project.path / "goldens" / "digits", project.path / "data")
    recorded, tested = [command for command in COMMANDS if "numbers" in command or "test_recorded" in command]
    program = [sys.executable, "-c", "import sys; from pytest_edgedevice.cli import main; sys.exit(main())"]
    ran = project.run(*program, *shlex.split(recorded)[1:])
    assert ran.ret == 0, ran.stderr.str()
    project.runpytest_subprocess(*QUIET, *shlex.split(tested)[1:]).assert_outcomes(passed=1)
    ran.stdout.fnmatch_lines(["recorded goldens/numbers: 40 samples, answered by serving.py:answer"])


def test_core_ml_models_are_requested(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a stand-in of coremltools, which a Mac alone could run."""
    monkeypatch.setenv("PYTHONPATH", str(coreml_models.FOLDER))
    coreml_models.package(project.path, name="my_model")
    project.runpytest_subprocess(*QUIET, "test_core_ml.py").assert_outcomes(passed=2)


def test_a_data_set_and_conversions_are_evaluated_and_leave_a_verdict(project: pytest.Pytester) -> None:
    arguments = ("test_dataset.py", "test_conversions.py", "--edge-verdict", "edge-verdict.json")
    project.runpytest_subprocess(*QUIET, *arguments).assert_outcomes(passed=2)
    assert json.loads((project.path / "edge-verdict.json").read_text())["verdict"] == "pass"


@pytest.mark.parametrize("device", ["local", "polite"])
def test_a_required_device_and_the_contributed_one_run_the_test(project: pytest.Pytester, device: str) -> None:
    ran = project.runpytest_subprocess(*QUIET, "test_requires.py", "--device", device)
    outcomes = ran.parseoutcomes()
    assert outcomes.get("passed", 0) + outcomes.get("skipped", 0) == 1  # a machine of one core skips


def test_the_contributed_link_keeps_the_contract(project: pytest.Pytester) -> None:
    ran = project.runpytest_subprocess(*QUIET, "test_polite.py")
    assert set(ran.parseoutcomes()) == {"passed"}


@pytest.mark.parametrize(
    ("script", "shown"),
    [("names.py", "image float32 (1, 8, 8)"), ("search.py", "(4, 896, 1)")],
)
def test_scripts_print_what_they_say(project: pytest.Pytester, script: str, shown: str) -> None:
    assert shown in run_script(project, script)


def inventory(tmp_path: Path) -> Inventory:
    """The device file of the README, which comes in two parts."""
    parts = [text for text in blocks("toml") if "[devices." in text]
    (tmp_path / "edgedevice.toml").write_text("".join(parts))
    return load_inventory(tmp_path)


def test_the_device_file_is_valid(tmp_path: Path) -> None:
    assert sorted(inventory(tmp_path).devices) == sorted(
        [
            "hot-box",
            "bench",
            "old-runtime",
            "hall",
            "pixel",
            "red",
            "gateway",
            "desk-as-app",
        ]
    )


def test_every_device_spec_is_understood(tmp_path: Path) -> None:
    specs = [one or two for one, two in re.findall(r"--device (?:\"([^\"]+)\"|([a-z][a-z-]*(?::[^\s`]+)?)\b)", README)]
    assert len(specs) > 5
    known = inventory(tmp_path)
    for spec in set(specs) - {"polite"}:  # which a hook contributes
        known.parse(spec)


def test_every_json_block_is_json() -> None:
    for text in blocks("json"):
        json.loads(text)


@pytest.fixture
def help_text(pytester: pytest.Pytester, once: Callable[[str, Callable[[], str]], str]) -> str:
    def run() -> str:
        return pytester.runpytest_subprocess(*QUIET, "--help").stdout.str()

    return once("help", run)


def test_every_command_uses_options_that_there_are(help_text: str) -> None:
    known = set(re.findall(r"--[a-z][a-z-]+", help_text))
    for command in COMMANDS:
        for part in command.split(" && "):
            program, *arguments = shlex.split(part)
            if program == "pytest":
                assert {one for one in arguments if one.startswith("--")} <= known, part
            elif program == "edgedevice":
                build_parser().parse_args(arguments)
            elif program != "otava":  # held to its own options in tests/peers
                assert part in ("./tests/run", "pip install .") or re.fullmatch(EXTRA, part)


def test_every_option_in_the_text_exists(help_text: str) -> None:
    known = set(re.findall(r"--[a-z][a-z-]+", help_text))
    assert set(re.findall(r"--(?:edge-[a-z-]+|device|junit-xml)", README)) <= known


def test_the_table_of_options_is_complete(help_text: str) -> None:
    ours = set(re.findall(r"^  (--(?:edge-[a-z-]+|device))\b", help_text, re.MULTILINE))
    assert {one.split()[0] for one in column("### Options")} == ours


def test_the_table_of_commands_is_complete() -> None:
    assert [command.split()[1] for command in column("### Commands")] == list(COMMAND_TABLE)


def test_the_table_of_reports_is_complete() -> None:
    assert {form.partition("=")[0] for form in column("### Reports")} == set(RENDERERS)


def test_the_table_of_ini_keys_is_complete(help_text: str) -> None:
    ours = re.findall(r"^  (edge_[a-z_]+) \(", help_text, re.MULTILINE)
    assert column("### Ini keys") == ours


def test_the_ini_block_uses_known_keys() -> None:
    (text,) = [text for text in blocks("toml") if "pytest.ini_options" in text]
    assert set(tomllib.loads(text)["tool"]["pytest"]["ini_options"]) <= set(column("### Ini keys"))


def test_the_table_of_variables_is_complete() -> None:
    ours = [options.ENVIRONMENT, locate.ENVIRONMENT, runtimes.VARIABLE, folder.ENVIRONMENT, "CI"]
    assert [name for name in column("### Environment") if not name.startswith("A")] == ours  # the others are adb's


def test_the_table_of_markers_is_complete() -> None:
    assert column("### Markers") == [marker.partition(": ")[0] for marker in options.MARKERS]


def test_the_table_of_fixtures_is_complete() -> None:
    assert sorted(column("### Fixtures")) == [name for name in sorted(plugin.__all__) if name.startswith("edge_")]


def test_the_table_of_facts_is_the_vocabulary() -> None:
    section = README.split("\n### Facts\n", 1)[1].split("\n#", 1)[0]
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (.*); e.g. `(.*)` \|$", section, re.MULTILINE)
    assert rows == [(fact.name, fact.type, fact.sentence.rstrip("."), fact.example) for fact in BUILT_IN.values()]


def test_the_table_of_delegates_is_complete() -> None:
    assert sorted(column("### Delegates and engines")) == sorted([*DELEGATES, "external:PATH"])


def test_every_exception_stands_in_the_table_of_outcomes() -> None:
    section = README.split("\n## Whose fault it is\n", 1)[1].split("\n## ", 1)[0]
    ours = {name for name, kind in inspect.getmembers(errors, inspect.isclass) if kind.__module__ == errors.__name__}
    assert set(re.findall(r"`([A-Z]\w+)`", section)) == (ours - {"EdgeDeviceError"}) | {"CheckFailed"}


def test_links_lead_somewhere() -> None:
    headings = {
        re.sub(r"[^a-z0-9 -]", "", one.lower()).replace(" ", "-")
        for one in re.findall(r"^#+ (.*)$", README, re.MULTILINE)
    }
    for target in re.findall(r"\]\(([^)]+)\)", README):
        assert target[1:] in headings if target.startswith("#") else (ROOT / target).exists(), target


def test_extras_that_are_named_exist() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert set(re.findall(r"pytest-edgedevice\[(\w+)\]", README)) <= set(extras)


def test_the_defaults_in_the_text_are_those_of_the_code() -> None:
    assert f"({options.WAIT_S:g}, in CI {options.WAIT_CI_S:g})" in README
    assert f"deadline of each exchange with the device ({options.TIMEOUT_S:g})" in README


def test_the_figures_have_their_place() -> None:
    assert README.index("<!-- figures -->") < README.index("<!-- end of figures -->")


def test_the_changelog_begins_with_this_version() -> None:
    found = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert found is not None
    assert found[1] == __version__
