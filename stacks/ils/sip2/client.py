"""The connection to a system that speaks SIP2."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, datetime
from typing import ClassVar, TypeVar

from pysip2.models import (
    ACSStatusResponse,
    ItemInformationRequest,
    ItemInformationResponse,
    ItemStatusUpdateRequest,
    ItemStatusUpdateResponse,
    LoginRequest,
    LoginResponse,
    SCStatusRequest,
)

from stacks.ils.base import Ils
from stacks.ils.clock import Clock
from stacks.ils.errors import IlsError
from stacks.ils.items import IlsItem
from stacks.ils.reading import as_instant, whole
from stacks.ils.settings import reveal
from stacks.ils.sip2.line import Line
from stacks.ils.sip2.settings import STATUSES, Sip2Settings

T = TypeVar("T")
#: Places of "item information" and "item status update" in the status message's list of supported messages (BX).
_ITEM_INFORMATION, _ITEM_STATUS_UPDATE = 10, 11


class Sip2(Ils):
    """
    SIP2 2.00: one item a request, no lists.

    A line that broke is made anew, with the log-in, before the next try.
    """

    kind: ClassVar[str] = "sip2"
    lists: ClassVar[bool] = False
    tells: ClassVar[frozenset[str]] = frozenset({"status"})
    can_write: ClassVar[frozenset[str]] = frozenset({"inventory_date"})

    def __init__(self, settings: Sip2Settings, clock: Clock) -> None:
        super().__init__(settings, clock)
        self._settings = settings
        self._line: Line | None = None
        self._can = ""

    def items(self, since: datetime | None = None) -> Iterator[list[IlsItem]]:  # noqa: ARG002 (there is no list)
        """Refuse: SIP2 has no lists."""
        raise IlsError(
            "sip2: lists no items; import a file (nightstack stacks import), and SIP2 tells the status of each"
        )

    def item(self, barcode: str) -> IlsItem | None:
        """Return one item as it is now; see `Ils.item`."""

        def ask(line: Line) -> ItemInformationResponse:
            request = ItemInformationRequest(
                transaction_date=self._now(),
                institution_id=self._settings.institution,
                item_identifier=barcode,
                terminal_password=reveal(self._settings.terminal_password) or None,
            )
            return line.ask(request, ItemInformationResponse)

        answer = self._tried(ask)
        self._same(barcode, answer.item_identifier)
        return self._item_of(answer)

    def close(self) -> None:
        """Hang up."""
        if self._line is not None:
            self._line.close()
            self._line = None

    def _item_of(self, raw: ItemInformationResponse) -> IlsItem | None:
        title = " ".join(raw.title_identifier.split())
        code = raw.circulation_status
        if code == "01" and not title:  # how systems say that they have no such item
            return None
        location = (raw.permanent_location or "").strip()
        extra = {
            "current_location": (raw.current_location or "").strip(),
            "due": _due(raw.due_date or ""),
        }
        return IlsItem(
            barcode=raw.item_identifier,
            item_id=raw.item_identifier,
            title=title,
            home_location=self._settings.locations.get(location, location),
            status=(self._settings.statuses or STATUSES).get(code, "in_process"),
            raw_status=code,
            requests=whole(raw.hold_queue_length) or 0,
            extra={name: value for name, value in extra.items() if value},
        )

    def _send_inventory(self, barcode: str, when: date | datetime) -> str:
        text = (self._settings.inventory_property or "").replace("{date}", f"{as_instant(when):%Y-%m-%d}")
        line = self._tried(lambda line: line)
        if len(self._can) > _ITEM_STATUS_UPDATE and self._can[_ITEM_STATUS_UPDATE] != "Y":
            raise IlsError(f"{line.name}: takes no item properties (19); take inventory_date out of writes")
        request = ItemStatusUpdateRequest(
            transaction_date=self._now(),
            institution_id=self._settings.institution,
            item_identifier=barcode,
            terminal_password=reveal(self._settings.terminal_password) or None,
            item_properties=text,
        )
        try:
            answer = line.ask(request, ItemStatusUpdateResponse, writes=True)
        except IlsError:
            self.close()
            raise
        if answer.item_identifier != barcode:
            self.close()
            raise IlsError(
                f"{line.name}: answered about {answer.item_identifier[:40]} instead of {barcode}",
                maybe_done=True,
            )
        if answer.item_properties_ok != "1":
            said = " ".join(answer.screen_message)[:200]
            raise IlsError(f"{barcode}: the property was not kept{f' ({said})' if said else ''}")
        return f"item property {text!r}"

    def _tried(self, ask: Callable[[Line], T]) -> T:
        """Ask on a line that works: a broken one is made anew, so often as `retries` allows."""
        attempt = 0
        while True:
            attempt += 1
            try:
                if self._line is None:
                    self._line = self._signed_in()
                return ask(self._line)
            except IlsError as error:
                self.close()  # an answer that comes late must not meet the next request
                if not error.temporary or attempt > self._settings.retries:
                    raise
            given = self._settings
            self.clock.sleep(self.clock.wait_s(attempt, given.backoff_s, given.longest_wait_s))

    def _signed_in(self) -> Line:
        line = Line(self._settings, self.clock)
        try:
            if self._settings.user is not None:
                request = LoginRequest(
                    uid_algorithm="0",
                    pwd_algorithm="0",  # noqa: S106 (which algorithm, not which password)
                    login_user_id=self._settings.user,
                    login_password=reveal(self._settings.password),
                    location_code=self._settings.location_code or None,
                )
                if line.ask(request, LoginResponse).ok != "1":
                    raise IlsError(f"{line.name}: does not accept user and password")
            status = line.ask(
                SCStatusRequest(status_code="0", max_print_width="080", protocol_version="2.00"),
                ACSStatusResponse,
            )
            if status.online_status != "Y":
                raise IlsError(f"{line.name}: says it is off line", temporary=True)
            self._can = status.supported_messages or ""
            if len(self._can) > _ITEM_INFORMATION and self._can[_ITEM_INFORMATION] != "Y":
                raise IlsError(f"{line.name}: gives no item information (17); ask for it to be switched on")
        except BaseException:
            line.close()
            raise
        return line

    def _same(self, asked: str, answered: str) -> None:
        if answered != asked:
            name = self._line.name if self._line is not None else "sip2"
            self.close()
            raise IlsError(f"{name}: asked for {asked}, it answered about {answered[:40]}")

    def _now(self) -> str:
        return f"{self.clock.now().astimezone():%Y%m%d    %H%M%S}"


def _due(text: str) -> str:
    """Return a due date as ISO 8601 (``20150129    090000`` is local time there); what is none, as it stands."""
    text = text.strip()
    for form in ("%Y%m%d    %H%M%S", "%Y%m%d   Z%H%M%S", "%Y%m%d"):
        try:
            made = datetime.strptime(text, form)
        except ValueError:
            continue
        if form == "%Y%m%d":
            return made.date().isoformat()
        return made.isoformat() + ("Z" if "Z" in form else "")
    return text
