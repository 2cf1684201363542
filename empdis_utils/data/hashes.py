"""Which code made something: a part of the key of everything that is kept between runs.

Comments and docstrings do not count. The sources of this package are read when it is first
imported: a file that is edited while a run goes on did not make what that run keeps.
"""

import ast
import hashlib
import inspect
import json
import sys
from functools import cache
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

from empdis_utils.places import PACKAGE

__all__ = ["SOURCES", "code_of", "meaning", "settings_of", "sha256"]

SOURCES = {file: file.read_bytes() for file in sorted(PACKAGE.rglob("*.py"))}


def sha256(path):
    """SHA-256 of a file as hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def code_of(*parts, packages=()):
    """Hash of the code that makes something.

    Parameters
    ----------
    *parts : module or callable
        A callable stands for its module (a partial for that of its function); what it calls in
        other modules is not followed: name these, too. One that is not from a file, such as a
        function of a notebook, stands for itself.
    packages : sequence of str
        Installed packages whose version counts.

    Returns
    -------
    str
        SHA-256 as hex.

    Examples
    --------
    >>> from empdis_utils.data import media
    >>> code_of(media) == code_of(media.load_audio)
    True
    """
    found = [_hash(part) for part in parts] + [f"{name} {version(name)}" for name in packages]
    return hashlib.sha256(json.dumps(found).encode()).hexdigest()


def settings_of(function):
    """Name of a callable, and what its arguments are where the caller gives none.

    Parameters
    ----------
    function : callable
        Or a `functools.partial`.

    Returns
    -------
    str

    Examples
    --------
    >>> from functools import partial
    >>> settings_of(partial(round, ndigits=2))
    "builtins.round {'ndigits': 2}"
    """
    given = {
        name: one.default
        for name, one in inspect.signature(function).parameters.items()
        if one.default is not one.empty
    }
    while hasattr(function, "func"):
        given |= enumerate(function.args)
        function = function.func
    closed_over = [cell.cell_contents for cell in getattr(function, "__closure__", None) or ()]
    name = getattr(function, "__qualname__", None) or repr(function)  # an object with __call__
    return " ".join(map(str, [f"{function.__module__}.{name}", given, *closed_over]))


def _hash(part):
    while hasattr(part, "func"):
        part = part.func
    module = part if isinstance(part, ModuleType) else sys.modules.get(part.__module__)
    file = getattr(module, "__file__", None)
    if file is not None:
        file = Path(file)
        return meaning(SOURCES[file] if file in SOURCES else file.read_bytes())
    try:
        return meaning(inspect.getsource(part).encode())
    except (OSError, TypeError):  # typed in
        code = part.__code__
        return repr((code.co_code, code.co_consts, code.co_names))


@cache
def meaning(text):
    """Hash of Python source as a tree, without docstrings; of the bytes of anything else."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return hashlib.sha256(text).hexdigest()
    for node in ast.walk(tree):
        if isinstance(node, documented) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()
