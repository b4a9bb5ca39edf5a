"""Where a setting comes from, and what is said of a value that cannot be used: once, at start, exit code 4."""

from __future__ import annotations

import pytest

from pytest_edgedevice import device
from pytest_edgedevice.plugin import options, settings

SHOWS = """
def test_shown(pytestconfig):
    from pytest_edgedevice.plugin.options import settings_of
    print("devices:", *settings_of(pytestconfig).devices, "from", settings_of(pytestconfig).origin)
"""
DEVICE_TEST = "def test_a(edge_device): pass\ndef test_b(edge_device): pass"

# option, bad value, what the text must say it may be
BAD = [
    ("--edge-delegate", "warp", "one of default, cpu, xnnpack, reference, gpu, npu, nnapi, cpu_only,"),
    ("--edge-delegate", "warp", "cpu_and_gpu, cpu_and_ne, all, coreml, external:PATH"),
    ("--edge-delegate", "external:", "external:PATH"),
    ("--edge-engine", "torch", "one of litert, tflite"),
    ("--edge-threads", "0", "a whole number from 1 to 1024"),
    ("--edge-threads", "2.5", "a whole number from 1 to 1024"),
    ("--edge-threads", "9" * 5000, "a whole number from 1 to 1024"),
    ("--edge-threads", "", "a whole number from 1 to 1024"),
    ("--edge-wait", "-1", "a number of seconds of at least 0"),
    ("--edge-wait", "nan", "a number of seconds of at least 0"),
    ("--edge-wait", "inf", "a number of seconds of at least 0"),
    ("--edge-timeout", "soon", "a number of seconds of at least 0.001"),
    ("--edge-timeout", "0", "a number of seconds of at least 0.001"),
    ("--edge-report", "pdf=x", "json=PATH"),
    ("--edge-report", "json=", "json=PATH"),
    ("--edge-report", "out.json", "json=PATH"),
    ("--edge-report", "json=.", "is a folder"),
    ("--edge-inconclusive", "ignore", "one of fail, warn"),
]
# device spec, words of its text
BAD_SPECS = [
    ("", "the device spec is empty"),
    ("pixel8", "neither a kind of device, nor a device in edgedevice.toml, nor a fact"),
    ("colour==red", "expected a known fact"),
    ("linux and", "found the end"),
    ("ssh:-oProxyCommand=x", "starts with a dash"),
    ("local:8080", "'local' takes no address"),
]


def assert_told_once(result: pytest.RunResult, *texts: str) -> None:
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    said = result.stderr.str()
    assert "Traceback" not in said + result.stdout.str()
    for text in texts:
        assert said.count(text) == 1, said


@pytest.mark.parametrize(
    ("arguments", "environment", "ini", "shown"),
    [
        (["--device", "a", "--device", "b"], "c", "d", "a b from --device"),
        (["--device", "a", "--edge-device", "b", "--device", "a"], "", "", "a b from --device"),
        ([], "c, d ,", "e", "c d from PYTEST_EDGE_DEVICE"),
        ([], "", "e\n    f", "e f from edge_device in the ini file"),
        ([], " , ", "", "local from"),
    ],
)
def test_the_command_line_comes_before_the_environment_and_the_ini_file(
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    environment: str,
    ini: str,
    shown: str,
) -> None:
    monkeypatch.setenv("PYTEST_EDGE_DEVICE", environment)
    pytester.makeini(f"[pytest]\nedge_device =\n    {ini}\n")
    pytester.makepyfile(SHOWS)
    pytester.runpytest("-s", *arguments).stdout.fnmatch_lines([f"*devices: {shown}*"])


@pytest.mark.parametrize(("option", "value", "allowed"), BAD)
def test_a_bad_value_names_the_option_and_what_it_may_be(
    pytester: pytest.Pytester, option: str, value: str, allowed: str
) -> None:
    assert_told_once(pytester.runpytest(f"{option}={value}"), f"{option}: ", allowed)


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [("edge_wait", "long", "seconds"), ("edge_delegate", "warp", "xnnpack"), ("edge_report", "pdf=x", "json=PATH")],
)
def test_a_bad_value_in_the_ini_file_names_the_key(
    pytester: pytest.Pytester, key: str, value: str, allowed: str
) -> None:
    pytester.makeini(f"[pytest]\n{key} = {value}")
    assert_told_once(pytester.runpytest(), f"{key} in the ini file: ", allowed)


