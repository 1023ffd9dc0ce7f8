"""FOLIO's item as mod-inventory's ramls/item.json and its status names have it."""

from __future__ import annotations

from sim.ils import schema as s

STATUS_NAMES = frozenset(
    [
        "Aged to lost",
        "Available",
        "Awaiting pickup",
        "Awaiting delivery",
        "Checked out",
        "Claimed returned",
        "Declared lost",
        "In process",
        "In process (non-requestable)",
        "In transit",
        "Intellectual item",
        "Long missing",
        "Lost and paid",
        "Missing",
        "On order",
        "Order closed",
        "Paged",
        "Restricted",
        "Unavailable",
        "Unknown",
        "Withdrawn",
    ]
)
MAY_GO_MISSING = frozenset(
    [
        "Available",
        "Awaiting delivery",
        "Awaiting pickup",
        "In transit",
        "In process",
        "In process (non-requestable)",
        "Intellectual item",
        "Long missing",
        "Paged",
        "Restricted",
        "Unavailable",
        "Unknown",
        "Withdrawn",
    ]
)
ITEM: dict[str, s.Types] = {
    **dict.fromkeys(
        [
            "id",
            "hrid",
            "holdingsRecordId",
            "title",
            "callNumber",
            "barcode",
            "accessionNumber",
            "itemLevelCallNumber",
            "itemLevelCallNumberPrefix",
            "itemLevelCallNumberSuffix",
            "itemLevelCallNumberTypeId",
            "volume",
            "enumeration",
            "chronology",
            "itemIdentifier",
            "copyNumber",
            "numberOfPieces",
            "descriptionOfPieces",
            "numberOfMissingPieces",
            "missingPieces",
            "missingPiecesDate",
            "itemDamagedStatusId",
            "itemDamagedStatusDate",
            "purchaseOrderLineIdentifier",
            "effectiveShelvingOrder",
            "inTransitDestinationServicePointId",
        ],
        s.TEXT,
    ),
    **dict.fromkeys(("discoverySuppress", "isBoundWith"), s.FLAG),
    "_version": s.WHOLE,
    **dict.fromkeys(
        [
            "formerIds",
            "contributorNames",
            "yearCaption",
            "notes",
            "circulationNotes",
            "electronicAccess",
            "statisticalCodeIds",
        ],
        s.LIST,
    ),
    **dict.fromkeys(
        [
            "effectiveCallNumberComponents",
            "status",
            "materialType",
            "permanentLoanType",
            "temporaryLoanType",
            "permanentLocation",
            "temporaryLocation",
            "effectiveLocation",
            "metadata",
            "tags",
            "lastCheckIn",
            "inTransitDestinationServicePoint",
            "links",
        ],
        s.OBJECT,
    ),
}
REQUIRED = ("materialType", "permanentLoanType", "holdingsRecordId", "status")
NOTE: dict[str, s.Types] = {"id": s.TEXT, "itemNoteTypeId": s.TEXT, "note": s.TEXT, "staffOnly": s.FLAG}
