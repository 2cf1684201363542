"""Oracles: the same source with and without its comments; `inspect.signature`."""

import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from empdis_utils.data import hashes, media, splits
from empdis_utils.data.hashes import code_of, settings_of

TEXT = '''
"""About."""

LIMIT = 3  # seconds


def read(path, rate=2):
    """Read."""
    # slowly
    return path * rate
'''


def test_only_what_runs_counts():
    bare = "LIMIT = 3\ndef read(path, rate=2): return path * rate"
    assert hashes.meaning(TEXT.encode()) == hashes.meaning(bare.encode())
    for old, new in (("LIMIT = 3", "LIMIT = 4"), ("rate=2", "rate=1"), ("path *", "path +")):
        assert hashes.meaning(TEXT.replace(old, new).encode()) != hashes.meaning(TEXT.encode())
    assert hashes.meaning(b"\0not python") != hashes.meaning(b"\0nor this")


def test_a_callable_stands_for_its_module(edited):
    before = code_of(media)
    assert before == code_of(media.load_audio) == code_of(partial(media.load_frames, n_frames=3))
    assert before != code_of(splits) and code_of(media, splits) != code_of(splits, media)
    edited(media, "SILENCE_PEAK = 1e-4  # -80 dB", "SILENCE_PEAK = 1e-4  # that is, -80 dB")
    assert code_of(media) == before
    edited(media, "SILENCE_PEAK = 1e-4", "SILENCE_PEAK = 1e-3")
    assert code_of(media) != before != code_of(media.load_audio)


def test_versions_count(monkeypatch):
    before = code_of(media, packages=("numpy",))
    assert before != code_of(media)
    monkeypatch.setattr(hashes, "version", lambda name: "0.0")
    assert code_of(media, packages=("numpy",)) != before


def test_code_without_a_file_stands_for_itself():
    """As a function of a notebook does, whose lines IPython keeps."""
    made = {}
    for one in ("1", "2"):
        exec(f"def read(path): return {one}", {"__name__": "__nowhere__"}, made)
        made[one] = made.pop("read")
    assert code_of(made["1"]) != code_of(made["2"]) and code_of(made["1"]) == code_of(made["1"])


def test_an_edit_while_a_run_goes_on_does_not_count(tmp_path):
    """The run has loaded the old code, so its results must not be found by the new."""
    (tmp_path / "empdis_utils").mkdir()
    for name, text in (
        ("__init__", ""),
        ("source", Path(hashes.__file__).read_text()),
        ("places", Path(hashes.__file__).parents[1].joinpath("places.py").read_text()),
        ("one", "X = 1"),
    ):
        (tmp_path / "empdis_utils" / f"{name}.py").write_text(text)
    code = (
        "from pathlib import Path; from empdis_utils import one, source\n"
        "file = Path(one.__file__); file.write_text('X = 2'); print(source.code_of(one))"
    )
    command = [sys.executable, "-c", code]
    how = dict(cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True)
    old, new = (subprocess.run(command, **how, check=True).stdout for _ in range(2))
    assert old != new


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (media.load_audio, "'max_s': 10.0"),
        (partial(media.load_audio, max_s=1.0), "'max_s': 1.0"),
        (partial(partial(media.load_audio, max_s=1.0), max_s=2.0), "'max_s': 2.0"),
        (partial(media.load_audio, "given"), "0: 'given'"),
        (hashes.sha256, "empdis_utils.data.hashes.sha256 {}"),
    ],
)
def test_settings_are_defaults_and_what_a_partial_gives(function, said):
    assert said in settings_of(function)
    assert settings_of(function).startswith("empdis_utils.")


def test_what_a_function_closes_over_is_a_setting():
    def reader(max_s):
        return lambda path: media.load_audio(path, max_s=max_s)

    assert settings_of(reader(1.0)) != settings_of(reader(2.0))
    assert settings_of(reader(1.0)) == settings_of(reader(1.0))


def test_sha256_of_a_known_string(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")  # FIPS 180-2, appendix B.1
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert hashes.sha256(tmp_path / "abc") == expected
