"""Numbers of LLRP 1.0.1 and 1.1 (EPCglobal Low Level Reader Protocol) and of Impinj's extensions, as far as used."""

from __future__ import annotations

from enum import IntEnum

LLRP_PORT = 5084
LLRP_TLS_PORT = 5085
"""Where readers listen for LLRP over TLS (LLRP 1.0.1, section 17)."""
IMPINJ = 25882
"""Impinj's IANA private enterprise number, the vendor of its custom messages and parameters."""


class Status(IntEnum):
    """LLRPStatus codes (LLRP 1.0.1, section 14.2)."""

    SUCCESS = 0
    MESSAGE_PARAMETER_ERROR = 100
    MESSAGE_FIELD_ERROR = 101
    UNEXPECTED_PARAMETER = 102
    MISSING_PARAMETER = 103
    DUPLICATE_PARAMETER = 104
    OVERFLOW_PARAMETER = 105
    OVERFLOW_FIELD = 106
    UNKNOWN_PARAMETER = 107
    UNKNOWN_FIELD = 108
    UNSUPPORTED_MESSAGE = 109
    UNSUPPORTED_VERSION = 110
    UNSUPPORTED_PARAMETER = 111
    UNEXPECTED_MESSAGE = 112
    """Of LLRP 1.1."""
    PARAMETER_PARAMETER_ERROR = 200
    PARAMETER_FIELD_ERROR = 201
    PARAMETER_UNKNOWN = 207
    PARAMETER_UNSUPPORTED = 209
    INVALID = 300
    OUT_OF_RANGE = 301
    DEVICE_ERROR = 401


class Version(IntEnum):
    """Version field of a message header."""

    V1_0_1 = 1
    V1_1 = 2

    @property
    def label(self) -> str:
        """As people write it."""
        return "1.0.1" if self is Version.V1_0_1 else "1.1"


class ConnectionStatus(IntEnum):
    """ConnectionAttemptEvent: what became of a connection."""

    SUCCESS = 0
    READER_INITIATED_EXISTS = 1
    CLIENT_INITIATED_EXISTS = 2
    FAILED = 3
    ANOTHER_ATTEMPTED = 4


class Requested(IntEnum):
    """RequestedData of GET_READER_CAPABILITIES."""

    ALL = 0
    GENERAL = 1
    LLRP = 2
    REGULATORY = 3
    AIR_PROTOCOL = 4


class RequestedConfig(IntEnum):
    """RequestedData of GET_READER_CONFIG."""

    ALL = 0
    IDENTIFICATION = 1
    ANTENNA_PROPERTIES = 2
    ANTENNA_CONFIGURATION = 3
    RO_REPORT_SPEC = 4
    EVENT_NOTIFICATION = 5
    ACCESS_REPORT_SPEC = 6
    STATE_VALUE = 7
    KEEPALIVE_SPEC = 8
    GPI_STATE = 9
    GPO_DATA = 10
    EVENTS_AND_REPORTS = 11


class Notification(IntEnum):
    """EventNotificationState: which events the reader is to report."""

    HOPPING = 0
    GPI = 1
    ROSPEC = 2
    BUFFER_WARNING = 3
    EXCEPTION = 4
    RF_SURVEY = 5
    AISPEC = 6
    AISPEC_DETAILS = 7
    ANTENNA = 8
    SPEC_LOOP = 9
    """Of LLRP 1.1."""


class ROSpecState(IntEnum):
    """CurrentState of a ROSpec."""

    DISABLED = 0
    INACTIVE = 1
    ACTIVE = 2


class SearchMode(IntEnum):
    """ImpinjInventorySearchMode."""

    READER_SELECTED = 0
    SINGLE_TARGET = 1
    DUAL_TARGET = 2
    TAG_FOCUS = 3
    DUAL_TARGET_RESET_B = 5
    """5 and 6: dual target, B to A again with select commands; seen named, never met on a reader by us."""
    DUAL_TARGET_RESET_A = 6


class MemoryBank(IntEnum):
    """Memory bank of a Gen2 tag."""

    RESERVED = 0
    EPC = 1
    TID = 2
    USER = 3


class ReadResult(IntEnum):
    """Result of C1G2ReadOpSpecResult."""

    SUCCESS = 0
    TAG_ERROR = 1
    NO_RESPONSE = 2
    READER_ERROR = 3


class FixedFrequencyMode(IntEnum):
    """ImpinjFixedFrequencyList."""

    DISABLED = 0
    AUTO_SELECT = 1
    CHANNEL_LIST = 2


SPEEDWAY_MODELS = {2001001: "Speedway R220", 2001002: "Speedway R420"}
"""Impinj's model numbers."""

IMPINJ_SUB_REGULATORY_REGION = 2001
"""ImpinjRequestedData of a GET_READER_CONFIG that asks for ImpinjSubRegulatoryRegion."""
