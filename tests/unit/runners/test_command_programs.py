"""Models that a program of the user runs, as real processes: honest ones, and every way to go wrong."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pytest_edgedevice.checks.singles import judge_singles
from pytest_edgedevice.errors import (
    AgentDiedError,
    ConfigError,
    ContractError,
    DeadlineError,
    DelegateError,
    InfraError,
    InputError,
    MissingExtraError,
    ModelError,
)
from pytest_edgedevice.runners.backend import LoadRequest
from pytest_edgedevice.runners.command import backend
from pytest_edgedevice.runners.command.runner import CommandRunner
from tests.unit.runners.command_standin import loaded, program, rows, site

if TYPE_CHECKING:
    from pytest_edgedevice.runners.loaded import LoadedModel


def run(model: LoadedModel, count: int = 3) -> list[list[float]]:
    return np.asarray(model.run({"x": rows(count)}).outputs["y"]).tolist()  # type: ignore[no-any-return]


def test_a_program_runs_every_sample(tmp_path: Path) -> None:
    with loaded(tmp_path) as model:
        assert run(model, 20) == (-rows(20)).tolist()
        assert run(model, 1) == (-rows(1)).tolist()


def test_what_the_program_told_of_the_model_is_its_identity(tmp_path: Path) -> None:
    with loaded(tmp_path, request={"delegate": "npu", "threads": 3}) as model:
        info, placement = model.info, model.placement
    assert (info.name, info.size_bytes, info.engine, info.engine_version) == ("minus.bin", 5, "minus", "7")
    assert (info.variant, info.threads, model.load_ms, model.emulated) == ("float32", 3, 0.001, False)
    assert (placement.requested, placement.proven, placement.complete) == ("npu", "npu", True)


def test_a_run_has_the_times_that_the_program_told(tmp_path: Path) -> None:
    with loaded(tmp_path) as model:
        assert model.run({"x": rows(2)}).inference_ns == (1000, 1000)


def test_a_large_run_is_split_and_comes_back_in_order(tmp_path: Path) -> None:
    counting = f"open({str(tmp_path / 'counts')!r}, 'a').write(f\"{{told['op']}} {{told['samples']}}\\n\")"
    with loaded(tmp_path, counting) as model:
        assert run(model, 50) == (-rows(50)).tolist()
    counts = (tmp_path / "counts").read_text().splitlines()
    assert counts == ["describe 0", "run 1", "run 8", "run 41"]


def test_slow_samples_go_to_more_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = """
def run():
    time.sleep(0.02 * told["samples"])
    write("y.raw", negated())
    reply(outputs=[output()], inference_ns=[20_000_000] * told["samples"])
"""
    counting = f"open({str(tmp_path / 'counts')!r}, 'a').write(f\"{{told['samples']}} \")"
    monkeypatch.setattr(backend, "SHARE_OF_TIME", 0.001)
    with loaded(tmp_path, slow + counting, time_limit_s=45) as model:
        assert run(model, 6) == (-rows(6)).tolist()
    assert (tmp_path / "counts").read_text().split() == ["0", "1", "2", "2", "1"]


def test_a_measurement_is_a_series_of_processes(tmp_path: Path) -> None:
    changes = """
def measure():
    time.sleep(told["runs"] * told["batch"] * 1e-6)
    reply(inference_ns=[1000] * told["runs"], memory={"peak_kb": 12})
"""
    with loaded(tmp_path, changes) as model:
        timing = model.measure(rows(1), budget_ms=1)
    assert (timing.verdict, timing.p50_ms, timing.first_ms, timing.load_ms) == ("pass", 0.001, 0.001, 0.001)
    assert set(timing.samples_ns) == {1000}
    assert timing.warmup_runs > 2
    assert timing.conditions["after"]["program_peak_kb"] == 12


def test_a_slow_model_fails_its_budget(tmp_path: Path) -> None:
    slow = """
def measure():
    time.sleep(0.0005 * told["runs"])
    reply(inference_ns=[500_000] * told["runs"])
