"""The workflow that users copy: GitHub would take it, and nothing that somebody types becomes part of a command."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

WORKFLOW = Path(__file__).parents[2] / "examples" / "ci" / "device-tests.yml"


def test_it_fits_the_schema_of_workflows() -> None:
    checker = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", str(WORKFLOW)]
    done = subprocess.run(checker, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_command_has_an_expression_in_it() -> None:
    """What GitHub puts in before the shell reads it is code there; through the environment it is a text."""
    commands = re.findall(r"- run: (.+)|run: [|>]-?\n((?: {10,}.*\n)+)|run: (.+)", WORKFLOW.read_text())
    texts = ["".join(found) for found in commands]
    assert len(texts) == 6
    assert not [text for text in texts if "${{" in text]


def test_every_job_has_a_deadline() -> None:
    text = WORKFLOW.read_text()
    assert text.count("runs-on:") == text.count("timeout-minutes:") == 3


def test_two_jobs_of_one_device_do_not_write_over_each_other() -> None:
    """A device with two delegates has two jobs; GitHub refuses a second artifact of one name."""
    text = WORKFLOW.read_text()
    assert "DELEGATE: ${{ matrix.delegate }}" in text
    assert "name: edge-${{ strategy.job-index }}-${{ matrix.device }}" in text
    assert "json=edge-$JOB-$DEVICE.jsonl" in text
