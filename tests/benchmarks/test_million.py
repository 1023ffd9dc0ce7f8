"""The benchmark of a million copies, with a thousand of them."""

from benchmarks.million import imported
from stacks.holdings import read_holdings


def test_the_import_part_measures_real_commands(tmp_path):
    steps = imported(tmp_path, 1_000)
    assert [step.what for step in steps] == [
        "stacks import",
        "stacks import --dry-run over them",
        "read_holdings",
    ]
    assert all(step.rows == 1_000 and step.seconds > 0 and step.peak_gb > 0 for step in steps)
    holdings = read_holdings(tmp_path)
    assert len(holdings) == 1_000 and {h.status for h in holdings} == {"available", "loaned"}