"""
    with loaded(tmp_path, slow) as model:
        timing = model.measure(rows(1), budget_ms=0.1)
    assert (timing.verdict, timing.samples_ns[0]) == ("fail", 500_000)


def test_inferences_too_short_for_the_clock_are_timed_several_at_once(tmp_path: Path) -> None:
    coarse = """
_describe = describe
def describe():
    global reply
    whole = reply
    def reply(**fields): whole(tick_ns=1000, **fields)
    _describe()
"""
    with loaded(tmp_path, coarse) as model:
        timing = model.measure(rows(1), budget_ms=1)
    assert timing.batch == 50
    assert set(timing.samples_ns) == {1000}


def test_the_first_inference_may_be_told_apart(tmp_path: Path) -> None:
    first = """
def measure():
    time.sleep(0.01)
    reply(inference_ns=[1000], first_ns=5000)
"""
    with loaded(tmp_path, first) as model:
        assert model.measure(rows(1), min_runs=2, max_runs=2).first_ms == 0.005


def test_a_time_limit_holds_for_timed_runs_too(tmp_path: Path) -> None:
    limits = f"""
open({str(tmp_path / "limits")!r}, 'a').write(f"{{told['max_ns']}} ")
"""
    with loaded(tmp_path, limits, time_limit_s=7) as model:
        model.measure(rows(1), min_runs=2, max_runs=2)
    assert max(int(one) for one in (tmp_path / "limits").read_text().split()) == 3_500_000_000


def test_the_template_is_filled_without_a_shell(tmp_path: Path) -> None:
    arguments = ["{manifest}", "{folder}|{model}|{inputs}|{outputs}", "{delegate} {threads} {runs}", "$HOME '*' {{x}}"]
    noting = f"json.dump(sys.argv[1:] + [told['model']['path']], open({str(tmp_path / 'argv')!r}, 'w'))"
    with loaded(tmp_path, noting, arguments=arguments, request={"threads": 2}) as model:
        run(model, 1)
    manifest, paths, numbers, plain, path = json.loads((tmp_path / "argv").read_text())
    folder = str(Path(manifest).parent)
    assert paths == f"{folder}|{path}|{folder}/inputs|{folder}/outputs"
    assert (numbers, plain) == ("default 2 1", "$HOME '*' {x}")
    assert path.endswith("/model.bin")


def test_variables_and_files_reach_the_program(tmp_path: Path) -> None:
    (tmp_path / "data.txt").write_text("beside")
    noting = f"""
beside = open(os.path.join(os.path.dirname(os.path.realpath(sys.argv[0])), "data.txt")).read()
where = os.environ["LD_LIBRARY_PATH"] == os.path.dirname(os.path.realpath(sys.argv[0]))
json.dump([os.environ["ODD"], beside, where], open({str(tmp_path / "seen")!r}, "w"))
"""
    with loaded(tmp_path, noting, environment={"ODD": "a b=$c"}, files=[tmp_path / "data.txt"]):
        assert json.loads((tmp_path / "seen").read_text()) == ["a b=$c", "beside", True]


def test_inputs_are_gone_when_the_run_is_over(tmp_path: Path) -> None:
    with loaded(tmp_path) as model:
        run(model)
        link = model._site.link
        left = [path for path in Path(link.folder).rglob("*") if path.is_file() and path.read_bytes()[:4] == b"\0" * 4]
        assert left == []
        assert list(Path(link.folder).glob("command-*/[0-9]*")) == []


def test_npy_is_what_a_program_gets_that_asks_for_nothing_else(tmp_path: Path) -> None:
    changes = """
def describe():
    reply(model={"inputs": [{"name": "x", **SPEC}], "outputs": [{"name": "y", **SPEC}]})
def run():
    with open(told["inputs"][0]["file"], "rb") as file:
        content = file.read()
    assert content[:8] == b"\\x93NUMPY\\x01\\x00", content[:8]
    write("y.npy", content)
    reply(outputs=[output(file="outputs/y.npy")], inference_ns=[1] * told["samples"])
