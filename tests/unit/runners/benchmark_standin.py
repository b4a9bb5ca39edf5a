"""A stand-in for ``benchmark_model`` that really adds: fixtures/tiny/add_float32.tflite is sum = a + b, (1, 4) each.

It parses flags and words its log as the tool does; see fixtures/benchmark_logs for where those words come from.
``changes`` are Python lines that come last and may define anything anew: that is how it lies.
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.runners.backend import LoadRequest
from pytest_edgedevice.runners.benchmark_model.runner import BenchmarkModelRunner
from tests.unit.runners.command_standin import PATIENCE_S, site

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_edgedevice.runners.loaded import LoadedModel

TINY = Path(__file__).parents[3] / "fixtures" / "tiny"
TFLITE_FLAGS = (
    *("num_runs", "min_secs", "max_secs", "num_threads", "warmup_runs", "warmup_min_secs", "graph", "verbose"),
    *("report_peak_memory_footprint", "input_layer", "input_layer_shape", "input_layer_value_files"),
    *("require_full_delegation", "enable_op_profiling", "output_filepath", "use_xnnpack", "use_gpu", "use_nnapi"),
    *("external_delegate_path", "external_delegate_options", "gpu_precision_loss_allowed", "help"),
)
LITERT_FLAGS = (
    *("num_runs", "min_secs", "max_secs", "num_threads", "warmup_runs", "warmup_min_secs", "graph", "use_cpu"),
    *("report_peak_memory_footprint", "use_gpu", "use_npu", "require_full_delegation", "dispatch_library_path"),
    *("signature_to_run_for", "use_profiler", "result_file_path"),
)
HEAD = """
import array, os, random, sys, time
def say(text):
    print(text, file=sys.stderr)
def parsed():
    found, unknown = {}, []
    for argument in sys.argv[1:]:
        name, _, value = argument.removeprefix("--").partition("=")
        if name in FLAGS and argument.startswith("--"):
            found.setdefault(name, value)
        else:
            unknown.append(argument)
    return found, unknown
def usage():
    say("ERROR: usage: benchmark_model <flags>\\nFlags:")
    for name in FLAGS:
        say(f"\\t--{name}=\\tstring\\toptional\\tsome words about it")
    sys.exit(1)
def placed():
    if flags.get("use_xnnpack", "true") == "true":
        say("INFO: Created TensorFlow Lite XNNPACK delegate for CPU.")
        say("VERBOSE: Replacing 1 out of 1 node(s) with delegate (TfLiteXNNPackDelegate) node, "
            "yielding 1 partitions for the whole graph.")
        say("INFO: Explicitly applied XNNPACK delegate, and the model graph will be completely "
            "executed by the delegate.")
def read_inputs():
    files = dict(one.split(":") for one in flags.get("input_layer_value_files", "").split(",") if one)
    assert len(flags.get("input_layer", "").split(",")) == len(flags.get("input_layer_shape", "").split(":"))
    values = []
    for name in flags.get("input_layer", "").split(","):
        one = array.array("f", [random.random() for _ in range(4)])
        if name in files:
            with open(files[name], "rb") as file:
                one = array.array("f", file.read())
        values.append(one)
    return values * (2 if len(values) == 1 else 1)
def infer(values):
    return array.array("f", [one + other for one, other in zip(*values)]).tobytes()
def statistics(times):
    if not times:
        return "count=0"
    if len(set(times)) == 1:
        return f"count={len(times)} curr={times[-1]}" + ("(all same)" if len(times) > 1 else "")
    mean = sum(times) / len(times)
    return (f"count={len(times)} first={times[0]} curr={times[-1]} min={min(times)} max={max(times)} "
            f"avg={mean:.6g} std=1")
def timed(values):
    begin = time.perf_counter_ns()
    infer(values)
    return max((time.perf_counter_ns() - begin) // 1000, 1)
def series(runs, least_s, values):
    times, begin = [], time.monotonic()
    while len(times) < runs or time.monotonic() - begin < least_s:
        times.append(timed(values))
    return times
def save(outputs):
    if "output_filepath" in flags:
        with open(flags["output_filepath"], "wb") as file:
            file.write(outputs)
def report(warmup, times):
    say(f"INFO: Inference timings in us: Init: 1200, First inference: {warmup[0] if warmup else 0}, "
        f"Warmup (avg): {sum(warmup) / max(len(warmup), 1):.6g}, Inference (avg): {sum(times) / len(times):.6g}")
    say("INFO: Memory footprint delta from the start of the tool (MB): init=1.5 overall=2.25")
def main():
    say("INFO: STARTING!")
    if unknown:
        say("WARN: Unconsumed cmdline flags: " + " ".join(unknown))
    say(f"INFO: Graph: [{flags['graph']}]")
    with open(flags["graph"], "rb") as file:
        assert file.read(8)[4:] == b"TFL3"
    placed()
    values = read_inputs()
    say("INFO: Initialized session in 1.2ms.")
    warmup = series(int(flags.get("warmup_runs", 1)), float(flags.get("warmup_min_secs", 0.5)), values)
    say(f"INFO: {statistics(warmup)}\\n")
    times = series(int(flags.get("num_runs", 50)), float(flags.get("min_secs", 1)), values)
    say(f"INFO: {statistics(times)}\\n")
    report(warmup, times)
    save(infer(values))
"""
LITERT = """
def placed():
    name = "LiteRtGpu" if flags.get("use_gpu") == "true" else "TfLiteXNNPack"
    say(f"VERBOSE: Replacing 1 out of 1 node(s) with delegate ({name}Delegate) node, yielding 1 partitions for "
        "subgraph 0.")
def report(warmup, times):
    say("INFO: [benchmark_litert_model.h:85] \\n========== BENCHMARK RESULTS ==========")
    say("INFO: [benchmark_litert_model.h:86] Model initialization: 1.20 ms")
    say(f"INFO: [benchmark_litert_model.h:87] Warmup (first):       {(warmup or [0])[0] / 1000:.2f} ms")
    say("INFO: [benchmark_litert_model.h:110] Peak memory:          12.50 MB")
def save(outputs):
    pass
"""
TAIL = """
flags, unknown = parsed()
usage() if "--help" in sys.argv else main()
"""


def tool(
    folder: Path, changes: str = "", *, flags: tuple[str, ...] = TFLITE_FLAGS, python: str = sys.executable
) -> Path:
    """The executable; ``python`` is the interpreter on the device."""
    path = folder / "benchmark_model"
    more = LITERT if flags == LITERT_FLAGS else ""
    path.write_text(f"#!{python} -SE\nFLAGS = {flags!r}\n{HEAD}{more}\n{changes}\n{TAIL}", encoding="utf-8")
    return path


@contextlib.contextmanager
def loaded(
    folder: Path,
    changes: str = "",
    *,
    flags: tuple[str, ...] = TFLITE_FLAGS,
    model: str = "add_float32",
    request: dict[str, Any] | None = None,
    **options: Any,
) -> Iterator[LoadedModel]:
    """The model that adds, on this machine."""
    runner = BenchmarkModelRunner(tool(folder, changes, flags=flags), **options)
    with site(folder, timeout_s=PATIENCE_S) as where:
        made = runner.load(where, LoadRequest(TINY / f"{model}.tflite", **(request or {})))
        try:
            yield made
        finally:
            made.close()
