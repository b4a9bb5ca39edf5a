"""``edgedevice completion``: shtab makes the script out of the parser, so that no program is asked while one types."""

from __future__ import annotations

from pytest_edgedevice.errors import MissingExtraError

SCHEMA = 1


def script_for(shell: str) -> str:
    """The script.

    Args:
        shell: ``bash``, ``zsh`` or ``tcsh``.

    Raises:
        MissingExtraError: shtab is not installed.
    """
    try:
        import shtab
    except ImportError as error:
        hint = "pip install 'pytest-edgedevice[completion]'"
        raise MissingExtraError("completions need shtab, which is not installed", hint=hint) from error
    from pytest_edgedevice.cli.main import build_parser

    return str(shtab.complete(build_parser(), shell=shell))
