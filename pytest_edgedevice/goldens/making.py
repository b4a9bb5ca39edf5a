"""Makes a golden set out of inputs and a server, or brings an old one's references up to date.

A new golden is written beside its place, read back and checked as a test would
read it, and only then put there. Knows servers by their interface, and models
by ``ModelInfo``.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_edgedevice.errors import GoldenError
from pytest_edgedevice.goldens import matching
from pytest_edgedevice.goldens.document import NAME, SCHEMA
from pytest_edgedevice.goldens.gathering import Gathered, gather
from pytest_edgedevice.goldens.golden import Golden, Source, load_golden
from pytest_edgedevice.goldens.recording import DEFAULT_FILE, Changes, record_references
from pytest_edgedevice.goldens.servers.asking import Asking, OnAnswers, Wishes
from pytest_edgedevice.goldens.servers.call import CallableServer
from pytest_edgedevice.goldens.servers.opening import open_server
from pytest_edgedevice.goldens.servers.server import Server
from pytest_edgedevice.goldens.staging import staged

if TYPE_CHECKING:
    import os

    from pytest_edgedevice.values import ModelInfo

Paths = Sequence["str | os.PathLike[str]"] | Mapping[str, "str | os.PathLike[str]"]


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a recording made.

    Attributes:
        golden: The golden, checked.
        changes: What is new; false where all was there already, but for the date.
        elsewhere: Folders that the inputs stay in; empty where they lie with the golden.
    """

    golden: Golden
    changes: Changes
    elsewhere: tuple[Path, ...] = ()


def record(
    folder: str | os.PathLike[str],
    server: Server | Callable[[Mapping[str, Any]], Mapping[str, Any]] | str,
    *,
    inputs: Paths = (),
    preprocess: Mapping[str, Any] | None = None,
    output_map: Mapping[str, str] | None = None,
    constant_outputs: Sequence[str] = (),
    wishes: Wishes | None = None,
    models: Sequence[ModelInfo] = (),
    keep_inputs: bool = False,
    inputs_from: Sequence[str | os.PathLike[str]] = (),
    note: str | None = None,
    force: bool = False,
    on_answers: OnAnswers | None = None,
) -> Recorded:
    """Record a golden set: inputs, a server's answers to them, and where those come from.

    Args:
        folder: Where it shall be; its last part is the golden's name.
        server: What answers: a callable from ``{input: array (n, ...)}`` to ``{output: array (n, ...)}``, a
            ``Server``, which stays open, or the text that ``servers.opening.open_server`` takes.
        inputs: Arrays and images, see ``gathering.FORMS``; empty for a golden that is there, whose references alone
            are recorded then.
        preprocess: What is done to images, by the keys of ``inputs.NAME`` in ``golden.json``.
        output_map: Server output name to device output name, where they differ.
        constant_outputs: Server outputs that may be the same for all samples.
        wishes: How the server is asked: names, axes, shapes, outputs, batches.
        models: The models that it is for: inputs and references must fit them, and no other model is taken later.
        keep_inputs: Copy the inputs into the golden. By default it knows them by their hash only, so that they stay
            out of repositories.
        inputs_from: Folders with the inputs of a golden that knows them by their hash.
        note: Free text for the provenance.
        force: Replace what is there.
        on_answers: Called after each batch with the numbers of samples that are answered, and of all.

    Raises:
        GoldenError: Inputs, answers or golden are wrong, or something is there already. Nothing is written then.
        InfraError: The server fails, or a file cannot be written. Likewise.
    """
    target = Path(folder)
    about = output_map, constant_outputs, preprocess, keep_inputs
    if not inputs and any(about):
        raise GoldenError(
            "nothing but references is recorded for a golden that keeps its inputs",
            hint=f"give --inputs for a new golden, or write the rest into {target / NAME}",
        )
    with contextlib.ExitStack() as stack:
        asked = server
        if isinstance(asked, str):
            asked = stack.enter_context(open_server(asked))
        if not isinstance(asked, Server):
            asked = CallableServer(asked)
        recording = _Recording(asked, wishes or Wishes(), tuple(models), note, on_answers)
        if not inputs:
            return _again(target, recording, [Path(one) for one in inputs_from], force=force)
        only = asked.inputs[0].name if len(asked.inputs) == 1 else ""
        only = models[0].inputs[0].name if models and len(models[0].inputs) == 1 else only
        gathered = gather(inputs, only_input=only, preprocess=preprocess)
        document = _document(target, gathered, output_map or {}, constant_outputs)
        return _new(target, recording, gathered, document, keep_inputs=keep_inputs, force=force)


