"""The scenarios of `canary.feature`."""

from pytest_bdd import scenarios

scenarios("voting/canary.feature")
