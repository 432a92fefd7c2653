"""A cluster that answers: the commands that a tutorial's reader types, and the API behind them."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from kubernetes import client, config

from meshproof.cluster.execution import execute
from meshproof.cluster.images import Images
from meshproof.cluster.manifests import as_applied
from meshproof.cluster.shape import DEFAULT, MeshShape
from meshproof.cluster.websockets import open_in_time
from meshproof.process import CommandFailed, Completed, run
from meshproof.timeouts import stretched

#: Marks every object that the harness makes; it changes and deletes only what carries it.
OWNER_LABEL = "app.kubernetes.io/managed-by"
OWNER = "meshproof"
OWNED = {OWNER_LABEL: OWNER}
OWNED_SELECTOR = f"{OWNER_LABEL}={OWNER}"

#: Annotations of what lies outside of a tutorial's namespace, and of namespaces: which run made
#: it, and the namespace that the tutorial is followed in, for whose lanes and scenarios it is.
RUN, TUTORIAL = "meshproof-run", "meshproof-tutorial"
#: Annotation of what was there and is changed for a while: what puts it back, as a JSON Patch.
MENDING = "meshproof-mending"
#: What the folder of a copy of somebody's kubeconfig is called, up to the process that made it.
COPIED = "meshproof-kubeconfig-"
#: Tells a run that another one has started its id: what that one holds is for both.
RUN_VARIABLE = "MESHPROOF_RUN"

#: Seconds a command against the API server may take; `kubectl apply` takes less than one.
COMMAND_TIMEOUT = 120.0
#: Seconds until the API server has answered; on a busy machine it takes one or two.
API_TIMEOUT = 30.0


@dataclass(frozen=True)
class Owner:
    """A run, by its id, and the namespace that it follows the tutorial in.

    ``parent`` is the run that has started it, where one has; ``also`` are the namespaces that it
    follows other tutorials in.
    """

    run: str
    namespace: str
    parent: str | None = None
    also: tuple[str, ...] = ()

    @property
    def tutorials(self) -> tuple[str, ...]:
        """All namespaces that it follows a tutorial in."""
        return (self.namespace, *self.also)

    def following(self, namespace: str) -> Owner:
        """The same run, where it follows another of its tutorials.

        Raises ``ValueError`` for a namespace that is none of its own.
        """
        also = list(self.tutorials)
        also.remove(namespace)
        return replace(self, namespace=namespace, also=tuple(also))

    @property
    def annotations(self) -> dict[str, str]:
        """What says so on an object."""
        return {RUN: self.run, TUTORIAL: self.namespace}


def new_owner(namespace: str) -> Owner:
    """Return a new run, of this machine."""
    run = f"{socket.gethostname()[:40]}-{secrets.token_hex(4)}"
    return Owner(run, namespace, os.environ.get(RUN_VARIABLE))


class DeadlineClient(client.ApiClient):  # type: ignore[misc]  # it has no types
    """A Kubernetes client that waits `API_TIMEOUT` for an answer, where a call says nothing else.

    An API server that hangs would otherwise hang the run.
    """

    def call_api(self, *request: Any, **how: Any) -> Any:
        """Make a request. Raises as the client that it is does, and urllib3's ``HTTPError``."""
        asked = how.get("_request_timeout")
        how["_request_timeout"] = stretched(API_TIMEOUT if asked is None else asked)
        return super().call_api(*request, **how)


