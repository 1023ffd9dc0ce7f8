"""The demo's tables: what is compared with what was planted, and where each file is."""

from pathlib import Path

from nightstack.demo.scoreboard import score_kinds
from nightstack.demo.table import print_files


def test_what_is_reported_and_never_planted_has_its_row(tmp_path):
    planted, reported = tmp_path / "planted.csv", tmp_path / "exceptions.csv"
    planted.write_text("kind,epc,barcode\nmissing,,1\nmissing,,2\n")
    reported.write_text(
        "kind,epc,barcode,shelf_id,offset_m\nmissing,,1,s,1\nlow_confidence,A,3,s,1\nlow_confidence,B,4,s,1\n"
        "zone_not_scanned,,,s,1.0\nzone_not_scanned,,,s,2.0\nwrong_order,C,5,s,1\n"
    )
    found = {score.kind: score for score in score_kinds(reported, planted)}
    assert (found["missing"].recall, found["missing"].precision) == (0.5, 1.0)
    assert found["wrong_order"].precision == 0.0
    for kind in ("low_confidence", "zone_not_scanned"):
        assert found[kind].reported == 2
        assert found[kind].recall is None
        assert found[kind].precision is None, "a doubt is no wrong claim"


def test_files_and_their_texts_stand_in_columns(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    long = Path("/somewhere/else") / ("x" * 120) / "scoreboard.json"
    files = [(tmp_path / "demo" / "report.pdf", "to print"), (long, "figures")]
    print_files(files, ["nightstack localize demo/recording"])
    lines = capsys.readouterr().out.splitlines()
    first, second = (line for line in lines if line.endswith(("to print", "figures")))
    assert first.startswith("demo/report.pdf ")
    assert second.startswith(f"{long} ")
    assert first.index("to print") == second.index("figures")
    assert "  nightstack localize demo/recording" in lines
