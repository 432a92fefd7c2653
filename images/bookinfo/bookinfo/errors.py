"""Why a request is not served, and why another component's answer cannot be had."""


class RequestError(Exception):
    """A request that is not served."""

    def __init__(self, status: int, sentence: str) -> None:
        """Refuse with an HTTP `status` and a `sentence` that says why."""
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence


class UnavailableError(Exception):
    """Another component that did not do its part."""

    def __init__(self, status: int, reason: str) -> None:
        """`status` is its answer's own where that says that something failed, else 500."""
        super().__init__(reason)
        self.status = status if status >= 400 else 500
