"""Users who go on viewing the product page while the tutorial goes on, and what they see."""

from __future__ import annotations

from collections.abc import Mapping

from meshproof.analysis.timeline import Request
from meshproof.mesh.ingress import Answer, Ingress
from meshproof.probes.steady import Ask, SteadyTraffic, User
from steps.bookinfo.product_page import NO_RATINGS, NO_REVIEWS, parse_product_page
from steps.bookinfo.readers import ANNA, JASON, signed_in
from steps.bookinfo.views import view

#: Requests a second, of each user.
PACE = 6.0
READER = "readers"


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
