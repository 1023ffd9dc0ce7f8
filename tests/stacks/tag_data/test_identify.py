"""What one tag is said to say: what is forgiven and said, what is not guessed."""

from __future__ import annotations

import pytest

from stacks.tag_data import (
    DataObject,
    Gs1Epc,
    SecurityPolicy,
    TagDataError,
    UniversityEpc,
    encode_fixed,
    encode_objects,
    encode_uii,
    identify,
    identify_epcs,
)
from stacks.tag_data.extensions import Extension, library_extension
from stacks.tag_data.fixed_block import crc_of, turned
from stacks.tag_data.universities import encode_user_bank, owner_bytes

UID = "E004015306A22D70"
BLOCK = encode_fixed("1000000136", "DK-718500")


def test_blocks_whose_bytes_are_turned_round_are_read_and_said():
    said = identify(UID, memory=turned(BLOCK + b"\0\0", 4), dsfid=0x3E)
    assert (said.item_id, said.owner, said.problem) == ("1000000136", "DK-718500", "")
    assert said.notes == ("bytes of blocks reversed",)
    eight = identify(UID, memory=turned(BLOCK + bytes(6), 8), block_bytes=8)
    assert (eight.item_id, eight.notes) == ("1000000136", ("bytes of blocks reversed",))


def test_objects_in_turned_blocks_are_read_and_said():
    memory = encode_objects([DataObject(1, "123456789012"), DataObject(3, "DE-705", locked=True)])
    said = identify(UID, memory=turned(memory, 4), dsfid=0x06)
    assert (said.item_id, said.notes) == ("123456789012", ("bytes of blocks reversed",))


@pytest.mark.parametrize(
    ("usage", "word"), [(2, "not for circulation"), (7, "discarded"), (8, "patron card")]
)
def test_swapped_nibbles_are_read_and_said(usage, word):
    memory = encode_fixed("2935000003649", "DE-705", usage=usage, swapped=True)
    assert memory[0] == usage << 4 | 1
    said = identify(UID, memory=memory)
    assert (said.usage, said.notes) == (word, ("usage nibble swapped",))
    assert identify(UID, memory=encode_fixed("2935000003649", "DE-705", usage=usage)).notes == ()


@pytest.mark.parametrize("dsfid", [None, 0x3E])
@pytest.mark.parametrize("at", [0, 4, 19, 22, 28])
def test_a_wrong_checksum_is_said_and_nothing_guessed(dsfid, at):
    memory = bytearray(BLOCK)
    memory[at] ^= 0x01 if at else 0x02
    said = identify(UID, memory=bytes(memory), dsfid=dsfid)
    assert (said.problem, said.format, said.item_id, said.owner) == ("bad CRC", "iso-28560-3", "", "")


@pytest.mark.parametrize("memory", [bytes(112), b"\xff" * 112, b"\x55" * 24 + bytes(4)])
def test_an_empty_memory_is_blank(memory):
    for dsfid in (None, 0x00, 0x06, 0x3E):
        assert identify(UID, memory=memory, dsfid=dsfid).problem == "blank"


def test_a_memory_of_no_librarys_format_is_foreign():
    ndef = bytes.fromhex("E1400E000312D1010E5501") + b"example.org" + bytes(10)
    assert identify(UID, memory=ndef).problem == "foreign"
    assert identify(UID, memory=ndef, dsfid=0x06).problem == "broken"
    assert identify(UID).problem == "unread"
    assert identify(UID, memory=BLOCK[:20], dsfid=0x3E).problem == "broken"


def test_a_dsfid_that_says_another_format_is_a_contradiction():
    said = identify(UID, memory=BLOCK, dsfid=0x06)
    assert (said.problem, said.format, said.item_id) == ("contradiction", "iso-28560-3", "1000000136")
    assert said.notes == ("DSFID 06 says iso-28560-2",)


