"""Settings: every key known, every value checked, secrets from three places and shown in none."""

import pytest

from stacks.ils import IlsSettingsError, open_ils
from stacks.ils.settings_file import read_ils_settings

KOHA = {"kind": "koha", "url": "https://koha.example.org", "user": "n", "password": "hunter2-secret"}
SECRET = "hunter2-secret"


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"kind": "sierra"}, r"ils.kind: 'sierra' is none of koha, folio, alma, sip2"),
        ({"kind": None}, "ils.kind"),
        ({"pasword": "x"}, "ils.pasword: no such setting"),
        ({"url": "koha.example.org"}, "url must be such as https://"),
        ({"url": "http://koha.example.org"}, "use https, or allow_http = true"),
        ({"url": "https://n:p@koha.example.org"}, "must not hold a name or password"),
        ({"timeout_s": 0}, "ils.timeout_s: .*greater than 0"),
        ({"retries": -1}, "ils.retries"),
        ({"page_size": "many"}, "ils.page_size"),
        ({"writes": ["everything"]}, "ils.writes.0: .*inventory_date"),
        ({"lost": {"4": "vanished"}}, "'vanished' is none of available"),
        ({"scheme": "lc"}, "'lc' is none of lcc"),
        ({"sources": {"cutter": "cc"}}, "'cc' is none of lcc"),
        ({"client_id": "id"}, "needs either client_id and client_secret"),
        ({"password": None}, "password is needed"),
        (
            {"password_file": "/nowhere/at/all", "password": None},
            r"ils.password_file: /nowhere/at/all: cannot be read",
        ),
    ],
)
def test_what_is_wrong_is_named(change, match):
    given = {k: v for k, v in {**KOHA, **change}.items() if v is not None}
    with pytest.raises(IlsSettingsError, match=match) as raised:
        open_ils(given)
    assert "\n" not in str(raised.value)
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize(
    ("given", "match"),
    [
        (
            {"kind": "folio", "url": "https://f.example", "user": "u", "password": "p"},
            "ils.tenant: is needed",
        ),
        (
            {"kind": "folio", "url": "https://f.example", "user": "u", "tenant": "t"},
            "NIGHTSTACK_ILS_PASSWORD",
        ),
        (
            {"kind": "alma", "url": "https://a.example"},
            r"ils.api_key: is needed, or set NIGHTSTACK_ILS_API_KEY",
        ),
        ({"kind": "alma", "url": "https://a.example", "api_key": "k", "set_id": "12/../3"}, "ils.set_id"),
        ({"kind": "sip2", "host": "h", "encoding": "klingon"}, "is no encoding"),
        ({"kind": "sip2", "host": "h", "encoding": "utf-16"}, "is no encoding that SIP2 can have"),
        ({"kind": "sip2", "host": "h", "institution": "a|b"}, r"must not have \|"),
        ({"kind": "sip2", "host": "h", "writes": ["inventory_date"]}, "inventory_property is needed"),
        (
            {
                "kind": "folio",
                "url": "https://f.example",
                "user": "u",
                "password": "p",
                "tenant": "t",
                "writes": ["inventory_date"],
            },
            "inventory_note_type is needed",
        ),
    ],
)
def test_each_system_says_what_it_needs(given, match, monkeypatch):
    monkeypatch.delenv("NIGHTSTACK_ILS_PASSWORD", raising=False)
    with pytest.raises(IlsSettingsError, match=match):
        open_ils(given)


def test_secrets_come_from_the_settings_a_file_or_the_environment(monkeypatch, tmp_path):
    from stacks.ils.koha import KohaSettings
    from stacks.ils.settings import check, reveal

    bare = {k: v for k, v in KOHA.items() if k != "password"}
    file = tmp_path / "password"
    file.write_text("from-file\n")
    assert reveal(check(KohaSettings, KOHA).password) == SECRET
    assert reveal(check(KohaSettings, {**bare, "password_file": str(file)}).password) == "from-file"
    monkeypatch.setenv("NIGHTSTACK_ILS_PASSWORD", "from-environment")
    made = check(KohaSettings, bare)
    assert reveal(made.password) == "from-environment"
    for shown in (repr(made), str(made), made.model_dump_json()):
        assert "from-environment" not in shown
    file.write_text("")
    with pytest.raises(IlsSettingsError, match="is empty"):
        check(KohaSettings, {**bare, "password_file": str(file)})


def test_opening_asks_nobody(monkeypatch):
    """A page that lists the connections needs no network."""
    import socket

    monkeypatch.setattr(socket, "socket", None)
    for given in (
        KOHA,
        {"kind": "folio", "url": "https://f.example", "user": "u", "password": "p", "tenant": "t"},
        {"kind": "sip2", "host": "h.example"},
    ):
        open_ils(given)


def test_the_same_table_stands_in_two_files(tmp_path):
    alone = tmp_path / "ils.toml"
    alone.write_text(
        'kind = "alma"\nurl = "https://a.example"\napi_key_file = "key"\nca_file = "/etc/ca.pem"\n'
    )
    serve = tmp_path / "serve.toml"
    serve.write_text(
        'data = "x"\n[site.main]\nplan = "p.json"\n[site.main.ils]\nkind = "alma"\nurl = "https://a.example"\n'
        'api_key_file = "key"\nca_file = "/etc/ca.pem"\n'
    )
    made = read_ils_settings(alone)
    journal = {"journal": str(tmp_path / "ils-journal-main.sqlite")}
    assert read_ils_settings(serve) == read_ils_settings(serve, "main") == made | journal
    assert made["api_key_file"] == str(tmp_path / "key")
    assert made["ca_file"] == "/etc/ca.pem"
    assert made["journal"] == str(tmp_path / "ils-journal.sqlite")


@pytest.mark.parametrize(
    ("text", "site", "match"),
    [
        ("kind = ", None, "is no TOML"),
        ('data = "x"', None, "has neither kind"),
        (
            '[site.a.ils]\nkind="sip2"\n[site.b.ils]\nkind="sip2"',
            None,
            r"several sites; name one with --site: a, b",
        ),
        ('[site.a.ils]\nkind="sip2"\n[site.b.ils]\nkind="sip2"', "c", r"no \[site.c.ils\]"),
        ('kind="sip2"', "a", "leave --site out"),
    ],
)
def test_a_file_that_names_no_connection_is_refused(text, site, match, tmp_path):
    file = tmp_path / "ils.toml"
    file.write_text(text)
    with pytest.raises(IlsSettingsError, match=match):
        read_ils_settings(file, site)


def test_the_service_takes_the_table(tmp_path):
    from nightstack.settings import read_serve_settings

    file = tmp_path / "serve.toml"
    file.write_text('[site.main.ils]\nkind = "sip2"\nhost = "h.example"\n')
    read_serve_settings(file)
