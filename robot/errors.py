"""What can go wrong in the agent, each in one line that says what, where and what to do."""


class ConfigError(ValueError):
    """Settings or plan that cannot be used."""


class BaseGoneError(OSError):
    """The robot's base cannot be reached, or its line broke."""


class SpoolError(OSError):
    """The spool cannot be opened or written."""


class SpoolFullError(SpoolError):
    """The spool has reached its size limit, or its disk is full."""