"""
    with loaded(tmp_path, changes) as model:
        assert run(model) == rows(3).tolist()
        assert (model.info.engine, model.info.engine_version) == ("command", "unknown")
        assert (model.placement.proven, math.isnan(model.load_ms)) == ("unknown", True)
        timing = model.measure(min_runs=1, max_runs=1)
    load, first = judge_singles(timing, [("load", 1e9), ("first", 1e9)], emulated=False)
    assert (load.verdict, first.verdict) == ("inconclusive", "pass")
    assert "does not tell how long it took" in load.reason


def test_each_sample_may_have_a_shape_of_its_own(tmp_path: Path) -> None:
    changes = """
SPEC = {"dtype": "float32", "shape": [1, -1]}
def describe():
    reply(model={"inputs": [{"name": "x", "dtype": "float32", "shape": [1, 4]}], "outputs": [{"name": "y", **SPEC}]},
          format="raw")
def run():
    entries = []
    for sample in range(told["samples"]):
        some = x()[4 * sample : 4 * sample + 1 + sample % 3]
        write(f"{sample}.raw", some.tobytes())
        entries.append(output(file=f"{sample}.raw", shape=[1, len(some)], sample=sample))
    reply(outputs=entries[::-1], inference_ns=[1] * told["samples"])
"""
    with loaded(tmp_path, changes) as model:
        got = model.run({"x": rows(4)}).outputs["y"]
    assert [np.asarray(one).tolist() for one in got] == [[0.0], [4.0], [8.0, 9.0], [12.0, 13.0, 14.0]]


class TestModelsThatNobodyDescribes:
    CHANGES = """
def describe():
    error("unsupported", "only run and measure")
def run():
    with open(told["inputs"][0]["file"], "rb") as file:
        content = file.read()
    write("y.npy", content)
    reply(outputs=[output(file="y.npy", shape=told["inputs"][0]["shape"])], inference_ns=[1] * told["samples"])
"""

    def test_inputs_go_as_given_and_outputs_come_as_told(self, tmp_path: Path) -> None:
        with loaded(tmp_path, self.CHANGES) as model:
            done = model.run({"anything": rows(9).reshape(9, 2, 2)})
        assert np.array_equal(np.asarray(done.outputs["y"]), rows(9).reshape(9, 2, 2))
        assert [(spec.name, spec.shape) for spec in done.model.inputs] == [("anything", (2, 2))]
        assert [(spec.name, spec.shape) for spec in done.model.outputs] == [("y", (2, 2))]

    def test_a_measurement_takes_what_ran_last(self, tmp_path: Path) -> None:
        with loaded(tmp_path, self.CHANGES) as model:
            with pytest.raises(InputError, match=r"nobody tells the inputs of 'minus.bin'"):
                model.measure()
            model.run({"a": rows(2)})
            assert model.measure(max_runs=3, min_runs=3).samples_ns == (1000, 1000, 1000)
            assert model.measure({"a": rows(1)}, max_runs=1).samples_ns == (1000,)

    @pytest.mark.parametrize(
        ("inputs", "message"),
        [
            (rows(2), "give a mapping of input name to array"),
            ({}, "give a mapping of input name to array"),
            ({"a": np.array(["text"])}, "is no array of numbers"),
            ({"a": np.float32(1)}, "with samples along its first axis"),
            ({"a": rows(2).astype(">f4")}, "is no array of numbers"),
            ({"a": rows(2), "b": rows(3)}, "different numbers of samples"),
            ({"a": rows(0)}, "or none"),
            ({"a": rows(2) * np.nan}, "holds NaN"),
        ],
    )
    def test_inputs_must_be_arrays(self, tmp_path: Path, inputs: object, message: str) -> None:
        with loaded(tmp_path, self.CHANGES) as model, pytest.raises(InputError, match=message):
            model.run(inputs)

    def test_nan_goes_there_where_it_is_allowed(self, tmp_path: Path) -> None:
        with loaded(tmp_path, self.CHANGES) as model:
            got = model.run({"a": rows(2) * np.nan}, allow_nan=True).outputs["y"]
        assert np.isnan(np.asarray(got)).all()

    def test_an_output_of_some_samples_only_is_refused(self, tmp_path: Path) -> None:
        changes = (
            self.CHANGES
            + """
