"""What the tests of the connections share: holdings, a clock that does not wait, emulators and their settings."""

import random
import socket
import threading
from contextlib import contextmanager, suppress

from sim.ils import AlmaEmulator, FolioEmulator, KohaEmulator, Sip2Emulator, Stock
from sim.ils.folio import INVENTORY_NOTE_TYPE
from stacks.holdings import STATUSES, Holding
from stacks.ils import Clock

EMULATORS = {"koha": KohaEmulator, "folio": FolioEmulator, "alma": AlmaEmulator, "sip2": Sip2Emulator}


def some_holdings(n=30):
    """Return holdings of several statuses, with Chinese and awkward titles."""
    titles = ("红楼梦 第一册", "Principles of 光学 optics", 'A "quoted" title, with commas', "Ünïcode — Öl")
    states = ["available"] * 4 + [s for s in STATUSES if s != "available"]
    return [
        Holding(
            barcode=f"3182200{i:04d}",
            epc="",
            call_number=f"TP{300 + i}.45 .L{i}",
            scheme=("lcc", "ddc", "nlm", "sudoc")[i % 4],
            title=titles[i % len(titles)],
            home_location=("GEN", "REF")[i % 2],
            status=states[i % len(states)],
            extra={"loans": str(i), "requests": str(2 if i % 7 == 3 else 0)},
        )
        for i in range(n)
    ]


def quick_clock(waits=None):
    """Return a clock that notes its waits and does not wait."""
    noted = [] if waits is None else waits
    return Clock(sleep=noted.append, chance=random.Random(7))


def settings(emulator, tmp_path, **more):
    """Return settings that fit an emulator."""
    given = {"journal": str(tmp_path / "journal.sqlite"), "timeout_s": 10.0, "retries": 2, "backoff_s": 0.01}
    if isinstance(emulator, KohaEmulator):
        given |= {"kind": "koha", "url": emulator.url, "page_size": 7, "holds": True}
        given |= {"client_id": emulator.client_id, "client_secret": emulator.client_secret}
    elif isinstance(emulator, FolioEmulator):
        given |= {"kind": "folio", "url": emulator.url, "page_size": 7, "requests": True}
        given |= {"tenant": emulator.tenant, "user": emulator.user, "password": emulator.password}
        given |= {"inventory_note_type": INVENTORY_NOTE_TYPE}
    elif isinstance(emulator, AlmaEmulator):
        given |= {
            "kind": "alma",
            "url": emulator.url,
            "page_size": 7,
            "api_key": emulator.api_key,
            "set_id": "7001",
        }
    else:
        given |= {
            "kind": "sip2",
            "host": "127.0.0.1",
            "port": emulator.port,
            "inventory_property": "inventory={date}",
        }
        given |= {"user": emulator.user, "password": emulator.password, "institution": "CPL"}
    return given | more


@contextmanager
def emulated(kind, holdings=None, **more):
    """Serve one system."""
    with EMULATORS[kind](Stock(some_holdings() if holdings is None else holdings), **more) as emulator:
        yield emulator


class CuttingProxy:
    """
    A wire between a client and a server that is cut after a request went through, before its answer comes back.

    Parameters
    ----------
    port : int
        The server's.
    cut_at : bytes
        What a request begins with whose answer is lost; empty: none.
    """

    def __init__(self, port, cut_at):
        self._target = port
        self.cut_at = cut_at
        self.cut = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._listener.close()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client):
        server = socket.create_connection(("127.0.0.1", self._target))
        armed = threading.Event()

        def forth():
            with suppress(OSError):
                while data := client.recv(65536):
                    if self.cut_at and self.cut_at in data:
                        armed.set()
                    server.sendall(data)

        threading.Thread(target=forth, daemon=True).start()
        try:
            while data := server.recv(65536):
                if armed.is_set():  # the server has answered, so it has done it
                    self.cut.set()
                    break
                client.sendall(data)
        except OSError:
            pass
        for end in (client, server):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
