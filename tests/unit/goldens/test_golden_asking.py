"""Asking a server in its own names, shapes and batches: what is changed, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pytest_edgedevice.errors import GoldenError
from pytest_edgedevice.goldens.servers.asking import MOST_SAMPLES, REQUEST_BYTES, Asking, Wishes
from pytest_edgedevice.goldens.servers.server import Origin, Server
from pytest_edgedevice.values import TensorSpec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

IMAGES = np.arange(5 * 2 * 3, dtype=np.float32).reshape(5, 2, 3)


class Echo(Server):
    """Gives its inputs back, each with a ``y`` in front of its name, and keeps what it was asked."""

    def __init__(self, *inputs: TensorSpec, outputs: Sequence[TensorSpec] = (), batch: int = 0) -> None:
        self.inputs = inputs
        self.outputs = outputs
        self.batch = batch
        self.asked: list[tuple[Mapping[str, Any], Sequence[str]]] = []

    def answer(self, inputs: Mapping[str, Any], outputs: Sequence[str]) -> Mapping[str, Any]:
        self.asked.append((inputs, outputs))
        return {f"y{name}": array for name, array in inputs.items()}

    def origin(self) -> Origin:
        return Origin()

    def shapes(self) -> list[tuple[int, ...]]:
        return [array.shape for inputs, _ in self.asked for array in inputs.values()]


class Gives(Echo):
    """Answers with what a function makes of its first input."""

    def __init__(self, make: Any, *inputs: TensorSpec) -> None:
        super().__init__(*inputs)
        self._make = make

    def answer(self, inputs: Mapping[str, Any], outputs: Sequence[str]) -> Mapping[str, Any]:
        return self._make(next(iter(inputs.values())))  # type: ignore[no-any-return]


def spec(*shape: int, name: str = "x", dtype: str = "float32") -> TensorSpec:
    return TensorSpec(name, dtype, shape)


def ask(server: Server, samples: Any = IMAGES, **wishes: Any) -> dict[str, Any]:
    return Asking(server, Wishes(**wishes))({"x": samples})


class TestBatches:
    def test_a_server_that_says_nothing_gets_as_many_as_fit_a_request(self) -> None:
        server = Echo()
        many = np.zeros((MOST_SAMPLES + 1, 2), np.float32)
        assert ask(server, many)["yx"].shape == many.shape
        assert server.shapes() == [(MOST_SAMPLES, 2), (1, 2)]

    def test_large_samples_go_one_at_a_time(self) -> None:
        server = Echo()
        ask(server, np.zeros((3, REQUEST_BYTES), np.uint8))
        assert server.shapes() == [(1, REQUEST_BYTES)] * 3

    @pytest.mark.parametrize(
        ("told", "shapes"),
        [
            ((-1, 2, 3), [(5, 2, 3)]),
            ((1, 2, 3), [(1, 2, 3)] * 5),
            ((5, 2, 3), [(5, 2, 3)]),
            ((-1, -1, -1), [(5, 2, 3)]),
            ((2, 3), [(2, 3)] * 5),
            ((-1, 3), [(2, 3)] * 5),
        ],
    )
    def test_the_axis_of_the_samples_is_the_servers(self, told: tuple[int, ...], shapes: list[tuple[int, ...]]) -> None:
        server = Echo(spec(*told))
        assert np.array_equal(ask(server)["yx"], IMAGES)
        assert server.shapes() == shapes

    def test_a_batch_that_was_wished_for(self) -> None:
        server = Echo(batch=-1)
        assert np.array_equal(ask(server, batch=2)["yx"], IMAGES)
        assert server.shapes() == [(2, 2, 3), (2, 2, 3), (1, 2, 3)]

    def test_every_batch_is_told(self) -> None:
        told: list[tuple[int, int]] = []
        asking = Asking(Echo(batch=-1), Wishes(batch=2), on_answers=lambda *numbers: told.append(numbers))
        asking({"x": IMAGES})
        assert told == [(2, 5), (4, 5), (5, 5)]

    def test_a_fixed_batch_must_divide_the_samples(self) -> None:
        with pytest.raises(GoldenError, match="takes exactly 2 samples at once, and there are 5"):
            ask(Echo(spec(2, 2, 3)))

    def test_samples_of_several_shapes_go_one_by_one(self) -> None:
        ragged = [np.ones((1, 2), np.float32), np.ones((3, 2), np.float32)]
        server = Echo(spec(-1, -1, 2))
        found = ask(server, ragged)["yx"]
        assert (server.shapes(), [one.shape for one in found]) == ([(1, 1, 2), (1, 3, 2)], [(1, 2), (3, 2)])

    def test_whoever_takes_all_gets_all_and_is_not_judged_here(self) -> None:
        server = Echo(batch=-1)
        assert ask(server)["yx"] is server.asked[0][0]["x"]

    def test_one_sample_may_come_back_without_the_axis(self) -> None:
        found = ask(Gives(lambda array: {"y": array[0].ravel()}, spec(1, 2, 3)))
        assert np.array_equal(found["y"], IMAGES.reshape(5, 6))

    def test_a_list_has_a_sample_an_entry(self) -> None:
        found = ask(Gives(lambda array: {"y": [one[: len(array)] for one in array]}), batch=4)
        assert [one.shape for one in found["y"]] == [(2, 3)] * 4 + [(1, 3)]


class TestNamesAndAxes:
    def test_inputs_are_renamed_where_somebody_said_so(self) -> None:
        server = Echo(spec(-1, 2, 3, name="input-0"))
        assert list(ask(server, input_map={"x": "input-0"})) == ["yinput-0"]

    def test_inputs_and_outputs_are_transposed_and_reshaped(self) -> None:
        server = Echo(spec(-1, 6))
        found = ask(server, transpose={"x": (1, 0)}, reshape={"x": (6,), "yx": (3, 2)})
        assert np.array_equal(found["yx"], IMAGES.transpose(0, 2, 1))

    def test_integers_become_what_holds_all_of_them(self) -> None:
        server = Echo(spec(-1, 2, 3))
        ask(server, IMAGES.astype(np.uint8))
        assert server.asked[0][0]["x"].dtype == np.float32

    def test_outputs_that_are_wanted_are_asked_for_and_kept(self) -> None:
        server = Echo()
        assert list(ask(server, outputs=["yx"])) == ["yx"]
        assert server.asked[0][1] == ["yx"]

    def test_outputs_of_the_map_are_asked_for_besides_those_that_are_told(self) -> None:
        server = Echo(outputs=[spec(-1, 2, name="told")])
        ask(server, extra_outputs=["more", "told"])
        assert server.asked[0][1] == ["told", "more"]

    @pytest.mark.parametrize(
        ("server", "wishes", "text"),
        [
            (Echo(), {"input_map": {"z": "a"}}, "--input-map: there is no 'z'"),
            (Echo(), {"transpose": {"z": (0,)}}, "--transpose: there is no 'z'"),
            (Echo(), {"transpose": {"x": (0, 0)}}, r"--transpose does not fit 'x', whose samples have shape \(2, 3\)"),
            (Echo(), {"reshape": {"x": (7,)}}, "--reshape does not fit 'x'"),
            (Echo(), {"reshape": {"x": (7,)}, "transpose": {"x": (1, 0)}}, "--transpose or --reshape does not fit"),
            (Echo(), {"outputs": ["y"]}, "the server gave no output 'y'"),
            (Echo(spec(-1, name="image")), {}, "the server has no input 'x'"),
            (Echo(spec(-1, 2, 3), spec(-1, name="mask")), {}, "there is nothing for the server's input 'mask'"),
            (Echo(spec(-1, 2, 3, dtype="int8")), {}, "input 'x' is int8, but the golden's samples are float32"),
            (Echo(spec(-1, 2, 3, dtype="BYTES")), {}, "input 'x' is BYTES"),
            (Echo(spec(-1, 4)), {}, r"input 'x' has shape \[-1, 4\], but the golden's samples have \[2, 3\] each"),
            (Gives(lambda _: [1]), {"batch": 2}, "gave list, not outputs by name"),
            (Gives(lambda array: {"y": array[:1]}), {"batch": 2}, r"gave 'y' with shape \(1, 2, 3\) for 2 samples"),
            (Gives(lambda array: {"y": [1]}), {"batch": 2}, "gave 'y' with 1 entries for 2 samples"),
            (Gives(lambda array: {f"y{len(array)}": array}), {"batch": 2}, r"gave \['y1'\] for sample 4"),
            (Gives(lambda array: {"y": array.astype(f"f{4 * len(array)}")}), {"batch": 2}, "as float32 and as float64"),
        ],
    )
    def test_what_does_not_fit_is_refused(self, server: Server, wishes: dict[str, Any], text: str) -> None:
        with pytest.raises(GoldenError, match=text):
            ask(server, **wishes)

    def test_a_name_that_two_inputs_would_have(self) -> None:
        asking = Asking(Echo(), Wishes(input_map={"x": "z"}))
        with pytest.raises(GoldenError, match="two inputs have one name"):
            asking({"x": IMAGES, "z": IMAGES})

    @pytest.mark.parametrize(
        ("told", "hint"),
        [
            ((-1, 3, 2), "--transpose 'x=1,0'"),
            ((1, 6), "--reshape 'x=6'"),
            ((-1, 7), "see whether these are the inputs"),
        ],
    )
    def test_the_option_that_would_help_is_named(self, told: tuple[int, ...], hint: str) -> None:
        with pytest.raises(GoldenError) as caught:
            ask(Echo(spec(*told)))
        assert hint in caught.value.hint
