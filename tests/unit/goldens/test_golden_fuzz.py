"""Any JSON value in any place gives a golden or a GoldenError, never anything else."""

from __future__ import annotations

import contextlib
import copy
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pytest_edgedevice.errors import GoldenError
from pytest_edgedevice.goldens import load_golden

if TYPE_CHECKING:
    from pathlib import Path

VALID: dict[str, Any] = {
    "schema": 1,
    "name": "fuzz",
    "inputs": {
        "photo": {
            "color": "RGB",
            "resize": {"width": 2, "height": 2, "filter": "box"},
            "scale": 0.1,
            "mean": [1, 2, 3],
            "std": 2,
            "quantize": {"scale": 0.1, "zero_point": 0, "dtype": "int8"},
            "layout": "HWC",
            "dtype": "int8",
        },
        "mask": {"array": "x.npz#mask"},
    },
    "samples": [
        {"id": "a", "tags": ["t"], "files": {"photo": "a.png"}},
        {"id": "b", "files": {"photo": "b.png"}},
    ],
    "references": "r.npz",
    "outputs": {"mask": "m"},
    "constant_outputs": ["mask"],
    "tags": ["x"],
    "provenance": {
        "model_sha256": ["ab" * 32],
        "framework": "f",
        "version": "1",
        "date": "2025-01-31",
        "note": "n",
    },
}

WORDS = st.sampled_from(
    [
        "x.npz",
        "x.npz#mask",
        "x.npz#none",
        "a.png",
        "folder",
        "../a.png",
        "mask",
        "photo",
        "array",
        "RGB",
        "int64",
        "1" * 64,
    ]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | WORDS
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | WORDS, inner, max_size=3),
    max_leaves=6,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(one for key, member in members for one in places(member, (*path, key)))]


def replaced(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    copied = copy.deepcopy(document)
    parent = copied
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = value
    return copied


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / "folder").mkdir()
    for index, name in enumerate("ab"):
        Image.new("RGB", (3, 3), (index * 100, 0, 0)).save(folder / f"{name}.png")
    for name in ("x.npz", "r.npz"):
        np.savez(folder / name, mask=np.arange(4).reshape(2, 2))
    return folder


def load(folder: Path, document: Any) -> None:
    (folder / "golden.json").write_text(json.dumps(document))
    golden = load_golden(folder)
    golden.check()
    assert golden.select(golden.tags[0][0]) if golden.tags[0] else True


def test_the_document_that_is_bent_is_valid(fuzzed: Path) -> None:
    load(fuzzed, VALID)


@settings(max_examples=400, deadline=None)
@given(path=st.sampled_from(places(VALID)), value=ANYTHING)
def test_any_value_in_any_place_gives_a_golden_or_a_golden_error(fuzzed: Path, path: Any, value: Any) -> None:
    with contextlib.suppress(GoldenError):
        load(fuzzed, replaced(VALID, path, value))


@settings(max_examples=200, deadline=None)
@given(content=st.binary(max_size=40), cut=st.integers(0, 900))
def test_any_bytes_give_a_golden_or_a_golden_error(fuzzed: Path, content: bytes, cut: int) -> None:
    raw = json.dumps(VALID).encode()
    (fuzzed / "golden.json").write_bytes(raw[:cut] + content)
    with contextlib.suppress(GoldenError):
        load_golden(fuzzed)
