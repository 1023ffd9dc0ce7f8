import pytest

from cloud_ingest import Recipient, ServeError, ServeSettings, SiteSettings
from cloud_ingest.paths import raw_folder, run_folder, safe_name, site_folder
from cloud_ingest.settings import BrokerAddress


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"silence_s": 0}, "silence_s"),
        ({"silence_s": float("nan")}, "silence_s"),
        ({"segment_rows": 0}, "segment_rows"),
        ({"role": "boss"}, "role"),
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
        ({"http": "8080"}, "http"),
        ({"http": "127.0.0.1:99999"}, "http"),
        ({"broker": "http://host"}, "broker"),
        ({"broker": "mqtt://host:0x5"}, "broker"),
        ({"broker": "mqtt://me:geheim@/x"}, "broker"),
        ({"broker_listen": "127.0.0.1"}, "broker_listen"),
        ({"sites": (SiteSettings("a"), SiteSettings("a"))}, "sites"),
    ],
)
def test_a_bad_setting_is_one_line_that_names_it(tmp_path, settings, named):
    with pytest.raises(ServeError) as caught:
        ServeSettings(tmp_path, **settings)
    line = str(caught.value)
    assert line.startswith(f"{named}:")
    assert "\n" not in line
    assert "geheim" not in line


@pytest.mark.parametrize(
    "address",
    ["", "a", "@b", "a@", "a b@c", "a..b@c", "a@b,c@d", "a@b\nBcc: c@d", "N <a@b>", "ü@b.example", "a@\0b"],
)
def test_a_bad_recipient_is_refused(address):
    with pytest.raises(ServeError, match="recipients"):
        Recipient(address)


def test_a_sender_that_would_spoil_every_mail_is_refused_at_the_start(tmp_path):
    with pytest.raises(ServeError, match="sender"):
        ServeSettings(tmp_path, sender="n@b.example\r\nBcc: x@y.example")


def test_a_site_has_its_own_or_the_common_recipients_and_files(tmp_path):
    settings = ServeSettings(
        tmp_path,
        recipients=(Recipient("all@x.example"),),
        sites=(SiteSettings("own", (Recipient("own@x.example"),), plan=tmp_path / "my.json"),),
    )
    own, other = settings.site("own"), settings.site("other")
    assert own.recipients[0].address == "own@x.example"
    assert (own.plan, own.holdings) == (tmp_path / "my.json", tmp_path / "sites" / "own" / "holdings.csv")
    assert other.recipients[0].address == "all@x.example"
    assert other.plan == tmp_path / "sites" / "other" / "plan.json"


def test_broker_urls():
    plain = BrokerAddress.from_url("mqtt://me:pass@broker")
    assert (plain.host, plain.port, plain.tls, plain.user, plain.password) == (
        "broker",
        1883,
        False,
        "me",
        "pass",
    )
    assert str(plain) == "mqtt://broker:1883"
    assert str(BrokerAddress.from_url("mqtts://[::1]")) == "mqtts://[::1]:8883"


def test_secrets_are_not_shown(tmp_path):
    settings = ServeSettings(
        tmp_path, broker="mqtt://me:geheim@broker", database="postgresql+psycopg://me:geheim@host/db"
    )
    assert "geheim" not in repr(settings)
    assert "geheim" not in str(BrokerAddress.from_url(settings.broker))


NAMES = [
    "a",
    "Haus 3",
    "书库",
    "..",
    ".",
    "",
    "a/b",
    "../../etc",
    "a\0b",
    ".hidden",
    "a%2Fb",
    "x" * 500,
    "书" * 128,
    "C:\\x",
]


def test_no_name_leaves_its_folder_and_no_two_meet(tmp_path):
    made = [safe_name(name) for name in NAMES]
    assert len(set(made)) == len(NAMES)
    for name in made:
        assert len(name.encode()) <= 240
        assert "/" not in name
        assert name not in (".", "..", "")
        assert not name.startswith(".")
        for path in (
            site_folder(tmp_path, name),
            run_folder(tmp_path, name),
            raw_folder(tmp_path, name, name, "readings"),
        ):
            assert path.resolve().is_relative_to(tmp_path.resolve())
    assert safe_name("Haus 3") == "Haus 3"


@pytest.mark.parametrize(
    ("told", "named"),
    [
        ({"kinds": ("lost",)}, "'lost' is no kind"),
        ({"minutes": 0}, "minutes"),
        ({"minutes": float("nan")}, "minutes"),
        ({"language": "../en"}, "language"),
    ],
)
def test_a_recipients_wrong_wish_is_one_line_that_names_it_and_whose_it_is(told, named):
    with pytest.raises(ServeError) as caught:
        Recipient("a@b.example", **told)
    line = str(caught.value)
    assert named in line
    assert "a@b.example" in line
    assert "\n" not in line


@pytest.mark.parametrize(
    ("site", "named"),
    [
        ({"policy": {"nonsense": 0.5}}, "nonsense"),
        ({"policy": {"accuse_from": 2.0}}, "accuse_from"),
        ({"time_zone": "Mars"}, "time_zone"),
        ({"recipients": (Recipient("a@b.example"), Recipient("a@b.example"))}, "twice"),
    ],
)
def test_a_sites_wrong_setting_is_one_line(site, named):
    with pytest.raises(ServeError) as caught:
        SiteSettings("north", **site)
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)


SERVE = """
data = "kept"
time_zone = "Europe/Berlin"
bounces = "Maildir"
bounce_address = "back@lib.example"

[[recipients]]
address = "a@lib.example"
language = "zh"
floors = ["EG"]
kinds = ["missing"]
minutes = 45
schedule = { days = ["mon", "thu"], hour = 06:30:00 }
quiet_days = [2026-05-01, "2026-12-24..2027-01-01"]

[site.north]
time_zone = "Asia/Shanghai"
policy = { accuse_from = 0.9 }

[site.north.ils]
kind = "koha"
url = "https://koha.lib.example"
client_id = "x"
"""


def test_the_settings_file_says_all_of_it(tmp_path, monkeypatch):
    from nightstack.settings import SettingsError, read_serve_settings

    file = tmp_path / "serve.toml"
    file.write_text(SERVE)
    monkeypatch.setenv("NIGHTSTACK_SITE__NORTH__ILS__CLIENT_SECRET", "geheim")
    settings = read_serve_settings(file)
    (who,) = settings.recipients
    assert (who.floors, who.kinds, who.minutes) == (("EG",), ("missing",), 45)
    assert who.schedule.days == ("mon", "thu")
    assert len(who.quiet_days) == 2
    north = settings.site("north")
    assert str(north.zone) == "Asia/Shanghai"
    assert settings.site("south").time_zone == "Europe/Berlin"
    assert north.policy == {"accuse_from": 0.9}
    assert north.ils["client_secret"] == "geheim"
    assert north.recipients == settings.recipients
    assert settings.bounces == tmp_path / "Maildir"
    assert "geheim" not in repr(settings)
    monkeypatch.delenv("NIGHTSTACK_SITE__NORTH__ILS__CLIENT_SECRET")
    for wrong, named in (("koha", "client_secret"), ("aleph", "ils.kind")):
        file.write_text(SERVE.replace('kind = "koha"', f'kind = "{wrong}"'))
        with pytest.raises(SettingsError, match=named) as caught:
            read_serve_settings(file)
        assert "site.north" in str(caught.value)
    file.write_text(SERVE.replace('"mon", "thu"', '"monday"'))
    with pytest.raises(ServeError, match=r"a@lib\.example: schedule: days: 'monday'"):
        read_serve_settings(file)
