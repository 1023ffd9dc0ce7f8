"""Published vectors of every format: what standards, and open programs' tests, print."""

from __future__ import annotations

import pytest

from stacks.tag_data import (
    ControlWord,
    DataObject,
    Gs1Epc,
    UniversityEpc,
    encode_fixed,
    encode_objects,
    encode_uii,
    identify,
)
from stacks.tag_data.checksums import crc_ccitt_false
from stacks.tag_data.compactions import BITS_5, BITS_6, BITS_7, INTEGER, NUMERIC, compact, expand
from stacks.tag_data.extensions import decode_extensions, library_extension
from stacks.tag_data.gs1 import decode_gs1
from stacks.tag_data.isil import compact_isil, expand_isil
from stacks.tag_data.objects import decode_objects
from stacks.tag_data.universities import IPC_96, IPC_128, decode_university, owner_bytes, owner_code
from stacks.tag_data.urn_code_40 import decode_urn_code_40, encode_urn_code_40

UID = "E004015306A22D70"


def h(text: str) -> bytes:
    return bytes.fromhex(text)


@pytest.mark.parametrize(("text", "crc"), [(b"123456789", 0x29B1), (b"RFID tag data model", 0x1AEE)])
def test_the_checksum_is_that_of_the_standard(text, crc):
    assert crc_ccitt_false(text) == crc


@pytest.mark.parametrize(
    ("compaction", "text", "made"),
    [
        (INTEGER, "256", "0100"),
        (INTEGER, "123456789012", "1CBE991A14"),
        (INTEGER, "9999999999999999999", "8AC7230489E7FFFF"),
        (NUMERIC, "091", "091F"),
        (NUMERIC, "100000000000000000001", "100000000000000000001F"),
        (BITS_5, "AHQZ", "0A23A0"),
        (BITS_5, "ZYXWV", "D6717B00"),
        (BITS_5, "UTSRQPO", "AD2728C1E0"),
        (BITS_5, "[\\]^_", "DF3BEF80"),
        (BITS_6, "ABC12345", "0420F1CB3D35"),
        (BITS_6, "QA268.L55", "441CB6E2E335D6"),
        (BITS_6, "TP393/H637", "510CF9CEF236CF78"),
        (BITS_6, "I17(198.4)/Y498", "271DE8C79E2ED29BD9D39E20"),
        (BITS_6, "J205.1/F933", "2B2C35BB1BC6E73CE0"),
        (BITS_7, "abcdefgh", "C38B1E4CB9B3E8"),
        (BITS_7, "abcdefgh123", "C38B1E4CB9B3E862C99F"),
        (BITS_7, "US-InU-Mu", "AB4D6C9DD556CDEB"),
    ],
)
def test_a_compaction_makes_the_bytes_of_the_standard(compaction, text, made):
    assert compact(text, compaction).hex().upper() == made
    assert expand(h(made), compaction) == text


@pytest.mark.parametrize(
    ("isil", "made"),
    [
        ("US-InU-Mu", "ACC09EBAA06F6B"),
        ("CN-110108-1-NLC", "1B81E110108A1AC7307F"),
        ("CN-120104-C-YBL", "1B81E120104AD1D6644C"),
    ],
)
def test_an_isil_makes_the_bytes_of_the_standard(isil, made):
    assert compact_isil(isil).hex().upper() == made
    assert expand_isil(h(made)) == isil


def bits(*values: tuple[int, int]) -> bytes:
    text = "".join(f"{value:0{width}b}" for value, width in values)
    text += "1" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8, "big")


def test_an_isils_alphabets_have_the_values_of_the_standard():
    five, digits = [(v, 5) for v in range(28)], [(v, 4) for v in range(12)]
    upper, lower = "-ABCDEFGHIJKLMNOPQRSTUVWXYZ:", "-abcdefghijklmnopqrstuvwxyz/"
    assert expand_isil(bits(*five)) == upper
    assert expand_isil(bits((28, 5), *five)) == lower
    assert expand_isil(bits((30, 5), *digits)) == "0123456789-:"
    latches = bits((28, 5), (1, 5), (30, 5), (1, 4), (12, 4), (1, 5), (28, 5), (1, 5), (28, 5), (1, 5),
                   (30, 5), (1, 4), (14, 4), (2, 5))  # fmt: skip
    assert expand_isil(latches) == "a1AaA1b"
    shifts = bits((29, 5), (1, 5), (1, 5), (31, 5), (1, 4), (2, 5), (28, 5), (29, 5), (1, 5), (1, 5), (31, 5), (1, 4),
                  (2, 5), (30, 5), (13, 4), (1, 5), (1, 4), (15, 4), (1, 5), (2, 4))  # fmt: skip
    assert expand_isil(shifts) == "aA1BAa1bA1a2"


