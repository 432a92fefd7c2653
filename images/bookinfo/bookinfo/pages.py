"""The pages that a visitor sees."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from bookinfo.book import PRODUCT, Fact, Reviews
from bookinfo.errors import RequestError


class Pages:
    """The pages of one pod, each compiled once."""

    def __init__(self, version: str, host: str) -> None:
        """Say version and pod at the foot of each page."""
        environment = Environment(
            loader=FileSystemLoader(Path(__file__).with_name("templates")),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        environment.globals |= {"version": version, "host": host, "product": PRODUCT}
        self._index, self._product, self._problem = (
            environment.get_template(f"{name}.html") for name in ("index", "product", "problem")
        )

    def index(self, user: str | None) -> str:
        """The page that says which components there are, as HTML."""
        return self._index.render(user=user)

    def product(
        self, user: str | None, facts: tuple[Fact, ...] | None, reviews: Reviews | None
    ) -> str:
        """The book's page as HTML; None stands for what cannot be had."""
        return self._product.render(user=user, facts=facts, reviews=reviews)

    def problem(self, user: str | None, error: RequestError) -> str:
        """The page that says why a request is not served, as HTML."""
        return self._problem.render(user=user, error=error)
