"""
What library tags say: EPCs and memories of all formats that libraries use, decoded and encoded.

`identify` is the one face: whatever a reader gave, it says which copy of whose library a tag is, whether it is secured,
and what is wrong with it. The formats themselves are modules of their own: `gs1` (GRAI-96, SGTIN-96), `objects`
(ISO 28560-2), `fixed_block` (ISO 28560-3), `uhf` (ISO/TS 28560-4), `universities` (the Chinese alliance).
"""

from stacks.tag_data.contents import FORMATS, PROBLEMS, TagContents
from stacks.tag_data.errors import TagDataError
from stacks.tag_data.fixed_block import encode_fixed
from stacks.tag_data.gs1 import Gs1Epc
from stacks.tag_data.identify import Identified, identify, identify_epcs, is_uid
from stacks.tag_data.objects import DataObject, encode_objects
from stacks.tag_data.security import AFI_LENT, AFI_SECURED, SecurityPolicy
from stacks.tag_data.table import TagTable
from stacks.tag_data.uhf import ControlWord, encode_uii
from stacks.tag_data.universities import UniversityEpc

__all__ = [
    "AFI_LENT",
    "AFI_SECURED",
    "FORMATS",
    "PROBLEMS",
    "ControlWord",
    "DataObject",
    "Gs1Epc",
    "Identified",
    "SecurityPolicy",
    "TagContents",
    "TagDataError",
    "TagTable",
    "UniversityEpc",
    "encode_fixed",
    "encode_objects",
    "encode_uii",
    "identify",
    "identify_epcs",
    "is_uid",
]
