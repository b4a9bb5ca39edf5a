"""Guesses what computes a reference: the distribution that a callable comes from. Knows no goldens."""

from __future__ import annotations

import functools
import importlib.metadata
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def guessed(call: Callable[..., Any]) -> tuple[str, str]:
    """Name and version of the installed distribution that ``call`` belongs to; two empty strings if none.

    A bound method counts for the class of its object, so that ``classifier.predict_proba`` is
    scikit-learn's; a function of the user's own belongs to no framework.
    """
    while isinstance(call, functools.partial):
        call = call.func
    owner = getattr(call, "__self__", None)
    if isinstance(owner, type(functools)):  # a builtin's module, which says no more than __module__ does
        owner = None
    place = getattr(call, "__module__", None) if owner is None else type(owner).__module__
    top = str(place or "").partition(".")[0]
    file = getattr(sys.modules.get(str(place)), "__file__", None)
    if not file or not any(_holds(one, file) for one in importlib.metadata.distributions()):
        return "", ""  # and what all distributions consist of, which takes long to read, need not be read
    for name in importlib.metadata.packages_distributions().get(top, ()):
        if _holds(importlib.metadata.distribution(name), file):  # many a project has a package called "tests"
            return name, installed_version(name)
    return "", ""


def _holds(distribution: importlib.metadata.Distribution, file: str) -> bool:
    """Whether a file lies where a distribution was installed, beside others."""
    return Path(file).is_relative_to(str(distribution.locate_file("")))


def installed_version(distribution: str) -> str:
    """Version of an installed distribution; empty where there is none of that name."""
    try:
        return importlib.metadata.version(distribution) if distribution else ""
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return ""
