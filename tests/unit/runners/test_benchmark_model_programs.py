"""The runner ``benchmark_model`` with stand-ins that really add, in both flavours, and with every lie that is known."""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pytest_edgedevice.errors import (
    AgentDiedError,
    ConfigError,
    ContractError,
    DeadlineError,
    DelegateError,
    InfraError,
    InputError,
    ModelError,
)
from pytest_edgedevice.metrics import gate, looks
from pytest_edgedevice.runners import describing, growing
from pytest_edgedevice.runners.backend import LoadRequest
from pytest_edgedevice.runners.benchmark_model.backend import _shapes
from pytest_edgedevice.runners.benchmark_model.runner import BenchmarkModelRunner
from pytest_edgedevice.values import TensorSpec
from tests.unit.runners.benchmark_standin import LITERT_FLAGS, TFLITE_FLAGS, TINY, loaded, tool
from tests.unit.runners.command_standin import rows, site

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_edgedevice.runners.loaded import LoadedModel

LITERT: dict[str, Any] = {"flags": LITERT_FLAGS}


@pytest.fixture(scope="module", autouse=True)
def described_once() -> Iterator[None]:
    """This host reads each of our models once for all tests, and not anew for each runner."""
    read = functools.cache(describing.describe_here)

    def remembered(source: Path, *, timeout_s: float) -> describing.Described:
        fixture = source.parent == TINY
        return (read if fixture else describing.describe_here)(source, timeout_s=timeout_s)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pytest_edgedevice.runners.benchmark_model.runner.describe_here", remembered)
        yield


def run(model: LoadedModel, count: int = 1) -> list[list[float]]:
    return np.asarray(model.run({"a": rows(count), "b": rows(count)}).outputs["sum"]).tolist()  # type: ignore[no-any-return]


def without(*flags: str) -> tuple[str, ...]:
    return tuple(flag for flag in TFLITE_FLAGS if flag not in flags)


def test_every_sample_is_a_process_with_its_exact_outputs(tmp_path: Path) -> None:
    with loaded(tmp_path) as model:
        done = model.run({"a": rows(3), "b": 10 * rows(3)})
    assert np.array_equal(np.asarray(done.outputs["sum"]), 11 * rows(3))
    assert len(done.inference_ns) == 3
    assert all(time % 1000 == 0 and time > 0 for time in done.inference_ns)


def test_the_model_is_described_by_this_host_and_the_tool_says_where_it_ran(tmp_path: Path) -> None:
    with loaded(tmp_path, request={"threads": 2, "delegate": "xnnpack"}) as model:
        assert [spec.name for spec in model.info.inputs] == ["a", "b"]
        assert (model.info.engine, model.info.engine_version, model.info.threads) == ("tflite", "unknown", 2)
        assert (model.placement.proven, model.placement.nodes, model.placement.complete) == ("xnnpack", 1, True)
        assert (model.load_ms, model.info.name) == (1.2, "add_float32.tflite")


def test_a_measurement_is_a_series_of_real_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growing, "BATCH_BELOW_TICKS", 0)
    told = "def timed(values): infer(values); said.append(random.randrange(90, 120)); return said[-1]\nsaid = []"
    noting = (
        f"import atexit; atexit.register(lambda: open({str(tmp_path / 'times')!r}, 'a').write(repr(said[-3:]) + '\\n'))"
    )
    with loaded(tmp_path, f"{told}\n{noting}") as model:
        timing = model.measure({"a": rows(1), "b": rows(1)}, min_runs=9, max_runs=9)
    lines = [eval(line) for line in (tmp_path / "times").read_text().splitlines()]
    really = [1000 * time for line in lines if len(line) == 3 for time in line]
    assert len(timing.samples_ns) == 9
    assert list(timing.samples_ns) == really[timing.warmup_runs - 1 : timing.warmup_runs + 8]
    assert timing.first_ms >= 0.09


