"""The scenarios of `greeting.feature`."""

from pytest_bdd import scenarios

scenarios("greeting/greeting.feature")