def test_a_memory_that_two_formats_can_read_is_ambiguous_until_its_dsfid_is_known():
    # An integer and a 6-bit text whose bytes are a fixed block with a right checksum.
    front, back = b"\x11\x02\x01AF!BCDEFGHIJKLMN", b"DE705" + bytes(8)
    crc = crc_of(front + b"\0\0" + back).to_bytes(2, "little")
    memory = front + crc + back + bytes(6)
    said = identify(UID, memory=memory)
    assert (said.problem, said.item_id) == ("ambiguous", "")
    assert {(w.format, w.item_id) for w in said.readings} == {
        ("iso-28560-3", "AF!BCDEFGHIJKLMN"),
        ("iso-28560-2", "321"),
    }
    assert identify(UID, memory=memory, dsfid=0x3E).item_id == "AF!BCDEFGHIJKLMN"
    assert identify(UID, memory=memory, dsfid=0x06).item_id == "321"


def test_an_epc_that_two_formats_can_read_is_ambiguous_and_names_both():
    epc = UniversityEpc("1234", sorting=3, reserved=3, version=53).to_bytes() + b"\0\0"
    said = identify(epc, pc=0x3000)
    assert (said.problem, said.item_id) == ("ambiguous", "")
    assert {way.format for way in said.readings} == {"grai-96", "cn-university"}
    assert len(said.candidates) == 2


def test_a_text_of_letters_and_digits_is_no_gs1_number_by_chance():
    for text in ("301012345678", "000012345678"):
        assert identify(text.encode()).item_id == text


