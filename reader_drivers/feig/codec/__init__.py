"""Frames of FEIG OBID i-scan readers, and what stands in them.

Sources: FEIG ELECTRONIC, system manuals ID ISC.MR/PR/PRH101 (H60301), LR200 (H90692), MR200 (H40801), MR102
(H01113), and for the antenna block LRU3000 (H90202) and MU02.02 (H90701); air side ISO/IEC 15693-3.
"""

from reader_drivers.feig.codec.buffer import Record, decode_records, encode_records
from reader_drivers.feig.codec.frames import ADVANCED, STANDARD, Answer, Control, Layout, Status, status_text
from reader_drivers.feig.codec.inventory import (
    ANT,
    ISO15693,
    MORE,
    AntennaSeen,
    Sets,
    decode_sets,
    encode_sets,
    inventory_request,
    is_uid,
)
from reader_drivers.feig.codec.memory import (
    Blocks,
    Iso,
    IsoError,
    Mode,
    SystemInfo,
    decode_blocks,
    decode_system_info,
    eas_request,
    encode_blocks,
    encode_system_info,
    iso_request,
    read_request,
    reverse_blocks,
    write_request,
)

__all__ = [
    "ADVANCED",
    "ANT",
    "ISO15693",
    "MORE",
    "STANDARD",
    "Answer",
    "AntennaSeen",
    "Blocks",
    "Control",
    "Iso",
    "IsoError",
    "Layout",
    "Mode",
    "Record",
    "Sets",
    "Status",
    "SystemInfo",
    "decode_blocks",
    "decode_records",
    "decode_sets",
    "decode_system_info",
    "eas_request",
    "encode_blocks",
    "encode_records",
    "encode_sets",
    "encode_system_info",
    "inventory_request",
    "is_uid",
    "iso_request",
    "read_request",
    "reverse_blocks",
    "status_text",
    "write_request",
]
