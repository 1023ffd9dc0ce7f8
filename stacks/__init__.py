"""What should be where: the plan of the shelving, the holdings, call numbers."""

from stacks.errors import HoldingsError, PlanError
from stacks.holdings import Holding, Holdings, read_holdings, write_holdings
from stacks.plan import Face, Floor, Plan, Shelf, read_plan, write_plan

__all__ = [
    "Face",
    "Floor",
    "Holding",
    "Holdings",
    "HoldingsError",
    "Plan",
    "PlanError",
    "Shelf",
    "read_holdings",
    "read_plan",
    "write_holdings",
    "write_plan",
]
