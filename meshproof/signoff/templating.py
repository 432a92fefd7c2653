"""The templates of the sign-off's pages, all of them read with the same rules."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template, select_autoescape

#: Filters by their names, beside Jinja's own.
Filters = tuple[tuple[str, Callable[[Any], Any]], ...]


@cache
def template(name: str, filters: Filters = ()) -> Template:
    """Return a template by its file's name, with such filters; each is compiled once in a process.

    HTML and SVG are escaped. Raises ``TemplateNotFound`` where there is none of that name.
    """
    environment = Environment(
        loader=PackageLoader("meshproof.signoff"),
        autoescape=select_autoescape(["html.j2", "svg.j2"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= dict(filters)
    return environment.get_template(name)
