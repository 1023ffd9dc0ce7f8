"""The codec's one error."""


class CodecError(ValueError):
    """Bytes that are no LLRP, or values that LLRP cannot carry; says what and at which byte."""
