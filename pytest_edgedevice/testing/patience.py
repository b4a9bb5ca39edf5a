"""How long a contract waits for what should take no time."""

from __future__ import annotations

PATIENCE_S = 30.0
"""Deadline, seconds; a test that needs all of it has failed."""
