"""The root of the suite: which fixtures and steps there are."""

pytest_plugins = [
    "fixtures.options",
    "fixtures.reporting",
    "fixtures.environment",
    "fixtures.evidence",
    "fixtures.tutorial",
    "fixtures.ingress",
    "fixtures.browser",
    "fixtures.sampling",
    "steps.tutorial",
    "steps.injection",
    "steps.workloads",
    "steps.traffic",
    "steps.votes",
    "steps.tls",
    "steps.outside",
    "steps.identity",
    "steps.certificates",
    "steps.sampling",
    "steps.isolation",
    "steps.browser",
]
