"""Rights and dry runs, by what a real API server grants, denies and changes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from kubernetes import client
from kubernetes.client.exceptions import ApiException

from meshproof.cluster.cluster import Cluster
from meshproof.cluster.objects import get
from meshproof.cluster.shape import DEFAULT
from meshproof.errors import EnvironmentBroken
from meshproof.probes.admission import PROBES, require_admitted, try_all, try_namespace
from meshproof.probes.rights import missing_rights
from meshproof.suite.registry import suites
from meshproof.suite.rights import GRANTED, RIGHTS, ROLE, Place

USER = "somebody-of-few-rights"
GROUP = "rbac.authorization.k8s.io"
TIGHT = "tight"


@pytest.fixture(scope="module")
def place(cluster: Cluster) -> str:
    """The mesh's namespace, which the Role is for; other tests have it, too."""
    try:
        cluster.core.create_namespace({"metadata": {"name": DEFAULT.namespace}})
    except ApiException as error:
        if error.status != 409:
            raise
    return DEFAULT.namespace


@pytest.fixture
def user(cluster: Cluster) -> Cluster:
    """The same API server, as a user who has no right but what is granted."""
    found = Cluster(cluster.name, cluster.kubeconfig, cluster.tools)
    found.api.set_default_header("Impersonate-User", USER)
    return found


@pytest.fixture
def bound(cluster: Cluster, place: str) -> Iterator[None]:
    """The roles are bound to that user, whatever they grant."""
    rbac = client.RbacAuthorizationV1Api(cluster.api)
    subject = {"kind": "User", "name": USER, "apiGroup": GROUP}

    def binding(kind: str) -> dict[str, object]:
        reference = {"apiGroup": GROUP, "kind": kind, "name": ROLE}
        return {"metadata": {"name": USER}, "roleRef": reference, "subjects": [subject]}

    rbac.create_cluster_role_binding(binding("ClusterRole"))
    rbac.create_namespaced_role_binding(place, binding("Role"))
    yield
    rbac.delete_cluster_role_binding(USER)
    rbac.delete_namespaced_role_binding(USER, place)
    cluster.command("kubectl", "delete", "--ignore-not-found", "-f", str(GRANTED))


def grant(cluster: Cluster, without: str = "") -> None:
    """Apply the committed roles, but for rules on a resource."""
    roles = [one for one in yaml.safe_load_all(GRANTED.read_text()) if one]
    for role in roles:
        role["rules"] = [rule for rule in role["rules"] if without not in rule["resources"]]
    cluster.command("kubectl", "apply", "-f", "-", stdin=yaml.safe_dump_all(roles))


@pytest.mark.usefixtures("bound")
def test_whoever_has_the_committed_roles_lacks_nothing(cluster: Cluster, user: Cluster) -> None:
    grant(cluster)
    assert [one.sentence for place in Place for one in missing_rights(user, place)] == []


@pytest.mark.usefixtures("place")
def test_whoever_has_none_lacks_every_right(user: Cluster) -> None:
    found = [one.right for place in Place for one in missing_rights(user, place)]
    assert sorted(map(repr, found)) == sorted(map(repr, RIGHTS))


@pytest.mark.usefixtures("bound")
@pytest.mark.parametrize("resource", ["pods/exec", "leases", "serviceaccounts/token", "events"])
def test_a_rule_that_is_left_out_is_what_lacks(
    cluster: Cluster, user: Cluster, resource: str
) -> None:
    grant(cluster, without=resource)
    found = [one.right for place in Place for one in missing_rights(user, place)]
    wanted = [right for right in RIGHTS if resource in right.resources]
    # What may be listed by another rule is not lacking.
    assert found == [right for right in wanted if right.verbs != ("list",)]


def test_every_manifest_would_be_taken_as_it_is_and_none_is(cluster: Cluster) -> None:
    def there() -> list[str]:
        paths = ("services", "serviceaccounts", "pods")
        lists = [get(cluster, f"/api/v1/namespaces/default/{path}")["items"] for path in paths]
        return sorted(one["metadata"]["name"] for items in lists for one in items)

    before = there()
    for suite in suites():
        tried = try_all(cluster, [suite.manifests, PROBES], "default")
        assert len(tried) > 20
        assert [one for one in tried if one.denied or one.changed] == []
    made, labels = try_namespace(cluster, "never-made")
    assert not made.denied
    assert labels["istio-injection"] == "enabled"
    assert there() == before
    assert "never-made" not in {
        one["metadata"]["name"] for one in get(cluster, "/api/v1/namespaces")["items"]
    }


def test_what_pod_security_denies_is_told_with_its_reason(cluster: Cluster) -> None:
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    cluster.core.create_namespace({"metadata": {"name": TIGHT, "labels": labels}})
    tried = try_all(cluster, [suites()[0].manifests, PROBES], TIGHT)
    denied = {one.what: one.denied for one in tried if one.denied}
    assert denied
    assert all(what.startswith("Pod ") for what in denied)
    assert all('violates PodSecurity "restricted' in why for why in denied.values())
    with pytest.raises(EnvironmentBroken, match=f"would deny {len(denied)} of "):
        require_admitted(cluster, [suites()[0].manifests], TIGHT)
    # In a namespace that a run makes nothing of it holds, and that is the one that is meant.
    assert require_admitted(cluster, [suites()[0].manifests], "never-made") == []


def test_a_kind_or_field_of_another_release_is_denied(cluster: Cluster, tmp_path: Path) -> None:
    service = (
        "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {ports: [{port: 1}], b: c}\n"
    )
    (tmp_path / "a.yaml").write_text(service)
    (tried,) = try_all(cluster, [tmp_path], "default")
    assert 'unknown field "spec.b"' in tried.denied
