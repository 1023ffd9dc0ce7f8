"""How a site's tags are read: whose they are, and how its books are secured (``[site.NAME.tags]``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from cloud_ingest.errors import ServeError

if TYPE_CHECKING:
    from stacks.tag_data import SecurityPolicy


@dataclass(frozen=True, slots=True)
class TagRules:
    """What a site says of its tags.

    Attributes
    ----------
    owners
        ISILs of the library, capitals or not; None: those that the tags of its own copies name.
    security_by
        What its gates listen to: ``either``, ``afi`` or ``eas``.
    afi_on, afi_off
        AFIs of secured and of lent copies, hexadecimal; empty: those of ISO 28560 libraries.
    """

    owners: tuple[str, ...] | None = None
    security_by: str = "either"
    afi_on: tuple[str, ...] = ()
    afi_off: tuple[str, ...] = ()

    @property
    def policy(self) -> SecurityPolicy:
        """How its books are secured; raises ValueError."""
        from stacks.tag_data import SecurityPolicy

        return SecurityPolicy.of_texts(self.security_by, self.afi_on, self.afi_off)


def tag_rules(values: Mapping[str, Any], site: str = "") -> TagRules:
    """Return the rules of a site, or a `ServeError` that names the wrong one."""
    unknown = [name for name in values if name not in TagRules.__dataclass_fields__]
    if unknown:
        known = ", ".join(TagRules.__dataclass_fields__)
        raise ServeError(f"site {site}: tags: no such setting as '{unknown[0]}'; there are {known}")
    lists = {
        name: _texts(site, name, values[name]) for name in ("owners", "afi_on", "afi_off") if name in values
    }
    owners = lists.pop("owners", ()) or None
    rules = TagRules(owners, str(values.get("security_by", "either")), **lists)
    try:
        _ = rules.policy  # making it checks it
    except ValueError as error:
        raise ServeError(f"site {site}: tags: {error}") from None
    return rules


def _texts(site: str, name: str, value: Any) -> tuple[str, ...]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise ServeError(f'site {site}: tags: {name}: write a list, such as ["07"]')
    items = cast("Sequence[Any]", value)
    if not all(isinstance(item, str) for item in items):
        raise ServeError(f'site {site}: tags: {name}: write texts, such as ["07"]')
    return tuple(items)
