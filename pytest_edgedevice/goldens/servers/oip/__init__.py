"""A live server that speaks the Open Inference Protocol, version 2, over HTTP: KServe, Triton, MLServer and others.

Source:
    https://github.com/kserve/open-inference-protocol (``inference_rest.md`` and ``binary_tensor_data`` extension)
"""

from __future__ import annotations

from pytest_edgedevice.goldens.servers.oip.client import OpenInferenceServer

__all__ = ["OpenInferenceServer"]
