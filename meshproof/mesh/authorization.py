"""Whom a proxy lets in, read from the authorization filters that it has loaded.

Calls cannot try every path, host, method and header; the filters tell all that may come in by any.
What cannot be known of a caller beforehand (its address, a token) is taken to let it in.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from meshproof.cluster.cluster import Cluster
from meshproof.mesh.admin import ask_proxy

#: What a proxy is asked for: its listeners, as istiod has sent them.
LISTENERS = "/config_dump?resource=dynamic_listeners"
INBOUND = "virtualInbound"
#: The chain for what asks for the inbound port itself; it leads nowhere.
BLACKHOLE = "virtualInbound-blackhole"
FILTERS = ("envoy.filters.http.rbac", "envoy.filters.network.rbac")
ALLOW = "ALLOW"

#: A rule of Envoy's, as its configuration dump shows it.
Rule: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, order=True)
class Admission:
    """A caller that a proxy lets in: by which filter chain, as whom, and what it must ask for.

    ``port`` is the chain's port, None for the chain of all other ports. ``asks`` is empty where
    every request of the caller's is let in.
    """

    port: int | None
    caller: str
    asks: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return it in a line."""
        where = f"port {self.port}" if self.port else "any other port"
        by = f" for {' or '.join(self.asks)}" if self.asks else ""
        return f"{self.caller} on {where}{by}"


def listeners_loaded(cluster: Cluster, namespace: str, pod: str) -> Mapping[str, Any]:
    """Ask the proxy of a pod for its listeners. Raises ``EnvironmentBroken`` without an answer."""
    return ask_proxy(cluster, namespace, pod, [LISTENERS])[0]


def admissions(dump: Mapping[str, Any], callers: Mapping[str, str]) -> set[Admission]:
    """Return whom a proxy lets in, of callers by their names and SPIFFE identities.

    Raises ``LookupError`` where the dump has no chain for calls from the mesh: it shows nothing.
    """
    chains = list(_inbound_chains(dump))
    if not chains:
        raise LookupError("the proxy shows no listener for calls from the mesh")
    return {
        Admission(chain.get("filter_chain_match", {}).get("destination_port"), name, asks)
        for chain in chains
        for name, identity in callers.items()
        if (asks := _admitted(chain, identity)) is not None
    }


def _inbound_chains(dump: Mapping[str, Any]) -> Iterator[Rule]:
    for section in dump.get("configs", ()):
        listener = section.get("active_state", {}).get("listener", {})
        if listener.get("name") != INBOUND:
            continue
        last = listener.get("default_filter_chain")
        for chain in (*listener.get("filter_chains", ()), *([last] if last else ())):
            if chain.get("name") != BLACKHOLE:
                yield chain


def _admitted(chain: Rule, identity: str) -> tuple[str, ...] | None:
    """What a caller is let in for; nothing where for all that it asks, None where it is not."""
    allowing = [found for found in _filters(chain) if _action(found) == ALLOW]
    each = [_asks(found, identity) for found in allowing]
    if any(asks is None for asks in each):
        return None
    return tuple(sorted({ask for asks in each if asks for ask in asks}))


def _filters(chain: Rule) -> Iterator[Rule]:
    """The authorization filters of a chain that have rules, those of its HTTP filters included."""
    for found in chain.get("filters", ()):
        config = found.get("typed_config", {})
        for each in (found, *config.get("http_filters", ())):
            rules = each.get("typed_config", {}).get("rules")
            if each["name"] in FILTERS and rules is not None:
                yield rules


def _action(rules: Rule) -> str:
    return str(rules.get("action", ALLOW))


def _asks(rules: Rule, identity: str) -> tuple[str, ...] | None:
    """What one filter lets a caller in for, as ``_admitted`` says it."""
    found: list[str] = []
    for policy in rules.get("policies", {}).values():
        if not any(may(each, identity) for each in policy["principals"]):
            continue
        for permission in policy["permissions"]:
            if may(permission, identity):
                if must(permission, identity):
                    return ()
                found.append(_described(permission))
    return tuple(found) or None


def may(rule: Rule, identity: str) -> bool:
    """Whether a rule can hold for a caller of this identity, whatever else is true of it."""
    return _holds(rule, identity, unknown=True)


def must(rule: Rule, identity: str) -> bool:
    """Whether a rule holds for a caller of this identity, whatever else is true of it."""
    return _holds(rule, identity, unknown=False)


def _holds(rule: Rule, identity: str, *, unknown: bool) -> bool:
    for kind, inner in rule.items():
        if kind == "any":
            return bool(inner)
        if kind in ("not_rule", "not_id"):
            return not _holds(inner, identity, unknown=not unknown)
        if kind in ("and_rules", "and_ids"):
            return all(_holds(each, identity, unknown=unknown) for each in _parts(inner))
        if kind in ("or_rules", "or_ids"):
            return any(_holds(each, identity, unknown=unknown) for each in _parts(inner))
        if kind == "authenticated":
            name = inner.get("principal_name")
            return _matches(name, identity, unknown=unknown) if name else True
    return unknown


def _parts(inner: Rule) -> list[Rule]:
    return [*inner.get("rules", inner.get("ids", ()))]


def _matches(matcher: Rule, text: str, *, unknown: bool) -> bool:
    """Whether a string is as Envoy's matcher wants it."""
    if matcher.get("ignore_case"):
        text = text.lower()
    for kind, wanted in matcher.items():
        if kind == "safe_regex":
            return re.fullmatch(wanted["regex"], text) is not None
        value = wanted.lower() if matcher.get("ignore_case") and isinstance(wanted, str) else wanted
        if kind == "exact":
            return bool(text == value)
        if kind == "prefix":
            return text.startswith(value)
        if kind == "suffix":
            return text.endswith(value)
        if kind == "contains":
            return value in text
    return unknown


def _described(permission: Rule) -> str:
    """Name what a permission asks for, in Envoy's words, without what holds for every request."""
    return json.dumps(_bare(permission), sort_keys=True)


def _bare(rule: Rule) -> Any:
    for kind, inner in rule.items():
        if kind in ("and_rules", "or_rules"):
            parts = [_bare(each) for each in _parts(inner)]
            return parts[0] if len(parts) == 1 else {kind: parts}
        return {kind: inner}
    return {}


def unlike(let_in: Mapping[str, set[Admission]], wanted: Mapping[str, Iterable[str]]) -> list[str]:
    """Say which workload lets in whom it should not, or not whom it should; empty where all do.

    ``wanted`` are each workload's callers by name. On ports that it does not serve it need not
    let in anybody.
    """
    lines = []
    for workload, found in sorted(let_in.items()):
        callers = set(wanted[workload])
        lines += [f"{workload} lets in {each}" for each in sorted(found, key=str)
                  if each.caller not in callers]  # fmt: skip
        whole = {each.caller for each in found if each.port and not each.asks}
        lines += [f"{workload} does not let in {each}" for each in sorted(callers - whole)]
    return lines
