"""What every page has in common: its site's language, its site's clock, and the frame it stands in."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup, escape

from cloud_ingest.settings import ServeSettings
from cloud_ingest.web import page_text
from cloud_ingest.web.exchange import SAFE
from reports.headings import KIND_SHORT
from reports.languages import Language, language_or_english


class Pages:
    """Writes pages, each in the language and the time zone of the site it is about.

    Parameters
    ----------
    settings
        Which sites speak which language, and where they are.
    """

    def __init__(self, settings: ServeSettings) -> None:
        self._settings = settings
        self._environment = Environment(
            loader=FileSystemLoader(Path(__file__).parent / "templates"),
            autoescape=select_autoescape(),
            undefined=StrictUndefined,
        )

    def language(self, site: str | None) -> Language:
        """Return the language of a site's pages; None: of those about no site in particular."""
        return language_or_english(self._settings.of_pages(site).spoken)

    def html(
        self,
        template: str,
        site: str | None,
        /,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        **values: Any,
    ) -> HTMLResponse:
        """Fill a template in.

        Parameters
        ----------
        template
            Its file's name.
        site
            Whose page it is; None: no site's in particular.
        status, headers
            Of the answer, beside those that keep a page safe.
        **values
            What the template needs.
        """
        lang = self.language(site)
        clock = _Clock(self._settings, site)
        made = self._environment.get_template(template).render(
            _=lang,
            lang=lang,
            number=lang.number,
            kind_of=partial(_word, lang, KIND_SHORT),
            word=partial(_word, lang),
            standing=partial(_standing, lang),
            words=page_text,
            W=page_text.W,
            when=clock.time,
            day=clock.day,
            zone=clock.zone.key,
            page_site=site,
            **values,
        )
        return HTMLResponse(made, status, headers={**SAFE, **(headers or {})})


def _word(lang: Language, words: Mapping[str, str], key: str) -> str:
    """Return what something is called; what has no name in the catalogue yet is called as programs call it."""
    return lang(words.get(key) or key.replace("_", " "))


def _standing(lang: Language, case: Mapping[str, Any]) -> str:
    """Say how a case stands: open, who has it, or how it was settled."""
    state = _word(lang, page_text.CASE_STATES, case["state"])
    more = _word(lang, page_text.DONE, case["resolution"]) or case["assigned_to"]
    return lang(page_text.W.about(state, more)) if more else state


class _Clock:
    """Writes times as a site's clocks show them; who points at one sees UTC."""

    def __init__(self, settings: ServeSettings, site: str | None) -> None:
        self._settings = settings
        self.zone = settings.of_pages(site).zone

    def time(self, at: str | None, site: str | None = None) -> Markup:
        """Write a time of the API (ISO 8601); of a site in another zone than the page's, with that zone's name."""
        return self._written(at, site, "%Y-%m-%d %H:%M")

    def day(self, at: str | None, site: str | None = None) -> Markup:
        """Write the day of a time of the API, as the site counts days."""
        return self._written(at, site, "%Y-%m-%d")

    def _written(self, at: str | None, site: str | None, form: str) -> Markup:
        if not at:
            return Markup("")
        moment = datetime.fromisoformat(at)
        zone: ZoneInfo = self.zone if site is None else self._settings.site(site).zone
        shown = moment.astimezone(zone).strftime(form)
        utc = moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        other = "" if zone.key == self.zone.key else f" {escape(zone.key)}"
        # Only digits, letters of zone names and what has been escaped is in it.
        return Markup(f'<time datetime="{escape(at)}" title="{utc}">{shown}{other}</time>')  # noqa: S704
