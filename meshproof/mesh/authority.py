"""The mesh's certificate authority: the root that it hands out, and istiod's own proof of it."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from typing import Any

from kubernetes.client.exceptions import ApiException

from meshproof.cluster.cluster import Cluster
from meshproof.cluster.shape import MeshShape
from meshproof.documents import read
from meshproof.errors import EnvironmentBroken
from meshproof.mesh.admin import ANSWER_TIMEOUT, port_forward
from meshproof.timeouts import stretched

#: Where istiod writes the mesh's root, in every namespace; a proxy trusts istiod by it.
ROOT_CONFIG_MAP, ROOT_KEY = "istio-ca-root-cert", "root-cert.pem"
#: Where istiod hands out certificates and configuration.
ISTIOD_PORT = 15012


def stated_root(cluster: Cluster) -> str:
    """Return the mesh's root (PEM) as istiod's namespace has it, where a run may read ConfigMaps.

    Raises ``ApiException`` without one.
    """
    found = cluster.core.read_namespaced_config_map(ROOT_CONFIG_MAP, cluster.mesh.namespace)
    return str(found.data[ROOT_KEY])


def mesh_config(cluster: Cluster) -> Mapping[str, Any]:
    """Return the mesh's configuration as istiod reads it."""
    found = cluster.core.read_namespaced_config_map(cluster.mesh.config_map, cluster.mesh.namespace)
    config: Mapping[str, Any] = read(found.data["mesh"])
    return config


def trust_domain(config: Mapping[str, Any]) -> str:
    """Return the domain of the mesh's identities; Istio's default is ``cluster.local``."""
    return str(config.get("trustDomain", "cluster.local"))


def istiods_name(config: Mapping[str, Any], shape: MeshShape) -> str:
    """Return the host by which proxies call istiod."""
    address = config.get("defaultConfig", {}).get("discoveryAddress", shape.istiod_host)
    return str(address).partition(":")[0]


def prove_istiod(cluster: Cluster, root: str) -> str:
    """Let istiod prove itself by a certificate of this root (PEM), in a TLS handshake.

    Returns what it proved. It holds the key that it proves itself with, so this is of
    istiod itself, not of what some object says. Raises ``ssl.SSLCertVerificationError``
    where its certificate is not of this root or of another name, ``EnvironmentBroken``
    where it does not answer.
    """
    shape = cluster.mesh
    listed = cluster.core.list_namespaced_pod(shape.namespace, label_selector=shape.istiod_selector)
    pods = listed.items
    if not pods:
        raise EnvironmentBroken(f"There is no istiod in {shape.namespace}.")
    name = istiods_name(mesh_config(cluster), shape)
    pod = pods[0].metadata.name
    try:
        plain = port_forward(cluster, shape.namespace, pod, ISTIOD_PORT).socket(ISTIOD_PORT)
        plain.settimeout(stretched(ANSWER_TIMEOUT))
        shown = _shown(plain, ssl.create_default_context(cadata=root), name)
    except ssl.SSLCertVerificationError:
        raise
    except (OSError, ApiException) as error:
        raise EnvironmentBroken(f"istiod (pod {pod}) does not answer.", str(error)) from error
    return f"{pod} is {name} by certificate {shown['serialNumber']}, until {shown['notAfter']}"


def _shown(plain: socket.socket, context: ssl.SSLContext, name: str) -> dict[str, Any]:
    connection = context.wrap_socket(plain, server_hostname=name, do_handshake_on_connect=False)
    with connection:
        try:
            connection.do_handshake()
            return connection.getpeercert() or {}
        finally:
            # The other end of the port-forward must close first: what istiod still sends to a
            # closed one would be an error there.
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(2**16):
                pass
