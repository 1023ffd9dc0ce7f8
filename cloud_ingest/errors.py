"""The cloud's own errors: one line each, with what is wrong, where, and what to do."""


class ServeError(RuntimeError):
    """The service cannot start or go on: a setting, a folder, a database or a port stands in its way."""


class RunNotFoundError(LookupError):
    """No run of that name is in the database."""
