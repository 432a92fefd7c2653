"""The voting app through the ingress gateway, as its users' browsers ask for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from meshproof.mesh.ingress import Answer, Ingress
from steps.voting.flag_cookie import COOKIE, WITH, WITHOUT
from steps.voting.voting_page import Page, WrongPage, parse_page, problem_of

#: What a user sends who has set the feature flag.
FLAG = {"Cookie": COOKIE}
#: What each kind of user sends.
USERS: Mapping[str, dict[str, str]] = {WITH: FLAG, WITHOUT: {}}


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


class VotingApp:
    """The voting app, through the ingress gateway."""

    def __init__(self, ingress: Ingress) -> None:
        """Ask through this way in; its connections stay its own."""
        self._ingress = ingress

    @classmethod
    def at(cls, url: str, *, host: str | None = None) -> VotingApp:
        """Return the app at an address, by the name ``host`` where that is not the address."""
        return cls(Ingress(url, host=host))

    @property
    def url(self) -> str:
        """The address: scheme and host, without a path."""
        return self._ingress.url

    @property
    def host(self) -> str | None:
        """The name that is asked for, where it is not the address itself."""
        return self._ingress.host

    def request(
        self,
        method: str,
        path: str = "/",
        *,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Make one request; whatever comes of it is the answer, and nothing is tried again."""
        answer = self._ingress.request(method, path, form=form, headers=headers)
        return Response(*(getattr(answer, each.name) for each in fields(answer)))

    def view(self, *, headers: Mapping[str, str] | None = None) -> Response:
        """View the page."""
        return self.request("GET", headers=headers)

    def vote(
        self, choice: str, *, vote_id: str | None = None, headers: Mapping[str, str] | None = None
    ) -> Response:
        """Vote for ``Cats`` or ``Dogs``, or ``reset``; ``vote_id`` makes the vote count once."""
        form = {"vote": choice} | ({"id": vote_id} if vote_id else {})
        return self.request("POST", form=form, headers=headers)

    def close(self) -> None:
        """Close every connection."""
        self._ingress.close()