def test_two_reports_in_one_place_are_refused(pytester: pytest.Pytester) -> None:
    ran = pytester.runpytest("--edge-report=json=out", "--edge-report=junit=./out")
    assert_told_once(ran, "--edge-report: two reports would be written to ", "name a file for each")


@pytest.mark.parametrize(("spec", "text"), BAD_SPECS)
def test_a_spec_that_cannot_be_understood_is_told_once(pytester: pytest.Pytester, spec: str, text: str) -> None:
    pytester.makepyfile(DEVICE_TEST)
    result = pytester.runpytest(f"--device={spec}")
    assert_told_once(result, f"--device {spec!r}: ", text)
    result.assert_outcomes()


@pytest.mark.parametrize("source", ["environment", "ini"])
def test_a_bad_spec_says_where_it_stands(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    pytester.makepyfile(DEVICE_TEST)
    if source == "ini":
        pytester.makeini("[pytest]\nedge_device = pixel8")
    else:
        monkeypatch.setenv("PYTEST_EDGE_DEVICE", "pixel8")
    origin = "edge_device in the ini file" if source == "ini" else "PYTEST_EDGE_DEVICE"
    assert_told_once(pytester.runpytest(), f"{origin} 'pixel8': ")


def test_a_bad_spec_costs_nothing_where_no_test_needs_a_device(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_a(edge_check):\n    edge_check.metric('top1', 1.0)")
    pytester.runpytest("--device", "pixel8").assert_outcomes(passed=1)


def test_a_bad_spec_is_told_once_with_workers(pytester: pytest.Pytester, workers: list[str]) -> None:
    pytester.makepyfile(DEVICE_TEST)
    assert_told_once(pytester.runpytest_subprocess("--device", "pixel8", *workers), "--device 'pixel8': ")


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("devices = [", "is no valid TOML"),
        ('[devices.nas]\nspec = "local"\nfold = "x"', "unknown key 'fold'"),
        ('[devices.red]\nspec = "ios:X"\nfolder = "/x"', "has 'folder', which means nothing to an app"),
    ],
)
def test_a_malformed_device_file_is_told_once(pytester: pytest.Pytester, content: str, text: str) -> None:
    (pytester.path / "edgedevice.toml").write_text(content)
    pytester.makepyfile(DEVICE_TEST)
    assert_told_once(pytester.runpytest(), text, "edgedevice.toml")


def test_a_malformed_device_file_is_told_once_though_a_marker_would_need_it(pytester: pytest.Pytester) -> None:
    (pytester.path / "edgedevice.toml").write_text("devices = [")
    pytester.makepyfile("import pytest\n@pytest.mark.edge_requires('camera')\n" + DEVICE_TEST)
    assert_told_once(pytester.runpytest(), "is no valid TOML")


def test_a_named_device_file_that_is_missing_is_told_once(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(DEVICE_TEST)
    assert_told_once(pytester.runpytest("--edge-config", "lab/devices.toml"), "lab/devices.toml does not exist")


def test_a_device_file_is_named_relative_to_the_ini_file_there(pytester: pytest.Pytester) -> None:
    (pytester.mkdir("lab") / "devices.toml").write_text('[devices.nas]\nspec = "local"\n')
    pytester.makeini("[pytest]\nedge_config = lab/devices.toml")
    pytester.makepyfile("def test_a(edge_device):\n    assert edge_device.name == 'nas'")
    pytester.runpytest("--device", "nas").assert_outcomes(passed=1)


@pytest.mark.parametrize(("ci", "wait_s"), [("true", 600), ("1", 600), ("false", 60), ("0", 60), ("", 60)])
def test_in_ci_the_wait_for_a_device_is_longer(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, ci: str, wait_s: int
) -> None:
    monkeypatch.setenv("CI", ci)
    assert settings.read_settings(pytester.parseconfig()).wait_s == wait_s


def test_the_delegates_of_the_command_line_are_those_that_a_device_knows() -> None:
    assert options.DELEGATES == device.DELEGATES
