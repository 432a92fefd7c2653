"""Samples of the product page, as scenarios ask for them."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from meshproof.analysis.observation import Observation
from meshproof.analysis.sampling import Budget
from meshproof.analysis.strength import AlwaysDemand, Demands
from meshproof.mesh.ingress import Ingress
from meshproof.plugin.preflight import PodLog
from meshproof.suite.tutorial import Tutorial
from meshproof.waiting import LOGS_WRITTEN, converge
from steps.bookinfo.product_page import NO_STARS, RED_STARS, VERSIONS
from steps.bookinfo.readers import (
    EVERYONE_ELSE,
    HIS_OWN,
    JASON,
    NEAR_MISSES,
    reader,
    signed_in,
)
from steps.bookinfo.told import logged, served_as_shown, whole_app_logs
from steps.bookinfo.verdicts import Attempts, PageSample, ShareSample, each_seen
from steps.bookinfo.views import (
    WAITING_AT_ONCE,
    as_everyone_else,
    as_user,
    sample,
    sample_all,
    sample_until_decided,
    view,
)

#: The versions that traffic is shifted between, by what their pages show.
SHIFTED = (NO_STARS, RED_STARS)
REVIEWS = "reviews"


def every_version(ingress: Ingress, count: int, kinds: tuple[str, ...]) -> Observation:
    """View the page so often, and hold what came against each of these kinds having come."""
    return each_seen(sample(ingress, count, as_everyone_else), kinds)


def both_in_turn(ingress: Ingress, demand: AlwaysDemand) -> PageSample:
    """View the page as jason and as everyone else in turn, each so often as is demanded."""
    count = demand.samples
    views = sample_all(
        ingress,
        {JASON: (count, as_user(signed_in(JASON))), EVERYONE_ELSE: (count, as_everyone_else)},
    )
    return PageSample(views, {JASON: demand, EVERYONE_ELSE: demand})


def both_at_once(ingress: Ingress, demand: AlwaysDemand, of_jason: AlwaysDemand) -> PageSample:
    """View the page as jason, who has to wait, on many connections, and as everyone else meanwhile.

    Each so often as is demanded of them.
    """
    with ThreadPoolExecutor(1) as aside:
        waiting = aside.submit(
            sample, ingress, of_jason.samples, as_user(signed_in(JASON)), WAITING_AT_ONCE
        )
        others = sample(ingress, demand.samples, as_everyone_else)
        views = {JASON: waiting.result(), EVERYONE_ELSE: others}
    return PageSample(views, {JASON: of_jason, EVERYONE_ELSE: demand})


def jasons_pages(ingress: Ingress, count: int) -> PageSample:
    """View so many pages of jason, all at once; they stand for no others."""
    return PageSample({JASON: sample(ingress, count, as_user(signed_in(JASON)), count)}, {})


def close_to_jason(ingress: Ingress, each: int) -> Attempts:
    """View the page in each way of being jason, and in each that comes close, so often each."""
    attempts = (*HIS_OWN, *NEAR_MISSES)
    users = {
        attempt.name: (
            each,
            lambda ingress, _, attempt=attempt: view(ingress, attempt.headers, attempt.query),
        )
        for attempt in attempts
    }
    views = sample_all(ingress, users)
    return Attempts([(attempt, views[attempt.name]) for attempt in attempts])


class Shift:
    """Pages that were sampled until their shares were decided, and who viewed them."""

    sample: ShareSample

    def __init__(
        self, ingress: Ingress, demands: Demands, false_alarms: Budget, alternative: float
    ) -> None:
        """Sample; the claim of even shares has its one try here."""
        self.begun, self.reader = time.monotonic(), reader()
        demand = demands.even(alternative, false_alarms.draw("even shares of reviews v1 and v3"))
        ask = as_user(signed_in(self.reader))
        views = sample_until_decided(ingress, demand.test, SHIFTED, ask)
        self.sample = ShareSample(views, demand)

    def show(self, users: str, shown: str) -> Observation:
        """Hold all pages against either of two kinds."""
        return self.sample.show(users, shown)

    def even(self, one: str, other: str) -> Observation:
        """Hold the shares of two kinds against even ones."""
        return self.sample.even(one, other)

    def served_as_shown(self, tutorial: Tutorial, pod_log: PodLog) -> Observation:
        """Hold what the pods of reviews logged for this reader against the pages.

        Raises ``NotKept`` where they log less, and ``EnvironmentBroken`` where their nodes have put
        away what they logged.
        """
        shown = Counter(VERSIONS[one.shown] for one in self.sample.views if one.shown in VERSIONS)
        with whole_app_logs(tutorial, (REVIEWS,), self.begun):
            entries = converge(
                lambda: logged(tutorial, pod_log, (REVIEWS,), self.begun),
                until=lambda found: sum(
                    one.end_user == self.reader for each in found.values() for one in each
                ) >= shown.total(),
                what=f"the pods of reviews have logged {shown.total()} requests",
                timeout=LOGS_WRITTEN,
                promised=True,
            ).value  # fmt: skip
        return served_as_shown(entries, self.reader, shown)
