"""Istio on a cluster: installed from the committed operator file, and found healthy."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from kubernetes.client.exceptions import ApiException

from meshproof.cluster.cluster import OWNED, Cluster
from meshproof.cluster.health import unready_workloads
from meshproof.cluster.pods import PROXY
from meshproof.errors import EnvironmentBroken, MeshproofError
from meshproof.paths import DATA
from meshproof.progress import Progress
from meshproof.waiting import MESH_READY, converge

OPERATOR = DATA / "manifests" / "mesh" / "istio-operator.yaml"
PUBLISHED_OPERATOR = DATA / "manifests" / "mesh" / "istio-operator-published.yaml"
NAMESPACE = "istio-system"
GATEWAY = "istio-ingressgateway"
MARKER = "meshproof"
#: Seconds; 10.5 s measured on 2 cores, with the images in the node.
INSTALL_TIMEOUT = 300.0


@dataclass(frozen=True)
class MeshSource:
    """Where Istio comes from: the operator file, and for published images their hub and tag."""

    operator: Path
    hub: str | None = None
    tag: str | None = None

    @property
    def settings(self) -> tuple[str, ...]:
        """What is set beside the operator file."""
        pairs = (("hub", self.hub), ("tag", self.tag))
        return tuple(f"--set={name}={value}" for name, value in pairs if value)

    def digest(self, build: str) -> str:
        """Digest what the installation is made of; ``build`` is the key of what was built."""
        text = self.operator.read_text() + "\n".join(self.settings) + build
        return hashlib.sha256(text.encode()).hexdigest()[:16]


class Istio:
    """Istio on one cluster."""

    def __init__(self, cluster: Cluster, *, progress: Progress) -> None:
        """``cluster`` must answer."""
        self.cluster = cluster
        self.progress = progress

    def installed(self) -> str | None:
        """The digest of what was installed here, or None where nothing was (by Meshproof)."""
        try:
            marker = self.cluster.core.read_namespaced_config_map(
                MARKER, self.cluster.mesh.namespace
            )
        except ApiException as error:
            if error.status == 404:
                return None
            raise
        return str(marker.data["digest"])

    def ensure(self, source: MeshSource, build: str, address: str | None) -> str:
        """End with a healthy Istio of this source; returns what was done, in a word.

        ``address`` is what the ingress gateway's Service is given, None where the
        cluster gives it one. Raises ``EnvironmentBroken`` where it does not get healthy.
        """
        wanted = source.digest(build)
        found = self.installed()
        done = "reuse"
        if found != wanted:
            done = "install" if found is None else "replace"
            with self.progress.step("install Istio"):
                self._install(source)
                self._mark(wanted)
        if address:
            self._set_ingress_address(address)
        try:
            converge(
                lambda: unready_workloads(self.cluster, (NAMESPACE,)),
                until=lambda names: not names,
                what="istiod and the ingress gateway are ready",
                timeout=MESH_READY,
            )
        except MeshproofError as error:
            if done != "reuse":
                raise EnvironmentBroken("Istio does not get ready.", str(error)) from error
            self.progress.note("Istio is there but not healthy: installing it again")
            self._install(source)
            done = "repair"
        return done

    def ingress_address(self) -> str | None:
        """The ingress gateway's address or host name, as its Service states it."""
        gateway = self.cluster.mesh.gateway
        service = self.cluster.core.read_namespaced_service(gateway.name, gateway.namespace)
        for found in service.status.load_balancer.ingress or ():
            if found.ip or found.hostname:
                return str(found.ip or found.hostname)
        return None

    def versions(self) -> dict[str, str]:
        """What runs: istiod's version and commit as it reports them, and the gateway's Envoy."""
        shape = self.cluster.mesh
        printed = self.cluster.command(*shape.istioctl("version", "-o", "json")).stdout
        try:
            pilot = json.loads(printed)["meshVersion"][0]["Info"]
        except (ValueError, LookupError) as error:
            raise EnvironmentBroken("istiod does not tell its version.", printed) from error
        gateway = self.cluster.command(
            "kubectl", "exec", "-n", shape.gateway.namespace, f"deploy/{shape.gateway.deployment}",
            "-c", PROXY, "--", "envoy", "--version",
        ).stdout  # fmt: skip
        return {
            "istio": f"{pilot['version']} (commit {pilot['revision']})",
            "envoy": gateway.strip().rpartition("version: ")[2],
        }

    def _install(self, source: MeshSource) -> None:
        self.cluster.command(
            "istioctl", "install", "-f", str(source.operator), *source.settings, "-y",
            timeout=INSTALL_TIMEOUT,
        )  # fmt: skip

    def _mark(self, digest: str) -> None:
        body = {"metadata": {"name": MARKER, "labels": OWNED}, "data": {"digest": digest}}
        core = self.cluster.core
        try:
            core.create_namespaced_config_map(NAMESPACE, body)
        except ApiException as error:
            if error.status != 409:
                raise
            core.patch_namespaced_config_map(MARKER, NAMESPACE, body)

    def _set_ingress_address(self, address: str) -> None:
        if self.ingress_address() == address:
            return
        status = {"status": {"loadBalancer": {"ingress": [{"ip": address}]}}}
        self.cluster.core.patch_namespaced_service_status(GATEWAY, NAMESPACE, status)