_output = output
def output(**changes):
    return _output(**{**changes, "name": "y" if told["samples"] == 1 else "z"})
"""
        )
        with loaded(tmp_path, changes) as model, pytest.raises(ContractError, match="for some samples only"):
            model.run({"a": rows(4)})

    def test_outputs_of_different_ranks_come_as_a_list(self, tmp_path: Path) -> None:
        changes = (
            self.CHANGES
            + """
def run():
    names = [str(sample) for sample in range(told["samples"])]
    for name in names:
        write(name, b"abcd")
    entries = [output(file=name, shape=[1] * (1 + int(name) % 2), sample=int(name)) for name in names]
    reply(outputs=entries, inference_ns=[1] * len(names))
"""
        )
        with loaded(tmp_path, changes) as model:
            done = model.run({"a": rows(3)})
        assert [np.shape(one) for one in done.outputs["y"]] == [(1,), (1,), (1, 1)]
        assert done.model.outputs[0].shape == ()

    def test_a_tflite_model_is_described_by_this_host(self, tmp_path: Path) -> None:
        tiny = Path(__file__).parents[3] / "fixtures" / "tiny" / "copy_float32.tflite"
        runner = CommandRunner(program(tmp_path, self.CHANGES))
        with site(tmp_path) as where, runner.load(where, LoadRequest(tiny)) as model:
            assert (model.info.inputs[0].name, model.info.outputs[0].shape, model.info.variant) == (
                "x",
                (1, 4),
                "float32",
            )
            assert np.array_equal(np.asarray(model.run(rows(2)).outputs["y"]), rows(2))

    def test_a_tflite_model_that_this_host_cannot_read_is_the_programs_business(self, tmp_path: Path) -> None:
        source = tmp_path / "odd.tflite"
        source.write_bytes(b"not for this host")
        runner = CommandRunner(program(tmp_path, self.CHANGES))
        with site(tmp_path) as where, runner.load(where, LoadRequest(source)) as model:
            assert (model.info.outputs, model.info.variant) == ((), "unknown")


class TestDelegates:
    def test_without_a_proof_a_delegate_that_was_asked_for_is_refused(self, tmp_path: Path) -> None:
        with (
            pytest.raises(
                DelegateError, match=r"nothing proves that delegate 'gpu' runs 'minus.bin'.*told no placement"
            ),
            loaded(tmp_path, "PROOF = None", request={"delegate": "gpu"}),
        ):
            pass

    def test_a_proof_of_nothing_is_none(self, tmp_path: Path) -> None:
        with (
            pytest.raises(DelegateError, match="a placement of no operators"),
            loaded(tmp_path, "PROOF.update(nodes=0, delegated=0)", request={"delegate": "gpu"}),
        ):
            pass

    def test_operators_left_over_are_listed(self, tmp_path: Path) -> None:
        with (
            pytest.raises(DelegateError, match=r"took 1 of 3 operators of 'minus.bin'; left over: CUMSUM x2"),
            loaded(tmp_path, "PROOF.update(nodes=3, left_over={'CUMSUM': 2})", request={"delegate": "gpu"}),
        ):
            pass

    def test_another_delegate_that_took_everything_is_named(self, tmp_path: Path) -> None:
        with (
            pytest.raises(
                DelegateError, match=r"delegate 'gpu' did not run 'minus.bin': 'cpu' ran all its 1 operators"
            ),
            loaded(tmp_path, "PROOF.update(proven='cpu')", request={"delegate": "gpu"}),
        ):
            pass

    def test_a_fallback_that_is_allowed_is_told(self, tmp_path: Path) -> None:
        changes = "PROOF.update(proven='cpu')"
        with loaded(tmp_path, changes, request={"delegate": "gpu", "allow_fallback": True}) as model:
            assert model.placement.proven == "cpu"

    def test_a_fallback_at_run_time_is_found(self, tmp_path: Path) -> None:
        changes = """
