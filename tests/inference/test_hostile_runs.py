"""A stranger's run folder is refused in one sentence, or held by a process of its own: no code of it is ever run."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from musicml.evaluation.predictions import read_clip_scores, read_predictions
from musicml.experiment import run as runs
from musicml.experiment.config import parse_experiment
from musicml.experiment.run_data import read_experiment_text, read_layers
from musicml.inference import isolated_process, manifest, onnx_limits, trust
from musicml.inference.predictor import Predictor
from musicml.utils.errors import InputError
from tests.fixtures import hostile_models as models

Y = np.random.default_rng(0).normal(0, 0.1, 4 * 22_050).astype(np.float32)
ROOT = Path(__file__).parents[2]
MAX_MEGABYTES = 500  # beyond the libraries

# in a process of its own, so that its memory can be told: each refused in a sentence, and what that took
ASKING = """
import json, sys
from pathlib import Path
import numpy as np
import onnxruntime
from musicml.features import audio_features
from musicml.inference.predictor import Predictor
from musicml.utils.errors import InputError
from tests.fixtures import hostile_models as models
from tests.fuzz import forget_peak, peak_megabytes
from tests.fixtures.hostile_runs import RUNS
from tests.inference.test_hostile_runs import READERS
outcomes = {}
Path(sys.argv[1]).mkdir()
runs = {name: models.copy_run(Path(sys.argv[1]) / str(number)) for number, name in enumerate(RUNS)}
for name, run in runs.items():
    RUNS[name][0](run)
forget_peak()
before = peak_megabytes()
for name, run in runs.items():
    try:
        READERS[RUNS[name][1]](run)
        outcomes[name] = "answered"
    except InputError as error:
        outcomes[name] = str(error)
    except Exception as error:
        outcomes[name] = f"FAULT {error!r}"
