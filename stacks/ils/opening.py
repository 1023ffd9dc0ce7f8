"""Opens a connection by its settings; a back end is loaded only when it is named."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stacks.ils.clock import Clock
from stacks.ils.errors import IlsSettingsError
from stacks.ils.settings import check

if TYPE_CHECKING:
    from stacks.ils.base import Ils

KINDS = ("koha", "folio", "alma", "sip2")


def open_ils(settings: Mapping[str, Any], clock: Clock | None = None) -> Ils:
    """
    Open a connection to a library system.

    Parameters
    ----------
    settings : mapping
        ``kind`` and what that kind needs (docs/ils.md).
    clock : Clock, optional
        Time and chance; the machine's own if None.

    Raises
    ------
    IlsSettingsError
        A setting is wrong, unknown or missing: one line naming it.
    IlsError
        FOLIO and SIP2 sign in at once, and that failed.
    """
    kind = settings.get("kind")
    time = clock or Clock()
    if kind == "koha":
        from stacks.ils.koha import Koha, KohaSettings

        return Koha(check(KohaSettings, settings), time)
    if kind == "folio":
        from stacks.ils.folio import Folio, FolioSettings

        return Folio(check(FolioSettings, settings), time)
    if kind == "alma":
        from stacks.ils.alma import Alma, AlmaSettings

        return Alma(check(AlmaSettings, settings), time)
    if kind == "sip2":
        from stacks.ils.sip2 import Sip2, Sip2Settings

        return Sip2(check(Sip2Settings, settings), time)
    raise IlsSettingsError(
        f"ils.kind: {str(kind)[:40]!r} is none of {', '.join(KINDS)}; docs/ils.md lists the settings"
    )