def test_a_measurement_is_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "FIRST_LOOK_NS", 0)
    monkeypatch.setattr(looks, "FIRST_LOOK_NS", 0)
    monkeypatch.setattr(looks, "FIRST_LOOK_RUNS", 1)
    with loaded(tmp_path, "def timed(values): return 600") as model:
        over = model.measure(budget_ms=0.2, quantile=0.5, confidence=0.9)
        within = model.measure(budget_ms=1.8, quantile=0.5, confidence=0.9)
    assert (over.verdict, within.verdict) == ("fail", "pass")
    assert set(over.samples_ns) == {600_000}
    assert within.conditions["before"]["benchmark_init_mb"] == 1.5


def test_runs_shorter_than_the_clock_sees_are_averaged_by_the_tool(tmp_path: Path) -> None:
    with loaded(tmp_path, "def timed(values): return 10") as model:
        timing = model.measure(min_runs=2, max_runs=2)
    assert (timing.batch, timing.samples_ns) == (5, (10_000, 10_000))


def test_a_budget_that_the_clock_cannot_see_is_refused(tmp_path: Path) -> None:
    with (
        loaded(tmp_path) as model,
        pytest.raises(InputError, match=r"under 20 ticks of the device's clock \(1000 ns\)"),
    ):
        model.measure(budget_ms=0.01)


def test_litert_is_measured_on_random_inputs_and_says_so(tmp_path: Path) -> None:
    with loaded(tmp_path, **LITERT) as model:
        assert (model.info.engine, model.placement.proven, model.load_ms) == ("litert", "xnnpack", 1.2)
        timing = model.measure(min_runs=1, max_runs=1)
        assert timing.conditions["after"]["benchmark_inputs"] == "random"
        assert timing.conditions["after"]["benchmark_peak_mb"] == 12.5
        with pytest.raises(ModelError, match="runs on random inputs and writes no outputs"):
            run(model)


def test_litert_proves_an_accelerator(tmp_path: Path) -> None:
    with loaded(tmp_path, request={"delegate": "gpu"}, **LITERT) as model:
        assert (model.placement.proven, model.placement.complete) == ("gpu", True)


TABLE = """
_report = report
def report(warmup, times):
    _report(warmup, times)
    if flags.get("enable_op_profiling") == "true":
        say("Operator-wise Profiling Info for Regular Benchmark Runs:\\n===== Summary by node type =====")
        say("\\t  [Node type]\\t  [count]\\n\\t  ADD\\t  1\\t  0.5\\t  10.0%\\t  99.0%\\t  0.000\\t  1")
        say("\\t  TfLiteXNNPackDelegate\\t  2\\t  4.5\\t  90.0%\\t  99.0%\\t  0.000\\t  1")
    if flags.get("report_peak_memory_footprint") == "true":
        say("INFO: Overall peak memory footprint (MB) via periodic monitoring: 6.25")
"""


def test_times_by_operator_are_the_tools_own(tmp_path: Path) -> None:
    with loaded(tmp_path, TABLE) as model:
        found = model.profile(runs=5)
    assert (found.runs, found.total_ms, found.problem) == (5, 5.0, "")
    assert [(one.name, one.delegate, one.count, one.time_ms, one.share) for one in found.operators] == [
        ("TfLiteXNNPackDelegate", "xnnpack", 2, 4.5, 0.9),
        ("ADD", "cpu", 1, 0.5, 0.1),
    ]


def test_a_build_that_cannot_profile_says_so(tmp_path: Path) -> None:
    with loaded(tmp_path) as model:
        assert model.profile(runs=2).problem == "benchmark_model printed no table of operators"
    with loaded(tmp_path, **LITERT) as model:
        assert "has no --enable_op_profiling" in model.profile(runs=2).problem


