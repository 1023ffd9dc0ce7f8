"""Run an amqtt broker on a loopback port until killed: ``python run_amqtt.py PORT [CERTIFICATE KEY]``.

Prints ``ready`` when it listens.
"""

import asyncio
import logging
import sys
import warnings

warnings.simplefilter("ignore")

from amqtt.broker import Broker  # noqa: E402 (it warns while it is imported)


async def main(port: int, *pair: str) -> None:
    tls = {"ssl": True, "certfile": pair[0], "keyfile": pair[1]} if pair else {}
    broker = Broker(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"} | tls},
            "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
        }
    )
    await broker.start()
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    logging.basicConfig(level=logging.ERROR)
    asyncio.run(main(int(sys.argv[1]), *sys.argv[2:]))