print(json.dumps([outcomes, peak_megabytes() - before]))
"""


def ask(run):
    return Predictor(run).predict(Y, sample_rate=22_050)


def read_scores(run):
    return read_predictions(run), read_clip_scores(run)


READERS = {
    "info": lambda run: (runs.open_run(run.path), run.info),
    "report": lambda run: run.report,
    "history": lambda run: run.read_history(),
    "ask": ask,
    "scores": read_scores,
    "resume": lambda run: parse_experiment("x", read_experiment_text(run)),
}


@pytest.fixture
def run(tmp_path):
    return models.copy_run(tmp_path / "stranger")


def assert_sentence(message):
    assert "\n" not in message and len(message) < 900 and "Traceback" not in message, message


def test_every_hostile_run_folder_is_refused_in_a_sentence_and_little_memory(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", ASKING, str(tmp_path / "runs")],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    outcomes, megabytes = json.loads(done.stdout.splitlines()[-1])
    assert len(outcomes) >= 20 and megabytes < MAX_MEGABYTES
    for name, outcome in outcomes.items():
        assert outcome != "answered" and not outcome.startswith("FAULT"), f"{name}: {outcome}"
        assert_sentence(outcome)


def test_security_md_names_tests_that_exist():
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    assert [path for path in re.findall(r"`(tests/[\w/.]+)`", text) if not (ROOT / path).exists()] == []


def refuse(name, run):
    """Ask a hostile model, and return the refusal; nothing of it may have run."""
    if name in models.ONNX or "computed" in name or "rounds" in name:
        pytest.importorskip("onnx")
    models.MODELS[name](run)
    with pytest.raises(InputError) as refused:
        ask(run)
    assert not (run.path / models.MARK).exists(), "code was run"
    assert_sentence(str(refused.value))
    return str(refused.value)


@pytest.mark.parametrize("name", models.REFUSED)
def test_a_hostile_model_is_refused_for_what_its_file_says(name, run):
    said = refuse(name, run)
    assert said.startswith("Expected ") or "it failed (" in said or "scikit-learn models only" in said


@pytest.mark.parametrize("name", models.CONTAINED)
def test_what_a_file_does_not_say_is_held_by_the_process_that_opens_it(name, run):
    if not trust.HAS_MEMORY_LIMIT:
        pytest.skip("only Linux limits a process's memory")
    said = refuse(name, run)
    assert "exceeded its time" in said if "rounds" in name else "exceeded its memory" in said
    assert f"musicml runs --trust {run.path}" in said


@pytest.mark.parametrize("engine", ["onnx", "keras"])
def test_a_good_run_of_a_stranger_answers_as_a_trusted_one_does(engine, run):
    stranger = Predictor(run, engine)
    apart_scores = stranger.predict(Y, sample_rate=22_050).scores
    assert "process of its own" in stranger.isolation_notice and str(run.path) in stranger.isolation_notice
    assert isinstance(trust.trust_run(run), str) and trust.is_own(run)
    own = Predictor(run, engine)
    assert own.isolation_notice is None
    assert np.array_equal(own.predict(Y, sample_rate=22_050).scores, apart_scores)


def test_the_other_process_ends_with_the_model(run):
    predictor = Predictor(run)
    process = next(
        cell.cell_contents.process
        for cell in predictor.load_model().scores.__closure__
        if isinstance(cell.cell_contents, isolated_process.ModelProcess)
    )
    assert process.poll() is None
    del predictor
    assert process.poll() is not None


def test_a_process_that_dies_is_an_error_that_tells_what_to_do(run, monkeypatch):
    predictor = Predictor(run)
    predictor.load_model()
    monkeypatch.setattr(isolated_process.ModelProcess, "_read", lambda self, *_: (_ for _ in ()).throw(self._explain()))
    for _ in range(2):
        with pytest.raises(InputError, match="it crashed|time limit.*runs --trust"):
            predictor.predict(Y, sample_rate=22_050)


def test_after_an_interrupt_no_question_gets_the_answer_to_the_one_before(run, monkeypatch):
    predictor = Predictor(run)
    predictor.load_model()
    with monkeypatch.context() as patch:
        patch.setattr(isolated_process.ModelProcess, "_read", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            predictor.predict(Y, sample_rate=22_050)
    other = np.sin(np.arange(len(Y)) / 3).astype(np.float32)
    scores = [one.predict(other, sample_rate=22_050).scores for one in (predictor, Predictor(run))]
    assert np.array_equal(*scores)


@pytest.mark.parametrize("head", [{}, {"shape": [1]}, {"shape": [2, 11]}, {"shape": [-2, 10]}, {"shape": "x"}])
def test_an_answer_of_another_shape_is_refused(run, monkeypatch, head):
    predictor = Predictor(run)
    predictor.load_model()
    monkeypatch.setattr(isolated_process.ModelProcess, "_read", lambda *_: (head, bytes(5)))
    with pytest.raises(InputError, match="wrong shape"):
        predictor.predict(Y, sample_rate=22_050)


# Every field of every record

WRONG = (
    *(None, True, -1, 0, 1.5, 1e300, 10**30, "", "x", "\ud800"),
    *([], [1], [None], [[1], []], {}, {"a": {}}, ["x", "x"]),
)


def list_fields(table, keys=()):
    """Yield the way to each field of a JSON table; of a list, to its first item and its last."""
    yield keys
    if isinstance(table, dict):
        for key, value in table.items():
            yield from list_fields(value, (*keys, key))
    elif isinstance(table, list) and table:
        yield from list_fields(table[0], (*keys, 0))


def put(table, keys, value):
    *outer, last = keys
    for key in outer:
        table = table[key]
    table[last] = value


READS = {
    "run.json": (
        lambda run: (run.info, run.info.max_epochs, run.info.caveat, run.info.has_epochs, run.info.split_rule),
        lambda run: (runs.describe_run(run), runs.open_run(run.path), run.status, trust.is_own(run)),
        read_predictions,
    ),
    "report.json": (
        lambda run: (run.report.main, run.report.class_table, run.report.get_interval("accuracy")),
        runs.describe_run,
    ),
    "layers.json": (read_layers,),
    "serving.json": (lambda run: ask(run).to_dict(over_time=True), trust.is_own),
    "labels.json": (lambda run: ask(run).to_dict(over_time=True), read_predictions),
}


def try_each_value(file, run, n_values):
    """Put wrong values into each field in turn; every reader has to read it, or refuse it in a sentence."""
    good = json.loads((run.path / file).read_text())
    for number, keys in enumerate(keys for keys in list_fields(good) if keys):
        for value in [WRONG[(number * n_values + place) % len(WRONG)] for place in range(n_values)]:
            table = json.loads(json.dumps(good))
            put(table, keys, value)
            (run.path / file).write_text(json.dumps(table))
            if file in ("serving.json", "labels.json") and keys[0] != "fingerprint":
                serving, names = (json.loads((run.path / f"{name}.json").read_text()) for name in ("serving", "labels"))
                serving["fingerprint"] = manifest.compute_fingerprint(names, serving)
                (run.path / "serving.json").write_text(json.dumps(serving))
            for read in READS[file]:
                try:
                    read(run)
                except InputError as error:
                    assert_sentence(str(error))
                except Exception as error:
                    raise AssertionError(f"{file}: {keys} = {value!r} ends in {error!r}") from error


@pytest.mark.parametrize("file", READS)
def test_whatever_stands_in_a_field_the_run_is_read_or_refused_in_a_sentence(file, run, monkeypatch):
    model = Predictor(run).load_model()  # loaded once, since what it answers does not matter here
    monkeypatch.setattr("musicml.inference.backends.load_model", lambda *_: model)
    try_each_value(file, run, 3)


def test_a_field_that_is_repeated_counts_as_it_stands_last():
    def write(number, value):
        return bytes([number << 3, value])

    message = onnx_limits._read_message(memoryview(write(2, 2) * 200 + write(2, 7)))
    assert message[2][-1] == 7 and len(message[2]) < 100
