"""The fixture ``edge_variants``: find the conversions of a model, load them, and see that they are what they say."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.errors import ModelError, UsageError
from pytest_edgedevice.plugin.options import settings_of
from pytest_edgedevice.plugin.session import places_of
from pytest_edgedevice.runners.model_content import is_model

if TYPE_CHECKING:
    import pytest

    from pytest_edgedevice.evaluation.variants import VariantTable
    from pytest_edgedevice.interfaces import LoadedModelLike
    from pytest_edgedevice.plugin.session import ModelLoader

KINDS: dict[str, tuple[str, ...]] = {
    "float32": ("float32",),
    "float16": ("float16",),
    "weight_int8": ("weight_int8", "dynamic_int8"),
    "dynamic_int8": ("dynamic_int8",),
    "int8": ("int8",),
    "int16x8": ("int16x8",),
}
"""Names of variants, and what a file of each may be: to many, int8 weights are one thing, whatever the rest is."""
UNKNOWN = ("", "unknown")
SEPARATORS = "_-."


class Variants(Mapping[str, "LoadedModelLike"]):
    """Loaded variants by name, in the order in which they were named; the first is what others are compared with."""

    def __init__(self, models: Mapping[str, LoadedModelLike]) -> None:
        self._models = dict(models)

    def __getitem__(self, name: str) -> LoadedModelLike:
        return self._models[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._models)

    def __len__(self) -> int:
        return len(self._models)

    def __repr__(self) -> str:
        return f"<edge_variants: {', '.join(self._models)}>"

    def compare(self, dataset: Any = None, metric: Any = "accuracy", **options: Any) -> VariantTable:
        """Evaluate and measure them all in turns; see ``pytest_edgedevice.evaluation.compare_variants``."""
        from pytest_edgedevice.evaluation.variants import compare_variants

        return compare_variants(self._models, dataset, metric, **options)


class VariantLoader:
    """What the fixture ``edge_variants`` hands to a test: call it with names of variants, files, or a pattern."""

    def __init__(self, request: pytest.FixtureRequest, load: ModelLoader) -> None:
        self._request = request
        self._load = load

    def __repr__(self) -> str:
        return "<edge_variants>"

    def __call__(self, *names: str | os.PathLike[str], model: str = "", **options: Any) -> Variants:
        """Load several conversions of one model.

        Args:
            names: Names of variants (``float32``, ``float16``, ``weight_int8``, ``dynamic_int8``, ``int8``,
                ``int16x8``), files, or patterns of files such as ``digits_*.tflite``; a pattern adds what was not
                named before it.
            model: What the files are called before ``_float32.tflite`` and the like, ``digits`` for one; or a path with
                ``{variant}`` in it. Not needed where only one model has files for all names.
            options: As for ``edge_model``.

        Raises:
            UsageError: No names, or a name or a file twice.
            ModelError: A file is missing or ambiguous, or is another variant than its name says.
        """
        given: list[Any] = [os.fspath(name) if isinstance(name, os.PathLike) else name for name in names]
        if not given or not all(isinstance(name, str) for name in (*given, model)) or len(set(given)) < len(given):
            raise UsageError("edge_variants needs names of variants or files, each once",
                             hint='edge_variants("float32", "int8", model="digits")')  # fmt: skip
        kinds = {name: None for name in given if name in KINDS}
        loaded: dict[str, LoadedModelLike] = {}
        for name, file in self._files(tuple(given), model):
            found = self._load(file, **options)
            _check(found, name, file)
            loaded[name if name in KINDS else _name_of(found, file, kinds | loaded)] = found
        return Variants(loaded)

    def _files(self, names: tuple[str, ...], model: str) -> Iterator[tuple[str, Path | str]]:
        kinds = tuple(name for name in names if name in KINDS)
        files = self._of_kinds(kinds, model) if kinds else {}
        taken: set[Path] = set()
        for name in names:
            file = files[name] if name in KINDS else self._named(name)
            if file is None and glob.has_magic(name):
                found = [one for one in self._matching(name) if one.resolve() not in taken]
                taken.update(one.resolve() for one in found)
                yield from (("", one) for one in found)
                continue
            if file is not None and file.resolve() in taken:
                raise UsageError(f"{name!r} is {str(file)!r}, which was named before", hint="name each file once")
            taken.update(() if file is None else (file.resolve(),))
            yield name if name in KINDS else "", file or name

    def _named(self, name: str) -> Path | None:
        """The file of exactly that name, whatever is in it; None where there is none, for the loader to say so."""
        return None if "\0" in name else next((one for place in self._places if is_model(one := place / name)), None)

    def _matching(self, pattern: str) -> list[Path]:
        """Files that a pattern matches, in the first folder where there are any; float models come first."""
        for place in self._places:
            anchor = Path(pattern).anchor
            try:
                found = list(Path(anchor).glob(pattern.removeprefix(anchor)) if anchor else place.glob(pattern))
            except (ValueError, NotImplementedError, OSError) as error:
                raise ModelError(f"{pattern!r} is no pattern of files: {error}") from error
            if files := [one for one in found if is_model(one)]:
                return sorted(files, key=lambda file: (_rank(file), file.name))
        raise ModelError(f"no file matches {pattern!r}; searched in {', '.join(map(str, self._places))}",
                         hint="name the folder in the ini file: edge_models = FOLDER")  # fmt: skip

    def _of_kinds(self, kinds: tuple[str, ...], model: str) -> dict[str, Path]:
        """The file of each variant of one model.

        Raises:
            ModelError: One has none or several, or it is not clear which model is meant.
        """
        models = [model] if model else sorted(self._models_with(kinds))
        if len(models) != 1:
            told = f"several models have files for {', '.join(kinds)}: {', '.join(models)}"
            none = f"no model has files for {', '.join(kinds)}; searched in {', '.join(map(str, self._places))}"
            raise ModelError(told if models else none, hint='name the model: edge_variants(..., model="digits")')
        return {kind: self._file(models[0], kind) for kind in kinds}

    def _file(self, model: str, kind: str) -> Path:
        for place in self._places:
            for spelling in (kind, *KINDS[kind]):
                if found := _candidates(place, model, spelling):
                    if len(found) > 1:
                        raise ModelError(f"several files may be {kind} of {model!r}: {', '.join(map(str, found))}",
                                         hint="name the files, or take one away")  # fmt: skip
                    return found[0]
        wanted = model.replace("{variant}", kind) if "{variant}" in model else f"{model}_{kind}.tflite"
        raise ModelError(
            f"model {model!r} has no variant {kind!r}: {wanted!r} does not exist; "
            f"searched in {', '.join(map(str, self._places))}",
            hint="convert it, or name another file: edge_variants(..., 'FILE.tflite')",
        )

    def _models_with(self, kinds: tuple[str, ...]) -> set[str]:
        """Models that have a file for every variant."""
        found: list[set[str]] = []
        for kind in kinds:
            endings = tuple(f"{sign}{spelling}" for spelling in (kind, *KINDS[kind]) for sign in SEPARATORS)
            stems = [file.stem for place in self._places for file in place.glob("*.tflite")]
            ends = [(stem, end) for stem in stems for end in endings if stem.endswith(end) and not _longer(stem, end)]
            found.append({stem.removesuffix(end) for stem, end in ends})
        return set.intersection(*found)

    @property
    def _places(self) -> list[Path]:
        return places_of(self._request, settings_of(self._request.config).models, habit="models")


def _longer(stem: str, ending: str) -> bool:
    """Whether a name ends in a longer variant's name, as ``dynamic_int8`` ends in ``int8``."""
    return any(stem.endswith(kind) and len(kind) >= len(ending) for kind in KINDS)