def test_objects_have_the_numbers_and_names_of_the_standard():
    short = (
        "primary item|content|owner|set|usage|shelf|ONIX|MARC|supplier|order|ILL borrowing institution|ILL borrowing \
transaction|GS1|alternative unique item|local data A|local data B|title|product|media|supply chain|invoice|alternative \
item|alternative owner|subsidiary|alternative ILL|local data C"
    )
    for number, word in enumerate(short.split("|"), 1):
        assert word in DataObject(number, "").name
    assert DataObject(27, "").name == "object 27"


@pytest.mark.parametrize(
    ("made", "number", "text", "code"),
    [
        ("06 02 ABCD", 6, "ABCD", 0),
        ("16 02 0100", 6, "256", 1),
        ("26 02 091F", 6, "091", 2),
        ("36 03 0A23A0", 6, "AHQZ", 3),
        ("46 06 0420F1CB3D35", 6, "ABC12345", 4),
        ("56 07 C38B1E4CB9B3E8", 6, "abcdefgh", 5),
        ("66 02 4142", 6, "AB", 6),
        ("76 03 E4B8AD", 6, "\u4e2d", 7),
        ("7F 02 02 4142", 17, "AB", 7),
        ("E6 03 02 4142 000000", 6, "AB", 6),
        ("EF 01 07 02 4142 00", 22, "AB", 6),
    ],
)
def test_a_computed_precursor_is_read(made, number, text, code):
    objects, notes = decode_objects(h(made))
    assert ([(o.number, o.text, o.compaction) for o in objects], notes) == ([(number, text, code)], ())


EXAMPLE = "9100051CBE991A140201D0140204B34607441CB6E2E335D6830207ACC09EBAA06F6B0000"
COPY = (
    DataObject(1, "123456789012", locked=True),
    DataObject(4, "1203"),
    DataObject(6, "QA268.L55"),
    DataObject(3, "US-InU-Mu", locked=True),
)


def test_the_example_of_iso_28560_2_is_written_and_read():
    assert encode_objects(COPY).hex().upper() == EXAMPLE
    said = identify(UID, memory=h(EXAMPLE), dsfid=0x06, afi=0x07)
    assert (said.format, said.item_id, said.owner) == ("iso-28560-2", "123456789012", "US-InU-Mu")
    assert (said.parts, said.part, said.security, said.problem, said.notes) == (12, 3, True, "", ())
    assert said.fields == {"shelf location": "QA268.L55"}


def test_an_object_above_fourteen_is_written_and_read():
    made = encode_objects((*COPY, DataObject(17, "test", locked=True)))
    assert made.hex().upper() == (
        "9100051CBE991A140202D002140204B3C60207441CB6E2E335D600000307ACC09EBAA06F6B7F020474657374"
    )
    assert decode_objects(made)[0][-1].text == "test"


def test_a_content_parameter_of_five_bytes_is_read():
    memory = h("9100051CBE991A140205D000000000140204B34607441CB6E2E335D6830207ACC09EBAA06F6B0000")
    assert identify(UID, memory=memory, dsfid=0x06).notes == ()


BLOCK = "11010131313232333334340000000000000000513E4445373035000000000000"


def test_the_fixed_block_of_libdanrfid_is_written_and_read():
    assert encode_fixed("11223344", "DE-705", size=32).hex().upper() == BLOCK
    said = identify(UID, memory=h(BLOCK), dsfid=0x3E, afi=0x07)
    assert (said.format, said.item_id, said.owner) == ("iso-28560-3", "11223344", "DE-705")
    assert (said.parts, said.part, said.usage, said.security) == (1, 1, "circulation", True)
    assert (said.problem, said.notes) == ("", ())


def test_the_computed_fixed_block_of_34_bytes_is_written_and_read():
    made = encode_fixed("1000000136", "DK-718500")
    assert made.hex().upper() == "110101313030303030303133360000000000003615444B3731383530300000000000"
    assert identify(UID, memory=made).owner == "DK-718500"


def test_the_block_as_a_reader_gave_it_in_nine_blocks():
    memory = h("110101313030303030303133360000000000003615444B373138353030000000000000000000")
    assert identify(UID, memory=memory[:36], dsfid=0x3E).item_id == "1000000136"


