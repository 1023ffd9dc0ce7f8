"""What goes wrong with plans and holdings, in one line each."""


class PlanError(ValueError):
    """A plan that cannot be used: one line naming the file, the JSON path and what is wrong."""


class HoldingsError(ValueError):
    """Holdings that cannot be used: one line naming the file, the row and what is wrong."""
