"""The one page that a visitor sees."""

from pathlib import Path

from jinja2 import Environment, StrictUndefined

from voting.analytics_client import Report
from voting.errors import RequestError
from voting.inputs import new_vote_id


class Page:
    """The page of one pod, compiled once."""

    def __init__(self, version: str, host: str, store: str) -> None:
        """Say version, pod and kind of store at the foot of the page (D7)."""
        environment = Environment(
            autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
        )
        self._template = environment.from_string(
            Path(__file__).with_name("page.html").read_text(encoding="utf-8"),
            globals={"version": version, "host": host, "store": store},
        )

    def render(
        self,
        *,
        flag: bool,
        report: Report | None = None,
        status: str = "",
        error: RequestError | None = None,
    ) -> str:
        """The page as HTML.

        `flag` is the state of the feature flag's toggle, `report` what analytics said, `status`
        what became of the visitor's own request, `error` what went wrong.
        """
        return self._template.render(
            flag=flag, report=report, status=status, error=error, vote_id=new_vote_id()
        )
