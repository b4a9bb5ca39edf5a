"""``edgedevice completion``: scripts that shells understand."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from pytest_edgedevice.cli import main


def test_bash_completes_commands_and_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "bash"]) == 0
    script = capsys.readouterr().out
    asked = (
        'complete_it() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); '
        '"$(complete -p edgedevice | sed "s/.*-F \\([^ ]*\\) .*/\\1/")" 2>/dev/null; echo "${COMPREPLY[@]}"; }\n'
        "complete_it edgedevice comp; complete_it edgedevice trend --me"
    )
    ran = subprocess.run(["bash", "-c", f"{script}\n{asked}"], capture_output=True, text=True, timeout=60, check=True)
    assert [line.split() for line in ran.stdout.splitlines()] == [["compare", "completion"], ["--metric"]]


@pytest.mark.parametrize("shell", ["zsh", "tcsh"])
def test_other_shells_have_their_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    assert "edgedevice" in capsys.readouterr().out


def test_a_missing_library_is_named_with_its_remedy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert main(["completion", "bash"]) == 1
    err = capsys.readouterr().err
    assert err.startswith("edgedevice: completions need shtab, which is not installed\n")
    assert err.endswith("hint: pip install 'pytest-edgedevice[completion]'\n")


def test_a_program_is_told_the_script_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "bash", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["shell"], "complete" in told["script"]) == ("bash", True)
