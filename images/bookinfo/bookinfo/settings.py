"""What a process is told by its environment, and what its version means."""

import socket
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple, Self
from urllib.parse import urlsplit

LOG_LEVELS: Final = ("debug", "info", "warning", "error")
LONGEST_SECONDS: Final = 3600.0


class SettingsError(Exception):
    """A setting that the process cannot start with, in one sentence."""


class Component(StrEnum):
    """The components that this code base can be."""

    PRODUCTPAGE = "productpage"
    DETAILS = "details"
    REVIEWS = "reviews"
    RATINGS = "ratings"


@dataclass(frozen=True)
class Stars:
    """How a version of reviews comes by its stars."""

    color: str
    timeout: float
    """Seconds that ratings has for its answer."""


#: What productpage gives each component for an answer, in seconds, and how often it asks reviews.
NEIGHBOUR_SECONDS: Final = 3.0
REVIEWS_TRIES: Final = 2
#: Each version of reviews; None never asks ratings and shows no stars. That version 2 waits longer
#: for ratings than productpage waits for reviews is the original's well-known fault.
REVIEWS: Final[Mapping[str, Stars | None]] = {
    "v1": None,
    "v2": Stars("black", 10.0),
    "v3": Stars("red", 2.5),
}
VERSIONS: Final[Mapping[Component, Collection[str]]] = {
    Component.PRODUCTPAGE: ("v1",),
    Component.DETAILS: ("v1",),
    Component.REVIEWS: REVIEWS.keys(),
    Component.RATINGS: ("v1",),
}


class Address(NamedTuple):
    """A TCP address."""

    host: str
    port: int


@dataclass(frozen=True)
class Settings:
    """The settings of one process; durations are in seconds."""

    component: Component
    version: str
    host: str
    """The pod's own name."""
    cluster: str
    """The name of the pod's cluster; empty where nobody gave it one."""
    listen: Address
    details_url: str
    reviews_url: str
    ratings_url: str
    drain: float
    log_level: str

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read every `BOOKINFO_…` variable.

        Raises SettingsError for a missing component or version and for an unusable value.
        """
        read = _Reader(environment)
        component = Component(read.choice("BOOKINFO_COMPONENT", tuple(Component)))
        return cls(
            component=component,
            version=read.choice("BOOKINFO_VERSION", VERSIONS[component]),
            host=socket.gethostname(),
            cluster=environment.get("BOOKINFO_CLUSTER", ""),
            # All of a pod's addresses: its sidecar decides who gets in.
            listen=read.address("BOOKINFO_LISTEN", "0.0.0.0:9080"),
            details_url=read.url("BOOKINFO_DETAILS_URL", "http://details:9080"),
            reviews_url=read.url("BOOKINFO_REVIEWS_URL", "http://reviews:9080"),
            ratings_url=read.url("BOOKINFO_RATINGS_URL", "http://ratings:9080"),
            drain=read.seconds("BOOKINFO_DRAIN_SECONDS", "5"),
            log_level=read.choice("BOOKINFO_LOG_LEVEL", LOG_LEVELS, "info").upper(),
        )


@dataclass(frozen=True)
class _Reader:
    environment: Mapping[str, str]

    def choice(self, name: str, known: Collection[str], default: str = "") -> str:
        value = self.environment.get(name, default)
        if value not in known:
            raise SettingsError(f"{name} is {value!r}; it has to be one of {', '.join(known)}.")
        return value

    def address(self, name: str, default: str) -> Address:
        value = self.environment.get(name, default)
        host, _, port = value.rpartition(":")
        if not (host and port.isascii() and port.isdigit() and 0 < int(port) < 65536):
            raise SettingsError(f"{name} is {value!r}; it has to be HOST:PORT.")
        return Address(host, int(port))

    def url(self, name: str, default: str) -> str:
        value = self.environment.get(name, default)
        parts = urlsplit(value)
        if parts.scheme != "http" or not parts.netloc or parts.path or parts.query:
            raise SettingsError(f"{name} is {value!r}; it has to be http://HOST:PORT.")
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
