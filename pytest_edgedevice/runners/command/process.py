"""One process of a user's own program: a folder for it, its manifest, its end, its result. See COMMAND.md."""

from __future__ import annotations

import itertools
import secrets
import time
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING

from pytest_edgedevice.errors import ContractError
from pytest_edgedevice.runners.command.manifest import (
    FORMATS,
    INPUTS,
    MANIFEST,
    OUTPUTS,
    RESULT,
    ArgumentTemplate,
    Order,
    files,
    manifest,
)
from pytest_edgedevice.runners.command.outputs import read_outputs
from pytest_edgedevice.runners.command.result import MOST_RESULT_BYTES, Told, read_result
from pytest_edgedevice.runners.device_files import DeviceFolder
from pytest_edgedevice.runners.usage import processor_ns, watched
from pytest_edgedevice.runners.wording import telling_lines

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_edgedevice.runners.backend import LoadRequest, Site
    from pytest_edgedevice.runners.device_program import DeviceProgram
    from pytest_edgedevice.transports.base import Completed
    from pytest_edgedevice.values import Array, TensorSpec

MOST_SUFFIX_CHARS = 16


@dataclass(frozen=True, slots=True)
class Done:
    """What one process did.

    Attributes:
        told: Its result.
        outputs: Output name to pieces (samples, *shape in the model); only of ``run``.
        wall_ns: How long it took as this host saw it, nanoseconds.
        processor_ns: What it took of the processors, if that was asked for and the device tells.
    """

    told: Told
    outputs: Mapping[str, Sequence[Array]]
    wall_ns: int
    processor_ns: int | None = None


