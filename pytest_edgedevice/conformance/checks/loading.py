"""How a model is loaded, and what is said when it cannot be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_edgedevice.conformance.bench import FIELDS
from pytest_edgedevice.conformance.check import Group
from pytest_edgedevice.conformance.models import Model
from pytest_edgedevice.conformance.talk import NO_BLOB

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_edgedevice.conformance.bench import Bench

ERRORS = "Errors"
LOADING = Group("loading")
ABSENT = "the delegate is absent or does not take the model"


@LOADING.check(section=ERRORS, says="the blob is not there (any more)")
def unknown_blob(bench: Bench) -> None:
    """A model that is not there is missing."""
    bench.talk().refused("load", ["missing"], sha256=NO_BLOB, **FIELDS)


@LOADING.check(section=ERRORS, says="the engine refuses the model, or failed in it")
def no_model(bench: Bench) -> None:
    """A file that is no model is a model error."""
    bench.model()
    _refused(bench, ["model"], Model("no model", b"This is a sentence and not a neural network. " * 20))


@LOADING.check(section=ERRORS, says="the engine refuses the model, or failed in it")
def half(bench: Bench) -> None:
    """Half of a model is a model error."""
    whole = bench.model()
    _refused(bench, ["model"], Model("half a model", whole.content[: len(whole.content) // 2]))


@LOADING.check(section=ERRORS, says="or an unknown engine")
def unknown_engine(bench: Bench) -> None:
    """An unknown engine is an input error."""
    _refused(bench, ["input", "engine"], bench.model(), engine="edgedevice-no-such-engine")


@LOADING.check(section=ERRORS, says=ABSENT)
def unknown_delegate(bench: Bench) -> None:
    """An unknown delegate is a delegate error."""
    _refused(bench, ["delegate"], bench.model(), delegate="edgedevice-no-such-delegate")


@LOADING.check(section=ERRORS, says=ABSENT)
def unknown_library(bench: Bench) -> None:
    """A delegate's library that is not there is a delegate error."""
    _refused(bench, ["delegate"], bench.model(), delegate="external:/no/such/library.so")


@LOADING.check(section="load", says="1 to 1024")
def threads(bench: Bench) -> None:
    """Threads out of range are refused."""
    for number in (0, 1025, "2", True):
        _refused(bench, ["protocol"], bench.model(), threads=number)


@LOADING.check(section=ERRORS, says="the request breaks this page")
def nothing_loaded(bench: Bench) -> None:
    """Nothing runs before a model is loaded."""
    bench.talk().refused("run", ["protocol"], samples=1, tensors=[])
    bench.talk().refused("measure", ["protocol"], runs=1, batch=1, settle=0, max_ns=0)


@LOADING.check(section=ERRORS, says="After an error every later request is still answered")
def loads(bench: Bench) -> None:
    """After all of that, a model loads and is described."""
    talk, model = bench.talk(), bench.model()
    bench.put(talk, model)
    bench.load(talk, model)


@LOADING.check(section="load", says="One model an agent, once")
def once(bench: Bench) -> None:
    """A second load is refused."""
    loaded = bench.loaded(bench.model())
    loaded.talk.refused("load", ["protocol"], sha256=loaded.model.sha256, **FIELDS)


def _refused(bench: Bench, kinds: Sequence[str], model: Model, **fields: Any) -> None:
    talk = bench.talk()
    bench.put(talk, model)
    talk.refused("load", kinds, sha256=model.sha256, **{**FIELDS, **fields})
