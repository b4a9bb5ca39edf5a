"""Whether a golden fits a model, and its inputs in that model's own dtypes.

Knows a model only by ``ModelInfo``. Raises only ``GoldenError``.
"""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from pytest_edgedevice.errors import GoldenError
from pytest_edgedevice.goldens.axes import fits, remedy, sample_shape
from pytest_edgedevice.goldens.fields import nearest
from pytest_edgedevice.goldens.quantization import quantize

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_edgedevice.goldens.preprocess import Steps
    from pytest_edgedevice.goldens.provenance import Provenance
    from pytest_edgedevice.goldens.samples import Samples
    from pytest_edgedevice.values import ModelInfo, TensorSpec

SHORT = 12  # digits of a hash that people compare


def check_model(provenance: Provenance, info: ModelInfo, *, where: str) -> None:
    """Refuse a model whose hash is not among the provenance's; any model passes where it names none."""
    known = provenance.model_sha256
    if known and info.sha256.lower() not in known:
        speaks = ", ".join(one[:SHORT] for one in known)
        recorded = f" (recorded {provenance.date})" if provenance.date else ""
        raise GoldenError(
            f"{where}: provenance.model_sha256: the references speak for {speaks}{recorded}, "
            f"but {info.name} is {info.sha256[:SHORT]}",
            hint="if they are another model's, record them from its server first (--edge-update-goldens keeps the "
            f"list); then put this model into provenance.model_sha256 of golden.json: {info.sha256.lower()}",
        )


def inputs_for(
    inputs: Mapping[str, Samples], info: ModelInfo, *, steps: Mapping[str, Steps | None], where: str
) -> Mapping[str, Samples]:
    """Inputs with float values quantised where the model's input is a quantised integer tensor."""
    specs = {spec.name: spec for spec in info.inputs}
    for name in inputs:
        if name not in specs:
            raise GoldenError(f"{where}: inputs: {info.name} has no input {name!r}", hint=nearest(name, specs))
    for name in specs:
        if name not in inputs:
            raise GoldenError(
                f"{where}: inputs: there is nothing for input {name!r} of {info.name}",
                hint=nearest(name, inputs),
            )
    return MappingProxyType(
        {name: _fitted(samples, specs[name], steps[name], where=where) for name, samples in inputs.items()}
    )


def check_shapes(
    tensors: Mapping[str, Samples], specs: Sequence[TensorSpec], model: str, *, what: Literal["input", "output"]
) -> None:
    """Refuse samples of a shape that the model does not have.

    Raises:
        GoldenError: One does not fit; the hint says which order of axes would.
    """
    for spec in specs:
        wanted = sample_shape(spec)
        for shape in {tuple(one.shape) for one in tensors.get(spec.name, ())}:
            if not fits(shape, wanted):
                raise GoldenError(
                    f"{what} {spec.name!r} of {model} has shape {list(wanted)} a sample, "
                    f"but the golden's samples have {list(shape)}",
                    hint=remedy(shape, [wanted], name=spec.name) if what == "output" else "give it this model's inputs",
                )


def check_outputs(outputs: Mapping[str, Samples], info: ModelInfo, *, some: bool) -> None:
    """Refuse references that no output of the model could be compared with.

    Args:
        outputs: By the device's names.
        info: The model.
        some: Whether it is right that outputs have no reference.

    Raises:
        GoldenError: A name, a shape or a kind of values differs.
    """
    specs = {spec.name: spec for spec in info.outputs}
    rename = "name it with --output-map SERVER=DEVICE"
    for name in outputs:
        if name not in specs:
            raise GoldenError(f"{info.name} has no output {name!r}", hint=f"{rename}; {nearest(name, specs)}")
    for name in specs:
        if name not in outputs and not some:
            raise GoldenError(
                f"there is no reference for output {name!r} of {info.name}",
                hint=f"{rename}, or name those that are wanted with --output; {nearest(name, outputs)}",
            )
    check_shapes(outputs, info.outputs, info.name, what="output")
    for name, samples in outputs.items():
        dtype, spec = samples[0].dtype, specs[name]
        if _kind(dtype.name) != _kind(spec.dtype) and spec.quantization is None:
            raise GoldenError(
                f"output {name!r} of {info.name} is {spec.dtype}, but its references are {dtype.name}",
                hint="see whether that is the same output of the same model",
            )


def _kind(dtype: str) -> str:
    """Whole numbers of any size are one kind, as in the comparison; so are floats."""
    return dtype.rstrip("0123456789").removeprefix("u")


def _fitted(samples: Samples, spec: TensorSpec, steps: Steps | None, *, where: str) -> Samples:
    first = samples[0]
    if steps is not None:
        _same_steps(steps, spec, where=where)
    if first.dtype.kind != "f" or spec.dtype.startswith("float"):
        return samples
    if spec.quantization is None:
        raise GoldenError(
            f"{where}: inputs: {spec.name!r} is {first.dtype.name}, "
            f"but the model takes {spec.dtype} and has no quantisation for it",
            hint=f"store {spec.dtype} values, or set the input's dtype to {spec.dtype!r}",
        )
    try:
        if isinstance(samples, list):
            return [quantize(one, spec) for one in samples]
        return quantize(samples, spec)
    except GoldenError as error:  # knows the tensor, not the document
        raise GoldenError(f"{where}: inputs: {error.message}", hint=error.hint) from error


def _same_steps(steps: Steps, spec: TensorSpec, *, where: str) -> None:
    found = spec.quantization
    same = (
        found is not None
        and spec.dtype == steps.dtype
        and len(found.scales) == 1
        and math.isclose(found.scales[0], steps.scale, rel_tol=1e-6)  # the model's is a float32
        and (found.zero_points or (0,))[0] == steps.zero_point
    )
    if not same:
        model = f"scales {found.scales[:3]}, zero points {found.zero_points[:3]}" if found else "no quantisation"
        raise GoldenError(
            f"{where}: inputs: {spec.name!r} is quantised to {steps.dtype} with scale {steps.scale:g}, "
            f"zero point {steps.zero_point}, but the model's input is {spec.dtype} with {model}",
            hint="leave 'quantize' out of the golden; floats are quantised by the model's own parameters",
        )
