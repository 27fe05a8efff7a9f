"""An audit's findings about labels, groups and files, its cache, and the command."""

import json
import os
import shutil
from dataclasses import replace

import numpy as np
import pytest

from musicml.data.audit import audit, duplicates, folder_checks, image_hash, label_checks, scan
from musicml.data.audit.findings import Audit
from musicml.data.datasets import loading
from musicml.data.datasets.base import Example, Excluded, Repair
from musicml.utils import capture_messages, parse_json, translate
from musicml.utils.errors import InputError
from tests.fixtures.audit_data import dataset_of, photograph, shuffled, song, write


def contents_of(dataset):
    """Each example's content, as if every path had its own."""
    return {example.id: str(example.path) for example in dataset.examples}


def kinds(findings):
    return {finding.kind: finding for finding in findings}


@pytest.fixture
def sounds(tmp_path):
    """A folder of six songs in two classes."""
    return write(tmp_path / "songs", {f"{'ab'[k % 2]}/{k}.wav": song(k, seconds=2.0) for k in range(6)})


# Labels


def published(n):
    """Rows like the published table of four instruments, where each of `n` drums is a violin too."""
    twins = [row for k in range(n) for row in ((f"d{k}.wav", "drum"), (f"d{k}.wav#violin", "violin"))]
    others = [(f"g{k}.wav", "guitar") for k in range(n)] + [(f"p{k}.wav", "piano") for k in range(round(n * 529 / 700))]
    return [(name, label, "train", name) for name, label in twins + others]


def test_no_model_can_exceed_0_909_if_seven_hundred_drums_are_violins_too(tmp_path):
    dataset = dataset_of(tmp_path, published(700))
    assert len(dataset.examples) == 2629
    found = kinds(label_checks.check_labels(dataset, contents_of(dataset)))
    assert "0.909 or accuracy 0.734 on the training split: 1400 of 2629" in found["ceiling"].words
    assert found["contradictory_labels"].words.startswith("Contradictory labels: 1400 of 2629")
    assert found["contradictory_labels"].effect.startswith("At least 700 of 2629 predictions")
    assert {found[kind].weight for kind in ("ceiling", "contradictory_labels")} == {"fault"}


@pytest.mark.numeric
def test_no_scores_exceed_the_ceiling(tmp_path):
    rows = [(f"{k}.wav#{j}", label) for k, group in enumerate(("aab", "abb", "ac", "b", "c", "cc")) for j, label in
            enumerate(group)]  # fmt: skip
    dataset = dataset_of(tmp_path, rows)
    auc, accuracy = label_checks.compute_ceiling(dataset, contents_of(dataset))
    assert accuracy == pytest.approx((2 + 2 + 1 + 1 + 1 + 2) / 12)
    from sklearn.metrics import roc_auc_score

    rng, truth = np.random.default_rng(0), dataset.targets()
    group = [int(example.id.split(".")[0]) for example in dataset.examples]
    for _ in range(20):
        scores = rng.random((6, 3))[group]
        assert np.mean([roc_auc_score(truth[:, k], scores[:, k]) for k in range(3)]) <= auc + 1e-9


def test_unreadable_files_still_have_a_ceiling(tmp_path):
    rows = [(name, label, side, group) for name, label, side, group in published(10)]
    for name in {row[0].partition("#")[0] for row in rows}:
        (tmp_path / name).write_bytes(f"no sound: {name}".encode())
    found = audit.audit_dataset(dataset_of(tmp_path, rows), tmp_path / "store")
    assert found.list_findings("unreadable")[0].words.startswith("Unreadable files: 38 of 38")
    assert found.list_findings("ceiling")[0].words.startswith(
        "No model can exceed macro ROC-AUC 0.911 or accuracy 0.737"
    )
    assert len(found.list_findings("exact_duplicates")[0].pairs) == 10 and found.lengths is None
    # checks that need a readable file are left out
    assert not {"silent", "clipped", "truncated", "near_duplicates"} & set(kinds(found.findings))


