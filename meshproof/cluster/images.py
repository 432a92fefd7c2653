"""Where a cluster has the suites' images from, where its nodes do not have them: a registry.

Manifests name images as nodes have them that Meshproof has loaded them into. For any other cluster
each name is exchanged, in what is applied, for the one that the image has in a registry.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

#: The Secret that nodes log in with, in each namespace of the suite's own.
PULL_SECRET = "meshproof-pull"  # noqa: S105 - its name
#: Types of a Secret that a node can log in with, and the field that holds what it says.
LOGINS = {
    "kubernetes.io/dockerconfigjson": ".dockerconfigjson",
    "kubernetes.io/dockercfg": ".dockercfg",
}
#: The namespace that a Secret given by its name is in.
SECRETS_PLACE = "default"


@dataclass(frozen=True)
class Images:
    """The suites' images in a registry.

    ``names`` has for each name in the manifests the one to pull, which ends in a digest.
    ``pull_secret`` is what nodes log in with: a Secret's name, or a file (see `is_file`).
    """

    registry: str
    names: Mapping[str, str] = field(hash=False)
    pull_secret: str | None = None

    @property
    def digests(self) -> dict[str, str]:
        """The digest that each image has in the registry, by its name in the manifests."""
        return {name: pulled.rpartition("@")[2] for name, pulled in self.names.items()}

    @property
    def told(self) -> str:
        """What a sign-off says of it, among what is not the default."""
        login = " with a Secret of the user's" if self.pull_secret else ""
        return (
            f"The images of the application and of the probes are pulled from {self.registry}"
            f"{login}: in copies of the manifests, each image's name is the one that it has there, "
            "with its digest."
        )

    def exchanged(self, document: Any) -> Any:
        """Return a manifest, or a part of it, in which pods have their images from the registry.

        Images that are none of the suites' keep their names.
        """
        if isinstance(document, list):
            return [self.exchanged(part) for part in document]
        if not isinstance(document, Mapping):
            return document
        found = {key: self.exchanged(part) for key, part in document.items()}
        if not isinstance(found.get("containers"), list):
            return found
        for kind in ("initContainers", "containers"):
            if kind in found:
                found[kind] = [self._container(one) for one in found[kind]]
        if self.pull_secret:
            found["imagePullSecrets"] = [
                *found.get("imagePullSecrets", []),
                {"name": PULL_SECRET},
            ]
        return found

    def _container(self, container: Any) -> Any:
        if not isinstance(container, Mapping) or container.get("image") not in self.names:
            return container
        return {**container, "image": self.names[container["image"]]}


def is_file(pull_secret: str) -> bool:
    """Whether what nodes log in with is a file of Docker's configuration, and no Secret's name."""
    return "/" in pull_secret or Path(pull_secret).is_file()


def login_of_file(file: Path) -> dict[str, Any]:
    """Return a Secret's type and data that say what a file of Docker's configuration says.

    Raises ``ValueError`` with what is wrong with it, where nodes cannot log in with it.
    """
    try:
        text = file.read_bytes()
    except OSError as error:
        raise ValueError(f"cannot be read ({error.strerror})") from error
    try:
        said = json.loads(text)
    except ValueError as error:
        raise ValueError("is no configuration of Docker's: it is no JSON") from error
    if not isinstance(said, dict) or not said.get("auths"):
        raise ValueError("names no registry under “auths”, so that no node can log in with it")
    if not all(isinstance(one, dict) and one for one in said["auths"].values()):
        raise ValueError(
            "holds no credentials under “auths”: a helper keeps them, which nodes do not have"
        )
    kind = "kubernetes.io/dockerconfigjson"
    return {"type": kind, "data": {LOGINS[kind]: base64.b64encode(text).decode()}}


def login_of_secret(secret: Mapping[str, Any]) -> dict[str, Any]:
    """Return the type and the data of a Secret. Raises ``ValueError`` where it is no login."""
    kind = str(secret.get("type"))
    if kind not in LOGINS:
        raise ValueError(f"is of the type {kind}, not {' or '.join(LOGINS)}")
    return {"type": kind, "data": {LOGINS[kind]: secret["data"][LOGINS[kind]]}}
