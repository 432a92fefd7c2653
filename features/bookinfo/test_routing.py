"""The scenarios of `routing.feature`."""

from pytest_bdd import scenarios

scenarios("bookinfo/routing.feature")
