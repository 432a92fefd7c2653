"""Users who view the page and vote all the time (A1, C7), and what became of their votes."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence

from meshproof.analysis.timeline import Request, Timeline
from meshproof.mesh.ingress import Ingress
from meshproof.probes.steady import Ask
from meshproof.wording import listed, quoted
from steps.voting.ballots import CATEGORIES, VOTE_ID
from steps.voting.voting_app import Response, VotingApp

#: One request in so many is a vote.
VOTES = 3


def views_and_votes(headers: Mapping[str, str], *, votes: int = VOTES) -> Ask:
    """Return what a user does who sends these headers: one request in ``votes`` is a vote.

    The others are views.
    """

    def ask(ingress: Ingress, at: float, user: str, number: int) -> Request:
        app = VotingApp(ingress)
        ballot, view = divmod(number, votes)
        if view:
            return request_of(at, user, app.view(headers=headers), "", "")
        vote, vote_id = CATEGORIES[ballot % 2], f"steady-{uuid.uuid4()}"
        response = app.vote(vote, vote_id=vote_id, headers=headers)
        return request_of(at, user, response, vote, vote_id)

    return ask


def request_of(at: float, user: str, response: Response, vote: str, vote_id: str) -> Request:
    """Write one request down; a vote that is not acknowledged is a problem, whatever its status."""
    version = store = problem = ""
    try:
        page = response.page
        version, store = page.version, page.store
        if page.counts is None:
            problem = f"a page without counts: {page}"
    except ValueError as error:
        problem = str(error)
    acknowledged = response.headers.get(VOTE_ID, "")
    if vote and not problem and acknowledged != vote_id:
        problem = f"{response}, the vote not acknowledged ({VOTE_ID}: {quoted(acknowledged)})"
    return Request(
        at, response.seconds, user, response.method, response.status, version, store,
        vote, vote_id, acknowledged, problem,
    )  # fmt: skip


def votes_amiss(timeline: Timeline, stored: Mapping[str, Sequence[tuple[str, str]]]) -> list[str]:
    """Say which votes are not as they were acknowledged; ``stored`` has the rows of each store.

    Each must be in the store of the version that acknowledged it exactly once, for the category
    that was voted for, and in no other; a vote that nobody cast must be nowhere. A vote that
    was cast and not acknowledged may be there or not, once at most.
    """
    cast = {request.vote_id: request for request in timeline.requests if request.vote}
    held: dict[str, list[tuple[str, str]]] = {}
    for store, rows in stored.items():
        for vote_id, category in rows:
            held.setdefault(vote_id, []).append((store, category))
    uncast = sorted(held.keys() - cast.keys())
    found = [f"the vote {vote_id}, which nobody cast: {_held(held[vote_id])}" for vote_id in uncast]
    for vote_id, request in cast.items():
        stores = [request.store] if request.acknowledged and request.store else list(stored)
        allowed = [[(store, request.vote)] for store in stores]
        if not request.acknowledged:
            allowed.append([])
        if held.get(vote_id, []) not in allowed:
            found.append(f"{request}: {_held(held.get(vote_id, []))}")
    return found


def _held(where: Sequence[tuple[str, str]]) -> str:
    """Say in which stores a vote is held, and for what."""
    return f"held {listed((f'in {store} for {category}' for store, category in where), 'nowhere')}"
