"""Whatever an answer holds, it becomes items or one line that says why not."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stacks.holdings import SCHEMES, STATUSES
from stacks.ils import IlsError, IlsItem
from stacks.ils.alma.records import item_of as alma_item
from stacks.ils.alma.settings import AlmaSettings
from stacks.ils.folio.records import item_of as folio_item
from stacks.ils.folio.settings import FolioSettings
from stacks.ils.http import _retry_after, _said
from stacks.ils.koha.records import item_of as koha_item
from stacks.ils.koha.settings import KohaSettings
from stacks.ils.reading import as_instant, instant, whole

KOHA = KohaSettings(kind="koha", url="https://k.example", user="u", password="p")
FOLIO = FolioSettings(kind="folio", url="https://f.example", tenant="t", user="u", password="p")
ALMA = AlmaSettings(kind="alma", url="https://a.example", api_key="k")

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


def objects(*names):
    return st.dictionaries(st.sampled_from(names), VALUES, max_size=len(names))


KOHA_FIELDS = (
    "item_id",
    "biblio_id",
    "external_id",
    "lost_status",
    "withdrawn",
    "checked_out_date",
    "timestamp",
    "biblio",
    "location",
)
FOLIO_FIELDS = (
    "id",
    "barcode",
    "status",
    "effectiveCallNumberComponents",
    "effectiveLocation",
    "lastCheckIn",
    "metadata",
    "title",
)
ALMA_FIELDS = (
    "pid",
    "barcode",
    "base_status",
    "process_type",
    "location",
    "requested",
    "modification_date",
    "description",
)


def sound(item):
    assert item is None or isinstance(item, IlsItem)
    if item is not None:
        assert item.barcode == item.barcode.strip() != ""
        assert item.status in STATUSES
        assert item.scheme in SCHEMES
        assert item.updated_at is None or item.updated_at.utcoffset().total_seconds() == 0


@settings(max_examples=150, deadline=None)
@given(
    VALUES | objects(*KOHA_FIELDS) | objects(*KOHA_FIELDS).map(lambda d: {**d, "item_id": 1, "biblio_id": 2})
)
def test_any_koha_record_is_an_item_or_one_line(value):
    try:
        sound(koha_item(value, KOHA))
    except IlsError as error:
        assert "\n" not in str(error)


@settings(max_examples=150, deadline=None)
@given(
    VALUES
    | objects(*FOLIO_FIELDS)
    | objects(*FOLIO_FIELDS).map(lambda d: {**d, "id": "a", "status": {"name": "Lent to Mars"}})
)
def test_any_folio_record_is_an_item_or_one_line(value):
    try:
        sound(folio_item(value, FOLIO, {}))
    except IlsError as error:
        assert "\n" not in str(error)


@settings(max_examples=150, deadline=None)
@given(
    VALUES
    | objects(*ALMA_FIELDS).map(
        lambda d: {
            "bib_data": {"mms_id": "1"},
            "holding_data": {"holding_id": "2"},
            "item_data": {"pid": "3", **d},
        }
    )
)
def test_any_alma_record_is_an_item_or_one_line(value):
    try:
        sound(alma_item(value, ALMA))
    except IlsError as error:
        assert "\n" not in str(error)


@given(st.binary(max_size=200))
def test_the_words_of_any_error_body_are_one_line(body):
    said = _said(body)
    assert "\n" not in said
    assert len(said) <= 200


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"error":"Item not found"}', "Item not found"),
        (
            b'{"errors":[{"message":"Properties not allowed: foo.","path":"/body"}],"status":400}',
            "Properties not allowed: foo.",
        ),
        (
            b'{"errorsExist":true,"errorList":{"error":[{"errorCode":"1","errorMessage":"No items"}]}}',
            "No items",
        ),
        (
            b'{"errors":[{"message":"Item is not allowed","type":"1"}],"total_records":1}',
            "Item is not allowed",
        ),
        (b"Access requires permission: x", "Access requires permission: x"),
        (b"<html><body>secret page</body></html>", ""),
        (b"", ""),
    ],
)
def test_the_vendors_own_words_are_found(body, said):
    assert _said(body) == said


@given(st.text(max_size=40))
def test_any_text_is_a_time_or_one_line(text):
    try:
        made = instant(text)
    except IlsError as error:
        assert "is no date" in str(error)
    else:
        assert made is None or made.tzinfo is UTC


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("3", 3),
        (" 12 ", 12),
        ("", None),
        (None, None),
        ("many", None),
        ("²", None),
        ("-1", None),
        ("9" * 5000, None),
    ],
)
def test_a_number_in_a_header_or_field_is_one_or_none(text, number):
    assert whole(text) == number


def test_times_are_read_as_the_vendors_write_them():
    assert instant("2026-11-20T23:41:00+08:00") == datetime(2026, 11, 20, 15, 41, tzinfo=UTC)
    assert instant("2026-11-20Z") == datetime(2026, 11, 20, tzinfo=UTC)
    assert instant("2026-11-20T15:41:00.000+00:00") == datetime(2026, 11, 20, 15, 41, tzinfo=UTC)
    assert instant(None) is None
    assert as_instant(date(2026, 11, 20)) == datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        ("Sun, 22 Nov 2026 10:00:30 GMT", 30.0),
        ("Sun, 22 Nov 2026 09:00:00 GMT", 0.0),
        ("soon", None),
        ("", None),
        ("-5", None),
    ],
)
def test_retry_after_is_a_number_or_a_time(text, seconds):
    assert _retry_after({"retry-after": text}, datetime(2026, 11, 22, 10, tzinfo=UTC)) == seconds
