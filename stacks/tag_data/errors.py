"""What goes wrong with a tag's contents, in one line."""


class TagDataError(ValueError):
    """Bytes that are no such format, or values that it cannot hold: what is wrong with which."""
