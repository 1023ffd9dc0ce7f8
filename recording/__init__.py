"""What a scan heard: readings, poses, antenna mounts, the recording folder and the MQTT payload."""

from recording.errors import PayloadError, RecordingError
from recording.folder import read_recording, read_truth
from recording.poses import Poses
from recording.readings import LEAST_RSSI_DBM, MOST_RSSI_DBM, NO_TIME, Readings
from recording.records import Activity, Events, Recording, Truth
from recording.run_info import FORMAT, Air, AntennaMount, PhaseAmbiguity, RunInfo
from recording.stream import RecordingStream, StreamError
from recording.tag_memories import NOT_READ, TagMemories
from recording.writer import RecordingWriter, write_recording

__all__ = [
    "FORMAT",
    "LEAST_RSSI_DBM",
    "MOST_RSSI_DBM",
    "NOT_READ",
    "NO_TIME",
    "Activity",
    "Air",
    "AntennaMount",
    "Events",
    "PayloadError",
    "PhaseAmbiguity",
    "Poses",
    "Readings",
    "Recording",
    "RecordingError",
    "RecordingStream",
    "RecordingWriter",
    "RunInfo",
    "StreamError",
    "TagMemories",
    "Truth",
    "read_recording",
    "read_truth",
    "write_recording",
]
