"""Why a request is not served, in words for its sender."""

from enum import StrEnum


class Dependency(StrEnum):
    """What a component needs from another one."""

    ANALYTICS = "analytics"
    STORAGE = "storage"


class RequestError(Exception):
    """A request that is not served."""

    def __init__(self, status: int, sentence: str, unavailable: Dependency | None = None) -> None:
        """Refuse with an HTTP `status` and a `sentence` that says why.

        `unavailable` is the dependency that is the cause, where one is.
        """
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence
        self.unavailable = unavailable


class UnavailableError(RequestError):
    """A dependency that did not do its part; the same request may succeed later."""

    def __init__(self, dependency: Dependency, reason: str) -> None:
        """Answer 503; `reason` completes "… is not available: …"."""
        super().__init__(503, f"{dependency.capitalize()} is not available: {reason}.", dependency)
