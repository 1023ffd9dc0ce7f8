"""The parameters and messages of LLRP that are spoken here, as tables of their layouts.

Layouts: EPCglobal Low Level Reader Protocol 1.0.1, sections 16 and 17 (binary encoding), and what 1.1 adds to it
(parameters 355 to 365, single bits of 327, 337 and 348, which 1.0.1 reserves, messages 46, 47, 56 and 57); the Impinj
ones: Octane LLRP, custom extensions. What follows the fixed fields of a TLV parameter or a message are further
parameters.
"""

from __future__ import annotations

from dataclasses import dataclass

from reader_drivers.llrp.codec.constants import IMPINJ
from reader_drivers.llrp.codec.fields import Layout


@dataclass(frozen=True)
class Kind:
    """One kind of parameter or message.

    Parameters
    ----------
    name
        The standard's name.
    number
        Type number; for a custom kind the subtype.
    vendor
        Private enterprise number; 0: a standard kind.
    layout
        Its fixed fields.
    known
        False: met on the wire without being in the tables; the bytes are kept as `raw`.
    """

    name: str
    number: int
    vendor: int
    layout: Layout
    known: bool = True

    @property
    def tv(self) -> bool:
        """True for a parameter without a length field (types 1..127)."""
        return self.vendor == 0 and self.number < 128


