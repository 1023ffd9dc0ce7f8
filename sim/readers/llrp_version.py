"""How an emulated reader agrees on a version of LLRP (LLRP 1.1, section 9.1)."""

from __future__ import annotations

from reader_drivers.llrp.codec import Message, Parameter, Status, Version, message, status
from sim.readers.llrp_connection import Connection

_NEGOTIATING = ("GET_SUPPORTED_VERSION", "SET_PROTOCOL_VERSION")


def answer_version(client: Connection, item: Message, highest: int) -> Message | None:
    """Return the answer to a message that is about versions, or is of the wrong one; None: it is neither.

    Parameters
    ----------
    client
        Its version is set where the message asks for it.
    item
        What came.
    highest
        The highest version that the reader speaks.
    """
    if highest >= Version.V1_1 and item.name in _NEGOTIATING and item.version == Version.V1_1:
        return _negotiate(client, item, highest)
    if item.version == client.version:
        return None
    text = f"this connection speaks LLRP {Version(client.version).label}"
    return _error(item, Status.UNSUPPORTED_VERSION, text, client.version)


def _negotiate(client: Connection, item: Message, highest: int) -> Message:
    said: Parameter = status()
    if item.name == "GET_SUPPORTED_VERSION":
        values = {"current": client.version, "supported": highest}
        return message(f"{item.name}_RESPONSE", item.id, said, version_=Version.V1_1, **values)
    wanted = item.number("version")
    if client.agreed:
        said = status(Status.UNEXPECTED_MESSAGE, "the version of this connection was set before")
    elif not Version.V1_0_1 <= wanted <= highest:
        said = status(Status.UNSUPPORTED_VERSION, f"this reader has no version {wanted}")
    else:
        client.version, client.agreed = wanted, True
    return message(f"{item.name}_RESPONSE", item.id, said, version_=Version.V1_1)


def _error(item: Message, code: int, text: str, version: int) -> Message:
    return message("ERROR_MESSAGE", item.id, status(code, text), version_=version)
