"""Topics and the JSON that travels on them."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recording import PayloadError
from recording.topics import SUBSCRIPTION, Ack, End, Status, Topics, decode_run, encode_run, parse_topic
from tests.recording.making import info


def test_each_topic_is_where_the_format_says() -> None:
    topics = Topics("main", "r2")
    leaves = ("run", "readings", "poses", "events", "activity", "end", "status", "ack")
    assert {leaf: getattr(topics, leaf) for leaf in leaves} == {
        leaf: f"nightstack/v1/main/r2/{leaf}" for leaf in leaves
    }
    assert all(parse_topic(getattr(topics, leaf)) == ("main", "r2", leaf) for leaf in leaves)
    assert topics.topic("poses") == topics.poses
    assert SUBSCRIPTION == "nightstack/v1/+/+/+"
    assert parse_topic(Topics("总馆", "机器人 1").run) == ("总馆", "机器人 1", "run")


@pytest.mark.parametrize(
    "name",
    [
        "",
        "a/b",
        "+",
        "#",
        "a#",
        "..",
        ".",
        "$SYS",
        "a\x00",
        "a\n",
        " a",
        "a ",
        "a..b",
        "x" * 129,
        "a\\b",
        "a:b",
    ],
)
def test_names_that_cannot_be_topics_or_folders_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="site"):
        Topics(name, "r2")
    with pytest.raises(ValueError, match="robot"):
        Topics("main", name)
    with pytest.raises(PayloadError):
        parse_topic(f"nightstack/v1/{name}/r2/run")


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "nightstack",
        "nightstack/v1/a/b",
        "nightstack/v2/a/b/run",
        "nightstack/v1/a/b/books",
        "nightstack/v1/a/b/run/x",
        "rfid/v1/a/b/run",
    ],
)
def test_other_topics_are_refused(topic: str) -> None:
    with pytest.raises(PayloadError):
        parse_topic(topic)
    with pytest.raises(ValueError, match="books"):
        Topics("a", "b").topic("books")


@given(topic=st.text(max_size=60))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_any_text_is_a_topic_or_refused(topic: str) -> None:
    for candidate in (topic, f"nightstack/v1/{topic}/r/run"):
        try:
            site, robot, leaf = parse_topic(candidate)
        except PayloadError:
            continue
        assert getattr(Topics(site, robot), leaf) == candidate


@pytest.mark.parametrize(
    "value",
    [
        End("night-1", {"readings": 12, "poses": 3, "events": 0}),
        End("night-1", {}, "aborted: battery empty"),
        Ack("night-1", "readings", -1),
        Ack("night-1", "poses", 41, (43, 47)),
        Status("online", "night-1", 1_700_000_000_000_000_000, {"battery": 0.7}),
        Status("offline", None, 0),
    ],
)
def test_payloads_come_back(value: Any) -> None:
    assert type(value).from_json(value.to_json()) == value


def test_what_a_foreign_robot_may_leave_out() -> None:
    assert End.from_json(b'{"run_id": "n", "batches": {"readings": 2}}') == End("n", {"readings": 2}, "done")
    assert End.from_json(b'{"run_id": "n", "readings": 2, "poses": 1}') == End(
        "n", {"readings": 2, "poses": 1}, "done"
    )
    assert Ack.from_json(b'{"run_id": "n", "kind": "poses", "upto": 2}') == Ack("n", "poses", 2)


def test_the_run_comes_back_and_is_checked() -> None:
    assert decode_run(encode_run(info(extra={"operator": "Ada"}))) == info(extra={"operator": "Ada"})
    for payload, word in (
        (b"{", "JSON"),
        (b"[]", "object"),
        (b'{"format": "nightstack-recording/9"}', "format"),
        (encode_run(info(run_id="a/b")), "run_id"),
    ):
        with pytest.raises(PayloadError, match=word):
            decode_run(payload)


WRONG: list[tuple[Any, bytes, str]] = [
    (End, b"", "JSON"),
    (End, b"[]", "object"),
    (End, b'{"run_id": "n"}', "batches is missing"),
    (End, b'{"run_id": "n", "batches": 5}', "batches"),
    (End, b'{"run_id": "n", "batches": {"books": 5}}', "batches.books"),
    (End, b'{"run_id": "n", "batches": {"poses": -1}}', "batches.poses"),
    (End, b'{"run_id": "n", "batches": {"poses": 1.5}}', "batches.poses"),
    (End, b'{"run_id": "n", "batches": {"poses": "3"}}', "batches.poses"),
    (End, b'{"run_id": "n", "batches": {"poses": true}}', "batches.poses"),
    (End, b'{"run_id": "../x", "batches": {}}', "run_id"),
    (End, b'{"run_id": "n", "batches": {}, "reason": 5}', "reason"),
    (End, b'{"run_id": "n", "batches": {}' + b" " * (1 << 20) + b"}", "bytes"),
    (Ack, b'{"run_id": "n", "kind": "poses", "upto": -2}', "upto"),
    (Ack, b'{"run_id": "n", "kind": "books", "upto": 1}', "kind"),
    (Ack, b'{"run_id": "n", "kind": "poses", "upto": 5, "missing": [6, "7"]}', "missing[1]"),
    (Ack, b'{"run_id": "n", "kind": "poses", "upto": 5, "missing": [5]}', "missing[0]"),
    (Ack, b'{"run_id": "n", "kind": "poses", "upto": 5, "missing": null}', "missing"),
    (Status, b'{"state": "asleep", "run_id": null, "t": 1}', "state"),
    (Status, b'{"state": "online", "run_id": 1, "t": 1}', "run_id"),
    (Status, b'{"state": "online", "run_id": null, "t": 1e9}', "t must be an integer"),
    (Status, b'{"state": "online", "run_id": null}', "t is missing"),
    (Status, b'\xff{"state": "online"}', "UTF-8"),
]


@pytest.mark.parametrize(("kind", "payload", "word"), WRONG)
def test_wrong_payloads_are_refused(kind: Any, payload: bytes, word: str) -> None:
    with pytest.raises(PayloadError) as caught:
        kind.from_json(payload)
    assert word in str(caught.value)
    assert "\n" not in str(caught.value)
