"""What is written is read again, whatever it is; and no bytes are too odd to be looked at."""

from __future__ import annotations

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stacks.tag_data import (
    ControlWord,
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
from stacks.tag_data import compactions as c
from stacks.tag_data.contents import PROBLEMS
from stacks.tag_data.extensions import Extension, decode_extensions
from stacks.tag_data.fixed_block import decode_fixed, turned
from stacks.tag_data.gs1 import decode_gs1
from stacks.tag_data.isil import compact_isil, expand_isil
from stacks.tag_data.objects import decode_objects
from stacks.tag_data.universities import (
    IPC_96,
    IPC_128,
    PLAIN,
    decode_university,
    decode_user_bank,
    encode_user_bank,
)
from stacks.tag_data.urn_code_40 import decode_urn_code_40, encode_urn_code_40

UID = "E004015306A22D70"
LETTERS = string.ascii_uppercase + string.digits
SHOWN = "".join(map(chr, range(0x21, 0x7F)))
isils = st.builds(
    lambda country, unit: f"{country}-{unit}",
    st.text(string.ascii_uppercase, min_size=2, max_size=2),
    st.text(string.ascii_letters + string.digits + "/:-", min_size=1, max_size=11).filter(
        lambda u: u[0] != "-"
    ),
)
items = st.text(SHOWN, min_size=1, max_size=16)


@given(st.sampled_from([("grai", 12), ("sgtin", 13)]), st.integers(6, 12), st.data())
def test_a_gs1_epc_comes_back(scheme, digits, data):
    name, together = scheme
    number = st.text(string.digits, min_size=together, max_size=together)
    text = data.draw(number)
    epc = Gs1Epc(
        name, text[:digits], text[digits:], data.draw(st.integers(0, 2**38 - 1)), data.draw(st.integers(0, 7))
    )
    assert decode_gs1(epc.to_bytes()) == epc


@pytest.mark.parametrize(
    ("code", "texts"),
    [
        (c.INTEGER, st.integers(10, 10**19 - 1).map(str)),
        (c.NUMERIC, st.text(string.digits, min_size=2, max_size=40)),
        (c.BITS_5, st.text("".join(map(chr, range(0x41, 0x60))), min_size=3, max_size=40)),
        (
            c.BITS_6,
            st.text("".join(map(chr, range(0x20, 0x60))), min_size=4, max_size=40).filter(
                lambda t: t[-1] != " "
            ),
        ),
        (c.BITS_7, st.text("".join(map(chr, range(0x7F))), min_size=8, max_size=40)),
        (c.OCTETS, st.text("".join(map(chr, range(0x21, 0x7F))), max_size=40)),
        (c.UTF_8, st.text(max_size=40)),
    ],
    ids=lambda value: c.NAMES[value] if isinstance(value, int) else "",
)
def test_every_compaction_comes_back(code, texts):
    @given(texts)
    def check(text):
        try:
            made = c.compact(text, code)
        except TagDataError:
            assert code == c.UTF_8  # half a surrogate is no text
            return
        assert c.expand(made, code) == text

    check()


@given(st.text(max_size=60))
def test_the_chosen_compaction_holds_the_text_and_is_no_longer_than_utf_8(text):
    try:
        made = c.compact(text, c.best_compaction(text))
    except TagDataError:
        return
    assert c.expand(made, c.best_compaction(text)) == text
    assert len(made) <= len(text.encode())


@given(isils)
def test_an_isil_comes_back(isil):
    assert expand_isil(compact_isil(isil)) == isil


@given(
    st.dictionaries(
        st.integers(6, 60).filter(lambda n: n != 11), st.text(SHOWN, min_size=1, max_size=30), max_size=6
    ),
    items,
    isils,
    st.sampled_from([1, 4, 8]),
    st.data(),
)
def test_objects_come_back_however_they_are_locked(others, item, owner, block_bytes, data):
    locks = st.booleans()
    objects = [DataObject(1, item, locked=data.draw(locks)), DataObject(3, owner, locked=data.draw(locks))]
    objects += [DataObject(n, text, locked=data.draw(locks)) for n, text in others.items()]
    memory = encode_objects(objects, block_bytes=block_bytes)
    found, notes = decode_objects(memory + bytes(5))
    assert notes == ()
    assert {o.number: o.text for o in found if o.number != 2} == {o.number: o.text for o in objects}
    said = identify(UID, memory=memory, dsfid=0x06)
    assert (said.item_id, said.owner, said.problem) == (item, owner, "")


@given(
    st.text(min_size=1, max_size=30).filter(lambda t: t.isprintable() and t == t.strip() and "\0" not in t),
    isils,
    st.integers(0, 9),
    st.integers(1, 255),
    st.lists(st.builds(Extension, st.integers(2, 65535), st.binary(max_size=40)), max_size=3),
    st.booleans(),
)
def test_a_fixed_block_comes_back(item, owner, usage, parts, extensions, swapped):
    try:
        memory = encode_fixed(
            item, owner, usage=usage, parts=parts, part=parts, extensions=extensions, swapped=swapped
        )
    except TagDataError:
        assert len(item.encode()) > 16 or len(owner) > 14 or not item.isprintable()
        return
    found = decode_fixed(memory)
    assert (found.item_id, found.owner, found.usage, found.parts, found.part) == (
        item,
        owner,
        usage,
        parts,
        parts,
    )
    assert found.extensions[-len(extensions) :] == tuple(extensions) if extensions else True
    turned_round = turned(memory.ljust(len(memory) + -len(memory) % 4, b"\0"), 4)
    assert decode_fixed(turned_round).item_id == item


@given(st.text(string.ascii_uppercase + string.digits + "-.:", max_size=40) | st.text(max_size=12))
def test_urn_code_40_comes_back(text):
    try:
        made = encode_urn_code_40(text)
    except TagDataError:
        assert any(ord(char) > 0xFFFF or 0xD800 <= ord(char) < 0xE000 or char == "\0" for char in text)
        return
    assert len(made) % 2 == 0
    assert decode_urn_code_40(made) == text


@given(
    st.text(LETTERS + "-", min_size=1, max_size=16), isils, st.integers(0, 999), st.sampled_from([0x07, 0xC2])
)
def test_a_uii_comes_back(item, owner, parts, afi):
    try:
        pc, data = encode_uii(item, owner, parts=parts, part=min(parts, 1), afi=afi)
    except TagDataError:
        return
    said = identify(data, pc=int(pc))
    assert (said.item_id, said.owner, said.parts, said.security) == (item, owner, parts or None, afi == 0x07)
    assert ControlWord.of(int(pc)) == pc


@given(
    st.one_of(
        st.tuples(st.just(IPC_96), st.from_regex(r"[0-9A-Z]{3}[0-9]{4,10}[!-~]", fullmatch=True)),
        st.tuples(st.just(IPC_96), st.text(SHOWN, min_size=1, max_size=7)),
        st.tuples(st.just(IPC_128), st.text(SHOWN, min_size=1, max_size=11)),
        st.tuples(st.just(IPC_128), st.from_regex(r"[0-9A-Z]{11,13}[!-~]", fullmatch=True)),
        st.tuples(st.just(PLAIN), st.text(SHOWN, min_size=2, max_size=14)),
        st.tuples(st.none(), st.text(SHOWN, min_size=2, max_size=14)),
    ),
    st.booleans(),
    st.integers(0, 15),
    st.integers(1, 16),
    st.sets(st.sampled_from([3, 4, 5, 6, 11, 12, 14, 15, 16, 24, 26, 27, 28, 29, 30, 31])),
)
def test_a_chinese_universitys_epc_comes_back(packed, lent, sorting, version, contents):
    encoding, item = packed
    made = UniversityEpc(item, lent, sorting, 0, version, tuple(sorted(contents)))
    assert decode_university(made.to_bytes(encoding)) == made


@given(st.dictionaries(st.sampled_from([3, 4, 6, 14, 26, 31]), st.binary(max_size=300)))
def test_a_chinese_universitys_user_bank_comes_back(objects):
    assert decode_user_bank(encode_user_bank(objects)) == objects


numbers = st.one_of(
    st.binary(max_size=40),
    st.builds(
        lambda head, rest: head + rest,
        st.sampled_from([b"\x30", b"\x33", b"\xe0", b"\x14\x1c"]),
        st.binary(max_size=15),
    ),
)
memories = st.one_of(
    st.none(),
    st.binary(max_size=130),
    st.builds(
        lambda head, rest: head + rest,
        st.sampled_from([b"\x06", b"\x11\x01\x01", b"\x91\x00"]),
        st.binary(max_size=60),
    ),
)


@settings(max_examples=600)
@given(
    numbers,
    memories,
    st.none() | st.integers(0, 0xFFFF),
    st.none() | st.integers(0, 255) | st.sampled_from([0x06, 0x3E]),
    st.none() | st.integers(0, 255) | st.sampled_from([0x07, 0xC2]),
    st.none() | st.booleans(),
    st.integers(0, 255),
    st.sampled_from(["either", "afi", "eas"]),
)
def test_no_tag_is_too_odd_to_be_looked_at(epc, memory, pc, dsfid, afi, eas, block_bytes, by):
    said = identify(
        epc,
        memory=memory,
        pc=pc,
        dsfid=dsfid,
        afi=afi,
        eas=eas,
        block_bytes=block_bytes,
        policy=SecurityPolicy(by=by),
    )
    assert said.problem in ("", *PROBLEMS)
    assert said.problem or said.format
    if said.problem in ("bad CRC", "blank", "foreign", "broken", "unread", "ambiguous"):
        assert said.item_id == ""
    assert len(said.readings) != 1
    identify_epcs([epc.hex()])


@settings(max_examples=300)
@given(st.binary(max_size=120))
def test_decoders_raise_their_own_error_or_none(data):
    for decode in (decode_objects, decode_fixed, decode_urn_code_40, decode_user_bank):
        try:
            decode(data)
        except TagDataError as error:
            assert "\n" not in str(error)
    decode_extensions(data)
    decode_university(data)
    decode_gs1(data)
    expand_isil(data)


@given(st.binary(min_size=34, max_size=34), st.integers(0, 33), st.integers(1, 255))
def test_a_checksum_finds_every_spoiled_byte(_seed, at, flip):
    memory = bytearray(encode_fixed("11223344", "DE-705"))
    memory[at] ^= flip
    if at < 32:  # the last two bytes do not belong to the block of a small tag
        assert identify(UID, memory=bytes(memory), dsfid=0x3E).problem == "bad CRC"
