"""A run is the user's own where the user's secret signed it as it is now."""

import json
import os
import shutil
import stat
import threading

import pytest

from musicml.cli import main
from musicml.experiment import run as runs
from musicml.experiment import user_folder
from musicml.inference import isolated_process, trust
from musicml.inference.explain import class_activation
from musicml.inference.export import bundle
from musicml.inference.predictor import Predictor
from musicml.training import train
from musicml.utils.errors import InputError
from tests.fixtures import hostile_models as models


@pytest.fixture
def own(asked_about_tones, tmp_path):
    """A copy of a run that these tests trained, to be changed."""
    return runs.Run(shutil.copytree(asked_about_tones.path, tmp_path / "own"))


@pytest.fixture
def stranger(tmp_path):
    return models.copy_run(tmp_path / "stranger")


@pytest.fixture
def settings(tmp_path, monkeypatch):
    """Another user's settings, empty, in a process that has signed nothing."""
    monkeypatch.setenv("MUSICML_CONFIG", str(tmp_path / "settings"))
    monkeypatch.setattr(trust, "_made", set())
    return tmp_path / "settings"


def test_a_trained_run_and_its_copies_are_the_users_own(asked_about_tones, own, monkeypatch):
    monkeypatch.setattr(trust, "_made", set())  # as in another process
    assert trust.is_own(asked_about_tones) and trust.is_own(own)
    monkeypatch.setattr(isolated_process, "open_isolated_model", lambda *_: pytest.fail("asked apart"))
    assert Predictor(own).load_model().engine == "onnx" and Predictor(own).isolation_notice is None
    signature = own.read("signature.json")
    assert set(signature) == {"hmac"} and len(signature["hmac"]) == 64
    assert user_folder.read_secret().hex() not in (own.path / "signature.json").read_text()


def test_a_run_of_another_user_is_none_of_ones_own_until_it_is_trusted(own, settings, musicml):
    assert not trust.is_own(own) and not settings.exists(), "asking makes no secret"
    code, out, _ = musicml("runs", "--trust", own.path)
    assert code == 0 and "is now trusted" in out and "contains no code" in out
    assert trust.is_own(own) and user_folder.read_secret().hex() not in out


