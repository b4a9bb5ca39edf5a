"""The commands in the page do repeat what did not pass: each runs one test, and that fails again."""

from __future__ import annotations

import html
import re
import shlex

import pytest

TESTS = """
import pytest

@pytest.mark.parametrize("variant", ["float32", "a b's-[x]"])
@pytest.mark.edge_delegate("cpu", "xnnpack")
def test_own(edge_device, edge_delegate, variant): assert False

@pytest.mark.parametrize("cpu", ["cpu"])
def test_named_like_a_delegate(edge_device, cpu): assert False

class TestAll:
    def test_method(self, edge_check): edge_check.metric("top1", 0.5, at_least=0.9)
"""
DEVICES = '[devices.desk]\nspec = "local"\n[devices.desk-two]\nspec = "local"\n'


@pytest.mark.parametrize("devices", [["desk"], ["desk", "desk-two"]])
def test_each_command_repeats_one_failure(pytester: pytest.Pytester, devices: list[str]) -> None:
    pytester.makepyfile(TESTS)
    pytester.makefile(".toml", edgedevice=DEVICES)
    named = [word for name in devices for word in ("--device", name)]
    pytester.runpytest(*named, "--edge-report", "html=report.html").assert_outcomes(failed=5 * len(devices) + 1)
    page = html.unescape((pytester.path / "report.html").read_text())
    cards = page.partition('<section id="failures">')[2].partition('<section id="cells">')[0]
    commands = re.findall(r"<code>pytest (.*?)</code>", cards)
    assert len(commands) == 5 * len(devices) + 1
    for command in commands:
        pytester.runpytest(*shlex.split(command)).assert_outcomes(failed=1)