def test_memory_is_the_tools_own_and_processor_time_the_shells(tmp_path: Path) -> None:
    busy = """
def timed(values):
    begin = time.process_time()
    while time.process_time() - begin < 0.005:
        pass
    return 5000
"""
    with loaded(tmp_path, f"{TABLE}\n{busy}") as model:
        found = model.resources(seconds=0.3)
    assert (found.peak_bytes, found.before_load_bytes) == (round(6.25 * 2**20), 4 * 2**20)
    assert found.memory_counter.startswith("benchmark_model's own")
    assert found.inferences == 60
    assert found.cpu_ms is not None
    assert 4 < found.cpu_ms < 10
    assert found.problems["energy"] == "benchmark_model tells no energy"


def test_a_build_without_a_peak_has_no_memory_to_tell(tmp_path: Path) -> None:
    with loaded(tmp_path) as model:
        found = model.resources(seconds=0.01)
        assert (found.peak_bytes, "tells no peak" in found.problems["memory"]) == (None, True)
        with pytest.raises(InputError, match="takes neither frames nor code"):
            model.stream()


def test_further_flags_reach_the_tool_and_wrong_ones_are_refused(tmp_path: Path) -> None:
    noting = f"open({str(tmp_path / 'argv')!r}, 'a').write(' '.join(sys.argv) + '\\n')"
    with loaded(tmp_path, noting, arguments=["--gpu_precision_loss_allowed=false"]) as model:
        run(model)
    assert "--gpu_precision_loss_allowed=false" in (tmp_path / "argv").read_text().splitlines()[-1]
    with pytest.raises(ConfigError, match="does not know the flag --fast"), loaded(tmp_path, arguments=["--fast=1"]):
        pass


LIES = [
    ("def save(outputs): pass", ContractError, "with exit code 0 and wrote no outputs"),
    ("def save(outputs): write(outputs[:-1])", ContractError, "wrote 15 bytes of outputs where the model has 16"),
    ("def save(outputs): write(outputs * 2)", ContractError, "wrote 32 bytes of outputs where the model has 16"),
    ("def save(outputs): os.symlink('/etc/passwd', flags['output_filepath'])", ContractError, "is a symbolic link"),
    ("unknown = ['--output_filepath=x']", ContractError, "ignored '--output_filepath=x', which its help names"),
    ("main = lambda: None", ContractError, "told no statistics where 1 were asked for"),
    ("series = lambda *_: [5] * 50", ContractError, "told 50 runs where 1 were asked for"),
    ("timed = lambda values: 0", InfraError, "within one microsecond"),
    ("say('ERROR: Failed to allocate tensors!'); sys.exit(1)", ModelError, r"in 'run'\n  Failed to allocate tensors!"),
    ("say('ERROR: Failed to apply GPU delegate.'); sys.exit(1)", DelegateError, "Failed to apply GPU delegate"),
    ("sys.exit(9)", InfraError, "ended with exit code 9 during 'run'"),
    ("os.kill(os.getpid(), 11)", AgentDiedError, "died by SIGSEGV during 'run'"),
]


@pytest.mark.parametrize(("lie", "kind", "message"), LIES, ids=[str(number) for number in range(len(LIES))])
def test_its_exit_code_and_its_tone_are_not_believed(
    tmp_path: Path, lie: str, kind: type[Exception], message: str
) -> None:
    late = f"""
flags, unknown = parsed()
def write(content):
    with open(flags["output_filepath"], "wb") as file:
        file.write(content)
if "output_filepath" in flags:
    {lie}
parsed = lambda: (flags, unknown)
"""
    with loaded(tmp_path, late) as model, pytest.raises(kind, match=message) as raised:
        run(model)
    assert type(raised.value) is kind


def test_applied_is_no_proof_of_a_delegate(tmp_path: Path) -> None:
    lie = "def placed(): say('ERROR: NNAPI is not available.'); say('Applied NNAPI delegate.')"
    with (
        pytest.raises(DelegateError, match=r"nothing proves that delegate 'nnapi' runs 'add_float32.tflite'"),
        loaded(tmp_path, lie, request={"delegate": "nnapi"}),
    ):
        pass
    with loaded(tmp_path, lie, request={"delegate": "nnapi", "allow_fallback": True}) as model:
        assert model.placement.proven == "unknown"


