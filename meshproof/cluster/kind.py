"""A kind cluster: made, started again, repaired or replaced, whatever ends in a healthy one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import yaml
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from meshproof.cluster.cluster import Cluster
from meshproof.cluster.kind_config import CONFIG, cluster_config
from meshproof.cluster.lease import living
from meshproof.cluster.mark import images_since, mark, note_images, require_mark
from meshproof.cluster.node_images import lacks
from meshproof.cluster.nodes import await_system, connect_nodes, settle_dns
from meshproof.documents import read
from meshproof.engine.engine import Container, Engine
from meshproof.engine.freezer import settle, thaw
from meshproof.engine.machine import Machine
from meshproof.errors import EnvironmentBroken, MeshproofError
from meshproof.paths import state_dir
from meshproof.process import CommandFailed, run
from meshproof.progress import Progress
from meshproof.waiting import API_SERVER, converge

LABEL = "io.x-k8s.kind.cluster"
#: The port of a node that the ingress gateway listens on.
INGRESS_NODE_PORT = 30080
#: Seconds; 20 s measured for one node and 33 s for three, on 2 cores.
CREATE_TIMEOUT = 420.0
#: The administrator's kubeconfig, on a node.
ADMIN = "/etc/kubernetes/admin.conf"


@dataclass(frozen=True)
class Plan:
    """What has to be done to a cluster, and why."""

    action: Literal["create", "start", "reuse", "replace"]
    reason: str


def plan(containers: Sequence[Container], *, nodes: int, image: str) -> Plan:
    """Decide what a cluster needs from what the engine shows of its nodes."""
    if not containers:
        return Plan("create", "there is none")
    if len(containers) != nodes:
        return Plan("replace", f"it has {len(containers)} node(s), {nodes} asked for")
    if any(container.image != image for container in containers):
        return Plan("replace", "its nodes run another node image")
    stopped = [container.name for container in containers if container.state != "running"]
    if stopped:
        return Plan("start", f"stopped: {', '.join(stopped)}")
    return Plan("reuse", "it runs")


class KindCluster:
    """The life of one kind cluster."""

    def __init__(
        self, name: str, *, engine: Engine, tools: Path, machine: Machine, progress: Progress
    ) -> None:
        """``tools`` is the folder with kind, kubectl and istioctl."""
        self.name = name
        self.engine = engine
        self.tools = tools
        self.machine = machine
        self.progress = progress
        self._state = state_dir() / "clusters" / name
        self.kubeconfig = self._state / "kubeconfig"
        self._nodes_file = self._state / "nodes.json"

    @property
    def cluster(self) -> Cluster:
        """The cluster as the rest of the library uses it."""
        return Cluster(self.name, self.kubeconfig, self.tools)

    def containers(self) -> list[Container]:
        """The nodes' containers, running or not."""
        return self.engine.containers(f"{LABEL}={self.name}")

    def ensure(self, *, nodes: int, image: str, own_node: bool = True) -> Plan:
        """End with a healthy cluster of this image and size, whatever is there now.

        ``own_node`` says that the node image is the supply's, not a published one.
        Returns what was done. Raises ``EnvironmentBroken`` where it cannot be, where a cluster of
        this name is not Meshproof's, or where it is well and cannot be reached from here.
        """
        containers = self.containers()
        decided = plan(containers, nodes=nodes, image=image)
        if containers:
            self._refuse_foreign(containers)
        if decided.action == "replace":
            self.refuse_in_use(decided.reason)
            self.progress.note(f"replacing cluster {self.name}: {decided.reason}")
            self.delete()
        if decided.action in ("create", "replace"):
            self._create(nodes, image, own_node)
            return decided
        if decided.action == "start":
            with self.progress.step(f"start the nodes of {self.name} ({decided.reason})"):
                for container in containers:
                    if container.state != "running":
                        self.engine.run("start", container.name)
        try:
            self._become_healthy()
        except MeshproofError as error:
            self._refuse_unreachable(error)
            self.progress.note(f"replacing cluster {self.name}, which does not recover: {error}")
            self.delete()
            self._create(nodes, image, own_node)
            return Plan("replace", "it did not recover")
        return decided

    def delete(self) -> None:
        """Delete the cluster and its kubeconfig; nothing happens where there is none."""
        containers = self.containers()
        if containers:
            self._refuse_foreign(containers)
            with self.progress.step(f"delete cluster {self.name}"):
                self._delete_nodes(containers)
        self.kubeconfig.unlink(missing_ok=True)
        self._nodes_file.unlink(missing_ok=True)

    def _delete_nodes(self, nodes: Sequence[Container]) -> None:
        if self.machine.cgroup == 1:
            for node in nodes:
                settle(self.engine, node.name)
        try:
            self._kind_delete()
        except CommandFailed:
            # Whoever killed a node before may not have let it settle.
            if not thaw(nodes):
                raise
            self._kind_delete()

    def _kind_delete(self) -> None:
        run(
            [self.tools / "kind", "delete", "cluster", "--name", self.name,
             "--kubeconfig", self.kubeconfig],
            timeout=120,
            env=self.engine.kind_environment,
        )  # fmt: skip

    def address(self) -> str:
        """The first node's address, reachable from this machine."""
        for node in self.cluster.core.list_node().items:
            for address in node.status.addresses:
                if address.type == "InternalIP":
                    return str(address.address)
        raise EnvironmentBroken(f"No node of cluster {self.name} has an internal address.")

    def booted(self) -> str:
        """When the last of the nodes was started, in UTC and ISO 8601."""
        return max(container.started for container in self.containers())

    def pods_since(self) -> str:
        """Since when pods are worth judging, in UTC and ISO 8601: older ones are not.

        The nodes were last started, or got other images, then.
        """
        return max(self.booted(), images_since(self.cluster))

    def loopback_port(self) -> int:
        """The loopback port that leads to the ingress gateway. Raises ``EnvironmentBroken``."""
        for container in self.containers():
            port = self.engine.published_port(container.name, INGRESS_NODE_PORT)
            if port:
                return port
        raise EnvironmentBroken(
            f"Cluster {self.name} publishes no port for the ingress gateway: run "
            f"`meshproof down --cluster-name {self.name}`."
        )

    def load(self, archive: Path, images: Sequence[str], *, foreign: Cluster | None = None) -> bool:
        """Load an archive's images into every node that lacks one of them.

        ``foreign`` is the cluster where it is not Meshproof's: nothing is noted there then.

        Says whether a name meant another image until then: pods from before may run that one
        (`pods_since`). Raises ``EnvironmentBroken`` where a run uses it; what no node has can be
        used by none.
        """
        lacking = [lacks(self._listed(each.name), images) for each in self.containers()]
        if not any(lacking):
            return False
        replaced = any(another for each in lacking for another in each.values())
        if replaced and (runs := living(foreign or self.cluster)):
            raise EnvironmentBroken(
                f"Cluster {self.name} is to get other images, and a run uses those that are there "
                f"({runs[0]}): wait until it ends, or name another with --cluster-name."
            )
        # Before that, so that whoever is interrupted leaves nothing that looks right.
        if replaced and foreign is None:
            note_images(self.cluster)
        with self.progress.step(f"load {len(images)} images into the nodes"):
            run(
                [self.tools / "kind", "load", "image-archive", archive, "--name", self.name],
                timeout=300,
                env=self.engine.kind_environment,
            )
        return replaced

    def _listed(self, node: str) -> str:
        return self.engine.run("exec", node, "ctr", "--namespace=k8s.io", "images", "list").stdout

    def _refuse_foreign(self, containers: Sequence[Container]) -> None:
        """Raise ``EnvironmentBroken`` where these nodes are not those of a cluster made here.

        The state folder remembers which containers were made (null: the making was
        cut short); where it was lost, the cluster itself is asked for Meshproof's mark.
        """
        if self._nodes_file.exists():
            made = json.loads(self._nodes_file.read_text())
            if made is None or {container.id for container in containers} <= set(made):
                return
            reason = "its nodes are other containers than those that were made"
        else:
            doubt = self._reason_against()
            if doubt is None:
                self._remember(containers)
                return
            reason = doubt
        raise EnvironmentBroken(
            f"A kind cluster named {self.name} is there that Meshproof did not make ({reason}): "
            "choose another name with --cluster-name, or delete it yourself with "
            f"`kind delete cluster --name {self.name}`."
        )

    def refuse_in_use(self, reason: str) -> None:
        """Raise ``EnvironmentBroken`` where a run uses the cluster, which is to be replaced.

        One that does not answer is of no use to any.
        """
        try:
            runs = living(self.cluster) if self.kubeconfig.exists() else []
        except (ApiException, HTTPError):
            return
        if runs:
            raise EnvironmentBroken(
                f"Cluster {self.name} is to be replaced ({reason}), and a run uses it ({runs[0]}): "
                "wait until it ends, or name another with --cluster-name."
            )

    def _refuse_unreachable(self, error: MeshproofError) -> None:
        """Raise ``EnvironmentBroken`` where the cluster answers on a node and not from here.

        What keeps this machine from it would keep it from a new one, too.
        """
        try:
            self.cluster.core.list_node(_request_timeout=5)
        except ApiException:
            return  # that is an answer, too
        except Exception:  # noqa: S110 - whatever keeps it from being reached
            pass
        else:
            return
        for container in self.containers():
            asked = ("exec", container.name, "kubectl", f"--kubeconfig={ADMIN}", "get", "--raw")
            answer = self.engine.run(*asked, "/readyz", check=False, timeout=30)
            if answer.ok and answer.stdout.strip() == "ok":
                raise EnvironmentBroken(
                    f"Cluster {self.name} answers on its node {container.name}, and not from here: "
                    "look at this machine's proxy variables (NO_PROXY) and packet filters. "
                    "The cluster is left as it is.",
                    str(error),
                ) from error

    def _reason_against(self) -> str | None:
        """Ask a cluster whether it is Meshproof's; None where it is."""
        self._state.mkdir(parents=True, exist_ok=True)
        try:
            self._export_kubeconfig()
            require_mark(self.cluster)
        except Exception as error:
            self.kubeconfig.unlink(missing_ok=True)
            return f"it does not show the mark: {type(error).__name__}"
        return None

    def _remember(self, containers: Sequence[Container] | None) -> None:
        self._state.mkdir(parents=True, exist_ok=True)
        ids = [container.id for container in containers] if containers else None
        self._nodes_file.write_text(json.dumps(ids))

    def _export_kubeconfig(self) -> None:
        run(
            [self.tools / "kind", "export", "kubeconfig", "--name", self.name,
             "--kubeconfig", self.kubeconfig],
            env=self.engine.kind_environment,
        )  # fmt: skip

    def _create(self, nodes: int, image: str, own_node: bool) -> None:
        base = read(CONFIG.read_text())
        config = cluster_config(base, nodes=nodes, machine=self.machine, own_node=own_node)
        self._remember(None)
        with self.progress.step(f"create cluster {self.name} ({nodes} node(s))"):
            try:
                run(
                    [self.tools / "kind", "create", "cluster", "--name", self.name,
                     "--image", image, "--config", "-", "--kubeconfig", self.kubeconfig],
                    stdin=yaml.safe_dump(config),
                    timeout=CREATE_TIMEOUT,
                    env=self.engine.kind_environment,
                )  # fmt: skip
            except MeshproofError as error:
                raise EnvironmentBroken("kind could not create the cluster.", str(error)) from error
        self._remember(self.containers())
        mark(self.cluster)
        connect_nodes(self.cluster, self.engine)
        settle_dns(self.cluster)

    def _become_healthy(self) -> None:
        if not self.kubeconfig.exists():
            self._export_kubeconfig()
        converge(
            lambda: self.cluster.core.list_node(_request_timeout=5).items,
            until=bool,
            what="the API server answers",
            timeout=API_SERVER,
        )
        connect_nodes(self.cluster, self.engine)
        self.await_system()

    def await_system(self) -> None:
        """Wait until all nodes and the cluster's own pods are ready. Raises ``NotConverged``."""
        await_system(self.cluster, self.booted())
