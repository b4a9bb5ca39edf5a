"""What was seen on a device, used again without it: kept comparisons, and recordings that stand in for a device.

Knows files, checks and what a device offers; opens no link and takes no lease.
"""

from __future__ import annotations

from pytest_edgedevice.replay.device import ReplayedDevice, open_replay
from pytest_edgedevice.replay.kept import Kept, keep
from pytest_edgedevice.replay.reading_kept import read_kept
from pytest_edgedevice.replay.recording import Recorder, record, recording_of

__all__ = ["Kept", "Recorder", "ReplayedDevice", "keep", "open_replay", "read_kept", "record", "recording_of"]
