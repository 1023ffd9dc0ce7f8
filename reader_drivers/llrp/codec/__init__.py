"""LLRP as bytes: framing, messages and parameters, and tag reports as columns. No sockets, no clock.

Both ends of a connection are built on it: the driver, and any emulator of a reader.
"""

from reader_drivers.llrp.codec.constants import (
    IMPINJ,
    IMPINJ_SUB_REGULATORY_REGION,
    LLRP_PORT,
    LLRP_TLS_PORT,
    SPEEDWAY_MODELS,
    ConnectionStatus,
    FixedFrequencyMode,
    MemoryBank,
    Notification,
    ReadResult,
    Requested,
    RequestedConfig,
    ROSpecState,
    SearchMode,
    Status,
    Version,
)
from reader_drivers.llrp.codec.errors import CodecError
from reader_drivers.llrp.codec.framing import (
    HEADER_BYTES,
    MAX_MESSAGE_BYTES,
    Frame,
    FrameBatch,
    FrameReader,
    encode_frame,
)
from reader_drivers.llrp.codec.gen2 import gen2_words
from reader_drivers.llrp.codec.messages import Message, decode_message, encode_message, event, message, status
from reader_drivers.llrp.codec.parameters import Parameter, decode_parameters, encode_parameter, parameter
from reader_drivers.llrp.codec.regions import COUNTRY_CHINA, IMPINJ_REGIONS, REGIONS, SAME, region_name
from reader_drivers.llrp.codec.reports import (
    NO_DOPPLER,
    NO_PHASE,
    NO_RSSI,
    PHASE_STEPS,
    RO_ACCESS_REPORT,
    Reports,
    decode_reports,
    decode_reports_reference,
)

__all__ = [
    "COUNTRY_CHINA",
    "HEADER_BYTES",
    "IMPINJ",
    "IMPINJ_REGIONS",
    "IMPINJ_SUB_REGULATORY_REGION",
    "LLRP_PORT",
    "LLRP_TLS_PORT",
    "MAX_MESSAGE_BYTES",
    "NO_DOPPLER",
    "NO_PHASE",
    "NO_RSSI",
    "PHASE_STEPS",
    "REGIONS",
    "RO_ACCESS_REPORT",
    "SAME",
    "SPEEDWAY_MODELS",
    "CodecError",
    "ConnectionStatus",
    "FixedFrequencyMode",
    "Frame",
    "FrameBatch",
    "FrameReader",
    "MemoryBank",
    "Message",
    "Notification",
    "Parameter",
    "ROSpecState",
    "ReadResult",
    "Reports",
    "Requested",
    "RequestedConfig",
    "SearchMode",
    "Status",
    "Version",
    "decode_message",
    "decode_parameters",
    "decode_reports",
    "decode_reports_reference",
    "encode_frame",
    "encode_message",
    "encode_parameter",
    "event",
    "gen2_words",
    "message",
    "parameter",
    "region_name",
    "status",
]
