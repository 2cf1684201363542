"""Profiles and the parameters of chapters: read, overridden, checked before anything runs.

A parameter that the notebook does not have, or a value outside its limits (see `limits`), is
refused. `split` and `run_name` are for what a person writes behind ``P=``.
"""

import ast
import functools
import hashlib
import json
import re

import yaml

from empdis_utils.places import ROOT
from empdis_utils.press import limits

__all__ = [
    "GIVEN_BY_RUN", "NOTEBOOKS", "RunError", "all_parameters", "chapter_parameters",
    "notebook_parameters", "profiles", "read_notebook", "read_profile", "reads", "run_name",
    "split",
]  # fmt: skip

NOTEBOOKS = ROOT / "notebooks"
GIVEN_BY_RUN = ("profile", "inputs_dir", "outputs_dir")


class RunError(Exception):
    """A chapter that cannot run or did not finish; the message is for the reader."""


def profiles():
    """Names of all profiles, sorted."""
    return sorted(p.stem for p in (NOTEBOOKS / "profiles").glob("*.yaml"))


def read_profile(name):
    """Read ``notebooks/profiles/NAME.yaml`` as a dict.

    Keys: ``title``, ``all`` (parameters of every chapter), and one key per chapter with that
    chapter's own parameters. The chapters that are named are the ones that the profile runs.

    Raises
    ------
    RunError
        No such profile, with the known ones; or a file that is not YAML of that form.
    """
    path = NOTEBOOKS / "profiles" / f"{name}.yaml"
    if not path.exists() or path.stem != str(name):
        raise RunError(f"no profile '{name}': known are {', '.join(profiles())} ({path.parent})")
    try:
        profile = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise RunError(f"{path}: {' '.join(str(error).split())}") from None
    if not isinstance(profile, dict):
        raise RunError(f"{path}: no 'name: value' lines")
    profile["chapters"] = [str(key) for key in profile if re.match(r"\d\d_", str(key))]
    return profile


@functools.lru_cache(maxsize=64)
def _parsed(path, changed):
    return json.loads(path.read_text(encoding="utf-8"))


def read_notebook(chapter):
    """A chapter's source as a dict (nbformat); do not change it.

    Raises
    ------
    RunError
        No such notebook, with the known ones.
    """
    path = NOTEBOOKS / f"{chapter}.ipynb"
    if not path.exists():
        known = sorted(p.stem for p in NOTEBOOKS.glob("*.ipynb"))
        raise RunError(f"no chapter '{chapter}': known are {', '.join(known)}")
    return _parsed(path, path.stat().st_mtime_ns)


def reads(chapter):
    """Chapters whose tables a chapter reads, as its notebook's metadata says (``reads``)."""
    return list(read_notebook(chapter)["metadata"].get("reads", []))


def notebook_parameters(chapter):
    """Parse the one ``parameters`` cell of a chapter: dict name -> literal default.

    Raises
    ------
    RunError
        No such notebook, no or several ``parameters`` cells, or a value that is not a literal.
    """
    cells = [
        "".join(cell["source"])
        for cell in read_notebook(chapter)["cells"]
        if "parameters" in cell["metadata"].get("tags", [])
    ]
    if len(cells) != 1:
        raise RunError(
            f"{chapter}.ipynb: {len(cells)} cells tagged 'parameters', there must be one"
        )
    found = {}
    for node in ast.parse(cells[0]).body:
        try:
            (target,) = node.targets
            found[target.id] = ast.literal_eval(node.value)
        except (AttributeError, ValueError):
            line = ast.unparse(node)
            raise RunError(f"{chapter}.ipynb: '{line}' is not 'name = literal'") from None
    return found


def chapter_parameters(profile, chapter, overrides=()):
    """Parameters of `chapter` under `profile` with ``name=value`` overrides, all of them known.

    Values are YAML (``threshold=0.6``, ``seeds=[1,2]``).

    Raises
    ------
    RunError
        Lists unknown names and the known ones, or values outside their limits.
    """
    known = notebook_parameters(chapter)
    settings = read_profile(profile)
    given = {**(settings.get("all") or {}), **(settings.get(chapter) or {})}
    for override in overrides:
        name, equals, value = override.partition("=")
        if not equals:
            raise RunError(f"'{override}': write a parameter as name=value")
        try:
            given[name] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise RunError(f"'{override}': {' '.join(str(error).split())}") from None
    unknown = sorted(set(given) - set(known) | set(given) & set(GIVEN_BY_RUN))
    if unknown:
        free = sorted(set(known) - set(GIVEN_BY_RUN))
        raise RunError(
            f"{chapter} has no parameter {', '.join(unknown)} (profile {profile}); "
            f"it has: {', '.join(free)}"
        )
    try:
        wrong = limits.problems(given, limits.read(NOTEBOOKS / "limits.yaml"))
    except ValueError as error:
        raise RunError(str(error)) from None
    if wrong:
        raise RunError(f"{chapter} (profile {profile}): {'; '.join(wrong)}")
    return given


def all_parameters(profile, chapter, overrides=()):
    """As `chapter_parameters`, with the notebook's defaults below."""
    return {**notebook_parameters(chapter), **chapter_parameters(profile, chapter, overrides)}


def split(text):
    """What stands behind ``P=``, as a list of ``name=value``; a list or text may hold blanks.

    Examples
    --------
    >>> split("threshold=0.6 seeds=[1, 2]  encoders={text: a b}")
    ['threshold=0.6', 'seeds=[1, 2]', 'encoders={text: a b}']
    """
    whole = []
    for piece in re.split(r"\s+(?=[A-Za-z_]\w*=)", text.strip()):
        if whole and not _closed(whole[-1].partition("=")[2]):
            whole[-1] += f" {piece}"
        elif piece:
            whole.append(piece)
    return whole


def _closed(value):
    """Whether a YAML value is whole: its brackets and quotes are closed."""
    try:
        yaml.safe_load(value)
    except yaml.YAMLError:
        return False
    return True


def run_name(profile, chapter, overrides):
    """Name of the folder of a run with other parameters: a plain word, one for each set of values.

    What a folder's name cannot hold is left out, and a hash of all of it then keeps names apart.

    Examples
    --------
    >>> run_name("mosi", "04_quadrants", ["threshold=0.6"])
    'mosi--04_quadrants--threshold-0.6'
    >>> run_name("mosi", "04_quadrants", ["a=1"]) != run_name("mosi", "04_quadrants", ["a=-1"])
    True
    """
    pairs = [override.partition("=")[::2] for override in overrides]
    name = "-".join([profile, "", chapter, "", *("-".join(pair) for pair in pairs)])
    if all(re.fullmatch(r"-?[A-Za-z0-9_.]+", value) for _, value in pairs) and len(name) < 120:
        return name
    digest = hashlib.sha256(json.dumps(pairs).encode()).hexdigest()[:8]
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", name)[:100].rstrip("-.") + f"-{digest}"