def run():
    write("y.raw", negated())
    reply(outputs=[output()], inference_ns=[1] * told["samples"], placement={**PROOF, "proven": "cpu"})
"""
        with (
            loaded(tmp_path, changes, request={"delegate": "gpu"}) as model,
            pytest.raises(DelegateError, match=r"ran 'minus.bin' on 'cpu'.*told 'gpu'"),
        ):
            run(model)


LIES = [
    ("def run(): pass", ContractError, r"ended 'run' with exit code 0 and wrote no result.json"),
    ("def run(): sys.exit(3)", InfraError, r"'minus' on desk ended with exit code 3 during 'run'"),
    ("def run(): sys.exit(139)", InfraError, "139 is often 128 plus a signal"),
    ("def run(): sys.exit(127)", InfraError, "is it built for this device"),
    ("def run(): sys.stderr.write('no NPU\\n'); sys.exit(1)", InfraError, "stderr: no NPU"),
    ("def run(): os.kill(os.getpid(), signal.SIGSEGV)", AgentDiedError, "died by SIGSEGV during 'run'"),
    ("def run(): error('model', 'op 14')", ModelError, "'minus' on desk failed: op 14"),
    ("def run(): error('input', 'odd'); sys.exit(1)", InputError, "failed: odd"),
    ("def run(): error('memory', 'full')", InfraError, "failed: full"),
    ("def run(): error('unsupported', 'no')", ContractError, "does not support 'run'"),
    ("def run(): reply(inference_ns=[1] * told['samples'])", ContractError, "wrote nothing of output 'y'"),
    ("def run(): reply(outputs=[output()], inference_ns=[1])", ContractError, "'y.raw' and did not write it"),
    ("def run(): write('y.raw', b'1'); reply(outputs=[output()], inference_ns=[1])", ContractError, "wrote 1 bytes"),
    ("def run(): write('y.raw', negated()); reply(outputs=[output()])", ContractError, "told 0 times"),
    (
        "def run(): write('y.raw', negated()); reply(outputs=[output()], inference_ns=[10**12])",
        ContractError,
        "told times of 1e\\+06 ms in all, and ran for",
    ),
    (
        "def run(): write('y.raw', negated()); reply(outputs=[output()], inference_ns=[0])",
        ContractError,
        "is its clock too coarse",
    ),
    (
        "def run(): os.symlink('/etc/passwd', told['outputs'] + '/y.raw'); reply(outputs=[output()], inference_ns=[1])",
        ContractError,
        "y.raw is a symbolic link, not a regular file",
    ),
    (
        "def run(): os.mkdir(told['outputs'] + '/y.raw'); reply(outputs=[output()], inference_ns=[1])",
        ContractError,
        "y.raw is a folder, not a regular file",
    ),
    (
        "def run(): os.mkfifo(told['outputs'] + '/y.raw'); reply(outputs=[output()], inference_ns=[1])",
        ContractError,
        "y.raw is a named pipe, not a regular file",
    ),
    (
        "def run(out=told['outputs']): os.rmdir(out); os.symlink('/', out); reply(outputs=[output()], inference_ns=T)",
        ContractError,
        "outputs is no folder any more",
    ),
    (
        "def run(): reply(outputs=[output(file='../manifest.json')], inference_ns=[1])",
        ContractError,
        "is no plain name in outputs/",
    ),
    (
        "def run(): os.unlink(told['model']['path'])",
        ContractError,
        "removed the file of 'minus.bin' during 'run'",
    ),
    (
        "def run(): os.symlink('/etc/passwd', told['result'])",
        ContractError,
        "result.json is a symbolic link",
    ),
    (
        "def run(): open(told['result'], 'wb').truncate(17 << 20)",
        ContractError,
        "result.json of 'minus' on desk has 17825792 bytes",
    ),
    (
        "def run(): told.update(nonce='old'); reply()",
        ContractError,
        "does not repeat the manifest's nonce",
    ),
    ("def run(): reply(outputs=[output(name='z')], inference_ns=[1])", ContractError, "'z'; the model has 'y'"),
    ("def run(): reply(outputs=[output(dtype='int8')], inference_ns=[1])", ContractError, "as int8"),
    ("def run(): reply(outputs=[output(shape=[1, 4])], inference_ns=[1])", ContractError, r"float32 \(4,\) a sample"),
    (
        "def run(): write('y.raw', negated()); reply(outputs=[output(), output()], inference_ns=[1])",
        ContractError,
        "of output 'y' where 1 samples ran",
    ),
    (
        "def run(): write('y.npy', b'\\x93NUMPY' + bytes(99)); reply(outputs=[output(file='y.npy')], inference_ns=[1])",
        ContractError,
        "which is no .npy file as told",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "kind", "message"), LIES, ids=[message for _, _, message in LIES])
def test_what_a_program_does_wrong_is_said(tmp_path: Path, changes: str, kind: type[Exception], message: str) -> None:
    with loaded(tmp_path, changes) as model, pytest.raises(kind, match=message) as raised:
        run(model)
    assert type(raised.value) is kind


def test_a_series_must_not_be_longer_than_was_asked_for(tmp_path: Path) -> None:
    with (
        loaded(tmp_path, "def measure(): reply(inference_ns=[1] * (told['runs'] + 1))") as model,
        pytest.raises(ContractError, match="told 3 times in 'inference_ns' where 2 were asked for"),
    ):
        model.measure(rows(1))


def test_a_program_that_hangs_is_ended_and_said(tmp_path: Path) -> None:
    pids = tmp_path / "pid"
    changes = f"""
