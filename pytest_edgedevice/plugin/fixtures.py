"""The fixtures that tests write against. Each imports the house when it is first used.

``pytest --fixtures`` shows the first paragraph of each docstring, so the example is part of it.
"""
# ruff: noqa: D205, D415

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_edgedevice.plugin.options import settings_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_edgedevice.checks import EdgeCheck
    from pytest_edgedevice.goldens import Golden
    from pytest_edgedevice.interfaces import DeviceLike, LoadedModelLike
    from pytest_edgedevice.plugin.variants import Variants


FIXTURES = frozenset({"edge_device", "edge_model", "edge_delegate", "edge_check", "edge_golden", "edge_variants"})


def is_device_test(item: Any) -> bool:
    """Whether a test, or what it will be made from, asks for one of our fixtures."""
    return not FIXTURES.isdisjoint(getattr(item, "fixturenames", ()))


@pytest.fixture(scope="session")
def edge_device(request: pytest.FixtureRequest) -> Iterator[DeviceLike]:
    """The leased device under test, ours alone until the session ends (see also ``--edge-hold``, ``edge_shared``).
    Example::
        def test_enough_memory(edge_device):
            assert edge_device.facts["memory_mb"] >= 500
    """
    from pytest_edgedevice.plugin.holding import held

    with held(request) as device:
        yield device


@pytest.fixture
def edge_delegate(request: pytest.FixtureRequest) -> str:
    """The delegate that this run of the test uses, e.g. ``cpu``; ``default`` when none was named.
    Example::
        @pytest.mark.edge_delegate("cpu", "xnnpack")
        def test_delegate(edge_delegate, edge_model):
            assert edge_model("model.tflite").placement.proven == edge_delegate
    """
    settings = settings_of(request.config)
    return str(getattr(request, "param", None) or next(iter(settings.delegates), "default"))


@pytest.fixture
def edge_model(
    request: pytest.FixtureRequest, edge_device: DeviceLike, edge_delegate: str
) -> Iterator[Callable[..., LoadedModelLike]]:
    """Load model files on the device with the test's delegate; they end with the test.
    Example::
        def test_model(edge_model):
            model = edge_model("face_detector.tflite")
            run = model.run({"input": images})  # (n, 128, 128, 3) float32

    ``edge_model(path, *, delegate=..., threads=..., engine=..., fallback=..., delegate_options=...)``;
    the path is searched beside the test file, in its ``models`` folder, in the ``edge_models`` folders
    of the ini file, and in pytest's root folder.
    """
    from pytest_edgedevice.plugin.parametrize import delegate_mark, required_expressions
    from pytest_edgedevice.plugin.session import ModelLoader, require

    require(request.node, edge_device, required_expressions(request.node))
    loader = ModelLoader(request, edge_device, edge_delegate, delegate_mark(request.node))
    yield loader
    loader.close()


@pytest.fixture
def edge_variants(request: pytest.FixtureRequest, edge_model: Any) -> Callable[..., Variants]:
    """Load several conversions of one model on the device, to compare them.
    Example::
        def test_conversions(edge_variants, edge_check):
            variants = edge_variants("float32", "float16", "weight_int8", "int8", model="digits")
            table = variants.compare({"image": images, "labels": digits})
            edge_check.variants(table, max_mb=0.01, p95_ms=5, min_accuracy=0.95)

    ``edge_variants(*names, model="", **options)``; names are variants, files, or patterns of files such as
    ``digits_*.tflite``, searched like those of ``edge_model``.
    """
    from pytest_edgedevice.plugin.variants import VariantLoader

    return VariantLoader(request, edge_model)


@pytest.fixture
def edge_golden(request: pytest.FixtureRequest) -> Callable[..., Golden]:
    """Open a golden set: inputs with the server's reference outputs.
    Example::
        def test_digits(edge_model, edge_golden, edge_check):
            golden = edge_golden("digits")
            edge_check.close(edge_model("digits.tflite").run(golden.inputs), golden, atol=1e-5)

    ``edge_golden(name, *, reference=None)``; the folder is searched beside the test file, in its ``goldens``
    folder, in the ``edge_goldens`` folders of the ini file, and in pytest's root folder. With
    ``--edge-update-goldens`` the references are written from ``reference(inputs) -> outputs``.
    """
    from pytest_edgedevice.plugin.goldens import GoldenOpener

    return GoldenOpener(request)


@pytest.fixture
def edge_check(request: pytest.FixtureRequest) -> EdgeCheck:
    """Assertions that record what they saw: ``close``, ``latency``, ``accuracy``, ``variants``, ``size`` and others.
    Example::
        def test_fast_and_right(edge_model, edge_golden, edge_check):
            model, golden = edge_model("face_detector.tflite"), edge_golden("faces")
            edge_check.close(model.run(golden.inputs), golden, atol=1e-3)
            edge_check.latency(model, p95_ms=100)
    """
    from pytest_edgedevice.checks import EdgeCheck
    from pytest_edgedevice.plugin.baselines import comparer
    from pytest_edgedevice.plugin.investigating import investigator
    from pytest_edgedevice.plugin.keeping import keeper
    from pytest_edgedevice.plugin.recording import recorder

    policy: Any = settings_of(request.config).on_inconclusive
    return EdgeCheck(
        recorder(request.node),
        on_inconclusive=policy,
        baseline=comparer(request.node),
        investigate=investigator(request.node),
        keep=keeper(request.node),
    )
