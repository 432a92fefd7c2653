"""Starts the component that the environment names."""

import asyncio
import os
import signal
import sys
from contextlib import AsyncExitStack

from voting.logs import configure
from voting.server import Drain, Service, create_application, serve
from voting.settings import Component, Settings, SettingsError
from voting.store import Store

# Imports are most of what the start of a pod costs, so each process has only those of the
# component that it is and of the store that its version has.


def store_of(settings: Settings) -> Store:
    """The store of the version that `settings` name."""
    match settings.release.store:
        case "redis":
            from voting.store.redis import RedisStore  # noqa: PLC0415

            return RedisStore(settings.redis, settings.store_timeout)
        case "mysql":
            from voting.store.mysql import MySqlStore  # noqa: PLC0415

            return MySqlStore(settings.mysql, settings.store_timeout)


def service_of(settings: Settings, store: Store, resources: AsyncExitStack) -> Service:
    """The component that `settings` name; what it holds open is closed with `resources`."""
    match settings.component:
        case Component.APP:
            from voting.analytics_client import AnalyticsClient  # noqa: PLC0415
            from voting.app import AppService  # noqa: PLC0415
            from voting.page import Page  # noqa: PLC0415

            analytics = AnalyticsClient(settings.analytics_url, settings.analytics_timeout)
            resources.push_async_callback(analytics.close)
            page = Page(settings.version, settings.host, settings.release.store)
            return AppService(store, analytics, page)
        case Component.ANALYTICS:
            from voting.analytics import AnalyticsService  # noqa: PLC0415

            return AnalyticsService(store, settings.release.text)


async def run(settings: Settings) -> None:
    """Serve as `settings` say until SIGTERM or SIGINT.

    Raises OSError when the address cannot be listened on.
    """
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)

    async with AsyncExitStack() as resources:
        store = store_of(settings)
        resources.push_async_callback(store.close)
        application = create_application(service_of(settings, store, resources), store, stopping)
        drain = Drain(settings.drain)
        application.middlewares.append(drain.notice)
        await serve(application, settings.listen, stopping, drain.over)


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
