"""The user's code around an inference: timed apart, and blamed for its own faults."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pytest_edgedevice.agent.stages import Stages, run_stages
from pytest_edgedevice.agent.tensors import RequestError
from pytest_edgedevice.agent.wire import describe, split_tensors
from tests.unit.agent.test_session import Talk
from tests.unit.agent.test_streaming import MS, Clock, StandIn

if TYPE_CHECKING:
    from pathlib import Path

MAKES = "import numpy as np\ndef preprocess(inputs):\n    return {'x': np.zeros((1, 2), np.float32)}\n"


def module(folder: Path, source: str) -> Stages:
    path = folder / "module.py"
    path.write_text(source)
    return Stages(str(path))


def test_each_part_is_timed_apart(tmp_path: Path) -> None:
    clock = Clock()
    stages = module(tmp_path, MAKES + "def postprocess(outputs):\n    return outputs['x']\n")
    engine = StandIn(clock, 20.0)
    before, after = stages.before, stages.after

    def slow_before(given: Any) -> Any:
        clock.work(5 * MS)
        return before(given)

    def slow_after(outputs: Any) -> None:
        clock.work(2 * MS)
        after(outputs)

    stages.before, stages.after = slow_before, slow_after  # type: ignore[method-assign]
    engine.output = lambda position: np.zeros((1, 2 + 0 * position), np.float32)  # type: ignore[method-assign]
    limits = {"runs": 4, "settle": 2, "max_ns": 10**12}
    found = run_stages(engine, stages, {}, **limits, invoke=engine.invoke, clock=clock.read)
    assert [list(one) for one in found] == [[5 * MS] * 4, [20 * MS] * 4, [2 * MS] * 4]
    assert engine.seen.count("reset") == 6


@pytest.mark.parametrize(("settle", "max_ns", "entries"), [(0, 0, 1), (3, 0, 1), (0, 50 * MS, 3)])
def test_no_run_begins_after_the_time_is_over(tmp_path: Path, settle: int, max_ns: int, entries: int) -> None:
    clock = Clock()
    engine = StandIn(clock, 20.0)
    limits = {"runs": 100, "settle": settle, "max_ns": max_ns}
    found = run_stages(engine, module(tmp_path, MAKES), {}, **limits, invoke=engine.invoke, clock=clock.read)
    assert [len(one) for one in found] == [entries] * 3


def test_without_a_preprocess_the_sample_is_the_models_input(tmp_path: Path) -> None:
    clock = Clock()
    engine = StandIn(clock, 1.0)
    stages = module(tmp_path, "def postprocess(outputs):\n    pass\n")
    given = {"x": np.full((1, 2), 7, np.float32)}
    run_stages(engine, stages, given, runs=1, settle=0, max_ns=0, invoke=engine.invoke, clock=clock.read)
    assert engine.seen == ["reset", "given 7", "read 0"]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("", "has neither preprocess"),
        ("preprocess = 5", "preprocess of the module is no function"),
        ("def preprocess(:", "the module failed: SyntaxError"),
        ("x = 1\nraise KeyError('lost')", r"the module failed \(line 2\): KeyError"),
        ("raise SystemExit(3)", r"the module failed \(line 1\): SystemExit: 3"),
        ("import no_such_package", "ModuleNotFoundError"),
        ("raise ValueError('one\\ntwo\\n')", r"ValueError: one two$"),
    ],
)
def test_a_module_that_is_none_is_told(tmp_path: Path, source: str, said: str) -> None:
    with pytest.raises(RequestError, match=said) as caught:
        module(tmp_path, source)
    assert caught.value.kind == "input"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("    return 5", "must return a dict of name to array, not int"),
        ("    return {}", r"inputs are \['x'\], preprocess made \[\]"),
        ("    return {'x': np.zeros((1, 3), np.float32)}", r"needs float32 of shape \[1, 2\], .* float32 \[1, 3\]"),
        ("    return {'x': np.zeros((1, 2))}", r"preprocess made float64 \[1, 2\]"),
        ("    return {'x': np.zeros(2, np.float32)}", r"preprocess made float32 \[2\]"),
        ("    return {1: 2, 'x': 3}", r"preprocess made \['1', 'x'\]"),
        ("    y = 1\n    return y / 0", r"preprocess failed \(line 4\): ZeroDivisionError"),
    ],
)
def test_inputs_that_the_model_does_not_take_are_the_codes_fault(tmp_path: Path, body: str, said: str) -> None:
    stages = module(tmp_path, f"import numpy as np\ndef preprocess(inputs):\n{body}\n")
    engine = StandIn(Clock(), 1.0)
    with pytest.raises(RequestError, match=said):
        run_stages(engine, stages, {}, runs=1, settle=0, max_ns=0, invoke=engine.invoke)


def test_a_dataclass_in_the_module_finds_its_module(tmp_path: Path) -> None:
    source = "from __future__ import annotations\nfrom dataclasses import dataclass\n@dataclass\nclass A:\n    x: int\n"
    assert module(tmp_path, source + MAKES).before({})


@pytest.fixture
def talk(tmp_path: Path) -> Talk:
    return Talk(tmp_path)


def send(talk: Talk, source: str) -> str:
    content = source.encode()
    sha256 = hashlib.sha256(content).hexdigest()
    talk.ask("put", content, sha256=sha256, offset=0, total=len(content))
    return sha256


def test_code_that_changes_its_sample_in_place_is_given_the_same_one_in_every_run(tmp_path: Path) -> None:
    clock = Clock()
    engine = StandIn(clock, 1.0)
    stages = module(tmp_path, "def preprocess(inputs):\n    inputs['x'] /= 2\n    return inputs\n")
    given = {"x": np.full((1, 2), 8, np.float32)}
    run_stages(engine, stages, given, runs=3, settle=0, max_ns=10**12, invoke=engine.invoke, clock=clock.read)
    assert [one for one in engine.seen if one.startswith("given")] == ["given 4"] * 3


def test_a_session_runs_a_module_that_was_sent(talk: Talk) -> None:
    talk.load("add_float32")
    source = "def preprocess(i):\n    return {'a': i['photo'], 'b': i['photo']}\n"
    source += "def postprocess(o):\n    assert o['sum'][0, 1] == 2\n"
    photo = np.ones((1, 4), np.float32)
    fields = {"sha256": send(talk, source), "runs": 5, "settle": 1, "max_ns": 10**12}
    reply, payload = talk.ask("stages", photo.tobytes(), tensors=[describe("photo", "float32", (1, 4))], **fields)
    series = {part.name: np.frombuffer(part.data, np.int64) for part in split_tensors(reply, payload)}
    assert {name: len(one) for name, one in series.items()} == {"before_ns": 5, "inference_ns": 5, "after_ns": 5}


@pytest.mark.parametrize(
    ("changes", "kind"),
    [({"sha256": "0" * 64}, "missing"), ({"sha256": "../x"}, "protocol"), ({"runs": 0}, "protocol"), ({}, "input")],
)
def test_a_request_that_cannot_be_served_is_refused_by_kind(talk: Talk, changes: dict[str, Any], kind: str) -> None:
    talk.load("add_float32")
    fields = {"sha256": send(talk, "def preprocess(i):\n    raise ValueError('no')\n"), "runs": 5, "settle": 1}
    told, _ = talk.ask("stages", **{**fields, "max_ns": 1, "tensors": [], **changes})
    assert (told["op"], told["kind"]) == ("error", kind)
    assert talk.ask("facts")[0]["op"] == "facts"