class CommandModel:
    """A model's file on a device, and the program that is started for each order.

    Args:
        program: The program; it must have been placed there.
        template: Its arguments.
        site: Where.
        request: How the model was loaded; said in every manifest.
        sha256: The model's content, which was pushed.
    """

    def __init__(
        self, program: DeviceProgram, template: ArgumentTemplate, site: Site, request: LoadRequest, sha256: str
    ) -> None:
        self.name = f"{program.name!r} on {site.name}"
        self.format = FORMATS[0]
        self._program = program
        self._template = template
        self._site = site
        self._request = request
        self._numbers = itertools.count()
        self._folder = DeviceFolder(
            site.link, f"{site.link.folder}/command-{secrets.token_hex(4)}", timeout_s=site.timeout_s
        )
        suffix = PurePath(request.source.name).suffix
        plain = suffix[1:].isalnum() and suffix.isascii() and len(suffix) <= MOST_SUFFIX_CHARS
        path = f"model{suffix if plain else ''}"  # many engines go by the suffix; the rest of a name may hold anything
        self._folder.make()
        self._folder.link_to(path, f"{site.link.folder}/{sha256}")
        self._file, self._stamp = path, self._folder.stamp(path)
        self._model = {
            "path": f"{self._folder.path}/{path}",
            "name": request.source.name.encode("utf-8", "replace").decode(),
            "sha256": sha256,
            "size_bytes": request.source.stat().st_size,
        }

    def perform(
        self,
        order: Order,
        *,
        timeout_s: float,
        specs: Sequence[TensorSpec] | None = None,
        with_outputs: bool = False,
        watch: bool = False,
    ) -> Done:
        """Start the program for one order and read what it wrote; nothing of it stays.

        Args:
            order: What it shall do.
            timeout_s: Deadline for the process, seconds; the program's own time limit wins.
            specs: The model's outputs; None where they are not known.
            with_outputs: Whether there must be outputs.
            watch: Whether to ask the device's shell what it took of the processors.

        Raises:
            UnsupportedError: It does not know the operation.
            ModelError, DelegateError, InputError, MissingExtraError: It failed, and says why.
            InfraError: It died, was late, wrote nothing or something else, or to the model; or the link failed.
        """
        folder = DeviceFolder(
            self._site.link, f"{self._folder.path}/{next(self._numbers)}", timeout_s=self._site.timeout_s
        )
        nonce = secrets.token_hex(16)
        told_it = manifest(
            order, self._request, folder=folder.path, model=self._model, nonce=nonce, format_=self.format
        )
        try:
            folder.make(INPUTS, OUTPUTS)
            folder.put(files(order, told_it))
            began = time.monotonic_ns()
            ended = self._program.run(
                self._site,
                self._template.filled(self._values(folder.path, order)),
                operation=order.op,
                timeout_s=self._program.time_limit_s or timeout_s,
                around=watched if watch else list,
            )
            wall_ns = time.monotonic_ns() - began
            self._check_model(order)
            told = self._result(folder, ended, order, nonce)
            self._check_times(told, order, wall_ns)
            outputs: dict[str, list[Array]] = {}
            if with_outputs:
                outputs = read_outputs(told, folder, samples=order.samples, specs=specs, program=self.name)
            return Done(told, outputs, wall_ns, processor_ns(ended.stdout) if watch else None)
        finally:
            folder.remove()

    def _check_model(self, order: Order) -> None:
        """A program must not change the model: what runs next would be another one under its name.

        Raises:
            ContractError: It did; the file is removed, so that nobody takes it for the model.
        """
        stamp = self._folder.stamp(self._file)
        if stamp == self._stamp:
            return
        if not stamp or self._folder.sha256(self._file) != self._model["sha256"]:
            self._folder.call("rm", "-f", f"{self._site.link.folder}/{self._model['sha256']}")
            what = "changed" if stamp else "removed"
            raise ContractError(
                f"{self.name} {what} the file of {self._request.source.name!r} during {order.op!r}",
                hint="the manifest's 'model' is to be read only; load the model again",
            )
        self._stamp = stamp

    def _values(self, folder: str, order: Order) -> dict[str, str]:
        return {
            "folder": folder,
            "manifest": f"{folder}/{MANIFEST}",
            "model": str(self._model["path"]),
            "inputs": f"{folder}/{INPUTS}",
            "outputs": f"{folder}/{OUTPUTS}",
            "delegate": self._request.delegate,
            "threads": str(self._request.threads),
            "runs": str(order.runs),
        }

    def _result(self, folder: DeviceFolder, ended: Completed, order: Order, nonce: str) -> Told:
        """What it wrote; an error that it wrote tells more than its exit code."""
        size = folder.sizes([RESULT]).get(RESULT)
        if size is None:
            if ended.returncode:
                raise self._program.ended(ended, site=self._site, operation=order.op)
            lines = telling_lines((ended.stderr or ended.stdout)[-65536:].decode("utf-8", "replace"))[-4:]
            raise ContractError(
                f"{self.name} ended {order.op!r} with exit code 0 and wrote no {RESULT}"
                + "".join(f"\n  stderr: {line}" for line in lines),
                hint="it must write the file that the manifest's key 'result' names; see COMMAND.md",
            )
        if size > MOST_RESULT_BYTES:
            raise ContractError(f"{RESULT} of {self.name} has {size} bytes; {MOST_RESULT_BYTES} are the most")
        content = folder.read({RESULT: size})[RESULT]
        told = read_result(content, nonce=nonce, requested=self._request.delegate, program=self.name)
        if ended.returncode:
            raise self._program.ended(ended, site=self._site, operation=order.op)
        return told

    def _check_times(self, told: Told, order: Order, wall_ns: int) -> None:
        """Times there must be as many as were asked for, and they fit into the time that the process took."""
        count = len(told.inference_ns)
        most = {"run": order.samples, "measure": order.runs}.get(order.op, 0)
        if (order.op == "run" and count != most) or (order.op == "measure" and not 1 <= count <= most):
            raise ContractError(f"{self.name} told {count} times in 'inference_ns' where {most} were asked for")
        around_ns = sum(told.before_ns or ()) + sum(told.after_ns or ())
        claimed = sum(told.inference_ns) * order.batch + around_ns + (told.load_ns or 0)
        if claimed > wall_ns:
            raise ContractError(
                f"{self.name} told times of {claimed / 1e6:.6g} ms in all, and ran for {wall_ns / 1e6:.6g} ms",
                hint="are 'inference_ns' and 'load_ns' in nanoseconds?",
            )

    def close(self) -> None:
        """Remove what is there for this model."""
        self._folder.remove()
