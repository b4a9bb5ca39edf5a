"""pytest starts whatever else is installed, and pays nothing for us where no test needs a device."""

from __future__ import annotations

import re

import pytest

OPTIONS = [
    *(
        "device",
        "edge-device",
        "edge-delegate",
        "edge-engine",
        "edge-threads",
        "edge-wait",
        "edge-hold",
        "edge-reconnect",
    ),
    *("edge-timeout", "edge-report", "edge-update-goldens", "edge-config", "edge-inconclusive"),
]
INI = [
    f"edge_{name}"
    for name in ("device", "delegate", "engine", "threads", "wait", "hold", "reconnect", "timeout", "report")
]
FIXTURES = ["edge_device", "edge_model", "edge_golden", "edge_check", "edge_delegate"]
USES_SPEC = """
def test_spec(pytestconfig):
    from pytest_edgedevice.plugin.options import settings_of
    assert settings_of(pytestconfig).devices == ("nas",)
"""
# what an owner of --device may make of it: declaration, arguments that please it, the value it should see
OWNERS = {
    "text": ("default='cpu'", ["--device", "cuda"], "'cuda'"),
    "choices": ("choices=['cpu', 'cuda'], default='cpu'", ["--device=cuda"], "'cuda'"),
    "number": ("type=int, default=0", ["--device", "1"], "1"),
    "several": ("nargs=2", ["--device", "a", "b"], "['a', 'b']"),
    "switch": ("action='store_true'", ["--device"], "True"),
    "required": ("required=True", ["--device", "cuda"], "'cuda'"),
}


def owner(declaration: str) -> str:
    return f"def pytest_addoption(parser):\n    parser.addoption('--device', {declaration})\n"


