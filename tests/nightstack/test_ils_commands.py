"""`stacks sync|status|journal` and `sim ils` as a terminal sees them: real processes, real sockets."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from stacks.holdings import Holdings, read_holdings, write_holdings
from tests.stacks.ils.support import some_holdings
from tests.support.processes import running

ENV = {**os.environ, "COLUMNS": "200"}


def run(*words, cwd, **env):
    return subprocess.run(
        [sys.executable, "-m", "nightstack", *words],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**ENV, **env},
        timeout=120,
    )


@pytest.fixture
def koha(tmp_path):
    """Run `sim ils koha` as a program, with its settings beside it."""
    write_holdings(tmp_path / "there.csv", Holdings.of(some_holdings()))
    command = [
        sys.executable,
        "-m",
        "nightstack",
        "sim",
        "ils",
        "koha",
        "--holdings",
        "there.csv",
        "--listen",
        "127.0.0.1:0",
    ]
    with running(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True, env=ENV) as server:
        line = server.stdout.readline()
        assert line.startswith("listening 127.0.0.1:")
        address = line.split()[1]
        (tmp_path / "ils.toml").write_text(
            f'kind = "koha"\nurl = "http://{address}"\nclient_id = "nightstack"\nwrites = ["missing"]\nretries = 0\n'
        )
        yield f"http://{address}"
        server.send_signal(signal.SIGTERM)
        assert server.wait(30) == 0


SECRET = {"NIGHTSTACK_ILS_CLIENT_SECRET": "koha-client-secret"}


def test_a_library_is_pulled_asked_and_written_to(koha, tmp_path):
    dry = run("stacks", "sync", "holdings.csv", "--dry-run", cwd=tmp_path, **SECRET)
    assert (dry.returncode, "would have 30 copies" in dry.stdout) == (0, True), dry.stderr
    assert not (tmp_path / "holdings.csv").exists()
    done = run("stacks", "sync", "holdings.csv", "--json", cwd=tmp_path, **SECRET)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["pulled"] == 30
    assert len(read_holdings(tmp_path / "holdings.csv")) == 30
    httpx.post(f"{koha}/_sim/lend", json={"barcode": "31822000000"})
    told = run("stacks", "sync", "holdings.csv", cwd=tmp_path, **SECRET)
    assert "status of 1: 31822000000: 'available' -> 'loaned'" in told.stdout
    assert "30 copies: 0 added, 0 removed, 1 changed, 29 as they were" in told.stdout, "as an import says it"
    asked = run("stacks", "status", "31822000000", "nope", cwd=tmp_path, **SECRET)
    assert asked.stdout.splitlines()[0].startswith("31822000000  loaned (checked_out_date=")
    assert asked.stdout.splitlines()[0].endswith("红楼梦 第一册")
    assert asked.stdout.splitlines()[1] == "nope  unknown to the library's system"
    shown = json.loads(
        run("stacks", "status", "31822000003", "nope", "--json", cwd=tmp_path, **SECRET).stdout
    )
    assert (shown[0]["status"], shown[1]) == ("available", {"barcode": "nope", "known": False})


def test_the_journal_lies_beside_the_settings_and_each_library_has_its_own(koha, tmp_path, monkeypatch):
    """Wherever one stands: what the service wrote for a library is what `stacks journal` lists for it."""
    from nightstack.settings import read_serve_settings
    from stacks.ils import open_ils

    monkeypatch.setenv("NIGHTSTACK_ILS_CLIENT_SECRET", "koha-client-secret")
    folder, elsewhere = tmp_path / "etc", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.mkdir()
    table = (tmp_path / "ils.toml").read_text()
    (folder / "serve.toml").write_text(f"data = 'd'\n[site.north.ils]\n{table}[site.south.ils]\n{table}")
    (folder / "ils.toml").write_text(table)
    settings = read_serve_settings(folder / "serve.toml")
    for site, barcode in (("north", "31822000000"), ("south", "31822000001")):
        with open_ils(settings.site(site).ils) as ils:
            ils.mark_missing(barcode, "three nights")
    for site, barcode in (("north", "31822000000"), ("south", "31822000001")):
        listed = run(
            *("stacks", "journal", "--json", "--settings", str(folder / "serve.toml"), "--site", site),
            cwd=elsewhere,
        )
        assert [e["barcode"] for e in json.loads(listed.stdout)] == [barcode], "libraries may share barcodes"
        assert listed.stderr.strip() == f"journal: {folder / f'ils-journal-{site}.sqlite'}"
    synced = run("stacks", "sync", "h.csv", "--settings", "../etc/ils.toml", cwd=elsewhere, **SECRET)
    assert synced.returncode == 0, synced.stderr
    made = {p.name for p in (*elsewhere.iterdir(), *folder.iterdir())}
    assert "ils-journal.sqlite" not in made, "what only reads begins no journal"
    none = run("stacks", "journal", "--settings", "../etc/ils.toml", cwd=elsewhere)
    assert none.stdout == "nothing was written back\n"
    assert f"{folder / 'ils-journal.sqlite'} (nothing was ever written back)" in none.stderr.replace(
        "elsewhere/../", ""
    )


def test_a_journal_from_when_all_sites_had_one_is_not_forgotten(koha, tmp_path, monkeypatch):
    """Otherwise what was written would be written again, and what is unknown would be settled by nobody."""
    from nightstack.settings import SettingsError, read_serve_settings
    from stacks.ils import IlsError, open_ils
    from stacks.ils.settings_file import read_ils_settings

    monkeypatch.setenv("NIGHTSTACK_ILS_CLIENT_SECRET", "koha-client-secret")
    table, file, old = (
        (tmp_path / "ils.toml").read_text(),
        tmp_path / "serve.toml",
        tmp_path / "ils-journal.sqlite",
    )
    with open_ils({**read_ils_settings(tmp_path / "ils.toml"), "journal": str(old)}) as ils:
        ils.mark_missing("31822000000", "three nights")
    file.write_text(f"data = 'd'\n[site.north.ils]\n{table}")
    assert read_serve_settings(file).site("north").ils["journal"] == str(old), "one site: it is its own"
    assert read_ils_settings(file)["journal"] == read_ils_settings(file, "north")["journal"] == str(old)
    file.write_text(f"data = 'd'\n[site.north.ils]\n{table}[site.south.ils]\n{table}")
    for read in (lambda: read_serve_settings(file), lambda: read_ils_settings(file, "north")):
        with pytest.raises((SettingsError, IlsError)) as caught:
            read()
        assert "rename it to ils-journal-NAME.sqlite" in str(caught.value) and "\n" not in str(caught.value)
        assert str(old) in str(caught.value) and "ils-journal-north.sqlite" in str(caught.value)
    old.rename(tmp_path / "ils-journal-north.sqlite")
    made = read_serve_settings(file)
    assert [Path(made.site(s).ils["journal"]).name for s in ("north", "south")] == [
        "ils-journal-north.sqlite", "ils-journal-south.sqlite",
    ]  # fmt: skip


def test_writes_are_listed_and_settled(koha, tmp_path):
    from stacks.ils import IlsError, open_ils
    from stacks.ils.settings_file import read_ils_settings

    assert run("stacks", "journal", cwd=tmp_path).stdout == "nothing was written back\n"
    given = {**read_ils_settings(tmp_path / "ils.toml"), "client_secret": "koha-client-secret"}
    with open_ils(given) as ils:
        ils.mark_missing("31822000000", "three nights")
        httpx.post(f"{koha}/_sim/trouble", json={"what": "500", "method": "PUT"})
        with pytest.raises(IlsError):
            ils.mark_missing("31822000001", "")
    listed = run("stacks", "journal", cwd=tmp_path).stdout.splitlines()
    assert ["done" in listed[0], "unknown" in listed[1]] == [True, True]
    unknown = json.loads(run("stacks", "journal", "--outcome", "unknown", "--json", cwd=tmp_path).stdout)
    assert [e["barcode"] for e in unknown] == ["31822000001"]
    number = str(unknown[0]["id"])
    assert run("stacks", "journal", "--settle", number, "--as", "failed", cwd=tmp_path).returncode == 0
    assert (
        run("stacks", "journal", "--outcome", "unknown", cwd=tmp_path).stdout == "nothing was written back\n"
    )
    again = run("stacks", "journal", "--settle", number, "--as", "done", cwd=tmp_path)
    assert (again.returncode, "its outcome is known" in again.stderr) == (2, True)


def test_what_is_wrong_is_one_line_with_its_exit_status(koha, tmp_path):
    for words, env, status, says in (
        (["stacks", "sync", "holdings.csv", "--settings", "no.toml"], SECRET, 2, "no.toml"),
        (["stacks", "status", "1"], {}, 2, "NIGHTSTACK_ILS_CLIENT_SECRET"),
        (["stacks", "status", "1"], {"NIGHTSTACK_ILS_CLIENT_SECRET": "wr0ng"}, 1, "gives no token"),
        (["stacks", "sync", "holdings.csv", "--keep", "colour"], SECRET, 2, "--keep: colour"),
        (["stacks", "journal", "--settle", "3"], {}, 2, "go together"),
        (["stacks", "journal", "--outcome", "perhaps"], {}, 2, "done, failed, unknown"),
        (["sim", "ils", "sierra", "--holdings", "there.csv"], {}, 2, "koha, folio, alma, sip2"),
        (["sim", "ils", "koha", "--holdings", "nothing.csv"], {}, 2, "nothing.csv"),
    ):
        made = run(*words, cwd=tmp_path, **env)
        assert (made.returncode, len(made.stderr.strip().splitlines())) == (status, 1), (words, made.stderr)
        assert says in made.stderr
        assert "wr0ng" not in made.stderr


def test_a_secret_in_a_file_that_is_wrong_is_not_shown(tmp_path):
    (tmp_path / "ils.toml").write_text(
        'kind = "alma"\nurl = "https://a.example"\napi_key = "s3cr3t"\nsett = 1\n'
    )
    made = run("stacks", "status", "1", cwd=tmp_path)
    assert (made.returncode, made.stderr.count("\n")) == (2, 1)
    assert "ils.sett: no such setting" in made.stderr
    assert "s3cr3t" not in made.stderr
