"""The shape of a mesh: where istiod and the ingress gateway are, and what they are called.

The default is the shape that `istioctl install` gives a mesh, which is the one that the tutorial
and its manifests are written for. A mesh of another shape has the tutorial's commands and
manifests adapted to it, and nothing else of them.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any
from urllib.parse import quote

#: The revision of an Istio that was installed without one.
DEFAULT_REVISION = "default"
#: By what features and diagrams call whoever leads users in, whatever its pods are called.
INGRESS_GATEWAY = "istio-ingressgateway"
#: The label that the tutorial asks for injection by.
INJECTION = ("istio-injection", "enabled")
REVISION_LABEL = "istio.io/rev"
#: What `istioctl` commands take a revision.
REVISIONED = ("analyze", "proxy-status", "version")


@dataclass(frozen=True)
class GatewayShape:
    """An ingress gateway: its Service, what its pods are, and as whom they call.

    ``labels`` are those that a Gateway selects the pods by.
    """

    namespace: str = "istio-system"
    name: str = INGRESS_GATEWAY
    deployment: str = INGRESS_GATEWAY
    labels: tuple[tuple[str, str], ...] = (("istio", "ingressgateway"),)
    account: str = "istio-ingressgateway-service-account"

    @property
    def selector(self) -> dict[str, str]:
        """What a Gateway selects."""
        return dict(self.labels)

    @property
    def pods_path(self) -> str:
        """Where the API server lists its pods."""
        chosen = quote(",".join(f"{label}={value}" for label, value in self.labels))
        return f"/api/v1/namespaces/{self.namespace}/pods?labelSelector={chosen}"

    @property
    def principal(self) -> str:
        """The account as a policy of any namespace names it."""
        return f"{self.namespace}/{self.account}"

    @property
    def service(self) -> str:
        """The Service, with its namespace."""
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True)
class MeshShape:
    """A mesh: istiod's namespace, revision and Deployment, and the ingress gateway.

    ``revision`` is istiod's own; ``tag`` is the name that namespaces ask for it by, where that is
    another one.
    """

    namespace: str = "istio-system"
    revision: str = DEFAULT_REVISION
    deployment: str = "istiod"
    tag: str = ""
    gateway: GatewayShape = GatewayShape()

    @property
    def revisioned(self) -> bool:
        """Whether it was installed with a revision."""
        return self.revision != DEFAULT_REVISION

    @property
    def injection(self) -> tuple[str, str]:
        """The label, and its value, by which a namespace asks for injection."""
        asked = self.tag or self.revision
        return INJECTION if asked == DEFAULT_REVISION else (REVISION_LABEL, asked)

    @property
    def istiod_selector(self) -> str:
        """The label selector of istiod's pods."""
        return f"app=istiod,{REVISION_LABEL}={self.revision}" if self.revisioned else "app=istiod"

    @property
    def config_map(self) -> str:
        """The ConfigMap of the mesh's configuration."""
        return f"istio-{self.revision}" if self.revisioned else "istio"

    @property
    def istiod_host(self) -> str:
        """What istiod's Service is called, where the mesh's configuration does not say."""
        name = f"istiod-{self.revision}" if self.revisioned else "istiod"
        return f"{name}.{self.namespace}.svc"

    @property
    def namespaces(self) -> tuple[str, ...]:
        """Where the mesh's own pods are, each once."""
        return tuple(dict.fromkeys((self.namespace, self.gateway.namespace)))

    def istioctl(self, *words: str) -> tuple[str, ...]:
        """Return an `istioctl` command with what it needs to find this mesh."""
        added = []
        if self.namespace != DEFAULT.namespace:
            added += ["--istioNamespace", self.namespace]
        if self.revisioned and words[0] in REVISIONED:
            added += ["--revision", self.revision]
        return ("istioctl", *words, *added)

    def command(self, line: str) -> str:
        """Return one of the tutorial's commands as it is typed on this mesh."""
        if self == DEFAULT:
            return line
        words = shlex.split(line)
        if words[:1] == ["istioctl"]:
            return shlex.join(self.istioctl(*words[1:]))
        if words[:3] == ["kubectl", "label", "namespace"]:
            label = "=".join(INJECTION)
            return line.replace(label, "=".join(self.injection))
        if words[:1] == ["kubectl"] and _asks_for_the_gateway(words):
            place = line.replace(f"-n {DEFAULT.namespace}", f"-n {self.gateway.namespace}")
            return place.replace(f"service {INGRESS_GATEWAY}", f"service {self.gateway.name}")
        return line

    def label(self, label: str, value: str) -> tuple[str, str]:
        """Return a label as it is on this mesh: the tutorial's for injection is adapted."""
        return self.injection if (label, value) == INJECTION else (label, value)

    def identity(self, uri: str) -> str:
        """Return a SPIFFE id as it is on this mesh: the ingress gateway's is adapted."""
        default, own = DEFAULT.gateway, self.gateway
        return uri.replace(
            f"/ns/{default.namespace}/sa/{default.account}",
            f"/ns/{own.namespace}/sa/{own.account}",
        )

    def adapted(self, document: dict[str, Any]) -> dict[str, Any]:
        """Return a manifest as it is applied on this mesh; the same where nothing is adapted.

        Adapted are which pods a Gateway selects, and the account of the ingress gateway where an
        AuthorizationPolicy names it.
        """
        spec = document.get("spec") or {}
        default = DEFAULT.gateway
        if document["kind"] == "Gateway" and spec.get("selector") == default.selector:
            return {**document, "spec": {**spec, "selector": self.gateway.selector}}
        if document["kind"] == "AuthorizationPolicy":
            return {**document, "spec": self._with_principal(spec)}
        return document

    def _with_principal(self, part: Any) -> Any:
        if isinstance(part, Mapping):
            return {key: self._with_principal(value) for key, value in part.items()}
        if isinstance(part, list):
            return [self._with_principal(one) for one in part]
        if part == DEFAULT.gateway.principal:
            return self.gateway.principal
        return self.identity(part) if isinstance(part, str) else part

    def deviations(self) -> list[str]:
        """Say what of the tutorial was adapted, a sentence each, for the sign-off."""
        default, own = DEFAULT.gateway, self.gateway
        label, value = self.injection
        told = []
        if self.injection != INJECTION:
            told.append(
                f"The namespace is labelled {label}={value} instead of {'='.join(INJECTION)}."
            )
        if own.labels != default.labels:
            chosen = ", ".join(f"{name}: {text}" for name, text in own.labels)
            told.append(f"Gateways select {chosen} instead of istio: ingressgateway.")
        if own.principal != default.principal:
            told.append(
                f"Policies name the ingress gateway's account {own.principal} "
                f"instead of {default.principal}."
            )
        if own.service != default.service:
            told.append(
                f"The address is that of Service {own.service} instead of {default.service}."
            )
        added = self.istioctl(REVISIONED[0])[2:]
        if added:
            told.append(f"istioctl is called with {' '.join(added)}.")
        return told


def _asks_for_the_gateway(words: list[str]) -> bool:
    pairs = {*pairwise(words)}
    return pairs >= {("-n", DEFAULT.namespace), ("service", INGRESS_GATEWAY)}


#: The shape that `istioctl install` gives a mesh by itself.
DEFAULT = MeshShape()
