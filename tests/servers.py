"""What the tests of any suite's own servers share: ports, and servers that listen and end."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Coroutine, Sequence
from typing import Any

import aiohttp

Address = tuple[str, int]


def free_port() -> int:
    """A loopback port that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


async def listening(address: Address, server: asyncio.Task[None]) -> None:
    """Wait until a server listens. Raises what ended it where it does not."""
    while not server.done():
        try:
            _, writer = await asyncio.open_connection(*address)
        except ConnectionRefusedError:
            await asyncio.sleep(0.005)
            continue
        writer.close()
        await writer.wait_closed()
        return
    await server


def end_by_signal(
    serving: Coroutine[Any, Any, None], address: Address, *, asked: Sequence[str] = ()
) -> None:
    """Serve until SIGTERM, which comes once the server listens and has answered for these paths.

    Raises ``TimeoutError`` where it has not ended five seconds later.
    """

    async def scenario() -> None:
        server = asyncio.create_task(serving)
        await listening(address, server)
        async with aiohttp.ClientSession() as session:
            for path in asked:
                async with session.get(f"http://{address[0]}:{address[1]}{path}"):
                    pass
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(server, 5)

    # Were the application deaf to the signal, it would otherwise end the test run.
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        asyncio.run(scenario())
    finally:
        signal.signal(signal.SIGTERM, before)
