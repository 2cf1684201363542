"""Fixtures that several unit tests share."""

from tests.unit.toy_house import house  # noqa: F401 - pytest finds it here
