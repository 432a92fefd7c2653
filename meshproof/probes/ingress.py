"""Requests through the ingress gateway, as a user's browser makes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from meshproof.flag import COOKIE
from meshproof.mesh.ingress import REQUEST_TIMEOUT, Answer, Gateway, told_of
from meshproof.probes.page import Page, WrongPage, parse_page, problem_of

__all__ = ["FLAG", "REQUEST_TIMEOUT", "Ingress", "Response", "told_of"]

#: What a user sends who has set the feature flag.
FLAG = {"Cookie": COOKIE}


@dataclass(frozen=True)
class Response(Answer):
    """What came back, and the page that it is."""

    @property
    def page(self) -> Page:
        """The page in it. Raises ``WrongPage`` where it is none."""
        if self.status != 200:
            problem = problem_of(self.body)
            raise WrongPage(f"{self}: “{problem}”" if problem else str(self))
        return parse_page(self.body)


class Ingress(Gateway):
    """The ingress gateway, as users of the page ask it."""

    def request(
        self,
        method: str,
        path: str = "/",
        *,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Make one request; whatever comes of it is the answer, and nothing is tried again."""
        answer = super().request(method, path, form=form, headers=headers)
        return Response(*(getattr(answer, each.name) for each in fields(answer)))

    def view(self, *, headers: dict[str, str] | None = None) -> Response:
        """View the page."""
        return self.request("GET", headers=headers)

    def vote(
        self, choice: str, *, vote_id: str | None = None, headers: dict[str, str] | None = None
    ) -> Response:
        """Vote for ``Cats`` or ``Dogs``, or ``reset``; ``vote_id`` makes the vote count once."""
        form = {"vote": choice} | ({"id": vote_id} if vote_id else {})
        return self.request("POST", form=form, headers=headers)