def test_owner_and_item_or_item_and_set_cannot_be_told_apart_without_an_isil():
    from stacks.tag_data.urn_code_40 import encode_urn_code_40

    data = encode_urn_code_40("12345678.31")
    said = identify(data, pc=len(data) // 2 << 11 | 0x1C2)
    assert said.problem == "ambiguous"
    assert {(w.owner, w.item_id, w.parts) for w in said.readings} == {
        ("12345678", "31", None),
        ("", "12345678", 3),
    }


def test_an_item_identifier_of_more_than_sixteen_bytes_is_in_its_extension_block():
    item = "DE-705-1234567890-X"
    memory = encode_fixed(item, "DE-705", extensions=[Extension(3, b"whatever")])
    assert memory[3] == 1
    said = identify(UID, memory=memory + bytes(8), dsfid=0x3E)
    assert (said.item_id, said.problem) == (item, "")
    spoiled = bytearray(memory)
    spoiled[40] ^= 1
    said = identify(UID, memory=bytes(spoiled), dsfid=0x3E)
    assert (said.item_id, said.problem) == ("", "broken")


def test_a_spoiled_extension_block_costs_only_itself():
    memory = bytearray(encode_fixed("1", "DE-705", extensions=[library_extension(1, "1", "DE-705")]))
    memory[-3] ^= 1
    said = identify(UID, memory=bytes(memory))
    assert (said.item_id, said.problem) == ("1", "")
    assert said.notes == ("extension block at byte 0 has a wrong checksum",)


def test_a_long_tag_with_the_short_blocks_checksum_is_read_and_said():
    memory = encode_fixed("11223344", "DE-705", size=32) + b"\x12\x34" + bytes(6)
    said = identify(UID, memory=memory)
    assert (said.item_id, said.notes) == ("11223344", ("checksum of 32 bytes on a longer tag",))


def test_type_of_usage_of_objects():
    memory = encode_objects([DataObject(1, "123456789012"), DataObject(5, "80")])
    assert identify(UID, memory=memory, dsfid=6).usage == "patron card"


def test_a_user_bank_alone_names_its_item():
    bank = b"\x06" + encode_objects([DataObject(1, "30101234567890"), DataObject(3, "DE-705")])
    said = identify("E2003412012CFE000199E434", pc=0x3400, memory=bank)
    assert (said.format, said.item_id, said.owner) == ("iso-28560-2", "30101234567890", "DE-705")


def test_a_number_of_gs1_is_no_contradiction_to_the_item_of_the_user_bank():
    bank = b"\x06" + encode_objects([DataObject(1, "30101234567890"), DataObject(3, "DE-705")])
    said = identify(Gs1Epc("sgtin", "0614141", "112345", 400).to_bytes(), pc=0x3400, memory=bank)
    assert (said.item_id, said.owner, said.problem) == ("30101234567890", "DE-705", "")
    assert said.identifier == "urn:epc:id:sgtin:0614141.112345.400"


def test_a_user_bank_that_disagrees_is_a_contradiction():
    epc = UniversityEpc("32103179").to_bytes()
    bank = encode_user_bank({3: owner_bytes("10248"), 5: b"\0\1"})
    said = identify(epc, pc=0x3400, memory=bank)
    assert (said.owner, said.usage) == ("10248", "not for circulation")
    pc, data = encode_uii("12345678", "CH-000134-1")
    other = b"\x06" + encode_objects([DataObject(3, "DE-705")])
    said = identify(data, pc=int(pc), memory=other)
    assert (said.problem, said.owner) == ("contradiction", "CH-000134-1")
    assert said.notes == ("user bank has another owner",)


@pytest.mark.parametrize(
    ("afi", "eas", "security", "problem"),
    [
        (0x07, None, True, ""),
        (0xC2, None, False, ""),
        (0x07, False, True, ""),  # most libraries leave EAS alone
        (0xC2, True, None, "contradiction"),
        (0x00, True, True, ""),
        (0x00, False, None, ""),
        (0x9D, None, None, ""),  # another library's own: never guessed
        (None, None, None, ""),
    ],
)
def test_security_by_afi_and_eas(afi, eas, security, problem):
    said = identify(UID, memory=BLOCK, afi=afi, eas=eas)
    assert (said.security, said.problem, said.item_id) == (security, problem, "1000000136")


def test_a_librarys_policy_decides_what_its_afis_mean():
    old = SecurityPolicy(secured=frozenset((0x9D,)), lent=frozenset((0x21,)))
    assert [identify(UID, afi=a, policy=old).security for a in (0x9D, 0x21, 0x07)] == [True, False, None]
    by_eas = SecurityPolicy(by="eas")
    assert [identify(UID, afi=0x07, eas=e, policy=by_eas).security for e in (True, False, None)] == [
        True,
        False,
        None,
    ]
    by_afi = SecurityPolicy(by="afi")
    assert identify(UID, afi=0xC2, eas=True, policy=by_afi).security is False
    with pytest.raises(TagDataError, match="07 cannot mean both"):
        SecurityPolicy(secured=frozenset((7,)), lent=frozenset((7,)))


def test_a_lending_flag_is_security_and_may_contradict():
    lent = UniversityEpc("32103179", lent=True).to_bytes()
    assert (identify(lent).lent, identify(lent).security) == (True, False)
    said = identify(lent, eas=True)
    assert (said.security, said.problem) == (None, "contradiction")


@pytest.mark.parametrize(
    "text", [b"A12345678", b"a123456", b"q0123456", b"101234567890", b"100012345", b"30101234567890"]
)
def test_an_old_tag_with_its_barcode_in_ascii_is_foreign_and_not_read_as_objects(text):
    for dsfid in (None, 0x00):
        said = identify(UID, memory=text.ljust(112, b"\0"), dsfid=dsfid)
        assert (said.problem, said.format, said.item_id) == ("foreign", "", "")


def test_objects_are_believed_without_their_dsfid():
    memory = encode_objects([DataObject(1, "B-0012345"), DataObject(3, "DE-705")])
    assert identify(UID, memory=memory.ljust(112, b"\0")).item_id == "B-0012345"


@pytest.mark.parametrize(
    "memory",
    [
        "01051CBE991A14",  # application-defined
        "61053132330000",  # octets with zeros
        "1114" + bytes(range(1, 21)).hex(),  # an integer of twenty bytes
        "210312FFFF",  # two digits, and four fillers
        "310608410000000000",  # two 5-bit characters, and seven that are none
    ],
)
def test_a_primary_item_identifier_that_is_no_text_is_broken_and_not_hexadecimal(memory):
    said = identify(UID, memory=bytes.fromhex(memory), dsfid=0x06)
    assert (said.problem, said.item_id) == ("broken", "")


def test_the_afi_of_iso_28560_is_a_librarys_whatever_its_gates_listen_to():
    old = SecurityPolicy(secured=frozenset((0x9D,)), lent=frozenset((0x21,)))
    said = identify("141CC04FC70BADB5C6E2DA1DED4DD319", pc=0x45C2, policy=old)
    assert (said.item_id, said.problem, said.security) == ("12345678", "", None)


def test_an_isil_of_sixteen_characters_is_one():
    owner = "CN-110108-1-NLC"
    data = encode_uii("012345678", owner)[1]
    assert (identify(data).owner, identify(data).item_id) == (owner, "012345678")
    # An item of six digits is no set information, where the owner is an ISIL.
    pc, short = encode_uii("123456", owner)
    assert (identify(short, pc=int(pc)).item_id, identify(short, pc=int(pc)).problem) == ("123456", "")
    with pytest.raises(TagDataError, match="is to be an ISIL"):
        encode_uii("12345678", "CN-110108-1-NLC-9")


def test_an_iso_tag_of_another_trade_is_foreign():
    said = identify("141CC04FC70BADB5C6E2DA1DED4DD319", pc=0x45A1)
    assert (said.problem, said.notes) == ("foreign", ("AFI A1 is none of a library's",))


@pytest.mark.parametrize(
    ("epc", "format_", "item"),
    [
        (b"30101234567890\0\0".hex(), "text", "30101234567890"),
        (b"B1234567    ".hex(), "text", "B1234567"),
        ("000000000030101234567890", "digits", "30101234567890"),
        (b"\0\0\0\x0030101234".hex(), "text", "30101234"),
        (b"\0\0B123456789".hex(), "text", "B123456789"),
        ("0" * 24, "", ""),
        ("ABCDEF0123456789ABCDEF01", "", ""),
    ],
)
def test_a_raw_epc(epc, format_, item):
    said = identify(epc)
    assert (said.format, said.item_id) == (format_, item)
    assert said.problem == {"": "blank" if not epc.strip("0") else "foreign"}.get(format_, "")


@pytest.mark.parametrize("epc", ["E2801170000166A852C1BB96", "0" * 24])
def test_a_tag_whose_user_bank_was_written_is_not_blank(epc):
    assert identify(epc, memory=bytes(32)).problem == "blank"
    said = identify(epc, memory=bytes(range(7, 39)))
    assert (said.problem, said.notes) == ("foreign", ("its user bank is not understood",))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"epc": "XY"}, "no hexadecimal"),
        ({"epc": "ABC"}, "no hexadecimal"),
        ({"epc": UID, "afi": 256}, "afi 256 is outside"),
        ({"epc": UID, "dsfid": -1}, "dsfid -1 is outside"),
        ({"epc": UID, "pc": 0x10000}, "pc 65536 is outside"),
    ],
)
def test_a_callers_mistake_is_one_line(arguments, words):
    with pytest.raises(TagDataError, match=words) as caught:
        identify(**arguments)
    assert "\n" not in str(caught.value)


