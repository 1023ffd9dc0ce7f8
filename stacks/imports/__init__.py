"""Holdings, and the plan's shelf ranges, from files of other systems."""

from stacks.imports.faults import RowsError
from stacks.imports.importer import Imported, import_holdings
from stacks.imports.mapping import Mapped, mapping_of, read_mapping
from stacks.imports.range_check import RangeCheck, check_ranges
from stacks.imports.range_file import RangeRows, apply_ranges, read_ranges
from stacks.imports.range_learn import Heard, Learned, learn_ranges

__all__ = [
    "Heard",
    "Imported",
    "Learned",
    "Mapped",
    "RangeCheck",
    "RangeRows",
    "RowsError",
    "apply_ranges",
    "check_ranges",
    "import_holdings",
    "learn_ranges",
    "mapping_of",
    "read_mapping",
    "read_ranges",
]
