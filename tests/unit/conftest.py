"""Fixtures that several unit tests share."""

from pathlib import Path

import pytest

from empdis_utils.data import corpora, hashes
from tests.unit.toy_house import house  # noqa: F401 - pytest finds it here


@pytest.fixture
def edited(monkeypatch):
    """Give a module other source, as if it had been edited before this process began."""

    def edit(module, old, new):
        file = Path(module.__file__)
        text = hashes.SOURCES[file].decode()
        assert old in text
        monkeypatch.setitem(hashes.SOURCES, file, text.replace(old, new).encode())

    return edit


@pytest.fixture(scope="module")
def fixture_corpus():
    return corpora.load_fixture()