_PARAMETERS = """
1 AntennaID antenna_id:u16
2 FirstSeenTimestampUTC microseconds:u64
3 FirstSeenTimestampUptime microseconds:u64
4 LastSeenTimestampUTC microseconds:u64
5 LastSeenTimestampUptime microseconds:u64
6 PeakRSSI dbm:s8
7 ChannelIndex channel_index:u16
8 TagSeenCount count:u16
9 ROSpecID rospec_id:u32
10 InventoryParameterSpecID spec_id:u16
11 C1G2_CRC crc:u16
12 C1G2_PC pc:u16
13 EPC_96 high:u32 low:u64
14 SpecIndex index:u16
15 ClientRequestOpSpecResult op_spec_id:u16
16 AccessSpecID access_spec_id:u32
17 OpSpecID op_spec_id:u16
18 C1G2SingulationDetails collisions:u16 empty_slots:u16
19 C1G2XPCW1 word:u16
20 C1G2XPCW2 word:u16
128 UTCTimestamp microseconds:u64
129 Uptime microseconds:u64
137 GeneralDeviceCapabilities max_antennas:u16 can_set_antenna_properties:b1 has_utc_clock:b1 x14 manufacturer:u32
   model:u32 firmware:str
139 ReceiveSensitivityTableEntry index:u16 sensitivity_db:s16
140 PerAntennaAirProtocol antenna_id:u16 protocols:u8*
141 GPIOCapabilities inputs:u16 outputs:u16
142 LLRPCapabilities can_survey:b1 can_warn_buffer:b1 client_op_spec:b1 state_aware:b1 can_hold:b1 x3 priorities:u8
   op_spec_timeout:u16 max_rospecs:u32 max_specs:u32 max_inventory_specs:u32 max_access_specs:u32 max_op_specs:u32
143 RegulatoryCapabilities country:u16 standard:u16
144 UHFBandCapabilities
145 TransmitPowerLevelTableEntry index:u16 power_cdbm:s16
146 FrequencyInformation hopping:b1 x7
147 FrequencyHopTable hop_table_id:u8 x8 frequencies_khz:u32*
148 FixedFrequencyTable frequencies_khz:u32*
149 PerAntennaReceiveSensitivityRange antenna_id:u16 index_min:u16 index_max:u16
177 ROSpec rospec_id:u32 priority:u8 state:u8
178 ROBoundarySpec
179 ROSpecStartTrigger trigger:u8
180 PeriodicTriggerValue offset_ms:u32 period_ms:u32
181 GPITriggerValue port:u16 event:b1 x7 timeout_ms:u32
182 ROSpecStopTrigger trigger:u8 duration_ms:u32
183 AISpec antenna_ids:u16*
184 AISpecStopTrigger trigger:u8 duration_ms:u32
185 TagObservationTrigger trigger:u8 x8 tags:u16 attempts:u16 t_ms:u16 timeout_ms:u32
186 InventoryParameterSpec spec_id:u16 protocol:u8
187 RFSurveySpec antenna_id:u16 start_khz:u32 end_khz:u32
188 RFSurveySpecStopTrigger trigger:u8 duration_ms:u32 n:u32
207 AccessSpec access_spec_id:u32 antenna_id:u16 protocol:u8 active:b1 x7 rospec_id:u32
208 AccessSpecStopTrigger trigger:u8 operations:u16
209 AccessCommand
217 LLRPConfigurationStateValue value:u32
218 Identification id_type:u8 reader_id:u8*
219 GPOWriteData port:u16 data:b1 x7
220 KeepaliveSpec trigger:u8 period_ms:u32
221 AntennaProperties connected:b1 x7 antenna_id:u16 gain_cdbi:s16
222 AntennaConfiguration antenna_id:u16
223 RFReceiver sensitivity_index:u16
224 RFTransmitter hop_table_id:u16 channel_index:u16 power_index:u16
225 GPIPortCurrentState port:u16 config:b1 x7 state:u8
226 EventsAndReports hold:b1 x7
237 ROReportSpec trigger:u8 n:u16
238 TagReportContentSelector rospec_id:b1 spec_index:b1 inventory_spec_id:b1 antenna_id:b1 channel_index:b1
   peak_rssi:b1 first_seen:b1 last_seen:b1 seen_count:b1 access_spec_id:b1 x6
239 AccessReportSpec trigger:u8
240 TagReportData
241 EPCData epc:bits
242 RFSurveyReportData
243 FrequencyRSSILevelEntry frequency_khz:u32 bandwidth_khz:u32 average_dbm:s8 peak_dbm:s8
244 ReaderEventNotificationSpec
245 EventNotificationState event:u16 enabled:b1 x7
246 ReaderEventNotificationData
247 HoppingEvent hop_table_id:u16 next_channel:u16
248 GPIEvent port:u16 event:b1 x7
249 ROSpecEvent event:u8 rospec_id:u32 preempting_id:u32
250 ReportBufferLevelWarningEvent percent:u8
251 ReportBufferOverflowErrorEvent
252 ReaderExceptionEvent message:str
253 RFSurveyEvent event:u8 rospec_id:u32 spec_index:u16
254 AISpecEvent event:u8 rospec_id:u32 spec_index:u16
255 AntennaEvent event:u8 antenna_id:u16
256 ConnectionAttemptEvent status:u16
257 ConnectionCloseEvent
287 LLRPStatus code:u16 description:str
288 FieldError field:u16 code:u16
289 ParameterError parameter:u16 code:u16
327 C1G2LLRPCapabilities block_erase:b1 block_write:b1 block_permalock:b1 recommissioning:b1 umi_method_2:b1 xpc:b1 x2
   max_filters:u16
328 UHFC1G2RFModeTable
329 UHFC1G2RFModeTableEntry mode:u32 dr:b1 hag:b1 x6 m:u8 modulation:u8 mask:u8 bdr:u32 pie:u32 min_tari:u32
   max_tari:u32 step_tari:u32
330 C1G2InventoryCommand state_aware:b1 x7
331 C1G2Filter truncate:b2 x6
332 C1G2TagInventoryMask bank:b2 x6 pointer:u16 mask:bits
333 C1G2TagInventoryStateAwareFilterAction target:u8 action:u8
334 C1G2TagInventoryStateUnawareFilterAction action:u8
335 C1G2RFControl mode_index:u16 tari:u16
336 C1G2SingulationControl session:b2 x6 population:u16 transit_ms:u32
337 C1G2TagInventoryStateAwareSingulationAction i:b1 s:b1 all:b1 x5
338 C1G2TagSpec
339 C1G2TargetTag bank:b2 match:b1 x5 pointer:u16 mask:bits data:bits
341 C1G2Read op_spec_id:u16 password:u32 bank:b2 x6 pointer:u16 count:u16
348 C1G2EPCMemorySelector crc:b1 pc:b1 xpc:b1 x5
349 C1G2ReadOpSpecResult result:u8 op_spec_id:u16 words:u16*
355 LoopSpec loops:u32
356 SpecLoopEvent rospec_id:u32 loop:u32
363 MaximumReceiveSensitivity dbm:s16
365 RFSurveyFrequencyCapabilities min_khz:u32 max_khz:u32
"""

_IMPINJ_PARAMETERS = """
21 ImpinjRequestedData requested:u32
22 ImpinjSubRegulatoryRegion region:u16
23 ImpinjInventorySearchMode mode:u16
26 ImpinjFixedFrequencyList mode:u16 x16 channels:u16*
50 ImpinjTagReportContentSelector
51 ImpinjEnableSerializedTID mode:u16
52 ImpinjEnableRFPhaseAngle mode:u16
53 ImpinjEnablePeakRSSI mode:u16
54 ImpinjEnableGPSCoordinates mode:u16
55 ImpinjSerializedTID tid:u16*
56 ImpinjRFPhaseAngle angle:u16
57 ImpinjPeakRSSI cdbm:s16
65 ImpinjEnableOptimizedRead mode:u16
67 ImpinjEnableRFDopplerFrequency mode:u16
68 ImpinjRFDopplerFrequency sixteenth_hz:s16
"""

