"""What runs on the device: one process a loaded model, speaking PROTOCOL.md.

This folder is shipped to the device as one zipapp and runs there under the
device's own Python (3.9 or later) with numpy and one inference runtime. It
imports nothing of ours from outside this folder.
"""

PROTOCOL_VERSION = 1
SENTINEL = b"EDGEDEVICE-AGENT 1\n"
"""Printed once before the first frame, so that a chatty login shell cannot be taken for a peer."""
