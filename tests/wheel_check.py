"""The wheel is complete and works outside of a checkout. `make test-wheel` runs this file, `make test` does not."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TINY = {"training.epochs": 1, "features.n_mels": 16, "features.hop_length": 2048, "model.filters": [4, 8]}
# says where the code and its experiments are, and what is found by name
LOOKUP = """
import json, dashboard, musicml
from musicml.experiment import PUBLISHED, find_experiment, find_experiment_folder
paths = [musicml.__file__, dashboard.__file__, find_experiment_folder(), find_experiment_folder(PUBLISHED)]
print(json.dumps([str(path) for path in [*paths, find_experiment("gtzan_gru", PUBLISHED)]]))
"""
# opens the dashboard, which begins with the overview, and says what is on the page
OVERVIEW = """
import json, dashboard
from streamlit.testing.v1 import AppTest
app = AppTest.from_file(dashboard.__file__.replace("__init__", "app"), default_timeout=60).run()
words = [frame.value.to_csv() for frame in app.dataframe] + [one.value for one in app.markdown]
print(json.dumps({"errors": [str(one.value) for one in app.exception], "words": words}))
"""


def run(*command, cwd, **changes):
    """Return the standard output of a command that must succeed."""
    made = subprocess.run([*map(str, command)], cwd=cwd, env=os.environ | changes, capture_output=True, text=True)
    assert made.returncode == 0, f"{command}\n{made.stdout}\n{made.stderr}"
    return made.stdout


def tracked(*folders):
    """List the files of the project, including those that are not committed yet."""
    listed = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *folders, cwd=ROOT)
    return sorted(name for name in listed.split("\0") if name and (ROOT / name).is_file())


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built from the sdist, which is built from a copy of the project."""
    source, built = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("built")
    for name in tracked():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, source / name)
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", built, source, cwd=built)
    assert not (source / "musicml/experiments").exists(), "building changes nothing in the project"
    (found,) = built.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def elsewhere(wheel, tmp_path_factory):
    """A folder in another repository, with the wheel installed in an environment."""
    folder = tmp_path_factory.mktemp("elsewhere")
    run(sys.executable, "-m", "venv", "--without-pip", folder / "env", cwd=folder)
    if shutil.which("uv"):
        install = ["uv", "pip", "install", "--offline", "--python", folder / "env/bin/python"]
    else:
        install = [sys.executable, "-m", "pip", "--python", folder / "env/bin/python", "install", "--no-index"]
    run(*install, "--no-deps", wheel, cwd=folder)
    (packages,) = folder.glob("env/lib/python*/site-packages")
    borrowed = [path for path in sys.path if Path(path).name == "site-packages"]
    (packages / "borrowed.pth").write_text("\n".join(borrowed))  # of these, files that name more folders are not read
    git = ["git", "-c", "user.name=me", "-c", "user.email=me@example.org"]
    run("git", "init", "-q", cwd=folder)
    run(*git, "commit", "-q", "--allow-empty", "-m", "theirs", cwd=folder)
    return folder


def inside(folder, *command):
    """Return the standard output of a command of the environment, which does not know the checkout."""
    settings = {"PYTHONPATH": "", "MUSICML_RUNS": "", "MUSICML_DATA": "", "KERAS_BACKEND": "tensorflow"}
    return run(folder / "env/bin" / command[0], *command[1:], cwd=folder, **settings)


def test_the_wheel_holds_both_packages_their_data_and_the_experiments_and_nothing_else(wheel):
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    packages = {name for name in tracked("musicml", "dashboard") if not name.startswith("dashboard/pictures/")}
    experiments = {f"musicml/{name}" for name in tracked("experiments")}
    lessons = {f"musicml/{name}" for name in tracked("lessons") if re.fullmatch("lessons/../[0-9].*[.]ipynb", name)}
    assert len(lessons) == 16 and names == packages | experiments | lessons
    for ending in ("page.html", "page.css", "page.typ", "icon.svg", ".streamlit/config.toml", "locales/id.po"):
        assert any(name.endswith(f"/{ending}") for name in names), ending
    assert any("as_published/" in name for name in experiments)


def test_outside_a_checkout_the_code_and_the_experiments_are_those_of_the_wheel(elsewhere):
    places = json.loads(inside(elsewhere, "python", "-c", LOOKUP))
    assert all(Path(place).is_relative_to(elsewhere / "env") for place in places), places


def test_outside_a_checkout_a_run_is_trained_and_is_on_the_overview_page(elsewhere):
    inside(elsewhere, "musicml", "fetch", "--sample", "--scale", "0.1", "gtzan")
    changes = [word for key, value in TINY.items() for word in ("--set", f"{key}={json.dumps(value)}")]
    inside(elsewhere, "musicml", "train", "genre_cnn", *changes)
    (run_folder,) = (elsewhere / "runs").iterdir()
    facts = json.loads((run_folder / "run.json").read_text())
    assert facts["experiment"] == "genre_cnn" and facts["git_commit"] is None, "the commit would be another project's"
    page = json.loads(inside(elsewhere, "python", "-c", OVERVIEW))
    assert page["errors"] == [] and "genre_cnn · " in " ".join(page["words"]), page
