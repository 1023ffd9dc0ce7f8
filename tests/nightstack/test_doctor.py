"""doctor: what it finds, what mends it, and the status a script goes by."""

import grp
import json
import os
import pty
import socket
import subprocess
import sys
from pathlib import Path

import nightstack
from nightstack.cli import main


def found(capsys, *options):
    """Run doctor for a program; return its status and its checks by name."""
    capsys.readouterr()
    status = main(["doctor", "--json", *map(str, options)])
    said = json.loads(capsys.readouterr().out)
    assert said["good"] is (status == 0)
    return status, {check["what"]: check for check in said["checks"]}


def test_this_machine_is_in_order(capsys):
    status, checks = found(capsys)
    assert status == 0
    assert checks["Python"]["found"] == ".".join(map(str, sys.version_info[:3]))
    assert {check["state"] for check in checks.values()} <= {"good", "absent"}
    assert all(check["mend"] for check in checks.values() if check["state"] == "absent")


def test_a_shell_that_does_not_find_the_command_is_told_what_to_type(tmp_path):
    """The line that mends it is typed into a shell, which then finds the interpreter that doctor ran with."""
    ran = subprocess.run(
        [sys.executable, "-m", "nightstack", "doctor", "--json"], capture_output=True, text=True, check=True,
        env={**os.environ, "PATH": str(tmp_path), "PYTHONPATH": str(Path(nightstack.__file__).parents[1])},
    )  # fmt: skip
    (check,) = (c for c in json.loads(ran.stdout)["checks"] if c["what"] == "nightstack on the PATH")
    assert check["state"] == "absent"
    if check["mend"].startswith(". "):
        shell = subprocess.run(
            ["/bin/sh", "-c", f"{check['mend']} && command -v python"], capture_output=True, text=True, check=True,
            env={"PATH": "/usr/bin:/bin"},
        )  # fmt: skip
        assert Path(shell.stdout.strip()).parent == Path(sys.prefix, "bin")
    else:
        assert str(Path(sys.executable).parent) in check["mend"]


def test_the_kernels_are_kept_beside_their_source_or_where_one_says(capsys, monkeypatch, tmp_path):
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    _, checks = found(capsys)
    assert str(Path(nightstack.__file__).parents[1] / "localization") in checks["compiled kernels"]["found"]
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "kept"))
    _, checks = found(capsys)
    assert str(tmp_path / "kept") in checks["compiled kernels"]["found"]


def test_a_service_with_plan_catalogue_and_no_mail_server(library, tmp_path, capsys):
    settings = tmp_path / "serve.toml"
    settings.write_text(
        "data = 'data'\nrecipients = [{address = 'desk@library.example'}]\n"
        f"[site.north]\nplan = '{library / 'plan.json'}'\nholdings = '{tmp_path / 'nosuch.csv'}'\n"
    )
    status, checks = found(capsys, "--settings", settings)
    assert status == 1
    assert checks["site north: plan"]["state"] == "good"
    assert (
        checks["site north: holdings"]["state"] == "bad"
        and "nosuch.csv" in checks["site north: holdings"]["found"]
    )
    assert checks["mail server"]["state"] == "absent" and "wait" in checks["mail server"]["found"]
    assert "[smtp]" in checks["mail server"]["mend"]
    assert checks["database"]["state"] == checks["data folder"]["state"] == "good"
    assert not (tmp_path / "data").exists()


def test_floors_and_languages_that_nobody_has(library, tmp_path, capsys):
    settings = tmp_path / "serve.toml"
    sites = f"[site.north]\nplan = '{library / 'plan.json'}'\nholdings = '{library / 'holdings.csv'}'\n"
    settings.write_text(
        f"data = 'data'\nrecipients = [{{address = 'a@b.example', floors = ['attic'], language = 'tlh'}}]\n{sites}"
    )
    capsys.readouterr()
    assert main(["doctor", "--json", "--settings", str(settings)]) == 1
    said = [
        c for c in json.loads(capsys.readouterr().out)["checks"] if c["what"] == "site north: a@b.example"
    ]
    assert [c["state"] for c in said] == ["bad", "absent"]
    assert "no attic" in said[0]["found"] and "tlh has no catalogue" in said[1]["found"]
    settings.write_text(
        f"data = 'data'\nrecipients = [{{address = 'a@b.example', language = 'zh'}}]\n{sites}"
    )
    status, checks = found(capsys, "--settings", settings)
    assert status == 0 and "site north: a@b.example" not in checks


def test_a_zone_that_many_mean_otherwise_is_told(tmp_path, capsys):
    settings = tmp_path / "serve.toml"
    settings.write_text(f"data = '{tmp_path}'\ntime_zone = 'EST'\n")
    capsys.readouterr()
    main(["doctor", "--json", "--settings", str(settings)])
    said = [c for c in json.loads(capsys.readouterr().out)["checks"] if c["what"] == "settings"]
    assert [c["state"] for c in said] == ["good", "absent"] and "America/New_York" in said[1]["found"]


def test_settings_that_are_not_there(tmp_path, capsys):
    for option, name in (("--settings", "settings"), ("--robot", "robot settings")):
        status, checks = found(capsys, option, tmp_path / "nosuch.toml")
        assert status == 1
        assert "nosuch.toml" in checks[name]["found"] and option in checks[name]["mend"]