def _is_loopback(url: str) -> bool:
    """Whether a URL leads to this machine: no proxy knows a way there, as kubectl knows, too."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _reach_by_no_proxy(host: str) -> None:
    """Have websockets reach a host directly: they ask the variables of this process alone."""
    name = "no_proxy" if "no_proxy" in os.environ else "NO_PROXY"
    hosts = [one for one in os.environ.get(name, "").split(",") if one]
    if host not in hosts:
        os.environ[name] = ",".join([*hosts, host])


@dataclass(frozen=True)
class Cluster:
    """A cluster by its own kubeconfig, and the folder of the programs that belong to it.

    ``owner`` is the run that uses it, where one does: what it makes carries its id. ``images`` is
    where its nodes pull the suites' images from; None where they have them. ``mesh`` is where its
    mesh is, and what that is called.
    """

    name: str
    kubeconfig: Path
    tools: Path
    owner: Owner | None = None
    images: Images | None = None
    mesh: MeshShape = DEFAULT

    @property
    def ownership(self) -> dict[str, dict[str, str]]:
        """The metadata of what is made here: the harness's label, and the run's id."""
        return {"labels": OWNED, "annotations": self.owner.annotations if self.owner else {}}

    def applied(self, manifest: dict[str, Any]) -> dict[str, Any]:
        """Return a manifest as it is applied here, on this mesh and with images from there."""
        return as_applied(manifest, self.mesh, self.images)

    @property
    def environment(self) -> dict[str, str]:
        """The environment in which a published command means this cluster and these programs.

        They collect garbage seldom, unless ``GOGC`` says how often.
        """
        path = f"{self.tools}{os.pathsep}{os.environ['PATH']}"
        # They live for a fifth of a second: by Go's default, up to a third of what `kubectl apply`
        # takes of a processor is the collection of garbage (docs/speed.md).
        collection = os.environ.get("GOGC") or "400"
        return {"KUBECONFIG": str(self.kubeconfig), "PATH": path, "GOGC": collection}

    def command(
        self,
        *argv: str,
        check: bool = True,
        cwd: Path | None = None,
        stdin: str | None = None,
        timeout: float = COMMAND_TIMEOUT,
    ) -> Completed:
        """Run kubectl or istioctl, as typed. Raises ``CommandFailed`` unless ``check`` is off."""
        program = self.tools / argv[0]
        done = run(
            [str(program) if program.exists() else argv[0], *argv[1:]],
            check=check,
            cwd=cwd,
            stdin=stdin,
            timeout=timeout,
            env=self.environment,
        )
        # Evidence shows the command as it is published, not where the program lies.
        return Completed(
            argv, done.exit_code, done.stdout, done.stderr, done.started, done.duration
        )

    def exec(
        self,
        namespace: str,
        pod: str,
        container: str,
        *argv: str,
        check: bool = True,
        stdin: str | None = None,
        acknowledged: bool = False,
    ) -> Completed:
        """Run a command in a container of a pod; ``stdin`` is what it reads.

        One that prints more than some KiB is to be ``acknowledged``: it prints one line, and reads
        one before it ends, or else the end of its line may be lost. Raises ``CommandFailed``
        unless ``check`` is off.
        """
        done = execute(
            self.api.configuration, (namespace, pod, container), argv,
            stdin=stdin, acknowledged=acknowledged, timeout=stretched(COMMAND_TIMEOUT),
        )  # fmt: skip
        if check and not done.ok:
            raise CommandFailed(f"“kubectl exec” failed with exit code {done.exit_code}.", done)
        return done

    @cached_property
    def api(self) -> client.ApiClient:
        """The Kubernetes client of this cluster; each call of it has a deadline."""
        configuration = client.Configuration()
        # The client writes keys to files; those of a copy go with it, also after a kill.
        beside = self.kubeconfig.parent
        copied = beside.name.startswith(COPIED)
        config.load_kube_config(
            config_file=str(self.kubeconfig),
            client_configuration=configuration,
            temp_file_path=str(beside) if copied else None,
        )
        if _is_loopback(configuration.host):
            configuration.proxy = None
            _reach_by_no_proxy(urlsplit(configuration.host).hostname or "")
        open_in_time()
        return DeadlineClient(configuration)

    @property
    def core(self) -> client.CoreV1Api:
        """Pods, services, namespaces and the like."""
        return client.CoreV1Api(self.api)

    @property
    def apps(self) -> client.AppsV1Api:
        """Deployments and their kin."""
        return client.AppsV1Api(self.api)

    @property
    def custom(self) -> client.CustomObjectsApi:
        """Istio's own kinds."""
        return client.CustomObjectsApi(self.api)

    @cached_property
    def version(self) -> str:
        """The API server's version."""
        return str(client.VersionApi(self.api).get_code().git_version)


def make_tools(folder: Path, programs: Mapping[str, Path]) -> Path:
    """Link programs into one folder, for a PATH. Returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, program in programs.items():
        link = folder / name
        if not link.is_symlink() or link.readlink() != program:
            link.unlink(missing_ok=True)
            link.symlink_to(program)
    return folder
