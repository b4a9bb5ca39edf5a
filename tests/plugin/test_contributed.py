"""Devices that conftests and plugins contribute by hook."""

from __future__ import annotations

import pytest

RACK = """
from pytest_edgedevice.transports.local import LocalTransport
class Rack(LocalTransport):
    def identity(self): return "rack7"
    def facts(self): return {"linux": True, "cores": 3}
def pytest_edgedevice_devices(config):
    return {"rack7": Rack}
"""
USES = """
import numpy as np
ONES = {"a": np.ones((1, 4), "float32"), "b": np.ones((1, 4), "float32")}
def test_a(edge_device, edge_model, edge_check):
    assert edge_device.facts["cores"] == 3
    run = edge_model("add_float32.tflite").run(ONES)
    edge_check.close(run, {"sum": np.full((1, 4), 2, "float32")}, atol=0, rtol=0)
"""
RETURNS = [
    ("['rack7']", "returned list"),
    ("{'rack7': 3}", "returned {'rack7': 3}"),
    ("{7: print}", "returned {7: "),
    ("{'': print}", "returned {'': "),
    ("{'local': print}", "names a device 'local', which already means something"),
    ("{'linux': print}", "names a device 'linux', which already means something"),
]


def test_a_contributed_device_works(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(RACK)
    pytester.makepyfile(USES)
    result = pytester.runpytest("--device", "rack7")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["test_a *rack7*passed"])


def test_a_hook_that_contributes_nothing_is_fine(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("def pytest_edgedevice_devices(config):\n    return None")
    pytester.makepyfile("def test_a(edge_device): pass")
    pytester.runpytest().assert_outcomes(passed=1)


@pytest.mark.parametrize("where", ["plugin", "file"])
def test_a_name_that_is_claimed_twice_is_told_once(pytester: pytest.Pytester, where: str) -> None:
    pytester.makeconftest(RACK)
    if where == "file":
        (pytester.path / "edgedevice.toml").write_text('[devices.rack7]\nspec = "local"\n')
    else:
        pytester.makepyfile(other=RACK)
    pytester.makepyfile("def test_a(edge_device): pass\ndef test_b(edge_device): pass")
    pytester.syspathinsert()
    result = pytester.runpytest(*(["-p", "other"] if where == "plugin" else []))
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    said = result.stderr.str()
    assert said.count("device name 'rack7' is claimed twice: by a pytest_edgedevice_devices hook and by") == 1
    assert ("edgedevice.toml" if where == "file" else "another one") in said


@pytest.mark.parametrize(("value", "text"), RETURNS)
def test_a_hook_that_returns_nonsense_is_told_once(pytester: pytest.Pytester, value: str, text: str) -> None:
    pytester.makeconftest(f"def pytest_edgedevice_devices(config):\n    return {value}")
    pytester.makepyfile("def test_a(edge_device): pass\ndef test_b(edge_device): pass")
    result = pytester.runpytest()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert result.stderr.str().count(text) == 1


def test_a_function_that_opens_no_link_is_said_to(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("def pytest_edgedevice_devices(config):\n    return {'rack7': dict}")
    pytester.makepyfile("def test_a(edge_device): pass")
    result = pytester.runpytest("--device", "rack7")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*device 'rack7': its pytest_edgedevice_devices hook opened dict, not a Transport*"])


def test_a_link_that_breaks_is_the_worlds_fault(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        "from pytest_edgedevice.errors import TransportError\n"
        "def broken():\n    raise TransportError('rack7 has no power')\n"
        "def pytest_edgedevice_devices(config):\n    return {'rack7': broken}"
    )
    pytester.makepyfile("def test_a(edge_device): pass")
    result = pytester.runpytest("--device", "rack7", "-rE")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["E *TransportError: rack7 has no power", "ERROR *::test_a - TransportError*"])