def test_a_database_without_its_driver(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    settings = tmp_path / "serve.toml"
    settings.write_text(
        f"data = '{tmp_path}'\ndatabase = 'postgresql+psycopg://user:secret@127.0.0.1:1/none'\n"
    )
    _, checks = found(capsys, "--settings", settings)
    assert checks["database"]["state"] == "bad" and "psycopg is not installed" in checks["database"]["found"]
    assert "secret" not in checks["database"]["found"]
    assert checks["database"]["mend"].endswith("-m pip install 'psycopg[binary]'")


def robot_file(folder, library, urls):
    file = folder / "robot.toml"
    readers = "".join(
        f"[[reader]]\nname = 'r{n}'\nurl = '{url}'\n[[antenna]]\nid = {n}\nreader = 'r{n}'\nport = 1\n"
        "position_m = [0, 0, 1]\nboresight_deg = [-90, 0]\n"
        for n, url in enumerate(urls)
    )
    file.write_text(
        f"site = 'main'\nrobot = 'r'\nbroker = 'mqtt://127.0.0.1:1'\nplan = '{library / 'plan.json'}'\n"
        f"base = '/dev/nosuch'\n{readers}"
    )
    return file


def test_each_reader_is_looked_at_as_its_driver_has_it(library, tmp_path, capsys):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        ours, theirs = pty.openpty()
        line = os.ttyname(theirs)
        (tmp_path / "file").touch()
        urls = [
            f"m100://127.0.0.1:{port}",
            f"m100://{line}?baud=9600",
            "m100:///dev/nosuch",
            f"m100://{tmp_path}/file",
            "lrp://127.0.0.1",
            f"llrp://127.0.0.1:{port}?regio=EU",
            "feig://127.0.0.1",
            "feig://127.0.0.1:1",
        ]
        status, checks = found(capsys, "--robot", robot_file(tmp_path, library, urls))
        os.close(ours), os.close(theirs)
    assert status == 1
    states = [checks[f"reader r{n}"]["state"] for n in range(len(urls))]
    assert states == ["good", "good", *["bad"] * 6]
    said = [checks[f"reader r{n}"]["found"] for n in range(len(urls))]
    assert f"127.0.0.1:{port} takes connections" in said[0] and "readers probe" in said[0]
    assert line in said[1]
    assert said[2] == "/dev/nosuch: no such file or directory" and "is no serial line" in said[3]
    assert "no driver for lrp" in said[4] and "unknown option regio" in said[5]
    # The protocol's own port.
    assert said[6].startswith("127.0.0.1:10001 cannot be reached")
    assert checks["base"]["state"] == "bad" and "plug it in" in checks["base"]["mend"]


def test_a_line_that_one_may_not_open_is_told_with_the_group_that_may(library, tmp_path, capsys, monkeypatch):
    ends = *pty.openpty(), *pty.openpty()
    barred, free = os.ttyname(ends[1]), os.ttyname(ends[3])
    Path(barred).chmod(0)
    if os.geteuid() == 0:  # who may read and write everything
        access = os.access
        monkeypatch.setattr(os, "access", lambda path, mode: path != barred and access(path, mode))
    file = robot_file(tmp_path, library, [f"m100://{barred}", f"m100://{free}"])
    status, checks = found(capsys, "--robot", file)
    group = grp.getgrgid(Path(barred).stat().st_gid).gr_name
    for end in ends:
        os.close(end)
    assert status == 1
    said = checks["reader r0"]
    assert said["state"] == "bad" and f"{barred}: may not be read and written by you" in said["found"]
    assert f"usermod -aG {group} $USER" in said["mend"]
    assert checks["reader r1"]["state"] == "good"


def test_two_readers_at_one_place_and_a_power_that_cannot_be_set(library, tmp_path, capsys):
    ours, theirs = pty.openpty()
    line, link = os.ttyname(theirs), tmp_path / "line"
    link.symlink_to(line)
    urls = [
        f"m100://{line}",
        f"m100://{link}?baud=9600",
        "llrp://127.0.0.1:1?session=1",
        "llrp://127.0.0.1:1",
        "llrp://127.0.0.1:2",
        "feig://127.0.0.1:1?memory=1",
    ]
    file = robot_file(tmp_path, library, urls)
    feig = f"url = '{urls[-1]}'\n"
    file.write_text(file.read_text().replace(feig, f"{feig}power_dbm = 30\n"))
    status, checks = found(capsys, "--robot", file)
    os.close(ours), os.close(theirs)
    said = [checks[f"reader r{n}"] for n in range(len(urls))]
    assert status == 1 and said[0]["state"] == "good"
    for n, first in ((1, "r0"), (3, "r2")):
        assert said[n]["state"] == "bad" and f"reader {first} is at the same place" in said[n]["found"]
        assert str(file) in said[n]["mend"]
    assert all("same place" not in said[n]["found"] for n in (2, 4, 5))
    assert "power is set in the reader's own configuration" in said[5]["found"]
    assert "[[reader]] r5" in said[5]["mend"]
