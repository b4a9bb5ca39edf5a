"""Whether an agent speaks PROTOCOL.md, asked from outside.

Whoever writes an agent of their own starts it, or lets it listen, and has
every promise of the protocol tried: one check a promise, a conversation of its
own where one may break it. What the agent sends is never trusted. Knows
streams and frames; nothing of devices, leases or pytest.
"""

from __future__ import annotations

from pytest_edgedevice.conformance.bench import Bench
from pytest_edgedevice.conformance.check import Check, Outcome
from pytest_edgedevice.conformance.ends import Agent, CommandAgent, PhoneAgent, TcpAgent
from pytest_edgedevice.conformance.models import Model
from pytest_edgedevice.conformance.suite import CHECKS, try_all

__all__ = ["CHECKS", "Agent", "Bench", "Check", "CommandAgent", "Model", "Outcome", "PhoneAgent", "TcpAgent", "try_all"]
