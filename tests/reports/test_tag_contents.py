"""What a recording's tags say: several looks at one tag, and names for what is known of barcodes."""

from __future__ import annotations

from recording import NOT_READ, TagMemories
from reports.tag_contents import contents_of, names_of
from stacks.tag_data import SecurityPolicy, encode_fixed, encode_uii
from tests.recording.making import tag_memories

UID = "E004015306A22D70"
WHOLE = encode_fixed("1000000136", "DK-718500")
SPOILED = WHOLE[:5] + b"!" + WHOLE[6:]


def looks(*memories: bytes, afi: tuple[int, ...] = ()) -> TagMemories:
    return tag_memories([UID] * len(memories), memories, afi=afi or NOT_READ, dsfid=0x3E)


def test_a_look_that_was_cut_short_or_spoiled_does_not_hide_a_whole_one():
    for last in (WHOLE[:20], SPOILED, b""):
        said = contents_of(looks(WHOLE, last), SecurityPolicy())[UID]
        assert (said.item_id, said.problem) == ("1000000136", "")
    assert contents_of(looks(SPOILED), SecurityPolicy())[UID].problem == "bad CRC"


def test_of_whole_looks_the_last_counts_and_of_other_things_the_last_that_was_read():
    newer = encode_fixed("1000000137", "DK-718500")
    said = contents_of(
        looks(WHOLE, newer, WHOLE, newer, afi=(0x07, 0xC2, NOT_READ, NOT_READ)), SecurityPolicy()
    )
    assert (said[UID].item_id, said[UID].security) == ("1000000137", False)


def test_tags_are_named_by_their_barcodes_from_memory_and_number():
    uii = encode_uii("B0001", "DE-705")[1].hex().upper()
    card = encode_fixed("P29001", usage=8)
    assert names_of(contents_of(looks(WHOLE), SecurityPolicy()), [UID, uii, "00" * 12]) == (
        ["1000000136", "B0001"],
        [UID, uii],
    )
    assert names_of(contents_of(looks(card), SecurityPolicy()), [UID]) == ([], [])