def _candidates(place: Path, model: str, spelling: str) -> list[Path]:
    if "{variant}" in model:
        file = place / model.replace("{variant}", spelling)
        return [file] if file.exists() else []
    folder, stem = (place / model).parent, Path(model).name
    if not folder.is_dir():
        return []
    names = {f"{stem}{sign}{spelling}" for sign in SEPARATORS}
    return sorted(file for file in folder.iterdir() if file.stem in names and file.suffix == ".tflite")


def _check(found: LoadedModelLike, name: str, file: Path | str) -> None:
    """Refuse a file that is another variant than was asked for."""
    really = found.info.variant
    if name in KINDS and really not in (*KINDS[name], *UNKNOWN):
        hint = "weight_int8 takes files of both kinds" if name == "dynamic_int8" and really == "weight_int8" else ""
        raise ModelError(f"{Path(file).name!r} is {really}, not the {name} that was asked for",
                         hint=hint or "the conversion did something else than its name says")  # fmt: skip


def _name_of(found: LoadedModelLike, file: Path | str, taken: Mapping[str, Any]) -> str:
    """What to call a file: by what it is, or by its own name where that is taken or unknown."""
    really = found.info.variant
    name = Path(file).stem if really in UNKNOWN or really in taken else really
    return name if name not in taken else str(file)


def _rank(file: Path) -> int:
    """Where a file stands among others: in the order of ``KINDS``, as its name ends."""
    ends = [at for at, kind in enumerate(KINDS) if file.stem.endswith(kind) and not _longer(file.stem, f"_{kind}")]
    return ends[0] if ends else -1
