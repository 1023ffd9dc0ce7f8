"""What readers read of tags beside their number goes the robot's way: collector, wire, store."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from reader_drivers import TagData
from recording import NOT_READ
from recording.wire import Batch, decode_batch, encode_batch
from robot.collector import Collector
from robot.tag_memories import tag_memories

MOUNT = np.zeros(256, np.uint8)
MOUNT[[1, 2]] = 11, 12
KNOWN = MOUNT > 0
small = st.none() | st.integers(0, 255)
looks = st.lists(
    st.builds(
        TagData,
        t=st.integers(0, 2**62),
        epc=st.binary(min_size=8, max_size=12).map(lambda b: b.hex().upper()),
        antenna=st.sampled_from([1, 2]),
        afi=small,
        eas=st.none() | st.booleans(),
        dsfid=small,
        memory=st.binary(max_size=200),
        block_bytes=st.sampled_from([0, 4, 8]),
    ),
    max_size=8,
)


@given(looks)
def test_what_was_read_arrives_bit_for_bit(read):
    collector = Collector(3)
    collector.add_tags(tag_memories(read, MOUNT, KNOWN))
    batches = [
        decode_batch(encode_batch(Batch("run1", kind, seq, data)))
        for seq, (kind, data) in enumerate(collector.take())
    ]
    assert all(batch.kind == "tags" and len(batch.data) <= 3 for batch in batches)
    rows = [
        row for batch in batches for row in zip(*(v.tolist() for _, v in batch.data.columns()), strict=True)
    ]

    def number(value):
        return NOT_READ if value is None else int(value)

    assert rows == [
        (d.t, d.epc, 10 + d.antenna, number(d.afi), number(d.eas), number(d.dsfid), d.memory, d.block_bytes)
        for d in read
    ]


def test_looks_of_a_port_without_a_mount_are_left_out():
    read = [TagData(1, "E0AA", port) for port in (1, 7, 300)]
    assert tag_memories(read, MOUNT, KNOWN).antenna.tolist() == [11]
