"""What should be where: the plan of the shelving, the holdings, call numbers."""

from stacks.errors import HoldingsError, PlanError
from stacks.plan import Face, Floor, Plan, Shelf, read_plan, write_plan

__all__ = [
    "Face",
    "Floor",
    "HoldingsError",
    "Plan",
    "PlanError",
    "Shelf",
    "read_plan",
    "write_plan",
]