def run():
    open({str(pids)!r}, "w").write(str(os.getpid()))
    time.sleep(600)
"""
    with loaded(tmp_path, changes, time_limit_s=8) as model:
        with pytest.raises(DeadlineError, match="'minus' on desk did not end 'run' within 8 s and was killed"):
            run(model)
        assert not pids.exists() or not Path(f"/proc/{pids.read_text()}/exe").exists()


def test_a_program_that_says_too_much_is_ended(tmp_path: Path) -> None:
    changes = "def run():\n while True: os.write(1, bytes(1 << 20))"
    said = "'minus' on desk was killed during 'run': it said more than 64 MiB"
    with loaded(tmp_path, changes) as model, pytest.raises(InfraError, match=said) as raised:
        run(model)
    assert type(raised.value) is InfraError


def test_what_a_program_leaves_running_is_not_waited_for(tmp_path: Path) -> None:
    changes = """
was = run
def run():
    was()
    sys.stdout.flush()
    if not os.fork():
        os.setsid()
        time.sleep(600)
"""
    with loaded(tmp_path, changes, time_limit_s=300) as model:
        assert run(model, 1) == (-rows(1)).tolist()


def test_a_model_that_a_program_touched_is_still_the_model(tmp_path: Path) -> None:
    with loaded(tmp_path, "was = run\ndef run(): os.utime(told['model']['path']); was()") as model:
        assert run(model) == (-rows(3)).tolist()


def test_a_model_that_a_program_changed_is_not_taken_again(tmp_path: Path) -> None:
    changes = """
was = run
def run():
    was()
    if (data := open(told["model"]["path"], "rb").read()) == b"minus":
        open(told["model"]["path"], "wb").write(b"sunim")