@dataclass(frozen=True, slots=True)
class _Recording:
    """A server, how it is asked, and what its answers must fit."""

    server: Server
    wishes: Wishes
    models: tuple[ModelInfo, ...]
    note: str | None
    on_answers: OnAnswers | None

    def write(self, folder: Path, inputs_from: Sequence[Path]) -> Changes:
        """Ask for all samples of the golden in ``folder``, and write the references."""
        source = Source(folder, with_references=False, inputs=inputs_from)
        golden = Golden(source, tuple(range(len(source.samples))))
        for info in self.models:
            matching.check_shapes(golden.inputs_for(info), info.inputs, info.name, what="input")
        names = source.document.outputs
        wishes = replace(self.wishes, extra_outputs=(*self.wishes.extra_outputs, *names))
        answers = Asking(self.server, wishes, on_answers=self.on_answers)(source.inputs)
        for info in self.models:
            renamed = {names.get(name, name): samples for name, samples in answers.items()}
            matching.check_outputs(renamed, info, some=bool(self.wishes.outputs))
        origin = self.server.origin()
        hashes = [one for one in (origin.model_sha256, *(info.sha256 for info in self.models)) if one]
        return record_references(
            folder,
            lambda _: answers,
            model_sha256=list(dict.fromkeys(hashes)) if self.models else None,
            framework=origin.framework or origin.source.get("kind", ""),
            version=origin.version,
            source=self._source(origin.source),
            note=self.note,
            inputs=inputs_from,
        )

    def _source(self, told: Mapping[str, str]) -> dict[str, str]:
        wishes = self.wishes
        known = {
            **told,
            "renamed": ", ".join(f"{golden}={server}" for golden, server in wishes.input_map.items()),
            "transposed": _listed(wishes.transpose),
            "reshaped": _listed(wishes.reshape),
            "python": platform.python_version(),
            "numpy": np.__version__,
            "time": dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        return {key: text for key, text in known.items() if text}


def _again(target: Path, recording: _Recording, inputs_from: list[Path], *, force: bool) -> Recorded:
    """New references for a golden that is there."""
    if Source(target, with_references=False, inputs=inputs_from).document.references is not None and not force:
        raise GoldenError(f"{target / NAME} has references already", hint="replace them with --force")
    changes = recording.write(target, inputs_from)
    golden = load_golden(target, inputs=inputs_from)
    golden.check()
    return Recorded(golden, changes)


def _new(
    target: Path,
    recording: _Recording,
    gathered: Gathered,
    document: Mapping[str, Any],
    *,
    keep_inputs: bool,
    force: bool,
) -> Recorded:
    """A golden that is not there yet, or that is replaced."""
    folders = [] if keep_inputs else gathered.folders()
    kept = gathered.files if keep_inputs else {}
    with staged(target, document, kept, results=(DEFAULT_FILE, NAME), force=force) as stage:
        changes = recording.write(stage.folder, folders)
        load_golden(stage.folder, inputs=folders).check()
        put = stage.put()
    outside = tuple(folders if any(not (target / name).exists() for name in gathered.files) else ())
    return Recorded(load_golden(target, inputs=folders), changes if put else Changes(changed=False), outside)


def _document(
    target: Path, gathered: Gathered, output_map: Mapping[str, str], constant_outputs: Sequence[str]
) -> dict[str, Any]:
    document: dict[str, Any] = {"schema": SCHEMA, "name": target.resolve().name, "inputs": gathered.inputs}
    if gathered.samples is not None:
        document["samples"] = gathered.samples
    if output_map:
        document["outputs"] = dict(output_map)
    if constant_outputs:
        document["constant_outputs"] = list(constant_outputs)
    return document | {"files": gathered.hashes()}


def _listed(changes: Mapping[str, tuple[int, ...]]) -> str:
    return "; ".join(f"{name}={','.join(map(str, sizes))}" for name, sizes in changes.items())
