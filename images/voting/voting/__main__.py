"""Starts the component that the environment names."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from typing import Final

from voting.analytics import AnalyticsService
from voting.analytics_client import AnalyticsClient
from voting.app import AppService
from voting.logs import configure
from voting.page import Page
from voting.server import Service, create_application, serve
from voting.settings import Component, Settings, SettingsError
from voting.store import Store
from voting.store.mysql import MySqlStore
from voting.store.redis import RedisStore

STORES: Final[Mapping[str, Callable[[Settings], Store]]] = {
    "redis": lambda settings: RedisStore(settings.redis, settings.store_timeout),
    "mysql": lambda settings: MySqlStore(settings.mysql, settings.store_timeout),
}


async def run(settings: Settings) -> None:
    """Serve as `settings` say until SIGTERM or SIGINT.

    Raises OSError when the address cannot be listened on.
    """
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)

    async with AsyncExitStack() as resources:
        release = settings.release
        store = STORES[release.store](settings)
        resources.push_async_callback(store.close)
        match settings.component:
            case Component.APP:
                analytics = AnalyticsClient(settings.analytics_url, settings.analytics_timeout)
                resources.push_async_callback(analytics.close)
                page = Page(settings.version, settings.host, release.store)
                service: Service = AppService(store, analytics, page)
            case Component.ANALYTICS:
                service = AnalyticsService(store, release.text)
        await serve(
            create_application(service, store, stopping),
            settings.listen,
            stopping,
            lambda: asyncio.sleep(settings.drain),
        )


def main() -> None:
    """Run; exit with 1 and one sentence for a wrong setting or an address that is taken."""
    try:
        settings = Settings.from_environment(os.environ)
        configure(settings)
        asyncio.run(run(settings))
    except (SettingsError, OSError) as error:
        sys.exit(f"voting: {error}")


if __name__ == "__main__":
    main()
