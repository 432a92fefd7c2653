"""A registry of container images: what is pushed there, and asked of it, by crane.

Who may do so is said by the user's own configuration, as `docker login` or `podman login` leaves
it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from meshproof.errors import EnvironmentBroken, UsageFailure
from meshproof.process import CommandFailed, Completed, run

#: Seconds; an answer takes one, and one that does not come is waited for by crane itself.
ANSWER_TIMEOUT = 60.0
#: Seconds; the largest image has some 400 MB, which a slow line of 1 MB/s has taken by then.
PUSH_TIMEOUT = 900.0
#: A host that says by a dot, a colon or its name that it is one, and a path as images have it.
NAME = re.compile(
    r"(?=[^/]*[.:]|localhost(?:/|$))"
    r"(?:[A-Za-z0-9](?:[-A-Za-z0-9.]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(?::\d{1,5})?"
    r"(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*"
)
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")

#: What crane prints, by what it means.
REFUSED = re.compile(r"UNAUTHORIZED|DENIED|\b40[13]\b")
LACKING = re.compile(r"MANIFEST_UNKNOWN|NAME_UNKNOWN")
NOT_TRUSTED = re.compile(r"x509:|certificate signed by unknown authority")
OUT_OF_REACH = re.compile(
    r"dial tcp|no such host|connection (?:refused|reset)|timeout|deadline exceeded|\bEOF\b"
)


def registry_name(value: str) -> str:
    """Return a registry's name, HOST[:PORT][/PATH]. Raises ``ValueError`` for what is none."""
    name = value.removesuffix("/")
    if "://" in value or not NAME.fullmatch(name):
        raise ValueError(
            "must be a registry as images name it: a host with a dot or a port, and a path of "
            "lower-case letters where it has one, such as registry.example.org:5000/team"
        )
    return name


def in_registry(registry: str, name: str, key: str) -> str:
    """Return the name in a registry of an image that manifests name, as it is built by this key."""
    return f"{registry}/{name.removeprefix('localhost/')}-{key}"


@dataclass(frozen=True)
class Registry:
    """A registry by its name, and crane; ``ca`` is a certificate to trust beside the machine's."""

    name: str
    crane: Path
    ca: Path | None = None

    @property
    def host(self) -> str:
        """What credentials are kept under."""
        return self.name.partition("/")[0]

    def digest(self, image: str) -> str:
        """The digest of an image. Raises ``EnvironmentBroken`` where it is not to be had."""
        done = self._crane("digest", image, timeout=ANSWER_TIMEOUT)
        if not done.ok:
            raise self._refusal(done, image, "pull")
        return digest_in(done)

    def push(self, archive: Path, image: str) -> str:
        """Push the image in an archive, and return its digest. Raises ``EnvironmentBroken``."""
        done = self._crane("push", str(archive), image, timeout=PUSH_TIMEOUT)
        if not done.ok:
            raise self._refusal(done, image, "push")
        return digest_in(done)

    def _crane(self, *argv: str, timeout: float) -> Completed:
        trusted = {"SSL_CERT_FILE": str(self.ca)} if self.ca else {}
        try:
            return run([self.crane, *argv], check=False, timeout=timeout, env=trusted)
        except CommandFailed as error:  # it did not end in time
            raise EnvironmentBroken(
                f"The registry {self.host} did not answer in time: see that it is up and can be "
                "reached from here.",
                str(error),
            ) from error

    def _refusal(self, done: Completed, image: str, what: str) -> EnvironmentBroken:
        return EnvironmentBroken(refusal(self.host, image, what, done.stderr), done.transcript())


def refusal(host: str, image: str, what: str, printed: str) -> str:
    """Say in a sentence why a registry did not do ``what`` (push, pull), by what crane printed."""
    if NOT_TRUSTED.search(printed):
        return (
            f"The certificate of registry {host} is not trusted here: give the certificate of who "
            "signed it with --registry-ca."
        )
    if LACKING.search(printed):
        registry = image.partition("/")[0]
        return (
            f"The registry {registry} has no image {image}: `meshproof images push` puts there "
            "what this checkout builds."
        )
    if REFUSED.search(printed):
        return (
            f"The registry {host} does not let this user {what} {image}: log in with `docker login "
            f"{host}`, as somebody who may."
        )
    if OUT_OF_REACH.search(printed):
        return (
            f"The registry {host} cannot be reached from here: see that it is up, and that name "
            "and port are right."
        )
    lines = [line for line in printed.splitlines() if line.strip()]
    last = lines[-1].removeprefix("Error: ") if lines else "it said nothing"
    return f"The registry {host} did not {what} {image}, or is no registry: {last}"


def digest_in(done: Completed) -> str:
    """Read the digest that crane prints. Raises ``EnvironmentBroken`` where it printed none."""
    found = DIGEST.search(done.stdout)
    if not found:
        raise EnvironmentBroken("crane printed no digest.", done.transcript())
    return found[0]


def checked_registry(value: str) -> str:
    """Return a registry's name that was typed. Raises ``UsageFailure`` for what is none."""
    try:
        return registry_name(value)
    except ValueError as error:
        raise UsageFailure(f"“{value}” is no registry: it {error}.") from error
