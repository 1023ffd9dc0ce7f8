"""
The MQTT payload: one batch of columns as a msgpack map under zlib.

Layout, version 1: a map with `v` (1), `run_id`, `kind`, `seq`, `n` and `columns`, which maps a column's
name to its values as little-endian bytes without gaps (strings as a list); a batch of readings has `tags`,
a list of byte strings, into which the column `tag` points.
The column `memory` of tags is a list of byte strings. The whole is one zlib stream, level 1.

Everything that comes from a robot is checked before use: the size before and after decompression, the
types, the lengths, the names. Whatever is wrong is a `PayloadError`, never another exception.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn, cast

import msgpack
import numpy as np
import numpy.typing as npt

from recording.errors import PayloadError
from recording.json_checks import one_line
from recording.poses import Poses
from recording.readings import Readings
from recording.records import Activity, Events
from recording.run_info import is_run_id
from recording.tag_memories import MOST_BYTES, NOT_READ, TagMemories
from recording.topics import KINDS

VERSION = 1
MAX_BYTES = 32 << 20
"""Most bytes of a payload, before and after decompression."""
MAX_ROWS = 1 << 20
"""Most rows of a batch; a robot sends about a thousand."""
MAX_SEQ = (1 << 63) - 1
_MOST = {"tags.afi": 255, "tags.dsfid": 255, "tags.eas": 1}
"""The highest value of columns that say "not read" by `NOT_READ`."""

Columns = Readings | Poses | Events | Activity | TagMemories
_CLASSES: dict[str, type[Columns]] = {
    "readings": Readings,
    "poses": Poses,
    "events": Events,
    "activity": Activity,
    "tags": TagMemories,
}
_KEYS = {"v", "run_id", "kind", "seq", "n", "columns"}
MAX_TEXT = 1 << 16
"""Most bytes of one text in UTF-8."""


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """
    Some rows of a run on their way from robot to cloud.

    Attributes
    ----------
    run_id : str
        The run.
    kind : {"readings", "poses", "events", "activity", "tags"}
        What the rows are.
    seq : int
        Counts from 0 in each kind; `(run_id, kind, seq)` names the batch everywhere.
    data : Readings, Poses, Events, Activity or TagMemories
        The rows.
    """

    run_id: str
    kind: str
    seq: int
    data: Columns


def encode_batch(batch: Batch) -> bytes:
    """
    Return the payload of a batch.

    Raises
    ------
    PayloadError
        If the batch cannot be sent: its name is none, its kind and data do not match, or it is too large.
    """
    if batch.kind not in KINDS or not isinstance(batch.data, _CLASSES[batch.kind]):
        _fail(f"kind {batch.kind!r} does not go with {type(batch.data).__name__}")
    if not is_run_id(batch.run_id):
        _fail(f"run_id {batch.run_id!r} may hold letters, digits and . _ - only, at most 128")
    _integer("seq", batch.seq, MAX_SEQ)
    n = len(batch.data)
    if n > MAX_ROWS:
        _fail(f"{n} rows are more than the {MAX_ROWS} of one batch; split it")
    message: dict[str, Any] = {
        "v": VERSION,
        "run_id": batch.run_id,
        "kind": batch.kind,
        "seq": batch.seq,
        "n": n,
        "columns": {name: _encode_column(name, values) for name, values in batch.data.columns()},
    }
    if isinstance(batch.data, Readings):
        message["tags"] = [_encode_tag(tag) for tag in batch.data.tags]
    packed = cast(bytes, msgpack.packb(message, use_bin_type=True))
    if len(packed) > MAX_BYTES:
        _fail(f"{len(packed)} bytes are more than the {MAX_BYTES} of one batch; split it")
    return zlib.compress(packed, 1)


def decode_batch(payload: bytes | bytearray | memoryview) -> Batch:
    """
    Return the batch of a payload.

    Raises
    ------
    PayloadError
        If anything about it is wrong; one line.
    """
    message = _unpack(_inflate(bytes(payload)))
    version = message.get("v")
    if version != VERSION or type(version) is not int:
        _fail(f"version {_show(version)} is not {VERSION}")
    kind = message.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        _fail(f"kind {_show(kind)} is none of {', '.join(KINDS)}")
    expected = _KEYS | ({"tags"} if kind == "readings" else set())
    if message.keys() != expected:
        odd = message.keys() ^ expected
        _fail(f"{kind}: key {_show(min(odd))} is {'unknown' if min(odd) in message else 'missing'}")
    run_id, seq, n, columns = (message[key] for key in ("run_id", "seq", "n", "columns"))
    if not is_run_id(run_id):
        _fail(f"run_id {_show(run_id)} may hold letters, digits and . _ - only, at most 128")
    _integer("seq", seq, MAX_SEQ)
    _integer("n", n, MAX_ROWS)
    if not isinstance(columns, dict):
        _fail("columns must be a map")
    made = _decode_columns(kind, cast(dict[str, Any], columns), n)
    if kind != "readings":
        return Batch(run_id, kind, seq, _CLASSES[kind](**made))
    tags, tag = _decode_tags(message["tags"], made.pop("tag"))
    return Batch(run_id, kind, seq, Readings(tag=tag, tags=tags, **made))


def _encode_column(name: str, values: npt.NDArray[Any]) -> bytes | list[Any]:
    if values.dtype == np.dtype(object):
        if name == "memory":
            for value in values:
                if not isinstance(value, bytes) or len(value) > MOST_BYTES:
                    _fail(f"column memory holds {_show(value)}: no bytes, or over {MOST_BYTES} of them")
            return values.tolist()
        for value in values:
            if not (isinstance(value, str) or (value is None and name == "floor_id")):
                _fail(f"column {name} holds {_show(value)}, which is no text")
            if isinstance(value, str) and not _travels(value):
                _fail(f"column {name} holds {_show(value)}: half a surrogate, or over {MAX_TEXT} bytes")
        return values.tolist()
    return values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes()


def _inflate(payload: bytes) -> bytes:
    if len(payload) > MAX_BYTES:
        _fail(f"{len(payload)} bytes are more than the {MAX_BYTES} allowed")
    stream = zlib.decompressobj()
    try:
        data = stream.decompress(payload, MAX_BYTES)
    except zlib.error as e:
        _fail(f"is no zlib stream ({one_line(str(e))})")
    if stream.unconsumed_tail or (not stream.eof and len(data) >= MAX_BYTES):
        _fail(f"grows beyond the {MAX_BYTES} bytes allowed")
    if not stream.eof:
        _fail("is cut short")
    if stream.unused_data:
        _fail(f"has {len(stream.unused_data)} bytes behind its end")
    return data


def _unpack(data: bytes) -> dict[str, Any]:
    maps = lists = 0

    def pairs(items: list[tuple[Any, Any]]) -> dict[Any, Any]:
        nonlocal maps
        maps += 1
        made = dict(items)
        # The outer map and its columns are all there can be; a flood of empty maps stops at the third.
        if maps > 2 or len(made) != len(items):
            raise ValueError("too many maps, or a key twice in one")
        return made

    def entries(items: list[Any]) -> list[Any]:
        nonlocal lists
        lists += 1
        if lists > 8:
            raise ValueError("too many lists")
        return items

    def extension(code: int, _: bytes) -> NoReturn:
        raise ValueError(f"extension type {code}")

    try:
        message = msgpack.unpackb(
            data,
            object_pairs_hook=pairs,
            list_hook=entries,
            ext_hook=extension,
            strict_map_key=True,
            max_bin_len=MAX_BYTES,
            max_str_len=MAX_TEXT,
            max_array_len=MAX_ROWS,
            max_map_len=64,
            max_ext_len=0,
        )
    except (ValueError, TypeError, RecursionError, MemoryError, msgpack.UnpackException) as e:
        _fail(f"is no msgpack map of a batch ({one_line(str(e)) or type(e).__name__})")
    if not isinstance(message, dict) or not all(
        isinstance(key, str) for key in cast(dict[Any, Any], message)
    ):
        _fail(f"is {type(message).__name__}, not a map of names")
    return cast(dict[str, Any], message)


def _decode_columns(kind: str, columns: Mapping[str, Any], n: int) -> dict[str, Any]:
    kind_class = _CLASSES[kind]
    made: dict[str, Any] = {}
    for name, values in columns.items():
        if name not in kind_class.DTYPES:
            _fail(f"{kind}: column {_show(name)} is unknown")
        dtype = np.dtype(kind_class.DTYPES[name])
        made[name] = (
            _decode_memories(f"{kind}.{name}", values, n)
            if name == "memory"
            else _decode_texts(f"{kind}.{name}", values, n, name == "floor_id")
            if dtype == np.dtype(object)
            else _decode_numbers(f"{kind}.{name}", values, n, dtype)
        )
    for name in kind_class.DTYPES:
        if name not in made and name not in kind_class.OPTIONAL:
            _fail(f"{kind}: column {name} is missing")
    return made


def _decode_numbers(name: str, values: Any, n: int, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    if not isinstance(values, bytes):
        _fail(f"{name} must be bytes, not {type(values).__name__}")
    if len(values) != n * dtype.itemsize:
        _fail(f"{name} has {len(values)} bytes; {n} rows of {dtype.name} are {n * dtype.itemsize}")
    made = np.frombuffer(values, dtype=dtype.newbyteorder("<")).astype(dtype, copy=False)
    most = _MOST.get(name)
    if most is not None and n and not NOT_READ <= int(made.min()) <= int(made.max()) <= most:
        _fail(
            f"{name} holds {int(made.min())} to {int(made.max())}; it is {NOT_READ} (not read), or 0 to {most}"
        )
    return made


def _decode_texts(name: str, values: Any, n: int, none_allowed: bool) -> npt.NDArray[np.object_]:
    if not isinstance(values, list):
        _fail(f"{name} must be a list of texts, not {type(values).__name__}")
    texts = cast(list[Any], values)
    if len(texts) != n:
        _fail(f"{name} has {len(texts)} texts where n is {n}")
    for value in texts:
        if not (isinstance(value, str) or (value is None and none_allowed)):
            _fail(f"{name} holds {_show(value)}, which is no text")
    made = np.empty(n, dtype=object)
    made[:] = texts
    return made


def _decode_memories(name: str, values: Any, n: int) -> npt.NDArray[np.object_]:
    if not isinstance(values, list) or len(cast(list[Any], values)) != n:
        _fail(f"{name} must be a list of {n} byte strings")
    made = np.empty(n, dtype=object)
    for i, value in enumerate(cast(list[Any], values)):
        if not isinstance(value, bytes) or len(value) > MOST_BYTES:
            _fail(f"{name} holds {_show(value)}: no bytes, or over {MOST_BYTES} of them")
        made[i] = value
    return made


def _decode_tags(values: Any, tag: npt.NDArray[np.uint32]) -> tuple[tuple[str, ...], npt.NDArray[np.uint32]]:
    if not isinstance(values, list):
        _fail(f"tags must be a list of byte strings, not {type(values).__name__}")
    index: dict[str, int] = {}
    new = np.empty(len(cast(list[Any], values)), dtype=np.uint32)
    for i, value in enumerate(cast(list[Any], values)):
        if not isinstance(value, bytes):
            _fail(f"tags[{i}] must be bytes, not {type(value).__name__}")
        new[i] = index.setdefault(value.hex().upper(), len(index))
    if len(tag) and int(tag.max()) >= len(new):
        _fail(f"readings.tag points to tag {int(tag.max())} of {len(new)}")
    # A tag listed twice is one tag: `Readings.tags` has each once.
    return tuple(index), tag if len(index) == len(new) else new[tag]


def _integer(name: str, value: Any, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= high:
        _fail(f"{name} {_show(value)} must be an integer in 0 to {high}")


def _travels(text: str) -> bool:
    if text.isascii():
        return len(text) <= MAX_TEXT
    try:
        return len(text.encode()) <= MAX_TEXT
    except UnicodeEncodeError:
        return False


def _encode_tag(tag: str) -> bytes:
    try:
        data = bytes.fromhex(tag)
    except ValueError:
        data = b""
    # fromhex also takes small letters and blanks, which would come back as another text.
    if data.hex().upper() != tag:
        _fail(f"tag {tag[:40]!r} is no upper-case hexadecimal of whole bytes")
    return data


def _show(value: object) -> str:
    return one_line(repr(value)[:200], 60)


def _fail(what: str) -> NoReturn:
    raise PayloadError(f"payload: {what}")
