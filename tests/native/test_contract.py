"""The native agent under the contract that every agent keeps, with both runtimes and under sanitizers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.testing import AgentContract, StartAgent
from tests.native.agents import TINY

if TYPE_CHECKING:
    from tests.native.agents import Agents


class _NativeContract(AgentContract):
    @pytest.fixture
    def add_model(self) -> bytes:
        return (TINY / "add_float32.tflite").read_bytes()


class TestNativeAgentWithTensorFlowLite(_NativeContract):
    @pytest.fixture
    def start_agent(self, agents: Agents) -> StartAgent:
        return lambda: agents.start("tflite")


class TestNativeAgentWithLiteRt(_NativeContract):
    @pytest.fixture
    def start_agent(self, agents: Agents) -> StartAgent:
        return lambda: agents.start("litert")


class TestSanitizedNativeAgent(_NativeContract):
    @pytest.fixture
    def start_agent(self, sanitized: Agents) -> StartAgent:
        return lambda: sanitized.start("tflite")
