"""Users who go on viewing the product page while the tutorial goes on, and what they see."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from meshproof.analysis.observation import Observation, unless
from meshproof.analysis.timeline import Request, Timeline
from meshproof.mesh.ingress import Answer, Ingress
from meshproof.probes.steady import Ask, SteadyTraffic, User
from meshproof.wording import NAMED, in_turn, number
from steps.bookinfo.product_page import NO_RATINGS, NO_REVIEWS, parse_product_page
from steps.bookinfo.readers import ANNA, JASON, signed_in
from steps.bookinfo.views import view

#: Requests a second, of each user.
PACE = 6.0
READER = "a reader"


def views(headers: Mapping[str, str]) -> Ask:
    """Return what a user does who sends these headers: view the product page."""

    def ask(ingress: Ingress, at: float, user: str, number: int) -> Request:
        del number
        return request_of(at, user, view(ingress, headers))

    return ask


#: Who views the page: on a connection that is kept, or on new ones.
USERS = (
    User(f"{READER}, on a kept connection", PACE, views({})),
    User(f"{READER}, on new connections", PACE, views(signed_in(ANNA)), fresh=True),
    User(f"{JASON}, on a kept connection", PACE, views(signed_in(JASON))),
    User(f"{JASON}, on new connections", PACE, views(signed_in(JASON)), fresh=True),
)


def begin(traffic: SteadyTraffic) -> None:
    """Have all of them begin, and wait until each was answered."""
    for user in USERS:
        traffic.begin(user)
    traffic.await_requests()


def request_of(at: float, user: str, response: Answer) -> Request:
    """Write one view down; a reader's that lacks reviews, ratings or details is not served.

    The faults are for jason, so his page is served whatever it says of his reviews.
    """
    shown = pod = problem = ""
    try:
        if response.status != 200:
            raise ValueError(str(response))
        page = parse_product_page(response.body)
        shown, pod = page.shown, page.pod or "nobody"
        lacks = not page.details or (user.startswith(READER) and shown in (NO_REVIEWS, NO_RATINGS))
        problem = f"not a whole page: {page}" if lacks else ""
    except ValueError as error:
        problem = str(error)
    return Request(
        at, response.seconds, user, response.method, response.status, shown, pod, "", "", "",
        problem,
    )  # fmt: skip


def readers_saw(timeline: Timeline, shown: str, after: str, until: str = "") -> Observation:
    """Hold what readers saw once a stage was in force, until another began, if one is named."""
    begin = timeline.entered(after)[1]
    end = timeline.entered(until)[0] if until else math.inf
    views = [one for one in timeline.between(begin, end) if one.user.startswith(READER)]
    others = [one for one in views if one.version != shown]
    span = f"after “{after}”" + (f" and before “{until}”" if until else "")
    return Observation(
        results=[f"{len(others)} of {number(len(views), 'page')} of readers {span} were other "
                 f"than {shown}."],
        problems=unless(views and not others, _others(views, others, span)),
    )  # fmt: skip


def _others(views: Sequence[Request], others: Sequence[Request], span: str) -> str:
    return f"{span} {len(others)} of {len(views)} were other: {in_turn(others, most=NAMED)}"
