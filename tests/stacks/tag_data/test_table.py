"""What many tags say, held as columns, is what was put in."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stacks.tag_data import FORMATS, TagContents, TagTable
from stacks.tag_data.contents import AMBIGUOUS, NOTHING, PATRON_CARD, PROBLEMS
from stacks.tag_data.keys import TagKeys, numbers_of

UIDS = st.integers(0, (1 << 64) - 1).map(lambda number: f"{number:016X}")
ODD = st.text("0123456789ABCDEFabcdef_+ ٣", min_size=16, max_size=16)
EPCS = st.one_of(UIDS, ODD, st.binary(max_size=14).map(lambda data: data.hex().upper()), st.text(max_size=3))
CONTENTS = st.builds(
    TagContents,
    format=st.sampled_from(["", *FORMATS]),
    item_id=st.one_of(st.just(""), st.text(max_size=20)),
    owner=st.sampled_from(["", "DE-705", "DE-18"]),
    identifier=st.sampled_from(["", "urn:epc:id:grai:1"]),
    parts=st.sampled_from([None, 1, 3]),
    part=st.sampled_from([None, 0, 2]),
    usage=st.sampled_from(["", "circulation", PATRON_CARD]),
    security=st.sampled_from([None, True, False]),
    lent=st.sampled_from([None, True, False]),
    problem=st.sampled_from(["", *PROBLEMS]),
    notes=st.sampled_from([(), ("bytes of blocks reversed",)]),
    fields=st.sampled_from([NOTHING, {"title": "Emma"}]),
)
WAYS = st.lists(CONTENTS, min_size=2, max_size=3).map(
    lambda ways: TagContents(problem=AMBIGUOUS, readings=tuple(ways))
)
TAGS = st.dictionaries(EPCS, st.one_of(CONTENTS, WAYS), max_size=12)


@given(TAGS, st.lists(EPCS, max_size=5))
def test_a_table_is_the_mapping_that_it_was_made_of(tags, others):
    table = TagTable.of(tags)
    assert TagTable.of(table) is table
    assert dict(table) == tags == dict(zip(table, table.values(), strict=True))
    assert list(table.items()) == list(tags.items())
    asked = [*others, *tags]
    order = {epc: row for row, epc in enumerate(tags)}
    assert table.rows(asked).tolist() == [order.get(epc, -1) for epc in asked]
    assert [table.get(epc) for epc in asked] == [tags.get(epc) for epc in asked]
    assert [epc in table for epc in asked] == [epc in tags for epc in asked]
    assert table.column("security").tolist() == [said.security for said in tags.values()]
    ways = [(row, w.item_id, w.format) for row, said in enumerate(tags.values()) for w in said.candidates]
    row, items, formats = table.candidates()
    assert list(zip(row.tolist(), items, formats.tolist(), strict=True)) == ways
    told = [epc in tags and tags[epc].problem == "" for epc in asked]
    assert table.holds(asked, lambda said: not said.problem).tolist() == told


@given(TAGS, TAGS, st.randoms(use_true_random=False))
def test_tables_are_taken_apart_and_put_together(tags, more, random):
    rows = random.sample(range(len(tags)), len(tags) // 2)
    some = TagTable.of(tags).select(np.array(rows, np.int64))
    names = list(tags)
    expected = {names[i]: tags[names[i]] for i in rows}
    assert list(some.items()) == list(expected.items())
    more = {epc: said for epc, said in more.items() if epc not in expected}
    assert list(some.joined(TagTable.of(more)).items()) == [*expected.items(), *more.items()]


def test_only_eight_bytes_in_capitals_have_a_number():
    epcs = ["E004015306A22D70", "e004015306A22D70", "E00401530_A22D70", "E0" * 12, "", "E00401530٣A22D70"]
    assert numbers_of(epcs).tolist() == [0xE004015306A22D70, 0, 0, 0, 0, 0]
    keys = TagKeys([*epcs, "0" * 16])
    assert keys.rows(list(keys)).tolist() == list(range(7)) == [keys.row(epc) for epc in keys]
    assert keys.epcs(np.array([5, 0, 6])) == [epcs[5], epcs[0], "0" * 16]