def test_unreadable_files_with_the_same_content_are_no_duplicates(tmp_path):
    write(tmp_path, {"a/1.wav": b"404 not found", "b/2.wav": b"404 not found", "a/3.wav": b"", "b/4.wav": b""})
    rows = [("a/1.wav", "a"), ("b/2.wav", "b"), ("a/3.wav", "a"), ("b/4.wav", "b")]
    found = audit.audit_dataset(dataset_of(tmp_path, rows), tmp_path / "store")
    assert found.pairs == () and found.list_findings("contradictory_labels")[0].weight == "fine"
    (unreadable,) = found.list_findings("unreadable")
    assert unreadable.files == ("a/1.wav", "b/2.wav") and "The first: Expected sound in a/1.wav" in unreadable.words


def test_contradictory_cells_of_a_multi_label_table_are_counted(tmp_path):
    rows = [
        ("1.wav", {"a": True, "b": False}),
        ("1.wav#2", {"a": False}),
        ("1.wav#3", {"a": True, "c": True}),
        ("2.wav", {"b": True}),
    ]
    dataset = dataset_of(tmp_path, rows, task="multi")
    found = kinds(label_checks.check_labels(dataset, contents_of(dataset)))
    assert found["contradictory_labels"].words.endswith("same content: 3 of 6.")
    assert found["contradictory_labels"].effect.startswith("At least 1 of 6 predictions")
    assert found["contradictory_labels"].files == ("1.wav", "1.wav#2", "1.wav#3") and "ceiling" not in found
    assert found["unobserved"].words.startswith("Labeled cells of the label table: 6 of 12.")


@pytest.mark.numeric
def test_imbalance_and_few_test_examples_are_reported_with_their_effects(tmp_path):
    even = dataset_of(tmp_path, [(f"{label}{k}.wav", label) for label in "ab" for k in range(8)])
    found = kinds(label_checks.check_labels(even, contents_of(even)))
    assert found["balance"].words == "The classes are balanced: 8 examples each."
    rows = [(f"{k}.wav", "often", "train") for k in range(27)] + [(f"r{k}.wav", "rare", "test") for k in range(3)]
    dataset = dataset_of(tmp_path, rows)
    found = kinds(label_checks.check_labels(dataset, contents_of(dataset)))
    assert found["balance"].words == "The largest class, often, has 27 examples. The smallest, rare, has 3."
    assert "accuracy of 90.0%" in found["balance"].effect
    assert found["few_tests"].words == "Classes with fewer than 10 test examples: 2 of 2. The smallest is often with 0."
    assert label_checks.compute_lower_bound(5) == pytest.approx(0.566, abs=1e-3)  # Wilson's, of 5 in 5
    assert label_checks.count_classes(dataset) == (
        {"class": "often", "train": 27, "val": 0, "test": 0, "none": 0, "total": 27},
        {"class": "rare", "train": 0, "val": 0, "test": 3, "none": 0, "total": 3},
    )


# Groups and the dataset's folder


def test_a_group_in_two_splits_is_an_error_with_the_affected_share_of_the_test_split(tmp_path):
    rows = [
        ("1.wav", "a", "train", "x"),
        ("2.wav", "b", "test", "x"),
        ("3.wav", "a", "test", "y"),
        ("4.wav", "b", "", "y"),
    ]
    found = next(label_checks.check_groups(dataset_of(tmp_path, rows)))
    assert (found.kind, found.weight, found.files) == ("groups_across_splits", "fault", ("1.wav", "2.wav"))
    assert found.words.endswith(": 1 of 2.")
    assert found.effect.startswith("1 of 2 test examples") and "50.0" in found.effect
    apart = dataset_of(tmp_path, [("1.wav", "a", "train", "x"), ("2.wav", "b", "train", "x")])
    assert next(label_checks.check_groups(apart)).weight == "fine"
    assert next(label_checks.check_groups(dataset_of(tmp_path, [("1.wav", "a"), ("2.wav", "b")]))).kind == "no_groups"


def test_files_without_a_group_are_listed_if_others_have_one(tmp_path):
    rows = [("1.wav", "a", "", "Ana"), ("2.wav", "b", "", "Ana"), ("3.wav", "a", "", "3.wav")]
    _, alone = label_checks.check_groups(dataset_of(tmp_path, rows))
    assert (alone.kind, alone.weight, alone.files) == ("without_group", "caution", ("3.wav",))


