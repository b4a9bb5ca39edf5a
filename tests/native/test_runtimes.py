"""Runtimes that are too old, odd or incomplete, and delegates in libraries of their own: with stand-ins built here."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pytest_edgedevice.errors import DelegateError, MissingExtraError
from pytest_edgedevice.runners.native.building import SOURCES
from tests.native.agents import ROOT, TINY

if TYPE_CHECKING:
    from pathlib import Path

    from tests.native.agents import Agents

GPU = """
#include "%s"
typedef struct { int first, rest[30]; } Options;
static void ignore(const char *text) {}
Options TfLiteGpuDelegateV2OptionsDefault(void) { Options made = {7, {0}}; return made; }
Delegate *TfLiteGpuDelegateV2Create(const Options *options) {
    const char *key = "mode", *value = "%s";
    if (options->first != 7) return 0;
    return tflite_plugin_create_delegate(&key, &value, 1, ignore);
}
void TfLiteGpuDelegateV2Delete(Delegate *delegate) { tflite_plugin_destroy_delegate(delegate); }
"""


def library(path: Path, source: str) -> Path:
    path.with_suffix(".c").write_text(source)
    subprocess.run(["cc", "-w", "-shared", "-fPIC", "-o", str(path), str(path.with_suffix(".c"))], check=True)
    return path


def symbols(file: str, prefix: str) -> list[str]:
    text = (SOURCES / file).read_text(encoding="utf-8")
    return [prefix + name for name in re.findall(r'^ +NEEDED\("(\w+)"', text, re.MULTILINE)]


@pytest.mark.parametrize("version", ["2.4.9", "1.15.0", "nonsense", ""])
def test_a_tensorflow_lite_that_is_too_old_is_told_by_its_version(agents: Agents, tmp_path: Path, version: str) -> None:
    names = symbols("tflite.c", "TfLite")
    assert "TfLiteInterpreterInvoke" in names
    stubs = "".join(f"void {name}(void) {{}}\n" for name in names if name != "TfLiteVersion")
    old = library(tmp_path / "old.so", f'{stubs}const char *TfLiteVersion(void) {{ return "{version}"; }}')
    with pytest.raises(MissingExtraError, match=f"it is TensorFlow Lite {version}; 2.5 or later is needed"):
        agents.load(TINY / "nan.tflite", str(old))


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("*(volatile int *)0 = 1; return 0;", "signal 11"),
        ("return 5;", "step 3"),
    ],
)
def test_a_litert_that_fails_the_trial_is_told_and_the_agent_lives(
    agents: Agents, tmp_path: Path, body: str, text: str
) -> None:
    names = [*symbols("litert.c", "LiteRt"), "LiteRtGetCompiledModelEnvironment"]
    assert "LiteRtRunCompiledModel" in names
    odd = library(tmp_path / "odd.so", "".join(f"int {name}(void) {{ {body} }}\n" for name in names))
    with pytest.raises(MissingExtraError, match=rf"a model of one operator that was tried first \({text}\)"):
        agents.load(TINY / "nan.tflite", str(odd))


def test_a_litert_without_a_function_of_2_2_is_too_old(agents: Agents, tmp_path: Path) -> None:
    names = symbols("litert.c", "LiteRt")
    old = library(tmp_path / "old.so", "".join(f"int {name}(void) {{ return 1; }}\n" for name in names))
    with pytest.raises(MissingExtraError, match=r"without LiteRtGetCompiledModelEnvironment; 2\.2 or later is needed"):
        agents.load(TINY / "nan.tflite", str(old))


@pytest.mark.parametrize("name", ["libtensorflowlite_gpu_jni.so", "libtensorflowlite_gpu_delegate.so"])
def test_the_gpu_delegate_is_found_beside_the_runtime(agents: Agents, tmp_path: Path, name: str) -> None:
    """As Android's libraries come: options by value, made by the version's own defaults."""
    runtime = tmp_path / "libtensorflowlite_c.so"
    shutil.copy(agents.runtimes["tflite"], runtime)
    library(tmp_path / name, GPU % (ROOT / "tests" / "peers" / "delegate.c", "negate"))
    with agents.load(TINY / "no_batch.tflite", str(runtime), delegate="gpu", allow_fallback=False) as model:
        assert (model.placement.proven, model.placement.delegated) == ("gpu", 1)
        assert np.asarray(model.run(np.ones((1, 4), np.float32)).outputs["y"]).tolist() == [[-1, -1, -1, -1]]


def test_a_gpu_delegate_that_takes_a_part_is_counted(agents: Agents, tmp_path: Path) -> None:
    runtime = tmp_path / "libtensorflowlite_c.so"
    shutil.copy(agents.runtimes["tflite"], runtime)
    library(tmp_path / "libtensorflowlite_gpu_jni.so", GPU % (ROOT / "tests" / "peers" / "delegate.c", "first"))
    with agents.load(TINY / "partial.tflite", str(runtime), delegate="gpu") as model:
        assert (model.placement.proven, model.placement.delegated) == ("gpu", 1)
        assert dict(model.placement.left_over) == {"CUMSUM": 1, "NEG": 1}


def test_a_gpu_delegate_that_cannot_be_made_is_a_delegate_error(agents: Agents, tmp_path: Path) -> None:
    runtime = tmp_path / "libtensorflowlite_c.so"
    shutil.copy(agents.runtimes["tflite"], runtime)
    library(tmp_path / "libtensorflowlite_gpu_jni.so", GPU % (ROOT / "tests" / "peers" / "delegate.c", "refuse"))
    with pytest.raises(DelegateError, match="delegate 'gpu' cannot be created on this device"):
        agents.load(TINY / "no_batch.tflite", str(runtime), delegate="gpu")
