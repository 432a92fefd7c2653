"""The options: one table for the command line, pytest, the environment and pyproject.toml.

Each option is ``--name`` on both command lines, ``MESHPROOF_NAME`` in the
environment and ``name`` in the table ``[tool.meshproof]``, in this order of precedence.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from cryptography.x509 import load_pem_x509_certificates
from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    PyprojectTomlConfigSettingsSource,
    SettingsConfigDict,
)

from meshproof.cluster.images import is_file, login_of_file
from meshproof.errors import UsageFailure
from meshproof.paths import PROJECT
from meshproof.signoff.keys import read_private
from meshproof.suite.registry import default_name, no_project, suite_named
from meshproof.supply.registries import registry_name

DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")

#: The longest that is added to a name: kind's for a node, and a scenario's place in a lane.
LONGEST_SUFFIX = {"cluster_name": "-control-plane", "namespace": "-4-injection"}

#: How many seeds there are.
SEEDS = 2**32


class Options(BaseSettings):
    """What a user can choose. Field descriptions are the help texts."""

    model_config = SettingsConfigDict(
        env_prefix="MESHPROOF_",
        pyproject_toml_table_header=("tool", "meshproof"),
        extra="ignore",
        frozen=True,
        env_ignore_empty=True,
    )

    cluster: Literal["kind", "existing"] = Field(
        "kind", description="make a cluster with kind, or use one that exists"
    )
    cluster_name: str = Field("meshproof", description="the name of the kind cluster")
    kube_context: str | None = Field(
        None, description="the kubeconfig context of the existing cluster; nothing else is touched"
    )
    ingress_url: str | None = Field(
        None, description="where the existing cluster's ingress gateway answers, if not at its own"
        " address on port 80",
    )  # fmt: skip
    registry: str | None = Field(
        None, description="where the existing cluster's nodes pull the suites' images from; "
        "`meshproof images push` puts them there",
    )  # fmt: skip
    pull_secret: str | None = Field(
        None, description="what nodes log in to the registry with: a Secret in the namespace "
        "default, or a file of Docker's configuration",
    )  # fmt: skip
    registry_ca: Path | None = Field(
        None, description="a certificate, in PEM, by which this machine trusts the registry"
    )
    istio_namespace: str | None = Field(
        None, description="the namespace of the existing cluster's istiod, if several are there"
    )
    revision: str | None = Field(
        None, description="the revision, or its tag, of the existing cluster's istiod"
    )
    ingress: str | None = Field(
        None, description="the existing cluster's ingress gateway, as its Service: NAMESPACE/NAME"
    )
    timeout_scale: float = Field(
        1.0, ge=1, le=20, description="the factor by which every deadline is longer"
    )
    nodes: int = Field(1, ge=1, le=9, description="the number of nodes of the kind cluster")
    suite: str = Field(default_name(), description="the suite whose tutorial is followed")
    namespace: str = Field(
        default_name(),
        description="the namespace that the tutorial is followed in; by default the suite's name",
    )
    images: Literal["source", "published"] = Field(
        "source", description="build everything from package registries, or pull published images"
    )
    hub: str | None = Field(None, description="where published Istio images are pulled from")
    tag: str | None = Field(None, description="the tag of the published Istio images")
    node_image: str | None = Field(None, description="a kind node image to use as it is")
    manifests: Path = Field(
        PROJECT / "manifests" / default_name(),
        description="the folder of manifests that are followed; by default the suite's own",
    )
    quick: bool = Field(
        False,
        description="a look before a merge: leave out what takes longest and what another "
        "scenario stands for, and sample less; the verdict is never accepted",
    )
    enforce: bool = Field(
        False, description="fail a scenario, instead of skipping it, where what it needs is lacking"
    )
    keep: bool = Field(False, description="leave what the run brought up running")
    reports: Path = Field(Path("reports"), description="the folder that reports are written to")
    sign_key: Path | None = Field(
        None, description="the private key, made by `meshproof keygen`, that signs the sign-off"
    )
    allure_report: bool = Field(
        True, description="make Allure's HTML report at the end (--no-allure-report leaves it out)"
    )
    seed: int | None = Field(
        None, ge=0, lt=SEEDS, description="what is drawn at random is drawn from this; else drawn"
    )
    install: bool = Field(
        True, description="install missing Debian packages (--no-install refuses)"
    )

    @field_validator("namespace", "cluster_name")
    @classmethod
    def _dns_label(cls, value: str) -> str:
        if not DNS_LABEL.fullmatch(value):
            raise ValueError("must be a DNS label: lower-case letters, digits and hyphens")
        return value

    @field_validator("namespace", "cluster_name")
    @classmethod
    def _leaves_room(cls, value: str, info: ValidationInfo) -> str:
        suffix = LONGEST_SUFFIX[info.field_name or ""]
        most = 63 - len(suffix)
        if len(value) > most:
            raise ValueError(
                f"must have {most} letters at most: names that end in “{suffix}” are made of it"
            )
        return value

    @field_validator("ingress_url")
    @classmethod
    def _is_a_page(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.scheme != "http" or not parts.hostname or parts.path.strip("/"):
            raise ValueError("must be http:// with a host and, where it needs one, a port")
        return f"http://{parts.netloc}"

    @field_validator("registry")
    @classmethod
    def _is_a_registry(cls, value: str | None) -> str | None:
        return registry_name(value) if value else None

    @field_validator("registry_ca")
    @classmethod
    def _is_a_certificate(cls, value: Path | None) -> Path | None:
        try:
            if value:
                load_pem_x509_certificates(value.read_bytes())
        except (OSError, ValueError) as error:
            raise ValueError("must be a file that holds a certificate in PEM") from error
        return value.absolute() if value else None

    @field_validator("pull_secret")
    @classmethod
    def _lets_in(cls, value: str | None) -> str | None:
        if not value or not is_file(value):
            return value
        login_of_file(Path(value))
        return str(Path(value).absolute())

    @field_validator("ingress")
    @classmethod
    def _names_a_service(cls, value: str | None) -> str | None:
        parts = value.split("/") if value is not None else []
        if value is not None and (len(parts) != 2 or not all(map(DNS_LABEL.fullmatch, parts))):
            raise ValueError("must be NAMESPACE/NAME of a Service")
        return value

    @field_validator("sign_key")
    @classmethod
    def _can_sign(cls, value: Path | None) -> Path | None:
        if value:
            read_private(value)
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> Options:
        if self.cluster == "existing" and not self.kube_context:
            raise ValueError("--cluster existing needs --kube-context: no context is guessed")
        if self.cluster == "kind" and self.kube_context:
            raise ValueError("--kube-context goes with --cluster existing")
        if self.quick and self.enforce:
            raise ValueError("--enforce skips nothing, and --quick leaves scenarios out")
        for name in OF_EXISTING:
            if self.cluster == "kind" and getattr(self, name):
                raise ValueError(f"{option_flags(name)} goes with --cluster existing")
        if self.pull_secret and not self.registry:
            raise ValueError("--pull-secret goes with --registry")
        if self.images == "published" and not (self.hub and self.tag and self.node_image):
            raise ValueError("--images published needs --hub, --tag and --node-image")
        if self.images == "source" and (self.hub or self.tag or self.node_image):
            raise ValueError("--hub, --tag and --node-image go with --images published")
        if self.namespace in PROTECTED_NAMESPACES or self.namespace.startswith("kube-"):
            raise ValueError(f"the namespace {self.namespace} belongs to the cluster")
        return self

    @property
    def given(self) -> frozenset[str]:
        """The names of the options that somebody chose, wherever."""
        return frozenset(self.model_fields_set)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order the sources: what was typed, the environment, the project's pyproject.toml."""
        table = PyprojectTomlConfigSettingsSource(
            settings_cls, toml_file=PROJECT / "pyproject.toml"
        )
        return (init_settings, env_settings, table)