def test_the_secret_is_the_owners_alone_and_made_once_by_many(settings):
    found = []
    threads = [threading.Thread(target=lambda: found.append(user_folder.make_secret())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1 and len(found) == 8 and found[0] == user_folder.read_secret()
    assert [path.name for path in settings.iterdir()] == ["secret"]
    if os.name == "posix":
        assert stat.S_IMODE((settings / "secret").stat().st_mode) == 0o600


def test_a_damaged_secret_is_told_and_not_replaced(settings, own):
    settings.mkdir()
    (settings / "secret").write_bytes(b"short")
    with pytest.raises(InputError, match="Expected a secret of 32 bytes .* Remove the file"):
        trust.trust_run(own)
    assert (settings / "secret").read_bytes() == b"short" and not trust.is_own(own)


@pytest.mark.parametrize(
    "content",
    ["{}", "[]", '{"hmac": 3}', '{"hmac": ""}', '{"hmac": "é"}', r'{"hmac": "\ud800"}', "[" * 5_000]
    + ['{"hmac": "%s"}' % ("0" * 64)],
)
def test_a_signature_that_is_none_is_none(own, content):
    (own.path / "signature.json").write_text(content, encoding="utf-8")
    trust._made.clear()
    assert not trust.is_own(own)


def test_a_signature_that_is_a_pipe_or_huge_is_none(own, monkeypatch):
    monkeypatch.setattr(trust, "_made", set())
    os.truncate(own.path / "signature.json", 2**30)
    assert not trust.is_own(own)
    (own.path / "signature.json").unlink()
    os.mkfifo(own.path / "signature.json")
    assert not trust.is_own(own)


@pytest.mark.parametrize("change", ["exported", "labels", "temperature"])
def test_whatever_decides_the_answer_is_signed(own, change, monkeypatch):
    monkeypatch.setattr(trust, "_made", set())
    if change == "exported":
        (own.path / "model.onnx").write_bytes((own.path / "model.onnx").read_bytes() + b"\0")
        models.seal_exported(own)
    elif change == "labels":
        (own.path / "labels.json").write_text(json.dumps(["a", "b", "c"]))
        models.seal(own)
    else:
        models.seal(own, temperature=2.0)
    assert not trust.is_own(own)


def test_the_signature_of_one_run_is_none_of_another(own, stranger, monkeypatch):
    monkeypatch.setattr(trust, "_made", set())
    shutil.copy(own.path / "signature.json", stranger.path)
    assert not trust.is_own(stranger)


def test_where_nothing_can_be_written_a_training_goes_on_unsigned(
    tones, tones_toml, tmp_path, monkeypatch, capfd, data_root
):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MUSICML_CONFIG", str(tmp_path / "file/settings"))
    monkeypatch.setattr(isolated_process, "open_isolated_model", lambda *_: pytest.fail("asked apart"))
    words = ["train", tones_toml, "--folder", tones, "--data-root", data_root, "--runs", tmp_path / "runs"]
    assert main.main([str(word) for word in words]) == 0
    assert capfd.readouterr().err.count("the run could not be signed") == 1
    (run,) = runs.list_runs(tmp_path / "runs")
    assert run.is_complete and not (run.path / "signature.json").exists()


def test_a_run_is_signed_before_it_is_called_trained_so_that_no_kill_leaves_it_unsigned(
    tones, tones_toml, tmp_path, monkeypatch, data_root
):
    def die(run):
        assert trust.sign_run(run)
        raise KeyboardInterrupt

    words = ["--folder", tones, "--data-root", data_root, "--runs", tmp_path / "runs"]
    with monkeypatch.context() as patch:
        patch.setattr(train, "sign_run", die)
        main.main([str(word) for word in ["train", tones_toml, *words]])
    (run,) = runs.list_runs(tmp_path / "runs")
    assert run.status != "trained"
    assert main.main([str(word) for word in ["train", "--resume", run.path, *words]]) == 0
    monkeypatch.setattr(trust, "_made", set())
    assert trust.is_own(run)


def test_what_needs_the_network_in_this_process_tells_how_to_trust_the_run(stranger, tmp_path):
    predictor = Predictor(stranger, "keras")
    with pytest.raises(InputError, match=f"for an explanation. .* `musicml runs --trust {stranger.path}`"):
        class_activation._load_model(predictor)


@pytest.mark.parametrize("kind", bundle.FORMATS)
def test_a_strangers_run_is_not_exported_since_the_check_opens_it_without_limits(stranger, kind, tmp_path, monkeypatch):
    monkeypatch.setattr(bundle, "_run_check", lambda folder: pytest.fail("opened"))
    with pytest.raises(InputError, match="for an export. stranger is neither"):
        bundle.export_run(stranger, kind, tmp_path / "to")
    assert [path.name for path in tmp_path.iterdir()] == ["stranger"]


def test_a_run_whose_parts_do_not_fit_is_not_trusted(stranger):
    (stranger.path / "model.keras").write_bytes(b"another")
    with pytest.raises(InputError, match="is not the model that belongs to its serving.json"):
        trust.trust_run(stranger)
    assert not (stranger.path / "signature.json").exists()


def test_the_command_line_says_once_that_a_run_is_asked_apart(stranger, tones, musicml):
    code, out, err = musicml("predict", stranger.path, tones / "low/1.wav", tones / "high/1.wav", "--json")
    assert code == 0 and err.count("is opened in a process of its own") == 1
    assert len(json.loads(out)["predictions"]) == 2 and "process" not in out


def test_where_memory_can_not_be_limited_the_remark_says_so(stranger, monkeypatch):
    monkeypatch.setattr(trust, "HAS_MEMORY_LIMIT", False)
    assert "can't be limited on this system" in trust.describe_isolation(stranger)


def test_trainings_and_scorings_remember_the_folders_they_were_given(settings, tones, tones_toml, data_root, tmp_path):
    words = ["train", tones_toml, "--folder", tones, "--data-root", data_root, "--runs", tmp_path / "runs"]
    assert main.main([str(word) for word in words]) == 0
    assert user_folder.is_named(tones / "low") and user_folder.is_named(data_root)
    assert not user_folder.is_named(tones.parent)