def test_hidden_files_and_folders_are_listed_whatever_the_ids_are(sounds):
    write(sounds, {".ipynb_checkpoints/a.wav": b"x", "a/.DS_Store": b"", "b/.git/deep/file": b""})
    (sounds / ".empty").mkdir()
    dataset = loading.load_folder(sounds)
    expected = (".empty", ".ipynb_checkpoints/a.wav", "a/.DS_Store", "b/.git/deep/file")
    assert sorted(folder_checks.check_hidden(dataset).files) == sorted(expected)
    by_key = replace(dataset, examples=tuple(replace(e, id=e.path.stem, file=e.id) for e in dataset.examples))
    assert sorted(folder_checks.check_hidden(by_key).files) == sorted(expected)
    one = replace(dataset, examples=(replace(dataset.examples[0], id="a/0.wav#violin", file="a/0.wav"),))
    assert folder_checks.get_data_folder(one) == sounds


def test_excluded_files_repairs_and_published_errors_are_reported(sounds):
    dataset = loading.load_folder(sounds)
    assert {finding.weight for finding in folder_checks.check_folder(dataset)} == {"fine"}
    told = kinds(folder_checks.check_folder(replace(dataset, excluded=(Excluded("x.txt", "in no class folder"),))))
    assert told["left_out"].words == "Excluded files or rows: 1. The first is x.txt: in no class folder"
    mended = replace(dataset, repairs=(Repair("label_dropped", "x.wav", "dropped"),))
    assert kinds(folder_checks.check_folder(mended))["repaired"].files == ("x.wav",)
    assert kinds(folder_checks.check_folder(replace(mended, as_published=True)))["as_published"].weight == "caution"


# Duplicates


def test_many_duplicates_of_one_file_make_few_pairs_and_none_is_missing(tmp_path):
    for n, most in ((5, 10), (300, 3 * 300)):
        rows = [(f"{k:03}.wav", "ab"[k == 7], ("train", "test")[k == 9]) for k in range(n)]
        dataset = dataset_of(tmp_path, rows)
        group = next(iter(duplicates.group_examples(dataset, dict.fromkeys((row[0] for row in rows), "same")).values()))
        pairs = [tuple(sorted((one.id, other.id))) for one, other in duplicates.pair_examples(group)]
        assert len(pairs) == len(set(pairs)) <= most
        assert {name for pair in pairs for name in pair} == {row[0] for row in rows}
        if n > 9:  # the example of another split is paired with all others
            assert sum("009.wav" in pair for pair in pairs) == n - 1


