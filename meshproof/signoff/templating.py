"""The templates of the sign-off's pages, all of them read with the same rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template, select_autoescape

NO_FILTERS: Mapping[str, Callable[[Any], Any]] = MappingProxyType({})


def template(name: str, filters: Mapping[str, Callable[[Any], Any]] = NO_FILTERS) -> Template:
    """Return a template by its file's name, with filters beside Jinja's own.

    HTML and SVG are escaped. Raises ``TemplateNotFound`` where there is none of that name.
    """
    environment = Environment(
        loader=PackageLoader("meshproof.signoff"),
        autoescape=select_autoescape(["html.j2", "svg.j2"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= filters
    return environment.get_template(name)
