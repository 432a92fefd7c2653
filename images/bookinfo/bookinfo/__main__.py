"""Starts the component that the environment names."""

import asyncio
import os
import signal
import sys
from contextlib import AsyncExitStack

from bookinfo.client import Neighbour, new_session
from bookinfo.details import DetailsService
from bookinfo.logs import configure
from bookinfo.ratings import RatingsService
from bookinfo.reviews import ReviewsService
from bookinfo.server import Service, create_application, serve
from bookinfo.settings import (
    NEIGHBOUR_SECONDS,
    REVIEWS,
    REVIEWS_TRIES,
    Component,
    Settings,
    SettingsError,
)


async def service_of(settings: Settings, resources: AsyncExitStack) -> Service:
    """The component that `settings` name; what it holds open is closed with `resources`."""
    match settings.component:
        case Component.PRODUCTPAGE:
            # Imports are most of what the start of a pod costs, and no other needs the templates'.
            from bookinfo import pages, productpage  # noqa: PLC0415

            session = await resources.enter_async_context(new_session())
            return productpage.ProductPageService(
                pages.Pages(settings.version, settings.host),
                details=Neighbour(session, settings.details_url, NEIGHBOUR_SECONDS),
                reviews=Neighbour(
                    session, settings.reviews_url, NEIGHBOUR_SECONDS, tries=REVIEWS_TRIES
                ),
                ratings=Neighbour(session, settings.ratings_url, NEIGHBOUR_SECONDS),
            )
        case Component.REVIEWS:
            stars = REVIEWS[settings.version]
            if stars is None:
                return ReviewsService(settings.host, settings.cluster)
            session = await resources.enter_async_context(new_session())
            ratings = Neighbour(session, settings.ratings_url, stars.timeout)
            return ReviewsService(settings.host, settings.cluster, ratings, stars.color)
        case Component.DETAILS:
            return DetailsService()
        case Component.RATINGS:
            return RatingsService()


async def run(settings: Settings) -> None:
    """Serve as `settings` say until SIGTERM or SIGINT.

    Raises OSError when the address cannot be listened on.
    """
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)

    async with AsyncExitStack() as resources:
        await serve(
            create_application(await service_of(settings, resources), stopping),
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
        sys.exit(f"bookinfo: {error}")


if __name__ == "__main__":
    main()