def test_many_are_told_as_each_alone():
    epcs = [
        *(Gs1Epc("sgtin", "0614141", "112345", n).to_bytes().hex() for n in range(20)),
        *(Gs1Epc("grai", "061414112345", "", n).to_bytes().hex() for n in range(20)),
        *(encode_uii(f"{n:08d}", "CN-110108-1")[1].hex() for n in range(20)),
        *(UniversityEpc(f"{n:011d}").to_bytes().hex() for n in range(20)),
        *(f"{n:012d}".encode().hex() for n in range(20)),
        UID, "00" * 12, "E28011700000020A7C5B3D11", "AB12" + "5" * 20, "AB",
    ]  # fmt: skip
    table = identify_epcs(epcs)
    assert len(table) == len(epcs)
    for i, epc in enumerate(epcs):
        said = identify(epc)
        told = (table.format[i], table.item_id[i], table.owner[i], table.problem[i])
        assert told == (said.format, said.item_id, said.owner, said.problem), epc
    assert len(set(table.format.tolist())) == 6
    assert len(identify_epcs([])) == 0


def test_a_short_text_behind_zeros_may_be_digits_too():
    said = identify((bytes(6) + b"B12345").hex())
    assert said.problem == "ambiguous"
    assert {(way.format, way.item_id) for way in said.readings} == {
        ("text", "B12345"),
        ("digits", "423132333435"),
    }
