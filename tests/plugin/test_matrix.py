"""Which tests run how often: devices times delegates, with readable ids, one device open at a time."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.leases import who
from pytest_edgedevice.transports.local import local_identity

if TYPE_CHECKING:
    from pathlib import Path

DELEGATES = """
import pytest
@pytest.mark.edge_delegate("cpu", "xnnpack")
def test_marked(edge_delegate): pass
def test_plain(edge_delegate): pass
"""
NAMES = ("test_marked", "test_plain")
TWO = """
[devices.first]
spec = "local"
facts = {{ room = "kitchen" }}
[devices.second]
spec = "local"
python = "{python}"
folder = "{folder}"
facts = {{ room = "attic" }}
"""


@pytest.fixture
def two_devices(pytester: pytest.Pytester, own_surroundings: Path) -> list[str]:
    """Arguments for two devices on one machine, the second with another interpreter and folder."""
    other = pytester.path / "other python"
    other.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    other.chmod(0o755)
    text = TWO.format(python=other, folder=own_surroundings / "second")
    (pytester.path / "edgedevice.toml").write_text(text)
    return ["--device", "first", "--device", "second"]


def ids(pytester: pytest.Pytester, *arguments: str) -> list[str]:
    lines = pytester.runpytest("--collect-only", "-q", *arguments).outlines
    return [line.partition("::")[2] for line in lines if "::" in line]


def test_a_marker_repeats_its_test_for_each_delegate(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(DELEGATES)
    assert ids(pytester) == ["test_marked[cpu]", "test_marked[xnnpack]", "test_plain"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--edge-delegate", "reference"], ["test_marked[reference]", "test_plain"]),
        (["--edge-delegate", "cpu", "--edge-delegate", "gpu"], [f"{n}[{d}]" for n in NAMES for d in ("cpu", "gpu")]),
        (
            ["--edge-delegate", "external:/opt/a b/libx.so", "--edge-delegate", "external:/opt/y/libx.so"],
            [f"{n}[external:libx.so{d}]" for n in NAMES for d in (0, 1)],
        ),
    ],
)
def test_the_command_line_overrides_the_markers(
    pytester: pytest.Pytester, arguments: list[str], expected: list[str]
) -> None:
    pytester.makepyfile(DELEGATES)
    assert ids(pytester, *arguments) == expected


def test_one_delegate_of_the_command_line_reaches_every_test(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_a(edge_delegate):\n    assert edge_delegate == 'reference'")
    pytester.runpytest("--edge-delegate", "reference").assert_outcomes(passed=1)


def test_a_test_that_gives_its_own_values_is_left_alone(pytester: pytest.Pytester, two_devices: list[str]) -> None:
    pytester.makepyfile(
        "import pytest\n@pytest.mark.parametrize('edge_delegate', ['gpu'], indirect=True)\n"
        "def test_a(edge_delegate): pass\n"
        "@pytest.mark.parametrize(argnames=['x', 'edge_device'], argvalues=[(1, 'first')], indirect=['edge_device'])\n"
        "def test_b(edge_device, x): pass\n"
    )
    found = ids(pytester, "--edge-delegate", "cpu", "--edge-delegate", "npu", *two_devices)
    assert found == ["test_a[gpu]", "test_b[1-first]"]


@pytest.mark.parametrize(
    ("mark", "form"),
    [
        ("edge_delegate()", "edge_delegate() is misused; its form is @pytest.mark.edge_delegate("),
        ("edge_delegate(['cpu'])", "edge_delegate(['cpu']) is misused"),
        ("edge_delegate('cpu', fallback='maybe')", "edge_delegate('cpu', fallback='maybe') is misused"),
        ("edge_delegate('cpu', options=3)", "is misused"),
        ("edge_delegate('cpu', thread=3)", "is misused"),
        ("edge_requires()", "edge_requires() is misused; its form is @pytest.mark.edge_requires("),
        ("edge_requires('linux', 'gpu')", "is misused"),
        ("edge_requires(linux=True)", "is misused"),
        ("edge_requires('colour==red')", "edge_requires('colour==red'): expected a known fact"),
        ("edge_requires('linux and')", "found the end at character 10"),
    ],
)
def test_a_misused_marker_shows_the_right_form_before_anything_runs(
    pytester: pytest.Pytester, mark: str, form: str
) -> None:
    pytester.makepyfile(f"import pytest\n@pytest.mark.{mark}\ndef test_a(edge_model): pass\ndef test_b(): pass")
    result = pytester.runpytest()
    result.assert_outcomes(errors=1)
    printed = result.stdout.str()
    assert form in printed
    assert "::test_a: " in printed
    assert "During handling" not in printed
    assert "parametrize.py" not in printed


def test_a_fact_of_the_device_file_may_be_required(pytester: pytest.Pytester, two_devices: list[str]) -> None:
    pytester.makepyfile(
        "import pytest\n@pytest.mark.edge_requires('room==attic')\n"
        "def test_a(edge_device):\n    assert edge_device.name == 'second'"
    )
    result = pytester.runpytest("-rs", *two_devices)
    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED*first does not fit 'room==attic': room=kitchen"])


def test_devices_times_delegates_give_readable_ids(pytester: pytest.Pytester, two_devices: list[str]) -> None:
    pytester.makepyfile(DELEGATES.replace("edge_delegate)", "edge_device, edge_delegate)"))
    assert sorted(ids(pytester, *two_devices)) == [
        "test_marked[first-cpu]",
        "test_marked[first-xnnpack]",
        "test_marked[second-cpu]",
        "test_marked[second-xnnpack]",
        "test_plain[first]",
        "test_plain[second]",
    ]


def test_an_expression_with_spaces_and_quotes_is_its_own_id(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_a(edge_device): pass")
    expression = 'name=="local" and (cores>=1 or not gpu)'
    assert ids(pytester, "--device", "local", "--device", expression) == ["test_a[local]", f"test_a[{expression}]"]


def test_two_devices_on_one_machine_are_open_one_after_the_other(
    pytester: pytest.Pytester, two_devices: list[str]
) -> None:
    pytester.makepyfile(
        "import pytest\n"
        "@pytest.fixture(scope='module')\ndef room(edge_device):\n    yield edge_device.facts['room']\n"
        "class TestA:\n"
        "    @pytest.fixture(scope='class')\n    def name(self, edge_device, room):\n        return edge_device.name\n"
        "    def test_one(self, name): pass\n"
        "    @pytest.mark.edge_delegate('cpu', 'xnnpack')\n"
        "    def test_two(self, name, edge_model):\n"
        "        placement = edge_model('add_float32.tflite', fallback='allow').placement\n"
        "        assert placement.requested in ('cpu', 'xnnpack')\n"
        "def test_plain(): pass\n"
        "def test_three(edge_device, room):\n"
        "    assert {'first': 'kitchen', 'second': 'attic'}[edge_device.name] == room\n"
    )
    result = pytester.runpytest("--edge-wait", "0", *two_devices)
    result.assert_outcomes(passed=9)
    assert who(local_identity()) is None


def test_interleaved_devices_still_do_not_wait_for_themselves(
    pytester: pytest.Pytester, two_devices: list[str]
) -> None:
    pytester.makeconftest("def pytest_collection_modifyitems(items):\n    items.sort(key=lambda item: item.name[::-1])")
    pytester.makepyfile("def test_a(edge_device): pass\ndef test_b(edge_device): pass\ndef test_c(edge_device): pass")
    pytester.runpytest("--edge-wait", "0", *two_devices).assert_outcomes(passed=6)


@pytest.mark.parametrize(
    ("arguments", "outcomes"),
    [
        (["-k", "second"], {"passed": 1, "deselected": 1}),
        (["-k", "nothing"], {"deselected": 2}),
        (["-x"], {"failed": 1}),
        (["--maxfail=1"], {"failed": 1}),
        (["--stepwise"], {"failed": 1}),
    ],
)
def test_pytests_own_selection_works(
    pytester: pytest.Pytester, two_devices: list[str], arguments: list[str], outcomes: dict[str, int]
) -> None:
    pytester.makepyfile("def test_a(edge_device):\n    assert edge_device.name == 'second'")
    pytester.runpytest(*two_devices, *arguments).assert_outcomes(**outcomes)


def test_the_last_failure_is_repeated_also_where_the_world_failed(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        "from pytest_edgedevice.errors import InfraError\n"
        "def test_a(edge_check): pass\ndef test_b(edge_check):\n    raise InfraError('x')\n"
    )
    pytester.runpytest()
    pytester.runpytest("--lf").assert_outcomes(errors=1)