#: What can be said of an existing cluster alone.
OF_EXISTING = ("ingress_url", "istio_namespace", "revision", "ingress", "registry")
PROTECTED_NAMESPACES = ("default", "istio-system", "local-path-storage")


def option_flags(name: str) -> str:
    """Return ``--kube-context`` for ``kube_context``."""
    return "--" + name.replace("_", "-")


def draw_seed() -> int:
    """Draw a seed, for a run that was given none."""
    return secrets.randbelow(SEEDS)


def read_options(typed: Mapping[str, Any]) -> Options:
    """Put the options together; ``typed`` holds what stands on the command line, None for nothing.

    Raises ``UsageFailure`` with one sentence for the first value that cannot be.
    """
    if not default_name():
        raise no_project()
    try:
        options = Options(**{name: value for name, value in typed.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        where = option_flags(str(first["loc"][0])) + ": " if first["loc"] else ""
        message = str(first["msg"]).removeprefix("Value error, ")
        given = f" (given: {first['input']!r})" if first["loc"] else ""
        raise UsageFailure(f"{where}{message}{given}.") from error
    if options.suite == default_name():
        return options
    suite = suite_named(options.suite)
    its = {"namespace": suite.name, "manifests": suite.manifests}
    return options.model_copy(update={name: its[name] for name in its.keys() - options.given})
