"""One rail alone: ``python -m rails whatsapp --data DIR --port 7101 --partner-token T --partner-secret S``.

Prints one JSON line ``{"ready": true, "rail", "url"}`` when it serves; SIGINT and SIGTERM stop it in order. Exit code
78 when the settings or the store are unusable, 69 when the port is.
"""

import argparse
import asyncio
import json
import signal
import sys
from pathlib import Path

from rails.catalogue import BUNDLED
from rails.kit.daemon import RailServer, RailSettings
from rails.kit.store import StoreDamaged


def main() -> int:
    """Run until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m rails", description="Run one rail alone.")
    parser.add_argument("rail", choices=sorted(BUNDLED))
    parser.add_argument("--data", type=Path, required=True, help="folder of the rail's SQLite file")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--partner-token", required=True, help="what the federation partner shows to us")
    parser.add_argument("--partner-secret", required=True, help="what signs our webhooks to the partner")
    parser.add_argument("--public-url", help="how others reach this rail, if not at host and port: files are named so")
    parser.add_argument(
        "--allow-private-links", action="store_true", help="fetch files by link from private addresses, too"
    )
    given = parser.parse_args()
    settings = RailSettings(
        data_dir=given.data,
        host=given.host,
        port=given.port,
        partner_token=given.partner_token,
        partner_secret=given.partner_secret,
        public_url=given.public_url,
        allow_private_links=given.allow_private_links,
    )
    try:
        asyncio.run(_serve(RailServer(rail=BUNDLED[given.rail], settings=settings)))
    except StoreDamaged as error:
        sys.stderr.write(f"{error}\n")
        return 78
    except OSError as error:
        sys.stderr.write(f"The rail cannot listen on {given.host}:{given.port}: {error}\n")
        return 69
    return 0


async def _serve(server: RailServer) -> None:
    stop = asyncio.Event()
    for wanted in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(wanted, stop.set)
    await server.start()
    sys.stdout.write(json.dumps({"ready": True, "rail": server.rail.name, "url": server.url}) + "\n")
    sys.stdout.flush()
    await stop.wait()
    await server.stop()


if __name__ == "__main__":
    sys.exit(main())