def test_a_makers_block_with_swapped_nibbles_is_written_and_read():
    made = "810101323933353030303030333634390000008793525532393300000000000000000000"
    whole = encode_fixed("2935000003649", "RU-293", usage=8, swapped=True)
    assert whole.ljust(36, b"\0").hex().upper() == made
    for memory in (h(made), h(made)[:34], h(made)[:32]):
        said = identify(UID, memory=memory, dsfid=0x3E)
        assert (said.item_id, said.owner, said.usage) == ("2935000003649", "RU-293", "patron card")
        assert (said.parts, said.part, said.problem, said.notes) == (1, 1, "", ("usage nibble swapped",))


@pytest.mark.parametrize(
    ("usage", "word"),
    list(enumerate(
        ["acquisition", "circulation", "not for circulation", "local use", "local use", "future use", "unknown",
         "discarded", "patron card", "equipment"]
    )),
)  # fmt: skip
def test_every_type_of_usage_is_written_and_read(usage, word):
    made = encode_fixed("11223344", usage=usage, parts=3, part=2)
    assert made[:3] == bytes([0x10 | usage, 3, 2])
    said = identify(UID, memory=made, dsfid=0x3E)
    assert (said.usage, said.parts, said.part, said.notes) == (word, 3, 2, ())


def test_a_computed_library_extension_block_is_written_and_read():
    # Length, number (low byte first), xor, media format, identifier and owner with a zero between them.
    made = h("0D 01 00 22 01 31 00 44452D373035")
    assert library_extension(1, "1", "DE-705").to_bytes() == made
    assert decode_extensions(made + h("00 FF")) == ((library_extension(1, "1", "DE-705"),), ())
    long = encode_fixed("DE-705-1234567890-X")
    assert long[3:19] == b"\1" + bytes(15)


UII = "141CC04FC70BADB5C6E2DA1DED4DD319"


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("CH-000134-1.12345678.31", UII),
        ("B.A12312345678", "10E2FB2102DDDF7C4E00"),
        ("12312345678", "FB2102DDDF7C4E00"),
        ("CH-", "141C"), ("000", "C04F"), ("134", "C70B"), ("-1.", "ADB5"), ("123", "C6E2"), ("456", "DA1D"),
        ("78.", "ED4D"), ("31", "D319"), ("a", "FC61"), ("\u00e9", "FDC3A900"), ("\u4e2d", "FEE4B8AD"),
        ("AZ9-.:0", bytes.fromhex(f"{1600 * 1 + 40 * 26 + 39 + 1:04x}{1600 * 27 + 40 * 28 + 29 + 1:04x}"
                                  f"{1600 * 30 + 1:04x}").hex().upper()),
    ],
)  # fmt: skip
def test_urn_code_40_makes_the_bytes_of_the_standard(text, made):
    assert encode_urn_code_40(text).hex().upper() == made
    assert decode_urn_code_40(h(made)) == text


def test_the_example_of_iso_28560_4_is_written_and_read():
    pc, data = encode_uii("12345678", "CH-000134-1", parts=3, part=1)
    assert (f"{int(pc):04X}", data.hex().upper()) == ("45C2", UII)
    bank = b"\x06" + encode_objects((*COPY[1:3], DataObject(3, "US-InU-Mu", BITS_7))) + b"\0"
    assert bank.hex().upper() == "060201D0140204B34607441CB6E2E335D65308AB4D6C9DD556CDEB00"
    said = identify(UII, pc=0x45C2)
    assert (said.format, said.item_id, said.owner) == ("iso-28560-4", "12345678", "CH-000134-1")
    assert (said.parts, said.part, said.security, said.problem) == (3, 1, False, "")
    assert identify(UII, pc=0x4507).security is True
    assert identify(UII).item_id == "12345678"  # without its control word, too
    assert {o.number: o.text for o in decode_objects(bank[1:])[0]} == {
        2: "3,4,6", 4: "1203", 6: "QA268.L55", 3: "US-InU-Mu"
    }  # fmt: skip
    # The standard's two examples are of different items: read as one tag they do not agree.
    assert identify(UII, pc=0x45C2, memory=bank).problem == "contradiction"


def test_the_control_word_has_the_parts_of_the_standard():
    assert ControlWord.of(0x45C2) == ControlWord(8, True, False, True, 0xC2)
    assert ControlWord.of(0x3400) == ControlWord(6, True, False, False, 0)