def test_a_delegate_that_took_a_part_is_refused(tmp_path: Path) -> None:
    line = "Replacing 1 out of 3 node(s) with delegate (TfLiteGpuDelegateV2) node, yielding 1 partitions"
    lie = f"def placed(): say('{line}')"
    with (
        pytest.raises(DelegateError, match=r"took 1 of 3 operators .*left over: operators x2"),
        loaded(tmp_path, lie, request={"delegate": "gpu"}),
    ):
        pass


def test_a_build_without_the_flags_for_outputs_is_measured_only(tmp_path: Path) -> None:
    with loaded(tmp_path, flags=without("output_filepath")) as model:
        assert model.measure(min_runs=1, max_runs=1).conditions["before"]["benchmark_inputs"] == "random"
        with pytest.raises(ModelError, match="writes no outputs"):
            run(model)


OLD = """
def series(runs, least_s, values):
    return [random.randrange(90, 99) for _ in range(50)]
def report(warmup, times):
    open(NOTES, "a").write(f"{times[0]} {times[-1]} ")
"""


def test_of_a_build_that_runs_as_often_as_it_likes_the_first_and_the_last_time_are_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(growing, "BATCH_BELOW_TICKS", 0)
    notes = f"NOTES = {str(tmp_path / 'times')!r}"
    with loaded(tmp_path, OLD + notes, flags=without("min_secs")) as model:
        timing = model.measure(min_runs=6, max_runs=6)
        with pytest.raises(ContractError, match="told 50 runs where 1 were asked for"):
            run(model)
    really = [1000 * int(word) for word in (tmp_path / "times").read_text().split()][2:]
    assert list(timing.samples_ns) == really[timing.warmup_runs - 1 : timing.warmup_runs + 5]


@pytest.mark.parametrize(("name", "told"), [("x", "x"), ("serving_default_x:0", "input0"), ("a,b", "input0")])
def test_inputs_reach_the_tool_under_names_that_its_flags_can_say(tmp_path: Path, name: str, told: str) -> None:
    noting = f"open({str(tmp_path / 'argv')!r}, 'w').write(' '.join(sys.argv))"
    with loaded(tmp_path, noting, model="copy_float32") as model:
        (spec,) = model.info.inputs
        model.info = model._backend._info = dataclasses.replace(  # type: ignore[attr-defined]
            model.info, inputs=(dataclasses.replace(spec, name=name),)
        )
        got = np.asarray(model.run({name: rows(1)}).outputs["y"])  # the stand-in adds a single input to itself
    assert np.array_equal(got, 2 * rows(1))
    assert f"--input_layer={told} " in (tmp_path / "argv").read_text()


def test_another_program_is_not_taken_for_the_tool(tmp_path: Path) -> None:
    with (
        pytest.raises(InfraError, match="does not list its flags when it is asked for --help"),
        loaded(tmp_path, flags=()),
    ):
        pass


def test_a_tool_that_hangs_is_ended(tmp_path: Path) -> None:
    hang = "if 'output_filepath' in ' '.join(sys.argv) and '--help' not in sys.argv: time.sleep(600)"
    with (
        loaded(tmp_path, hang, time_limit_s=8) as model,
        pytest.raises(DeadlineError, match="did not end 'run' within 8 s"),
    ):
        run(model)


def test_engines_cannot_be_chosen_and_closed_models_not_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no engines to choose from"), loaded(tmp_path, request={"engine": "litert"}):
        pass
    with loaded(tmp_path) as model:
        model.close()
        with pytest.raises(InputError, match="was closed; load it again"):
            run(model)


