"""What goes wrong with recordings and payloads, in one line each."""


class RecordingError(ValueError):
    """A recording folder that cannot be read or written: one line naming file, row and remedy."""


class PayloadError(ValueError):
    """A message from a robot that cannot be read: one line saying what is wrong with it."""
