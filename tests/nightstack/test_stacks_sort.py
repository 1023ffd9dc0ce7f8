"""``nightstack stacks sort`` in a process of its own: pipes, marks, encodings, statuses."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "nightstack", "stacks", "sort"]
ENV = os.environ | {"PYTHONPATH": str(ROOT)}


def run(*arguments: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*COMMAND, *arguments], input=given, capture_output=True, cwd=ROOT, env=ENV)


def test_lines_come_out_in_order_with_marks_and_line_ends_off_and_bad_ones_named() -> None:
    ran = run("clc", given="\ufeffTP4/1\r\nTP312/11\r\n\r\n???\r\nTP312/2\r\n".encode())
    assert ran.stdout.decode() == "TP312/2\nTP312/11\nTP4/1\n"
    assert ran.stderr.decode() == "line 4: cannot be read as clc: '???'\n"
    assert ran.returncode == 1


def test_equal_lines_stay_as_they_came_and_keys_are_shown() -> None:
    ran = run("lcc", "--keys", given=b"QA 76 .A50\nQA76 .A5\nQA 7\n")
    rows = [line.split("\t") for line in ran.stdout.decode().splitlines()]
    assert [text for _, text in rows] == ["QA 7", "QA 76 .A50", "QA76 .A5"]
    assert rows[1][0] == rows[2][0] > rows[0][0]
    assert ran.returncode == 0


def test_check_names_the_first_line_out_of_order() -> None:
    ran = run("ddc", "--check", given=b"813.5 A1\n813.54 A1\n813.53 A1\n")
    assert ran.stdout.decode() == "line 3: '813.53 A1' belongs before line 2: '813.54 A1'\n"
    assert ran.returncode == 1
    assert run("ddc", "--check", given=b"813.5\n813.5\n").returncode == 0
    told = json.loads(run("ddc", "--check", "--json", given=b"2\n1\n").stdout)
    assert told == {
        "unreadable": [],
        "in_order": False,
        "out_of_order": [{"line": 1, "text": "2"}, {"line": 2, "text": "1"}],
    }


def test_policies_and_rules_are_taken_and_wrong_ones_refused(tmp_path: Path) -> None:
    given = b"TP312AL\nTP312X\n"
    assert run("clc", "--policy", "clc_alpha_suffix=shortfirst", given=given).stdout == b"TP312X\nTP312AL\n"
    wrong = run("clc", "--policy", "clc_alpha_suffix=longfirst", given=given)
    assert wrong.returncode == 2
    assert wrong.stderr.decode().count("\n") == 1
    assert "--policy: clc_alpha_suffix is 'longfirst' and must be one of" in wrong.stderr.decode()
    rules = tmp_path / "r.toml"
    rules.write_text('[[part]]\nname = "n"\npattern = "[0-9]+"\ncompare = "number"\n')
    assert run("local", "--rules", str(rules), given=b"10\n9\n").stdout == b"9\n10\n"
    assert run("local", given=b"10\n").returncode == 2
    assert run("udc", given=b"10\n").returncode == 2


def test_another_encoding_is_refused_naming_the_line(tmp_path: Path) -> None:
    path = tmp_path / "gb.txt"
    path.write_bytes("TP3/1\nTP3/2 上\n".encode("gb18030"))
    ran = run("clc", str(path))
    assert ran.returncode == 2
    assert "line 2 is not UTF-8; it looks like GB18030" in ran.stderr.decode()
    assert "iconv -f GB18030 -t UTF-8" in ran.stderr.decode()
    assert ran.stderr.decode().count("\n") == 1
    assert ran.stdout == b""
    path.write_bytes("QA 1\n".encode("utf-16"))
    assert "is UTF-16; convert it: iconv -f UTF-16 -t UTF-8" in run("lcc", str(path)).stderr.decode()


def test_what_an_office_wrote_is_named_for_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "office.txt"
    path.write_bytes("QA 1 .A5\nQA 2 .Bär\nQA 3 .Müller\n".encode("cp1252"))
    ran = run("lcc", str(path))
    assert ran.returncode == 2 and ran.stderr.decode().count("\n") == 1
    assert "looks like Windows-1252" in ran.stderr.decode()
    assert "iconv -f WINDOWS-1252 -t UTF-8" in ran.stderr.decode() and "GB18030 -t" not in ran.stderr.decode()
    with zipfile.ZipFile(path, "w") as book:
        book.writestr("xl/workbook.xml", "<workbook/>")
    for ran in (run("lcc", str(path)), run("lcc", given=path.read_bytes())):
        assert ran.returncode == 2 and ran.stdout == b""
        assert "this is a workbook" in ran.stderr.decode() and ran.stderr.decode().count("\n") == 1


def test_schemes_are_known_by_their_usual_names_in_any_case() -> None:
    for name, given in (("LCC", b"QA 2\nQA 1\n"), ("Dewey", b"2\n1\n"), ("中图法", b"TP2\nTP1\n")):
        ran = run(name, given=given)
        assert ran.returncode == 0 and ran.stdout.split() == b"".join(given.splitlines(True)[::-1]).split()


def test_a_reader_that_leaves_is_no_traceback() -> None:
    given = b"".join(b"QA %d .A5\n" % (n + 1) for n in range(100_000))
    with subprocess.Popen(
        [*COMMAND, "lcc"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env=ENV,
    ) as process:
        assert process.stdin and process.stdout and process.stderr
        process.stdin.write(given)
        process.stdin.close()
        assert process.stdout.readline() == b"QA 1 .A5\n"
        process.stdout.close()
        assert b"Traceback" not in process.stderr.read()