@pytest.mark.parametrize(
    ("item", "made"),
    [
        ("ABC01", "054142433031"), ("ABC012", "06414243303132"), ("ABC0123*", "A8324911EC010000"),
        ("ABC01234=", "D933491148130000"), ("ABC012345~", "EA374911E4C00000"), ("ABC0123456a", "1B36491100890700"),
        ("ABC01234567z", "AC3749111C5A4B00"), ("ABC012345678*", "AD3249113885F102"),
        ("ABC0123456789?", "FE33491154346F1D"), ("AAA9000000000)", "9E12455102000000"),
        ("ZZZ80007000000", "0EA3AA2A82B92A00"), ("99999999999999", "9E932449FE276BEE"),
        ("29899999196916", "6E8324422E4166EE"), ("A00000@", "0741303030303040"),
    ],
)  # fmt: skip
def test_an_item_packed_into_96_bits(item, made):
    epc = UniversityEpc(item).to_bytes(IPC_96)
    assert epc[4:].hex().upper() == made + "00" * (len(made) // 2 % 2)
    assert decode_university(epc) == UniversityEpc(item)


@pytest.mark.parametrize(
    ("item", "made"),
    [
        ("A", "0141"), ("ABC0123456a", "0B4142433031323334353661"), ("ABC01234567z", "AC77000046410C0201304911"),
        ("ABC012345678*", "AD821C0046410C0201304911"), ("ABC0123456789?", "FE93200746410C0201304911"),
        ("AAA9000000000)", "9E0200000000000040124511"), ("ZZZ80007000000", "0E0300000070000000A2AA2A"),
        ("99999999999999", "9E9324094992240949922409"), ("ZZZZZZZZZZZZZZ", "AEA5AA2AAAAAAA2AAAAAAA2A"),
    ],
)  # fmt: skip
def test_an_item_packed_into_128_bits(item, made):
    epc = UniversityEpc(item).to_bytes(IPC_128)
    assert epc[4:].hex().upper() == made
    assert decode_university(epc) == UniversityEpc(item)


@pytest.mark.parametrize(
    ("epc", "item"), [("1703000398130803F4040000", "32103179"), ("1703000378130803F4040000", "32103177")]
)
def test_real_tags_of_a_chinese_university(epc, item):
    bank = h("0C0228081004000100010000000000000000000000000000000000000000")
    said = identify(epc, pc=0x3400, memory=bank)
    assert (said.format, said.item_id, said.owner) == ("cn-university", item, "10248")
    assert (said.parts, said.part, said.lent, said.security, said.problem) == (1, 1, False, True, "")
    found = decode_university(h(epc))
    assert found is not None
    assert (found.version, found.contents) == (4, (3, 4))
    assert found.to_bytes() == h(epc)


def test_flags_encoding_and_version_of_the_universities():
    one = UniversityEpc("ABC01", lent=True, reserved=2, sorting=5, version=4)
    assert [one.to_bytes(encoding)[:2] for encoding in range(3)] == [h("A503"), h("A543"), h("A583")]
    assert decode_university(h("A503 0000 054142433031")) == one
    assert identify("A5030000054142433031", pc=0x2800).lent is True


def test_a_content_parameter_of_the_universities():
    assert UniversityEpc("A1", contents=(3, 12, 15)).to_bytes()[2:4] == h("00A1")


def test_a_universitys_code_is_two_bytes_and_its_nine_a_six():
    assert [owner_bytes(c).hex() for c in ("90000", "00001")] == ["ea60", "0001"]
    assert [owner_code(h(c)) for c in ("EA60", "0001")] == ["90000", "00001"]


@pytest.mark.parametrize(
    ("epc", "urn"),
    [
        ("3314257BF40C0E4000000190", "urn:epc:id:grai:0614141.12345.400"),
        ("3376451FD40C0E400000162E", "urn:epc:id:grai:9521141.12345.5678"),
        ("3074257BF46DB64000000190", "urn:epc:id:sgtin:0614141.112345.400"),
    ],
)
def test_an_epc_of_the_tag_data_standard(epc, urn):
    found = decode_gs1(h(epc))
    assert found is not None
    assert found.urn == urn
    assert found.to_bytes() == h(epc)
    assert identify(epc).identifier == urn


def test_a_gs1_key_has_its_check_digit():
    assert Gs1Epc("grai", "0614141", "12345", 400).key == "00614141123452"
    assert Gs1Epc("sgtin", "0614141", "812345", 6789).key == "80614141123458"
