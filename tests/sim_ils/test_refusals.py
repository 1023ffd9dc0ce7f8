"""The emulated systems refuse what the real ones' published schemas refuse."""

import json

import httpx
import pytest

from sim.ils import AlmaEmulator, FolioEmulator, KohaEmulator, Stock
from sim.ils.folio import INVENTORY_NOTE_TYPE
from stacks.holdings import Holding


def stock():
    return Stock([Holding(f"B{i}", "", f"QA{i}", "lcc", f"书 {i}", "GEN", "available") for i in range(1, 6)])


@pytest.fixture
def koha():
    with (
        KohaEmulator(stock()) as emulator,
        httpx.Client(base_url=emulator.url, auth=(emulator.user, emulator.password)) as client,
    ):
        yield emulator, client


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ({"last_seen_date": "2026-11-21T10:00:00Z"}, 200, ""),
        ({"lost_status": 4}, 200, ""),
        ({"lost_status": "4"}, 400, "lost_status"),
        ({"lost_status": True}, 400, "lost_status"),
        ({"lost_status": None}, 400, "lost_status"),
        ({"last_seen_date": "2026-11-21"}, 400, "format"),
        ({"home_branch": "CPL"}, 400, "Properties not allowed: home_branch."),
        ({"external_id": "B2"}, 409, "Duplicate barcode."),
        ([], 400, "Expected object"),
    ],
)
def test_koha_takes_items_by_its_definition(koha, body, status, says):
    answer = koha[1].put("/api/v1/biblios/100001/items/1", json=body)
    assert (answer.status_code, says in answer.text) == (status, True)


def test_koha_checks_queries_and_embeds(koha):
    _, client = koha
    assert client.get("/api/v1/items", params={"per_page": 1}).status_code == 400
    assert client.get("/api/v1/items", params={"q": "{"}).status_code == 400
    assert client.get("/api/v1/items", params={"q": '{"barcode": "B1"}'}).status_code == 400
    assert client.get("/api/v1/items", headers={"x-koha-embed": "checkout"}).status_code == 400
    assert client.put("/api/v1/biblios/100002/items/1", json={}).status_code == 404
    found = client.get("/api/v1/items", params={"_per_page": 2, "_page": 2, "q": '{"lost_status": 0}'})
    assert [v["external_id"] for v in found.json()] == ["B3", "B4"]
    assert found.headers["x-total-count"] == "5"
    assert "biblio" not in found.json()[0]
    assert client.get("/api/v1/items", auth=("x", "y")).status_code == 401


def test_folio_locks_and_validates():
    with FolioEmulator(stock()) as emulator, httpx.Client(base_url=emulator.url) as client:
        assert client.get("/inventory/items").status_code == 401
        who = {"username": emulator.user, "password": emulator.password}
        assert client.post("/authn/login-with-expiry", json=who).status_code == 400
        client.headers["x-okapi-tenant"] = emulator.tenant
        assert client.post("/authn/login-with-expiry", json={**who, "password": "x"}).status_code == 422
        assert client.post("/authn/login-with-expiry", json=who).status_code == 201
        item = client.get("/inventory/items", params={"query": 'barcode=="B1"'}).json()["items"][0]
        path = f"/inventory/items/{item['id']}"
        note = {"itemNoteTypeId": INVENTORY_NOTE_TYPE, "note": "n", "staffOnly": True}
        assert client.put(path, json={**item, "notes": [note]}).status_code == 204
        assert client.put(path, json=item).status_code == 409
        item = client.get(path).json()
        for wrong in (
            {**item, "inventoryDate": "2026-11-21"},
            {k: v for k, v in item.items() if k != "materialType"},
            {**item, "status": {"name": "Gone"}},
            {**item, "notes": [{**note, "itemNoteTypeId": "nope"}]},
            {**item, "notes": [{**note, "date": "x"}]},
        ):
            assert client.put(path, json=wrong).status_code == 422
        emulator.stock.lend("B1")
        assert client.post(f"{path}/mark-missing").status_code == 422
        emulator.stock.give_back("B1")
        assert client.post(f"{path}/mark-missing").json()["status"]["name"] == "Missing"
        assert client.get("/inventory/items", params={"query": "barcode=B1 or x=2"}).status_code == 400


def test_alma_redirects_validates_and_empties():
    with AlmaEmulator(stock()) as emulator:
        key = {"Authorization": f"apikey {emulator.api_key}"}
        with httpx.Client(base_url=emulator.url, headers=key) as client:
            assert (
                client.get(
                    "/almaws/v1/items", params={"item_barcode": "B1"}, headers={"Authorization": "apikey x"}
                ).status_code
                == 400
            )
            moved = client.get("/almaws/v1/items", params={"item_barcode": "B1"})
            assert moved.status_code == 302
            link = moved.headers["location"]
            item = client.get(link).json()
            assert item["item_data"]["base_status"]["value"] == "1"
            unknown = client.get("/almaws/v1/items", params={"item_barcode": "nope"})
            assert unknown.json()["errorList"]["error"][0]["errorCode"] == "401689"
            assert (
                client.put(link, json={**item, "item_data": {**item["item_data"], "seen": "x"}}).status_code
                == 400
            )
            assert (
                client.put(
                    link, json={**item, "item_data": {**item["item_data"], "inventory_date": "21.11.2026"}}
                ).status_code
                == 400
            )
            assert (
                client.put(
                    link, json={**item, "item_data": {**item["item_data"], "barcode": "B2"}}
                ).status_code
                == 400
            )
            assert client.put(link, json={"item_data": {"inventory_date": "2026-11-21Z"}}).status_code == 200
            assert emulator.stock.copies[0].barcode == "", "what a PUT leaves out is emptied"


@pytest.mark.parametrize(
    "asked", [{"limit": "x"}, {"limit": "101"}, {"offset": "-1"}, {"offset": "9" * 5000}]
)
def test_alma_refuses_pages_that_are_none(asked):
    with AlmaEmulator(stock()) as emulator:
        key = {"Authorization": f"apikey {emulator.api_key}"}
        with httpx.Client(base_url=emulator.url, headers=key) as client:
            said = client.get("/almaws/v1/conf/sets/7001/members", params=asked)
            assert (said.status_code, "is not valid" in said.text) == (400, True)


@pytest.mark.parametrize("asked", [{"_page": "0"}, {"_per_page": "-7"}, {"_page": "x"}])
def test_koha_refuses_pages_that_are_none(koha, asked):
    assert koha[1].get("/api/v1/items", params=asked).status_code == 400


@pytest.mark.parametrize("body", [b"{", b"[]", b"7", b"{}"])
def test_switches_refuse_what_they_cannot_read(koha, body):
    assert koha[1].post("/_sim/lend", content=body).status_code == 400


def test_switches_work_from_outside(koha):
    emulator, client = koha
    assert client.post("/_sim/lend", json={"barcode": "B1"}).status_code == 200
    assert emulator.stock.find("B1").state == "loaned"
    assert client.post("/_sim/put", json={"barcode": "B1", "state": "missing"}).status_code == 200
    assert client.post("/_sim/trouble", json={"what": "500", "method": "GET"}).status_code == 200
    assert client.get("/api/v1/items").status_code == 500
    assert client.get("/api/v1/items").status_code == 200
    assert client.post("/_sim/trouble", json={"what": "flood"}).status_code == 400
    assert client.post("/_sim/dance", json={}).status_code == 404
    assert json.loads(client.get("/api/v1/items/1").content)["lost_status"] == 4
