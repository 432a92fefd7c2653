"""The scenarios of `browser.feature`."""

from pytest_bdd import scenarios

scenarios("voting/browser.feature")
