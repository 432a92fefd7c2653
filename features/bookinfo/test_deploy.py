"""The scenarios of `deploy.feature`."""

from pytest_bdd import scenarios

scenarios("bookinfo/deploy.feature")
