"""`import musicml`: the names for notebooks, each with an example that runs here on sample data."""

import doctest
import inspect
import shutil
import subprocess
import sys

import pytest

import musicml
from musicml.inference import Predictor
from tests.conftest import PLAIN

TINY_GRU = {**PLAIN, "features.hop_length": 1024, "model.units": [4], "training.epochs": 1}
FUNCTIONS = sorted(name for name in musicml.__all__ if inspect.isfunction(getattr(musicml, name)))


@pytest.fixture(scope="module")
def notebook(data_root, tmp_path_factory):
    """The folder of a notebook after `musicml fetch --sample`, with three runs."""
    folder = tmp_path_factory.mktemp("notebook")
    (folder / "data").symlink_to(data_root)
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        patched.delenv("MUSICML_DATA", raising=False)
        patched.delenv("MUSICML_RUNS", raising=False)
        for n_trees in (5, 6):
            musicml.train("openmic_forest", changes={"model.n_estimators": n_trees})
        musicml.train("genre_gru", changes=TINY_GRU)
        yield folder


def examples():
    """Return the examples of the package, its functions and its classes."""
    finder = doctest.DocTestFinder(recurse=False)
    for name, thing in [("musicml", musicml), *((name, getattr(musicml, name)) for name in musicml.__all__)]:
        yield from finder.find(thing, name, module=False, globs={"musicml": musicml})


@pytest.mark.parametrize("example", list(examples()), ids=lambda example: example.name)
def test_every_public_name_has_a_docstring_with_an_example_that_runs(example, notebook, monkeypatch):
    monkeypatch.chdir(notebook)
    assert example.examples, f"{example.name} has no example"
    example.globs["musicml"] = musicml
    words = []
    failed, _ = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(example, out=words.append)
    assert not failed, "".join(words)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_functions_docstring_names_every_parameter(name):
    function = getattr(musicml, name)
    documented = inspect.getdoc(function).partition("Parameters")[2].partition("Returns")[0]
    assert all(parameter in documented for parameter in inspect.signature(function).parameters), name
    for heading in ("Returns", "Raises", "Examples"):
        assert f"\n{heading}\n{'-' * len(heading)}\n" in inspect.getdoc(function), f"{name} lacks {heading}"


def test_a_whole_notebook(notebook, monkeypatch):
    monkeypatch.chdir(notebook)
    run = musicml.load_run("genre_gru")
    assert run.report.metrics["accuracy"] == run.report.main and len(run.report.class_table) == 10
    assert list(run.history["epoch"]) == [1.0] and len(run.predictions) == run.report.n
    dataset = musicml.load_dataset("gtzan")
    assert len(dataset.table) == len(dataset.examples) and set(dataset.table["label"]) == set(dataset.class_names)
    prediction = musicml.Predictor(run).predict(dataset.examples[0].path)
    assert prediction.label in dataset.class_names and musicml.Predictor is Predictor
    first, second = musicml.list_runs().query("experiment == 'openmic_forest'")["run"][:2]
    comparison = musicml.compare(first, second)
    assert list(comparison.table["run"]) == [first, second] and len(comparison.pair_table) == 1
    assert musicml.evaluate(run, on=notebook / "data/sample/gtzan/Data/genres_original").n > 0


def test_a_run_without_a_report_is_listed_and_not_loaded_by_its_experiment(notebook, monkeypatch, tmp_path):
    monkeypatch.chdir(notebook)
    names = list(musicml.list_runs()["run"])
    (tmp_path / names[0]).mkdir()
    (tmp_path / names[0] / "run.json").write_bytes((notebook / "runs" / names[0] / "run.json").read_bytes())
    (row,) = musicml.list_runs(tmp_path).to_dict("records")
    assert row["run"] == names[0] and row["status"] == "trained" and not isinstance(row["metric"], str)
    with pytest.raises(musicml.InputError, match="is not a run folder"):
        musicml.load_run("openmic_forest", runs_root=tmp_path)


def test_a_damaged_run_hides_no_other_and_a_run_of_another_format_is_rejected(notebook, monkeypatch, tmp_path):
    monkeypatch.chdir(notebook)
    whole = musicml.load_run("genre_gru")
    shutil.copytree(whole.path, tmp_path / whole.name)
    damaged = tmp_path / "genre_cnn-20260101T000000-s0"
    damaged.mkdir()
    (damaged / "run.json").write_text('{"format_version": 1, "seed": "one"}')
    (damaged / "report.json").write_text("{}")
    assert musicml.load_run("genre_gru", runs_root=tmp_path).name == whole.name
    table = musicml.list_runs(tmp_path).set_index("run")
    assert table.loc[damaged.name, "status"] == "damaged" and table.loc[whole.name, "status"] == "whole"
    copy = tmp_path / whole.name / "run.json"
    copy.write_text(copy.read_text().replace('"format_version": 1', '"format_version": 2'))
    with pytest.raises(musicml.InputError, match="in format 1, got format 2"):
        musicml.load_run("genre_gru", runs_root=tmp_path)


def test_conflicting_or_misspelled_arguments_are_rejected(notebook, monkeypatch):
    monkeypatch.chdir(notebook)
    with pytest.raises(musicml.InputError, match="Expected a name or a file together with changes"):
        musicml.train(musicml.load_experiment("genre_gru"), changes=TINY_GRU)
    with pytest.raises(musicml.InputError, match=r"data = 'Real' is not a kind of data: did you mean 'real'\?"):
        musicml.load_dataset("gtzan", data="Real")
    (notebook / "openmic").mkdir()  # a folder of that name is not the dataset
    assert len(musicml.load_dataset("openmic").class_names) == 20


def test_a_damaged_score_is_one_message(notebook, monkeypatch, tmp_path):
    monkeypatch.chdir(notebook)
    run = musicml.Run(shutil.copytree(musicml.load_run("genre_gru").path, tmp_path / "run"))
    path = run.path / "predictions.csv"
    head, first, *rest = path.read_text().splitlines()
    path.write_text("\n".join([head, first.rpartition(",")[0] + ",much", *rest]))
    with pytest.raises(musicml.InputError, match=r"predictions.csv of run run must contain a valid value of score"):
        run.predictions.head()


def test_without_pandas_the_message_names_the_extra(notebook, monkeypatch):
    monkeypatch.chdir(notebook)
    run = musicml.load_run("genre_gru")
    monkeypatch.setitem(sys.modules, "pandas", None)
    for ask in (lambda: run.history, lambda: run.predictions, lambda: run.report.class_table, musicml.list_runs):
        with pytest.raises(musicml.InputError, match=r'need pandas.*pip install "musicml\[dashboard\]"'):
            ask()


def test_importing_musicml_imports_only_the_lazy_export():
    code = "import sys, musicml; print(*sorted(set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    ours = [name for name in done.stdout.split() if name.split(".")[0] in ("musicml", "numpy")]
    assert ours == ["musicml", "musicml.utils", "musicml.utils.lazy"], done.stderr
