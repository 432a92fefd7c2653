"""The scenarios of `canary.feature`."""

from pytest_bdd import scenarios

scenarios("canary.feature")