def test_the_effect_of_duplicates_depends_on_their_splits(tmp_path):
    write(tmp_path, {f"a/{k}.wav": song(k // 2, seconds=2.0) for k in range(4)} | {"b/5.wav": song(5, seconds=2.0)})
    rows = [(f"{name[0]}/{name[1]}.wav", name[0]) for name in ("a0", "a1", "a2", "a3", "b5")]
    (exact,) = audit.audit_dataset(dataset_of(tmp_path, rows), tmp_path / "store").list_findings("exact_duplicates")
    assert exact.weight == "caution" and len(exact.pairs) == 2 and "by up to 80.0 percentage points" in exact.effect
    listed = dataset_of(tmp_path, [(*row, "val" if row[0] == "a/1.wav" else "train") for row in rows])
    (exact,) = audit.audit_dataset(listed, tmp_path / "store").list_findings("exact_duplicates")
    assert exact.weight == "fault" and exact.effect.startswith("1 of 1 validation examples have a duplicate")


# The cache


def test_a_second_audit_reads_no_file_and_has_the_same_findings(sounds, tmp_path, monkeypatch):
    dataset, said_ = loading.load_folder(sounds), []
    with capture_messages(said_.append):
        first = audit.audit_dataset(dataset, tmp_path / "store")
    assert said_[0] == "audit: scanning 6 files"
    monkeypatch.setattr(scan, "scan_file", None)
    monkeypatch.setattr(duplicates.audio_matching, "find_matches", None)
    with capture_messages(said_.append):
        again = audit.audit_dataset(shuffled(dataset), tmp_path / "store")
    assert len(said_) == 2 and set(again.findings) == set(first.findings) and again.hash == first.hash


def test_a_changed_file_is_scanned_again_and_a_damaged_cache_is_ignored(sounds, tmp_path):
    audit.audit_dataset(loading.load_folder(sounds), tmp_path / "store")
    write(sounds, {"a/0.wav": np.zeros(16_000, np.float32)})
    os.utime(sounds / "a/0.wav", ns=(1, 1))
    found = audit.audit_dataset(loading.load_folder(sounds), tmp_path / "store")
    assert found.list_findings("silent")[0].files == ("a/0.wav",)
    for path in (tmp_path / "store").rglob("*.npz"):
        path.write_bytes(path.read_bytes()[:200])
    for path in (tmp_path / "store").glob("alike-*"):
        path.write_text("{")
    again = audit.audit_dataset(loading.load_folder(sounds), tmp_path / "store")
    assert again.findings == found.findings


def test_an_audit_is_equal_after_saving_and_loading(sounds, tmp_path):
    dataset = loading.load_folder(sounds)
    assert audit.load_audit(tmp_path, dataset) is None
    found = audit.audit_and_save(dataset, tmp_path)
    path = audit.get_audit_path(tmp_path, dataset)
    assert path.parent == tmp_path / ".audit" and path.name.startswith(f"songs-real-{dataset.hash()}-")
    assert audit.load_audit(tmp_path, dataset) == found == Audit.from_dict(parse_json(path.read_text()))
    assert audit.load_audit(tmp_path, replace(dataset, as_published=True)) is None
    path.write_text("[]")
    with pytest.raises(InputError, match="Expected an audit"):
        audit.load_audit(tmp_path, dataset)


def test_two_processes_have_the_findings_of_one(tmp_path, monkeypatch):
    write(tmp_path / "p", {f"{'ab'[k % 2]}/{k}.png": photograph(k // 2, 64) for k in range(12)})
    dataset = loading.load_folder(tmp_path / "p")
    alone = audit.audit_dataset(dataset, tmp_path / "one")
    monkeypatch.setitem(scan.MIN_PARALLEL_FILES, "picture", 2)
    monkeypatch.setattr(duplicates, "MIN_PARALLEL_PAIRS", 1)
    for module in (scan, duplicates):
        monkeypatch.setattr(module, "count_processes", lambda most: most)
    both = audit.audit_dataset(dataset, tmp_path / "two")
    assert both.findings == alone.findings and len(both.pairs) == 6


# The command


def test_the_command_prints_findings_effects_and_pairs_and_exits_with_0(sounds, tmp_path, musicml):
    (sounds / "b/twin.wav").write_bytes((sounds / "a/0.wav").read_bytes())
    page = tmp_path / "out/audit.html"
    code, out, err = musicml("audit", "--folder", sounds, "--data-root", tmp_path, "--html", page)
    assert code == 0 and "scanning 6 files" in err and "scanning" not in out
    assert "songs: 7 examples in 2 classes" in out and "effect on the results" in out
    assert "error    contradictory labels" in out and "a/0.wav  b/twin.wav  across labels  identical content" in out
    assert page.is_file() and str(page) in out and len(list((tmp_path / ".audit").glob("songs-real-*.json"))) == 1
    code, out, _ = musicml("audit", "--folder", sounds, "--data-root", tmp_path, "--json")
    table = json.loads(out)
    assert code == 0 and table["n"] == 7 and table["findings"][0]["weight"] == "fault"
    assert table["findings"][0]["files"] and table["file"].startswith(str(tmp_path / ".audit"))


def test_the_command_names_sample_data_and_counts_the_pairs_that_are_not_shown(get_sample, tmp_path, musicml):
    get_sample("gtzan", tmp_path / "sample")
    code, out, _ = musicml("audit", "gtzan", "--data-root", tmp_path)
    assert code == 0 and "synthetic sample data" in out and "jazz.00054.wav" in out and "hidden" in out
    write(tmp_path / "same", {f"{'ab'[k % 2]}/{k}.wav": song(1, seconds=2.0) for k in range(9)})
    _, out, _ = musicml("audit", "--folder", tmp_path / "same", "--data-root", tmp_path)
    assert "and 16 more pairs: use --html" in out


def test_the_command_rejects_invalid_arguments_before_it_reads_anything(sounds, tmp_path, musicml):
    for words, sentence in (
        ([], "Expected either a dataset or --folder DIR"),
        (["gtzan", "--folder", sounds], "Expected either a dataset or --folder DIR"),
        (["gtzan"], "`musicml fetch"),
        (["nothing"], "is not a known dataset"),
        (["--folder", sounds, "--html", tmp_path / "page.txt"], "ends in .html"),
        (["--folder", sounds, "--as-published"], "as_published"),
    ):
        code, out, err = musicml("audit", *words, "--data-root", tmp_path / "empty")
        assert code == 2 and out == "" and sentence in err and "Traceback" not in err
    assert not (tmp_path / "empty").exists()


def test_every_sentence_of_an_audit_has_an_indonesian_translation(sounds, tmp_path):
    write(sounds, {"b/twin.wav": (sounds / "a/0.wav").read_bytes(), ".hidden/x": b"", "a/text.wav": b"text"})
    found = audit.audit_dataset(loading.load_folder(sounds), tmp_path)
    words = [text for one in found.findings for text in (one.words, one.effect) if text]
    words += [pair.how for pair in found.pairs]
    assert [text for text in words if translate(text, "id") == text] == []


def write_duplicates(folder):
    """Two files with the same content and one with another."""
    write(folder, {"a/1.wav": song(1, seconds=2.0), "a/2.wav": song(1, seconds=2.0), "b/1.wav": song(2, seconds=2.0)})
    return folder


def test_duplicates_across_validation_and_test_are_reported(tmp_path):
    dataset = dataset_of(write_duplicates(tmp_path), [("a/1.wav", "a"), ("a/2.wav", "a"), ("b/1.wav", "b")], "sound")
    sides = {"a/1.wav": "val", "a/2.wav": "test", "b/1.wav": "train"}
    dataset = replace(dataset, examples=tuple(replace(one, split=sides[one.id]) for one in dataset.examples))
    (found,) = audit.audit_dataset(dataset, tmp_path / "store").list_findings("exact_duplicates")
    assert found.weight == "fault" and found.effect.startswith(
        "2 of 3 examples are duplicates across validation and test"
    )


def test_duplicates_with_labels_of_other_classes_do_not_contradict_each_other(tmp_path):
    dataset = dataset_of(write_duplicates(tmp_path), [("a/1.wav", "a"), ("a/2.wav", "b"), ("b/1.wav", "b")], "sound")
    judged = [{"a": True}, {"b": True}, {"a": False, "b": True}]
    examples = [replace(one, labels=labels) for one, labels in zip(dataset.examples, judged, strict=True)]
    several = replace(dataset, task="multi", class_names=("a", "b"), examples=tuple(examples))
    (found,) = audit.audit_dataset(several, tmp_path / "store").list_findings("exact_duplicates")
    assert not found.pairs[0].across_labels and found.weight == "caution"


def test_a_saved_audit_is_not_loaded_after_a_file_has_changed(tmp_path):
    dataset = dataset_of(write_duplicates(tmp_path), [("a/1.wav", "a"), ("a/2.wav", "a"), ("b/1.wav", "b")], "sound")
    audit.audit_and_save(dataset, tmp_path)
    assert audit.load_audit(tmp_path, dataset).list_findings("exact_duplicates")[0].pairs
    shutil.copy(tmp_path / "b/1.wav", tmp_path / "a/2.wav")
    assert audit.load_audit(tmp_path, dataset) is None
    audit.audit_and_save(dataset, tmp_path)
    assert len(list((tmp_path / ".audit").iterdir())) == 1  # the older one is gone


@pytest.mark.parametrize("stopped", ["scan", "duplicates"])
def test_an_interrupted_audit_ends_its_processes(stopped, tmp_path, monkeypatch):
    module, ended = {"scan": scan, "duplicates": duplicates}[stopped], []

    def map_until_closed(*_, **__):
        try:
            yield scan.FileScan({}) if stopped == "scan" else 0.0
        finally:
            ended.append(True)

    def stop(head, total, results, *_, **__):
        yield next(results)
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "map_in_processes", map_until_closed)
    monkeypatch.setattr(module, "make_progress_bar", stop)
    monkeypatch.setattr(image_hash, "unpack_fingerprint", lambda mark: mark)
    monkeypatch.setattr(image_hash, "find_candidates", lambda _: [image_hash.Candidate(0, 1, False, 9)] * 2)
    with pytest.raises(KeyboardInterrupt) as interrupt:  # which holds on to all that was alive
        if stopped == "scan":
            examples = {name: Example(name, tmp_path, {}, name) for name in "ab"}
            scan.scan_files(examples, "sound", tmp_path)
        else:
            list(duplicates.compare_pictures([b"", b""]))
    assert ended, interrupt