_MESSAGES = """
1 GET_READER_CAPABILITIES requested:u8
2 GET_READER_CONFIG antenna_id:u16 requested:u8 gpi_port:u16 gpo_port:u16
3 SET_READER_CONFIG reset:b1 x7
4 CLOSE_CONNECTION_RESPONSE
11 GET_READER_CAPABILITIES_RESPONSE
12 GET_READER_CONFIG_RESPONSE
13 SET_READER_CONFIG_RESPONSE
14 CLOSE_CONNECTION
20 ADD_ROSPEC
21 DELETE_ROSPEC rospec_id:u32
22 START_ROSPEC rospec_id:u32
23 STOP_ROSPEC rospec_id:u32
24 ENABLE_ROSPEC rospec_id:u32
25 DISABLE_ROSPEC rospec_id:u32
26 GET_ROSPECS
30 ADD_ROSPEC_RESPONSE
31 DELETE_ROSPEC_RESPONSE
32 START_ROSPEC_RESPONSE
33 STOP_ROSPEC_RESPONSE
34 ENABLE_ROSPEC_RESPONSE
35 DISABLE_ROSPEC_RESPONSE
36 GET_ROSPECS_RESPONSE
40 ADD_ACCESSSPEC
41 DELETE_ACCESSSPEC access_spec_id:u32
42 ENABLE_ACCESSSPEC access_spec_id:u32
43 DISABLE_ACCESSSPEC access_spec_id:u32
44 GET_ACCESSSPECS
46 GET_SUPPORTED_VERSION
47 SET_PROTOCOL_VERSION version:u8
50 ADD_ACCESSSPEC_RESPONSE
51 DELETE_ACCESSSPEC_RESPONSE
52 ENABLE_ACCESSSPEC_RESPONSE
53 DISABLE_ACCESSSPEC_RESPONSE
54 GET_ACCESSSPECS_RESPONSE
56 GET_SUPPORTED_VERSION_RESPONSE current:u8 supported:u8
57 SET_PROTOCOL_VERSION_RESPONSE
60 GET_REPORT
61 RO_ACCESS_REPORT
62 KEEPALIVE
63 READER_EVENT_NOTIFICATION
64 ENABLE_EVENTS_AND_REPORTS
72 KEEPALIVE_ACK
100 ERROR_MESSAGE
"""

_IMPINJ_MESSAGES = """
21 IMPINJ_ENABLE_EXTENSIONS x32
22 IMPINJ_ENABLE_EXTENSIONS_RESPONSE
23 IMPINJ_SAVE_SETTINGS save:b1 x7
24 IMPINJ_SAVE_SETTINGS_RESPONSE
"""

CUSTOM = 1023
"""Type number of every custom parameter and custom message."""


def _table(text: str, vendor: int) -> list[Kind]:
    kinds: list[Kind] = []
    # An indented line goes on with the one before it.
    for line in text.strip().replace("\n   ", " ").splitlines():
        number, name, *words = line.split()
        kinds.append(Kind(name, int(number), vendor, Layout.parse(" ".join(words))))
    return kinds


_ALL_PARAMETERS = _table(_PARAMETERS, 0) + _table(_IMPINJ_PARAMETERS, IMPINJ)
_ALL_MESSAGES = _table(_MESSAGES, 0) + _table(_IMPINJ_MESSAGES, IMPINJ)

PARAMETER_BY_NAME = {kind.name: kind for kind in _ALL_PARAMETERS}
PARAMETER_BY_NUMBER = {(kind.vendor, kind.number): kind for kind in _ALL_PARAMETERS}
MESSAGE_BY_NAME = {kind.name: kind for kind in _ALL_MESSAGES}
MESSAGE_BY_NUMBER = {(kind.vendor, kind.number): kind for kind in _ALL_MESSAGES}

TV_SIZES = {kind.number: kind.layout.size for kind in _ALL_PARAMETERS if kind.tv}
"""Bytes behind the type byte of every TV parameter."""


def unknown_kind(number: int, vendor: int) -> Kind:
    """Return the kind of something that is not in the tables: its bytes are one `raw` field."""
    name = f"type {number}" if vendor == 0 else f"vendor {vendor} subtype {number}"
    return Kind(name, number, vendor, Layout.parse("raw:raw"), known=False)