def test_nan_is_refused(tmp_path: Path) -> None:
    with loaded(tmp_path) as model:
        with pytest.raises(InputError, match="'a' holds NaN"):
            model.run({"a": rows(1) * np.nan, "b": rows(1)})
        got = model.run({"a": rows(1) * np.nan, "b": rows(1)}, allow_nan=True).outputs["sum"]
    assert np.isnan(np.asarray(got)).all()


def test_a_model_that_this_host_cannot_read_is_said_to_be_so(tmp_path: Path) -> None:
    broken = tmp_path / "broken.tflite"
    broken.write_bytes(b"nothing")
    with site(tmp_path) as where, pytest.raises(ModelError, match=r"model 'broken.tflite'"):
        BenchmarkModelRunner(tool(tmp_path)).load(where, LoadRequest(broken))


def test_the_tool_is_asked_once_what_it_knows(tmp_path: Path) -> None:
    noting = f"if '--help' in sys.argv: open({str(tmp_path / 'helps')!r}, 'a').write('x')"
    runner = BenchmarkModelRunner(tool(tmp_path, noting))
    with site(tmp_path) as where:
        runner.check(where)
        runner.load(where, LoadRequest(TINY / "add_float32.tflite")).close()
        assert (tmp_path / "helps").read_text() == "x"
        runner.forget()
        runner.check(where)
        assert (tmp_path / "helps").read_text() == "xx"


def test_inputs_without_dimensions_are_refused(tmp_path: Path) -> None:
    lines = "read_inputs = lambda: [array.array('f', [0] * 4)] * 2"
    with (
        loaded(tmp_path, lines, model="scalar") as model,
        pytest.raises(ModelError, match="an input without dimensions"),
    ):
        model.run(np.array([1], np.float32))


FLOATS = TensorSpec("y", "float32", (1, -1))


@pytest.mark.parametrize(
    ("specs", "size", "shapes"),
    [
        ([FLOATS], 12, [(1, 3)]),
        ([FLOATS], 0, [(1, 0)]),
        ([TensorSpec("x", "int8", (2, 2)), FLOATS], 12, [(2, 2), (1, 2)]),
        ([TensorSpec("x", "complex128", ())], 16, [()]),
    ],
)
def test_a_shape_that_varies_follows_from_the_size(
    specs: list[TensorSpec], size: int, shapes: list[tuple[int, ...]]
) -> None:
    assert _shapes(specs, size, "it") == shapes


@pytest.mark.parametrize(
    ("specs", "size", "kind"),
    [
        ([FLOATS], 13, ContractError),
        ([TensorSpec("x", "int8", (9,)), FLOATS], 8, ContractError),
        ([TensorSpec("y", "float32", (0, -1))], 4, ContractError),
        ([FLOATS, FLOATS], 8, ModelError),
        ([TensorSpec("y", "float32", (-1, -1))], 8, ModelError),
    ],
)
def test_sizes_that_no_outputs_have_are_refused(specs: list[TensorSpec], size: int, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        _shapes(specs, size, "it")


def test_a_load_time_that_is_not_told_is_no_number(tmp_path: Path) -> None:
    with loaded(tmp_path, "report = lambda *_: None") as model:
        assert math.isnan(model.load_ms)


def test_a_folder_whose_name_the_flags_cannot_say_is_refused(tmp_path: Path) -> None:
    base = tmp_path / "a,b"
    base.mkdir()
    with loaded(base) as model, pytest.raises(ConfigError, match="for its comma or colon"):
        run(model)


def test_a_flag_that_a_run_needs_and_the_build_lacks_is_found_before_it_starts(tmp_path: Path) -> None:
    with loaded(tmp_path) as model:
        tool_there = model._backend._tool  # type: ignore[attr-defined]
        with pytest.raises(ContractError, match="knows no flag --fast, which 'run' needs"):
            tool_there.run({"fast": "1"}, runs=1, operation="run", timeout_s=60)
