"""A registry on this machine that wants a login and has a certificate of its own."""

from __future__ import annotations

import base64
import json
import os
import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from meshproof.cluster.kind import KindCluster
from meshproof.engine.engine import Engine
from meshproof.process import run
from meshproof.supply.workshop import Workshop
from meshproof.waiting import Timeout, converge
from tests.authority import Authority, key_pem, new_key, pem_of

USER, PASSWORD = "puller", "only for this test"
#: bcrypt's hash of that password, as `htpasswd -B` makes it.
HASH = "$2b$05$AU5IPNDXVKhrq68B8Ns/ju0PLDVaY104DJztJXvypLzDqm55JflZ6"
LISTENING = Timeout("listening", 20, 0.1, "the registry listens within a second")


@dataclass(frozen=True)
class Place:
    """A registry, and what a client of it needs: a login, and the certificate to trust."""

    host: str
    ca: Path
    login: Path
    certificate: Path
    key: Path

    @property
    def name(self) -> str:
        """Where images are pushed to."""
        return f"{self.host}/team"

    def environment(self, *, logged_in: bool = True) -> dict[str, str]:
        """Of a client, whether or not it has logged in; no proxy stands between."""
        home = self.login.parent if logged_in else self.login.parent / "nobody"
        host = self.host.partition(":")[0]
        direct = ",".join(filter(None, [os.environ.get("NO_PROXY"), host]))
        return {"DOCKER_CONFIG": str(home), "NO_PROXY": direct, "no_proxy": direct}


def gateway_of(engine: Engine) -> str:
    """The address by which nodes and this machine reach a port of this machine."""
    networks = json.loads(engine.run("network", "inspect", "kind").stdout)
    addresses = re.findall(r'"[gG]ateway": ?"(\d+\.\d+\.\d+\.\d+)"', json.dumps(networks))
    return str(addresses[0])


@contextmanager
def serving(engine: Engine, kind: KindCluster, shop: Workshop, folder: Path) -> Iterator[Place]:
    """The registry, running; nodes trust it by a hosts.toml of their containerd."""
    address = gateway_of(engine)
    with socket.socket() as free:
        free.bind((address, 0))
        host = f"{address}:{free.getsockname()[1]}"
    authority, key = Authority.root("a registry of a test"), new_key()
    (folder / "nobody").mkdir()
    place = Place(host, *(folder / name for name in ("ca.pem", "config.json", "own.pem", "key")))
    place.ca.write_bytes(pem_of(authority.certificate))
    place.certificate.write_bytes(pem_of(authority.issue_for_host(address, key)))
    place.key.write_bytes(key_pem(key))
    auth = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    place.login.write_text(json.dumps({"auths": {host: {"auth": auth}}}))
    trust_in_nodes(kind, engine, place)
    with _running(shop.folder("registry") / "bin" / "registry", place, folder):
        yield place


def trust_in_nodes(kind: KindCluster, engine: Engine, place: Place) -> None:
    """Have containerd in each node trust the registry."""
    folder = f"/etc/containerd/certs.d/{place.host}"
    hosts = f'server = "https://{place.host}"\n[host."https://{place.host}"]\nca = "{folder}/ca"\n'
    for node in kind.containers():
        engine.run("exec", node.name, "mkdir", "-p", folder)
        for name, text in (("ca", place.ca.read_text()), ("hosts.toml", hosts)):
            command = [engine.command, "exec", "-i", node.name, "tee", f"{folder}/{name}"]
            run(command, stdin=text, env=engine.environment)


@contextmanager
def _running(program: Path, place: Place, folder: Path) -> Iterator[None]:
    """Have the registry run, with TLS and basic auth."""
    (folder / "htpasswd").write_text(f"{USER}:{HASH}\n")
    tls = {"certificate": str(place.certificate), "key": str(place.key)}
    configuration = {
        "version": "0.1",
        "log": {"level": "warn"},
        "storage": {"filesystem": {"rootdirectory": str(folder / "images")}},
        "http": {"addr": place.host, "tls": tls},
        "auth": {"htpasswd": {"realm": "a test", "path": str(folder / "htpasswd")}},
    }
    (folder / "registry.yaml").write_text(yaml.safe_dump(configuration))
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [program, "serve", folder / "registry.yaml"],
            env={**os.environ, "OTEL_TRACES_EXPORTER": "none"},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        address, _, port = place.host.rpartition(":")
        converge(
            lambda: socket.create_connection((address, int(port)), timeout=1).close(),
            until=lambda _: process.poll() is None,
            what="the registry listens",
            timeout=LISTENING,
        )
        yield
    finally:
        process.terminate()
        process.wait(10)