@pytest.mark.usefixtures("autoload")
def test_it_starts_beside_every_installed_plugin_and_playwright_keeps_device(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(USES_SPEC + "\ndef test_theirs(pytestconfig):\n    assert pytestconfig.option.device == 'x'")
    result = pytester.runpytest_subprocess("--device", "x", "--edge-device", "nas", "-p", "no:randomly")
    result.assert_outcomes(passed=2)


@pytest.mark.usefixtures("autoload")
def test_playwright_beside_two_workers_starts(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_a(): pass\ndef test_b(): pass")
    result = pytester.runpytest_subprocess("-n", "2")
    result.assert_outcomes(passed=2)
    assert result.ret == 0


@pytest.mark.usefixtures("autoload")
def test_beside_plugins_that_do_not_own_device_it_is_ours(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(USES_SPEC)
    pytester.runpytest_subprocess("--device", "nas", "-p", "no:playwright").assert_outcomes(passed=1)


@pytest.mark.parametrize("arguments", [["--device", "nas"], ["--device=nas"], ["--edge-device", "nas"]])
def test_alone_both_names_of_the_option_work(pytester: pytest.Pytester, arguments: list[str]) -> None:
    pytester.makepyfile(USES_SPEC)
    pytester.runpytest(*arguments).assert_outcomes(passed=1)


@pytest.mark.parametrize("kind", OWNERS)
def test_a_conftest_that_owns_device_keeps_it(pytester: pytest.Pytester, kind: str) -> None:
    declaration, arguments, value = OWNERS[kind]
    pytester.makeconftest(owner(declaration))
    pytester.makepyfile(f"def test_theirs(pytestconfig):\n    assert pytestconfig.getoption('device') == {value}")
    result = pytester.runpytest("test_a_conftest_that_owns_device_keeps_it.py", *arguments)
    result.assert_outcomes(passed=1)


def test_a_conftest_in_a_folder_that_is_named_keeps_device(pytester: pytest.Pytester) -> None:
    folder = pytester.mkpydir("inner")
    (folder / "conftest.py").write_text(owner("default='cpu'"))
    (folder / "test_it.py").write_text("def test_theirs(pytestconfig):\n    assert pytestconfig.option.device == 'x'")
    pytester.runpytest("inner", "--device", "x").assert_outcomes(passed=1)


def test_a_conftest_in_testpaths_keeps_device_whose_value_looks_like_a_path(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\ntestpaths = inner")
    folder = pytester.mkpydir("inner")
    (folder / "conftest.py").write_text(owner("choices=['x'], default='y'"))
    (folder / "test_it.py").write_text("def test_theirs(pytestconfig):\n    assert pytestconfig.option.device == 'x'")
    pytester.runpytest("--device", "x").assert_outcomes(passed=1)


def test_a_conftest_that_is_found_late_may_declare_device_too(pytester: pytest.Pytester) -> None:
    folder = pytester.mkpydir("inner")
    (folder / "conftest.py").write_text(owner("default='cpu'"))
    (folder / "test_it.py").write_text("def test_theirs(): pass")
    pytester.runpytest().assert_outcomes(passed=1)


def test_a_value_of_device_that_is_a_path_is_still_searched_for_conftests(pytester: pytest.Pytester) -> None:
    folder = pytester.mkpydir("inner")
    (folder / "conftest.py").write_text(owner("action='store_true'"))
    (folder / "test_it.py").write_text("def test_theirs(pytestconfig):\n    assert pytestconfig.option.device is True")
    pytester.runpytest("--device", "inner").assert_outcomes(passed=1)


def test_a_spec_longer_than_any_file_name_starts(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_a(): pass")
    pytester.runpytest("--device", "linux or " * 600 + "linux").assert_outcomes(passed=1)


@pytest.mark.usefixtures("autoload")
def test_switched_off_it_is_gone(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]")
    pytester.makepyfile("def test_a(pytestconfig):\n    assert not hasattr(pytestconfig.option, 'edge_device')")
    pytester.runpytest_subprocess("-p", "no:edgedevice", "-p", "no:playwright").assert_outcomes(passed=1)


@pytest.mark.parametrize("arguments", [["-p", "no:terminal"], ["-p", "xdist.plugin", "-p", "no:terminal"]])
def test_it_starts_without_a_terminal(pytester: pytest.Pytester, arguments: list[str]) -> None:
    pytester.makepyfile("def test_a(edge_check):\n    edge_check.metric('top1', 1.0)")
    result = pytester.runpytest_subprocess(*arguments, "-p", "no:cacheprovider")
    assert (result.ret, result.stderr.str()) == (0, "")


@pytest.mark.usefixtures("cold")
@pytest.mark.parametrize("extra", [[], ["-W", "error"], ["-q"], ["--device", "local"]])
def test_without_device_tests_nothing_is_printed_and_nothing_heavy_imported(
    pytester: pytest.Pytester, extra: list[str]
) -> None:
    pytester.makeconftest(
        "import sys\ndef pytest_unconfigure():\n"
        "    heavy = {'numpy', 'PIL', 'ai_edge_litert', 'tflite_runtime', 'pytest_edgedevice.errors'}\n"
        "    print('heavy:', sorted(heavy & set(sys.modules)))\n"
    )
    pytester.makepyfile("def test_a(): pass")
    result = pytester.runpytest_subprocess(*extra)
    printed = result.stdout.str()
    assert "heavy: []" in printed
    # pytest itself names its plugins in the heading
    assert not re.search(r"^(?!rootdir|plugins|heavy).*edge.?device", printed, re.MULTILINE | re.IGNORECASE)


def test_help_names_every_option_and_ini_key_with_an_example(pytester: pytest.Pytester) -> None:
    text = " ".join(pytester.runpytest_subprocess("--help").stdout.str().split())
    for option in OPTIONS:
        described = text.split(f" --{option}", 1)[1]
        assert "xample: " in described[:500], option
    for key in INI:
        assert f"{key} (" in text, key


def test_markers_are_listed_with_an_example(pytester: pytest.Pytester) -> None:
    text = pytester.runpytest("--markers").stdout.str()
    assert '@pytest.mark.edge_delegate("cpu", "xnnpack")' in text
    assert '@pytest.mark.edge_requires("linux and cores>=2")' in text
    assert "@pytest.mark.edge_shared" in text


def test_fixtures_are_listed_with_an_example(pytester: pytest.Pytester) -> None:
    text = pytester.runpytest("--fixtures").stdout.str()
    for name in FIXTURES:
        described = re.split(rf"^{name}\b", text, flags=re.MULTILINE)[1]
        assert "Example::" in described.split("\nedge_")[0], name


def test_collecting_only_opens_no_device_and_writes_no_report(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_a(edge_model): pass")
    result = pytester.runpytest("--collect-only", "--edge-report", "json=out.jsonl")
    assert result.ret == 0
    assert not (pytester.path / "out.jsonl").exists()
