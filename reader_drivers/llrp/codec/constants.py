"""Numbers of LLRP 1.0.1 and 1.1 (EPCglobal Low Level Reader Protocol) and of Impinj's extensions, as far as used."""

from __future__ import annotations

from enum import IntEnum

LLRP_PORT = 5084
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
    PARAMETER_PARAMETER_ERROR = 200
    PARAMETER_FIELD_ERROR = 201
    PARAMETER_UNKNOWN = 207
    PARAMETER_UNSUPPORTED = 209
    INVALID = 300
    OUT_OF_RANGE = 301
    DEVICE_ERROR = 401


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


REGIONS = {
    1: "FCC",
    2: "ETSI",
    3: "ETSI 300 220",
    4: "AU 1 W",
    5: "AU 4 W",
    6: "JP",
    7: "HK",
    8: "TW",
    9: "KR",
}
"""CommunicationsStandard to a short name; 0 is unspecified, which readers in China (country 156) use."""

COUNTRY_CHINA = 156

SPEEDWAY_MODELS = {2001001: "Speedway R220", 2001002: "Speedway R420"}
"""Impinj's model numbers."""
