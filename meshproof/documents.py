"""YAML, read by libyaml: what PyYAML does by itself takes ten times as long."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml


def read(text: str) -> Any:
    """Read one document. Raises ``yaml.YAMLError``."""
    return yaml.load(text, Loader=yaml.CSafeLoader)


def read_all(text: str) -> list[Any]:
    """Read all documents. Raises ``yaml.YAMLError``."""
    return list(yaml.load_all(text, Loader=yaml.CSafeLoader))


class _Quoting(yaml.CSafeDumper):
    """Quotes all text: what YAML 1.1 has other readings for ("y", "1e3") stays what it is."""

    def ignore_aliases(self, data: object) -> bool:
        """Write each part where it stands."""
        del data
        return True


_Quoting.add_representer(
    str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"')
)


def written(documents: Iterable[Any]) -> str:
    """Return documents as text that kubectl reads as the same, in the order of their fields."""
    return str(yaml.dump_all(documents, Dumper=_Quoting, sort_keys=False))


def manifests_in(file: Path) -> tuple[Mapping[str, Any], ...]:
    """Return the objects that a file states, each once read: nobody may change them.

    Names of fields are text, as the API server has them, also where they are numbers in the file
    (the ports of a PeerAuthentication). The file itself is read each time. Raises ``OSError`` or
    ``yaml.YAMLError``.
    """
    return _once(file.read_text())


@lru_cache(maxsize=256)
def _once(text: str) -> tuple[Mapping[str, Any], ...]:
    return tuple(map(_named_by_text, read_all(text)))


def _named_by_text(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _named_by_text(inner) for name, inner in value.items()}
    return [_named_by_text(inner) for inner in value] if isinstance(value, list) else value
