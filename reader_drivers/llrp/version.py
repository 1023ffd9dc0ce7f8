"""Which version of LLRP to speak with a reader (LLRP 1.1, section 9.1: version negotiation)."""

from __future__ import annotations

import contextlib

from reader_drivers._reader import ReaderError
from reader_drivers.llrp.client import LlrpClient, NoAnswerError, RefusedError
from reader_drivers.llrp.codec import Version
from reader_drivers.transport import LinkLostError

_PATIENCE_S = 2.0
"""A reader of 1.0.1 that passes over what it does not know gets this long to answer; all known ones refuse at once."""


class VersionRefusedError(ReaderError):
    """The reader hung up when it was asked for its versions; it is one of 1.0.1, to be asked nothing of the kind."""


def negotiate(client: LlrpClient, wanted: Version | None) -> Version:
    """Ask which versions a reader speaks, and agree on one.

    Parameters
    ----------
    client
        Just connected; speaks 1.0.1 until this has returned.
    wanted
        None: the latest that both know.

    Raises
    ------
    VersionRefusedError
        The reader hung up, and `wanted` leaves the choice to us.
    ReaderError
        The reader does not speak `wanted`.
    """
    if wanted is Version.V1_0_1:
        return wanted
    highest, current = Version.V1_0_1, Version.V1_0_1
    try:
        # A reader of 1.0.1 refuses the version of the header or the message (status 110 or 109).
        with contextlib.suppress(RefusedError):
            answer = client.request("GET_SUPPORTED_VERSION", version_=Version.V1_1, timeout_s=_PATIENCE_S)
            highest = Version.V1_1 if answer.number("supported") >= Version.V1_1 else Version.V1_0_1
            current = Version.V1_1 if answer.number("current") == Version.V1_1 else Version.V1_0_1
    except NoAnswerError:
        pass
    except LinkLostError as error:
        if wanted is None:
            raise VersionRefusedError(f"{client.where}: hung up when asked for its LLRP versions") from error
        raise
    if highest < Version.V1_1:
        if wanted is not None:
            raise ReaderError(f"{client.where}: it speaks LLRP 1.0.1 only; leave option version out")
        return Version.V1_0_1
    if current is not Version.V1_1:
        client.request("SET_PROTOCOL_VERSION", version_=Version.V1_1, version=int(Version.V1_1))
    client.version = Version.V1_1
    return Version.V1_1
