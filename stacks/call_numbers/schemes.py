"""The schemes that have a shelving order here."""

from collections.abc import Callable, Mapping

from stacks.call_numbers import ddc, lcc

SCHEMES: Mapping[str, Callable[[str], bytes | None]] = {"lcc": lcc.sort_key, "ddc": ddc.sort_key}


def sort_key(scheme: str, call_number: str) -> bytes | None:
    """
    Key of a call number that compares bytewise in shelving order within its scheme.

    Parameters
    ----------
    scheme : str
        ``lcc`` (Library of Congress) or ``ddc`` (Dewey).
    call_number : str
        As printed on the label, line breaks or spaces between its parts.

    Returns
    -------
    bytes or None
        Printable ASCII; None where the call number cannot be read, or the scheme has no order here.
        Store it under a binary collation.
    """
    make = SCHEMES.get(scheme)
    return None if make is None else make(call_number)
