"""The faces of the rooms: what they offer, and what using it costs."""

import ast
import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

import musicml

PACKAGE = Path(musicml.__file__).parent
FACES = sorted(
    ".".join(["musicml", *path.parent.relative_to(PACKAGE).parts])
    for path in PACKAGE.rglob("__init__.py")
    if "export_lazily(" in path.read_text(encoding="utf-8") and path.parent != PACKAGE
)
# what takes seconds to import, or comes with an extra; only what trains a network needs Keras as soon as it is used
HEAVY = {"keras", "tensorflow", "jax", "torch", "sklearn", "pandas", "librosa", "matplotlib", "streamlit", "typst"}
USE = """
import importlib, json, sys
from types import ModuleType
face = importlib.import_module(sys.argv[1])
before = sorted(name for name in sys.modules if name.startswith("musicml"))
kinds = {name: type(getattr(face, name)).__name__ for name in face.__all__}
heavy = sorted({name.split(".")[0] for name in sys.modules} & set(json.loads(sys.argv[2])))
again = [name for name in face.__all__ if isinstance(getattr(face, name), ModuleType)]
print(json.dumps([before, kinds, heavy, again]))
"""


def named_for_type_checkers(face):
    """The names that a face imports under `if TYPE_CHECKING`."""
    path = PACKAGE.joinpath(*face.split(".")[1:], "__init__.py")
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.If):
            return [(found.module, alias.name) for found in node.body for alias in found.names]
    return []


def test_every_room_has_a_face():
    rooms = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()}
    assert {face.split(".")[1] for face in FACES} == rooms - {"cli"}


@pytest.mark.parametrize("face", FACES)
def test_a_face_offers_what_type_checkers_see_and_no_name_of_a_module(face):
    seen = named_for_type_checkers(face)
    offered = importlib.import_module(face)
    assert sorted(name for _, name in seen) == offered.__all__ == dir(offered)
    assert len(set(offered.__all__)) == len(offered.__all__)
    folder = PACKAGE.joinpath(*face.split(".")[1:])
    assert not {path.stem for path in folder.iterdir()} & set(offered.__all__)
    for module, name in seen:
        assert getattr(offered, name) is getattr(importlib.import_module(module), name)


@pytest.mark.parametrize("face", FACES)
def test_in_a_new_process_a_face_loads_its_names_when_they_are_used_and_nothing_heavy(face):
    words = [sys.executable, "-c", USE, face, json.dumps(sorted(HEAVY))]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    before, kinds, heavy, modules = json.loads(done.stdout)
    assert "module" not in kinds.values() and modules == []
    assert heavy == []
    parents = {".".join(face.split(".")[:n]) for n in range(1, 5)}
    assert set(before) <= parents | {"musicml.utils", "musicml.utils.lazy"}


def test_a_name_that_a_face_lacks_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'musicml.utils' has no attribute 'nothing'"):
        importlib.import_module("musicml.utils").nothing  # noqa: B018
