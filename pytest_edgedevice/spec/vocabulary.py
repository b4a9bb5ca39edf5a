"""The facts that expressions may speak of: one table, also printed by ``--help``.

A fact that is in the table may still be unknown for a given device; a fact that
is not in the table is a spelling mistake and an error.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from types import MappingProxyType
from typing import Literal

FactType = Literal["flag", "number", "text"]
KEYWORDS = ("and", "or", "not", "true", "false")


@dataclass(frozen=True, slots=True)
class FactInfo:
    """One word of the vocabulary.

    Attributes:
        name: The word, as written in an expression.
        type: ``flag`` (true or false), ``number`` or ``text``; text may also stand alone,
            which asks whether it is known and not empty.
        sentence: What it says about a device.
        example: An expression that uses it.
    """

    name: str
    type: FactType
    sentence: str
    example: str


Vocabulary = Mapping[str, FactInfo]

_TABLE = (
    FactInfo("local", "flag", "This machine.", "local and cores>=2"),
    FactInfo("adb", "flag", "Reached over adb.", "adb and gpu"),
    FactInfo("ssh", "flag", "Reached over SSH.", "ssh and arch==arm64"),
    FactInfo("ios", "flag", "Reached over usbmux.", "ios and npu"),
    FactInfo("linux", "flag", "Runs Linux, other than Android.", "linux and not emulated"),
    FactInfo("android", "flag", "Runs Android.", "android and sdk>=33"),
    FactInfo("macos", "flag", "Runs macOS.", "macos and arch==arm64"),
    FactInfo("windows", "flag", "Runs Windows.", "windows and arch==x86_64"),
    FactInfo("iphone", "flag", "Is an iPhone or iPad.", "iphone and npu"),
    FactInfo("arch", "text", "Processor architecture: x86_64, arm64, armv7l, riscv64.", "arch==arm64"),
    FactInfo("cores", "number", "Processor cores that our process may use.", "cores>=4"),
    FactInfo("memory_mb", "number", "Main memory in MB (1,000,000 bytes).", "memory_mb>=2000"),
    FactInfo("gpu", "text", "The GPU, where there is one that an engine can use.", "android and gpu"),
    FactInfo("npu", "text", "The neural accelerator, where there is one.", "npu and not emulated"),
    FactInfo("sdk", "number", "Android API level.", "sdk>=33"),
    FactInfo("ios_version", "number", "Version of iOS or iPadOS, such as 18.5.", "ios_version>=17.4"),
    FactInfo("model", "text", "Model of the device, as its maker calls it.", 'model=="Pixel 8"'),
    FactInfo("soc", "text", "System on chip.", "soc==SM8550"),
    FactInfo("emulated", "flag", "Not real hardware: its latency means nothing.", "not emulated"),
    FactInfo("replayed", "flag", "A recording in the place of the device: nothing runs there now.", "not replayed"),
    FactInfo("name", "text", "Name in edgedevice.toml.", "name==kitchen or name==hall"),
)

BUILT_IN: Vocabulary = MappingProxyType({fact.name: fact for fact in _TABLE})


def closest_first(word: str, known: Iterable[str]) -> list[str]:
    """Sort ``known`` by likeness to ``word``, most alike first; ties in alphabetical order."""
    folded = word.casefold()[:64]  # likeness is quadratic, and the word may be hostile
    return sorted(known, key=lambda one: (-SequenceMatcher(None, folded, one.casefold()).ratio(), one))
