"""What a process is told by its environment, and what its version means."""

import socket
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Literal, NamedTuple, Self
from urllib.parse import urlsplit

from voting.counts import Counts, share_text, simple_text

LOG_LEVELS: Final = ("debug", "info", "warning", "error")
LONGEST_SECONDS: Final = 3600.0


class SettingsError(Exception):
    """A setting that the process cannot start with, in one sentence."""


class Component(StrEnum):
    """The components that this code base can be."""

    APP = "app"
    ANALYTICS = "analytics"


@dataclass(frozen=True)
class Release:
    """What a version does in its own way."""

    store: Literal["redis", "mysql"]
    """The kind of store that votes are kept in; the foot of the page says it too."""
    text: Callable[[Counts], str]
    """The sentence that analytics makes of the counts."""


RELEASES: Final[Mapping[str, Release]] = {
    "1.0": Release(store="redis", text=simple_text),
    "1.1": Release(store="redis", text=share_text),
    "2.0": Release(store="mysql", text=share_text),
}


class Address(NamedTuple):
    """A TCP address."""

    host: str
    port: int


@dataclass(frozen=True)
class MySql:
    """A database of a MySQL server, and who asks it."""

    address: Address
    database: str
    user: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class Settings:
    """The settings of one process; durations are in seconds."""

    component: Component
    version: str
    host: str
    """The pod's own name."""
    listen: Address
    analytics_url: str
    redis: Address
    mysql: MySql
    analytics_timeout: float
    store_timeout: float
    drain: float
    """How long a pod that was told to stop serves on, at most."""
    log_level: str

    @property
    def release(self) -> Release:
        """What this version does in its own way."""
        return RELEASES[self.version]

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read every `VOTING_…` variable.

        Raises SettingsError for a missing component or version and for an unusable value.
        """
        read = _Reader(environment)
        return cls(
            component=Component(read.choice("VOTING_COMPONENT", tuple(Component))),
            version=read.choice("VOTING_VERSION", RELEASES.keys()),
            host=socket.gethostname(),
            # All of a pod's addresses: its sidecar decides who gets in.
            listen=read.address("VOTING_LISTEN", "0.0.0.0:8080"),
            analytics_url=read.url(
                "VOTING_ANALYTICS_URL", "http://voting-analytics:8080/analytics"
            ),
            redis=read.address("VOTING_REDIS_ADDRESS", "voting-storage:6379"),
            mysql=MySql(
                address=read.address("VOTING_MYSQL_ADDRESS", "voting-storage:3306"),
                database=environment.get("VOTING_MYSQL_DATABASE", "voting"),
                user=environment.get("VOTING_MYSQL_USER", "voting"),
                password=environment.get("VOTING_MYSQL_PASSWORD", ""),
            ),
            analytics_timeout=read.seconds("VOTING_ANALYTICS_TIMEOUT_SECONDS", "2"),
            # Shorter than the one above, so that a silent store is named as the cause, and
            # not the analytics that waits for it.
            store_timeout=read.seconds("VOTING_STORE_TIMEOUT_SECONDS", "1.5"),
            drain=read.seconds("VOTING_DRAIN_SECONDS", "5"),
            log_level=read.choice("VOTING_LOG_LEVEL", LOG_LEVELS, "info").upper(),
        )


@dataclass(frozen=True)
class _Reader:
    environment: Mapping[str, str]

    def choice(self, name: str, known: Collection[str], default: str = "") -> str:
        value = self.environment.get(name, default)
        if value not in known:
            raise SettingsError(f"{name} is {value!r}; this image knows {', '.join(known)}.")
        return value

    def address(self, name: str, default: str) -> Address:
        value = self.environment.get(name, default)
        host, _, port = value.rpartition(":")
        if not (host and port.isascii() and port.isdigit() and 0 < int(port) < 65536):
            raise SettingsError(f"{name} is {value!r}; it has to be HOST:PORT.")
        return Address(host, int(port))

    def url(self, name: str, default: str) -> str:
        value = self.environment.get(name, default)
        if urlsplit(value).scheme != "http":
            raise SettingsError(f"{name} is {value!r}; it has to be an http:// URL.")
        return value

    def seconds(self, name: str, default: str) -> float:
        value = self.environment.get(name, default)
        try:
            duration = float(value)
        except ValueError:
            duration = -1.0
        if not 0 <= duration <= LONGEST_SECONDS:
            raise SettingsError(f"{name} is {value!r}; it has to be 0 to {LONGEST_SECONDS:g}.")
        return duration