"""
    with site(tmp_path) as where:
        source = tmp_path / "minus.bin"
        source.write_bytes(b"minus")
        runner = CommandRunner(program(tmp_path, changes))
        first = runner.load(where, LoadRequest(source))
        with pytest.raises(ContractError, match=r"'minus' on desk changed the file of 'minus.bin' during 'run'"):
            run(first)
        second = runner.load(where, LoadRequest(source))
        with pytest.raises(ContractError, match="changed the file"):
            run(second)


def test_a_program_that_cannot_be_executed_is_no_fault_of_the_link(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\x7fELF" + bytes(100))
    source = tmp_path / "minus.bin"
    source.write_bytes(b"minus")
    with site(tmp_path) as where:
        with pytest.raises(InfraError, match="'binary' does not run on desk") as raised:
            CommandRunner(tmp_path / "binary").load(where, LoadRequest(source))
        assert type(raised.value) is InfraError
        with pytest.raises(InfraError, match=r"'binary' on desk ended with exit code 12[67]") as raised:
            CommandRunner(tmp_path / "binary", environment={"A": "1"}).load(where, LoadRequest(source))
        assert "is it built for this device" in raised.value.hint


def test_the_model_is_named_where_it_cannot_be_loaded(tmp_path: Path) -> None:
    with (
        pytest.raises(MissingExtraError, match=r"model 'minus.bin': 'minus' on desk failed: no licence"),
        loaded(tmp_path, "def describe(): error('engine', 'no licence')"),
    ):
        pass


def test_a_description_that_is_missing_is_an_error_unless_the_program_says_so(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"wrote no result.json") as raised, loaded(tmp_path, "describe = int"):
        pass
    assert raised.value.hint


def test_a_closed_model_must_be_loaded_again(tmp_path: Path) -> None:
    with loaded(tmp_path) as model:
        model.close()
        with pytest.raises(InputError, match=r"model 'minus.bin' was closed; load it again"):
            run(model)


def test_nan_is_refused_with_its_place(tmp_path: Path) -> None:
    x = rows(12)
    x[10, 2] = np.nan
    with loaded(tmp_path) as model:
        with pytest.raises(InputError, match=r"'x' holds NaN, first at sample 10 \[2\]"):
            model.run(x)
        got = np.asarray(model.run(x, allow_nan=True).outputs["y"])
    assert np.array_equal(got, -x, equal_nan=True)


def test_an_engine_cannot_be_chosen(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no engines to choose from"), loaded(tmp_path, request={"engine": "x"}):
        pass


def test_the_program_is_brought_there_once(tmp_path: Path) -> None:
    source = tmp_path / "minus.bin"
    source.write_bytes(b"minus")
    runner = CommandRunner(program(tmp_path))
    with site(tmp_path) as where:
        runner.check(where)
        for _ in range(2):
            runner.load(where, LoadRequest(source)).close()
        assert len(list(Path(where.link.folder).glob("program-*"))) == 1
        runner.forget()
        runner.check(where)
        assert len(list(Path(where.link.folder).glob("program-*"))) == 2


def test_a_program_that_is_missing_is_a_mistake_in_the_device_file(tmp_path: Path) -> None:
    with site(tmp_path) as where:
        with pytest.raises(ConfigError, match=r"absent', a program or a file beside it, does not exist"):
            CommandRunner(tmp_path / "absent").check(where)
        with pytest.raises(ConfigError, match="is a folder"):
            CommandRunner(program(tmp_path), files=[tmp_path]).check(where)


def test_two_files_of_one_name_cannot_lie_beside_each_other(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="two files that belong beside the program 'a' are named 'b'"):
        CommandRunner(tmp_path / "a", files=[tmp_path / "b", tmp_path / "c" / "b"])


@pytest.mark.parametrize("name", ["-rf", "a b'$(x).bin", "модель.bin", "plain", "many.dots.here", "x." + "y" * 40])
def test_a_model_may_be_called_anything(tmp_path: Path, name: str) -> None:
    source = tmp_path / name
    source.write_bytes(b"minus")
    with site(tmp_path) as where, CommandRunner(program(tmp_path)).load(where, LoadRequest(source)) as model:
        assert run(model, 1) == (-rows(1)).tolist()
        assert model.info.name == name
