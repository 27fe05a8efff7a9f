"""Submissions are graded with intervals and ties; copies, leaked keys, changed runs and damaged files are named."""

import csv
import io
import json
import shutil
import zipfile

import numpy as np
import pytest

from musicml import data
from musicml.course import assignments, grading, submissions
from musicml.course.assignments import compute_seal, make_course
from musicml.experiment.run import Run
from musicml.utils import translate
from musicml.utils.errors import InputError
from tests.conftest import write_tone
from tests.fixtures.fake_runs import make

CLASSES = ("high", "low", "middle")
HERTZ = {"low": 200, "middle": 800, "high": 2500}
N, N_TRAPS = 80, 16


def write_key(course, name="genres", task="single", class_names=CLASSES, files=None):
    """Write a key of invented files: file `k` has the class k modulo the number of classes, and four files a group."""
    traps = []
    if files is None:
        files = {}
        for k in range(N):
            present = {c: (k + place) % 3 > 0 for place, c in enumerate(class_names)}
            labels = {class_names[k % len(class_names)]: True} if task == "single" else present
            files[f"{name}_{k:04d}.wav"] = {"labels": labels, "group": f"g{k // 4}", "digest": str(k)}
        traps = [f"{name}_{k:04d}.wav" for k in range(N_TRAPS)]
    key = {"salt": "s", "class_names": list(class_names), "task": task, "files": files}
    (course / "key").mkdir(parents=True, exist_ok=True)
    (course / "key" / f"{name}.json").write_text(json.dumps(key))
    path = course / "course.json"
    seals = json.loads(path.read_text())["assignments"] if path.exists() else {}
    path.write_text(
        json.dumps(
            {"format_version": 1, "assignments": {**seals, name: {"seal": compute_seal(key, traps), "traps": traps}}}
        )
    )
    return submissions.read_keys(course)[name]


@pytest.fixture
def course(tmp_path):
    return tmp_path / "course"


@pytest.fixture
def handed_in(tmp_path):
    folder = tmp_path / "submissions"
    folder.mkdir()
    return folder


def predict(key, accuracy, seed):
    """Labels of an honest student, who is right on a share of the files and knows nothing of the traps."""
    rng, n = np.random.default_rng(seed), len(key.class_names)
    true = [(k + key.traps[k]) % n for k in range(len(key.files))]  # the key's label of a trap is wrong
    return [key.class_names[t if rng.random() < accuracy else (t + rng.integers(1, n)) % n] for t in true]


def hand_in(folder, student, key, labels, name="predictions.csv"):
    (folder / student).mkdir(parents=True, exist_ok=True)
    with open(folder / student / name, "w", newline="") as file:
        csv.writer(file).writerows([("file", "label"), *zip(key.files, labels, strict=True)])


def remarks_of(book):
    return {grade.submission.student: " ".join(grade.remarks) for grade in book.grades}


def test_thirty_submissions_are_graded_and_what_is_wrong_with_some_is_named(
    course, handed_in, asked_about_tones, tmp_path
):
    key = write_key(course, class_names=asked_about_tones.read("labels.json"))
    for number in range(24):
        hand_in(handed_in, f"student{number:02d}", key, predict(key, 0.3 + 0.02 * number, number))
    copied = predict(key, 0.6, 99)
    hand_in(handed_in, "original", key, copied)
    hand_in(handed_in, "copy", key, copied)
    hand_in(handed_in, "leak", key, [key.class_names[k % 3] for k in range(N)])
    hand_in(handed_in, "tie1", key, predict(key, 1.0, 7))
    hand_in(handed_in, "tie2", key, [c if k > 17 else key.class_names[0] for k, c in enumerate(predict(key, 1.0, 8))])
    (handed_in / "damaged").mkdir()
    (handed_in / "damaged/predictions.csv").write_bytes(b"\xff\xfe\x00\x01")
    altered = Run(shutil.copytree(asked_about_tones.path, handed_in / "altered" / "run"))
    report = altered.read("report.json")
    report["metrics"]["accuracy"] = 0.987654
    (altered.path / "report.json").write_text(json.dumps(report))
    hand_in(handed_in, "altered", key, predict(key, 0.5, 5))
    book = grading.grade_submissions(handed_in, course)
    remarks, ranks = remarks_of(book), {grade.submission.student: grade.rank for grade in book.grades}
    assert len(book.grades) == 31
    assert "predicts the same for all 80 files" in remarks["original"] and "as original: a copy" in remarks["copy"]
    assert "16 of 16 labels" in remarks["leak"] and "predictions.csv" in remarks["damaged"]
    assert "claims 0.987654 as accuracy" in remarks["altered"]
    assert not any(remarks[f"student{number:02d}"] for number in range(24)) and not remarks["tie1"] + remarks["tie2"]
    assert ranks["tie1"] == ranks["tie2"] == 1 and ranks["leak"] is None and ranks["damaged"] is None
    assert ranks["student00"] > 1
    tie1 = next(grade for grade in book.grades if grade.submission.student == "tie1")
    assert tie1.value == 1 and tie1.n == N - N_TRAPS and "tie2" in tie1.tied_with
    tables = grading.write_grades(book, tmp_path / "grades", "id")
    rows = list(csv.DictReader(io.StringIO(tables[0].read_text())))
    assert len(rows) == 31 and len(tables) == 34 and float(rows[0]["value"] or 0) >= 0
    moodle = {row["Full name"]: row for row in csv.DictReader(io.StringIO(tables[1].read_text()))}
    assert moodle["tie1"]["Grade"] == "100.0" and moodle["leak"]["Grade"] == ""
    assert "selang" in moodle["tie1"]["Feedback comments"]


def test_the_interval_is_of_groups_and_a_missing_prediction_is_wrong(course, handed_in):
    key = write_key(course)
    labels = predict(key, 1.0, 0)
    hand_in(handed_in, "all", key, labels)
    with open(handed_in / "half.csv", "w", newline="") as file:
        csv.writer(file).writerows([("file", "label"), *list(zip(key.files, labels, strict=True))[::2]])
    book = grading.grade_submissions(handed_in, course)
    grades = {grade.submission.student: grade for grade in book.grades}
    assert grades["all"].value == 1 and grades["half"].value == 0.5 and grades["half"].submission.n_missing == 40
    assert "40 test files have no prediction" in remarks_of(book)["half"]
    low, high = grades["half"].interval
    assert low < 0.5 < high


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "predictions.csv has no rows"),
        ("file,label\n", "predictions.csv has no rows"),
        ("name,label\na,b\n", "Expected the columns file in predictions.csv, got name,label"),
        ("file,label,note\ngenres_0020.wav,low,\udce9\n", "Save it as CSV UTF-8"),
        ("file,label\nelsewhere.wav,low\n", "names no test file"),
        ("file,score:low\ngenres_0020.wav,1\n", "lacks the columns score:high, score:middle"),
        (
            "file,guess\ngenres_0020.wav,low\n",
            "needs a column `label`, or a column `score:CLASS` per class; it has file, g",
        ),
        ("file,label\ngenres_0020.wav,polka\n", "label that is no class: polka"),
        ("file,score:low,score:middle,score:high\ngenres_0020.wav,2,0,nan\n", "no numbers from 0 to 1"),
        ("file,label\ngenres_0020.wav,low\ngenres_0020.wav,high\n", "files twice"),
    ],
)
def test_a_malformed_table_is_named_and_ends_nothing(content, words, course, handed_in):
    key = write_key(course)
    (handed_in / "wrong").mkdir()
    (handed_in / "wrong/predictions.csv").write_text(content, errors="surrogateescape")
    hand_in(handed_in, "good", key, predict(key, 0.9, 0))
    remarks = remarks_of(grading.grade_submissions(handed_in, course))
    assert any(word in remarks["wrong"] for word in words.split("|")), remarks["wrong"]
    assert remarks["good"] == ""


def test_case_and_quotes_in_a_table_and_the_accents_of_a_mac_are_no_faults(course, handed_in):
    key = write_key(course)
    rows = [(" File", "Label "), *((f, label.title()) for f, label in zip(key.files, predict(key, 1, 0), strict=True))]
    (handed_in / "Jose\u0301").mkdir()
    with open(handed_in / "Jose\u0301/predictions.csv", "w", newline="") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows(rows)
    (grade,) = grading.grade_submissions(handed_in, course).grades
    assert (grade.submission.student, grade.value, grade.remarks) == ("Jos\u00e9", 1, [])


def test_what_was_handed_in_instead_of_predictions_is_named(course, handed_in):
    write_key(course)
    (handed_in / "a").mkdir()
    (handed_in / "a/predictions.xlsx").touch()
    (handed_in / "b.zip").write_bytes(b"Rar!")
    remarks = remarks_of(grading.grade_submissions(handed_in, course))
    assert remarks["a"].endswith("no run folder, but predictions.xlsx")
    assert remarks["b"] == "b.zip is damaged, or no zip file"


def test_earlier_grades_and_what_a_teacher_wrote_into_them_are_kept(course, handed_in, tmp_path):
    key = write_key(course)
    hand_in(handed_in, "a", key, predict(key, 0.9, 0))
    book = grading.grade_submissions(handed_in, course)
    (tmp_path / "out/feedback").mkdir(parents=True)
    (tmp_path / "out/feedback/own.md").write_text("mine")
    for number in (1, 2):
        grading.write_grades(book, tmp_path / "out")
        earlier = sorted(path.name for path in (tmp_path / f"out/earlier-{number}").iterdir())
        assert earlier == [["feedback"], ["feedback", "grades.csv", "moodle-genres.csv"]][number - 1]
        assert [path.name for path in (tmp_path / "out/feedback").iterdir()] == ["a-genres.md"]
    assert (tmp_path / "out/earlier-1/feedback/own.md").read_text() == "mine"


def test_an_interrupted_class_folder_leaves_nothing(tmp_path, monkeypatch):
    def stop(folder, name, seed):
        (folder / "key").mkdir(parents=True)
        raise KeyboardInterrupt

    monkeypatch.setattr(assignments, "_make_assignment", stop)
    (tmp_path / "empty").mkdir()
    for name in ("new", "empty"):
        with pytest.raises(KeyboardInterrupt):
            assignments.make_course(tmp_path / name, ["genres"])
    assert [path.name for path in tmp_path.iterdir()] == ["empty"] and not list((tmp_path / "empty").iterdir())


def test_names_of_files_are_matched_however_students_write_them(course, handed_in):
    key = write_key(
        course,
        files={f"jazz/f_{k:02d}.wav": {"labels": {"low": True}, "group": str(k), "digest": ""} for k in range(4)},
    )
    (handed_in / "a.csv").write_text(
        "file;label\nC:\\work\\test\\jazz\\f_00.wav;low\n/home/x/test/jazz/f_01.wav;low\nf_02.wav;low\n"
        "test/jazz/f_03.wav; low \n"
    )
    (grade,) = grading.grade_submissions(handed_in, course).grades
    assert grade.value == 1 and grade.submission.n_missing == 0 and key.assignment == "genres"


def test_scores_with_a_decimal_comma_and_many_labels_are_read(course, handed_in):
    key = write_key(course, "many_labels", "multi")
    rows = ["file;" + ";".join(f"score:{c}" for c in key.class_names)]
    for name, targets in zip(key.files, key.targets, strict=True):
        rows.append(f"{name};" + ";".join("0,9" if target == 1 else "0,1" for target in targets))
    (handed_in / "a.csv").write_text("\n".join(rows))
    (grade,) = grading.grade_submissions(handed_in, course).grades
    assert grade.metric == "mean_average_precision" and grade.value == 1
    assert "wrong on purpose" in " ".join(grade.remarks)  # these are the key's own labels


def test_a_run_is_applied_to_the_test_files_and_training_on_them_is_found(course, handed_in, asked_about_tones, tones):
    from musicml.utils import compute_digest

    files = {}
    for name, hertz in HERTZ.items():
        for number in range(3):
            file = f"tones_{name}_{number}.wav"
            write_tone(course / "students/genres/test" / file, hertz * 1.01, seed=50 + number)
            files[file] = {"labels": {name: True}, "group": file, "digest": str(number)}
    known = {
        name
        for name, side in ((row["example"], row["side"]) for row in asked_about_tones.table("digests.csv"))
        if side == "train"
    }
    for number, name in enumerate(sorted(known)[:2]):
        path = course / "students/genres/test" / f"seen_{number}.wav"
        shutil.copyfile(tones / name, path)
        files[path.name] = {
            "labels": {name.split("/")[0]: True},
            "group": name,
            "digest": compute_digest(path),
        }
    write_key(course, files=files)
    shutil.copytree(asked_about_tones.path, handed_in / "someone" / "my run")
    (grade,) = grading.grade_submissions(handed_in, course).grades
    assert grade.value > 0.7 and grade.n == 11 and grade.submission.n_missing == 0
    assert [str(remark) for remark in grade.submission.remarks] == ["the run was trained on 2 of the test files"]


def test_zip_files_and_moodles_folders_are_read_and_bombs_are_not(course, handed_in, monkeypatch):
    key = write_key(course)
    hand_in(handed_in, "work", key, predict(key, 0.8, 0))
    text = (handed_in / "work/predictions.csv").read_text()
    shutil.rmtree(handed_in / "work")
    (handed_in / "Siti Aminah_4711_assignsubmission_file_").mkdir()
    with zipfile.ZipFile(handed_in / "Siti Aminah_4711_assignsubmission_file_/work.zip", "w") as archive:
        archive.writestr("../../outside/predictions.csv", text)
    with zipfile.ZipFile(handed_in / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("predictions.csv", "x" * 10_000)
    (handed_in / "broken.zip").write_bytes(b"PK\x03\x04")
    (handed_in / "nothing").mkdir()
    monkeypatch.setattr(submissions, "MAX_BYTES", 8_000)
    book = grading.grade_submissions(handed_in, course)
    remarks, siti = remarks_of(book), next(grade for grade in book.grades if grade.submission.moodle_id)
    assert siti.submission.student == "Siti Aminah" and siti.value is not None and remarks["Siti Aminah"] == ""
    assert "at most" in remarks["bomb"] and "broken.zip is damaged, or no zip file" in remarks["broken"]
    assert "no predictions.csv" in remarks["nothing"] and not (handed_in.parent / "outside").exists()


def test_a_key_that_was_changed_and_other_folders_are_refused(course, handed_in, tmp_path):
    write_key(course)
    with pytest.raises(InputError, match="it is empty"):
        grading.grade_submissions(handed_in, course)
    with pytest.raises(InputError, match="musicml course new"):
        grading.grade_submissions(handed_in, tmp_path / "none")
    path = course / "key/genres.json"
    key = json.loads(path.read_text())
    key["files"]["genres_0000.wav"]["labels"] = {"high": True, "low": True}
    path.write_text(json.dumps(key))
    with pytest.raises(InputError, match="was changed after"):
        submissions.read_keys(course)
    path.unlink()
    with pytest.raises(InputError, match="is missing"):
        submissions.read_keys(course)
    (course / "course.json").write_text("[]")
    with pytest.raises(InputError, match="Expected a table"):
        submissions.read_keys(course)


def test_honest_work_that_is_equal_is_no_copy(course, handed_in):
    key = write_key(course)
    for student in ("perfect1", "perfect2"):
        hand_in(handed_in, student, key, predict(key, 1.0, 0))
    for student in ("baseline1", "baseline2"):  # always the same class
        hand_in(handed_in, student, key, [key.class_names[0]] * N)
    assert not any(remarks_of(grading.grade_submissions(handed_in, course)).values())


def hand_in_scores(folder, student, key, scores):
    with open(folder / f"{student}.csv", "w", newline="") as file:
        rows = [[name, *row] for name, row in zip(key.files, scores, strict=True)]
        csv.writer(file).writerows([("file", *(f"score:{c}" for c in key.class_names)), *rows])


@pytest.mark.parametrize("task", ["single", "multi"])
def test_copied_probabilities_are_found_though_some_rows_were_changed(task, course, handed_in):
    key, rng = write_key(course, task=task), np.random.default_rng(0)
    scores = rng.dirichlet(np.ones(3), N)
    other = scores.copy()
    other[:3] = rng.dirichlet(np.ones(3), 3)
    for student, own in {"a": scores, "b": other, "c": rng.dirichlet(np.ones(3), N)}.items():
        hand_in_scores(handed_in, student, key, own)
    remarks = remarks_of(grading.grade_submissions(handed_in, course))
    assert "same probabilities for 77 files as b" in remarks["a"] and "as a" in remarks["b"] and remarks["c"] == ""


def test_swapped_classes_and_constants_are_no_sign_of_a_leaked_key(course, handed_in):
    key = write_key(course, task="multi")
    true = np.where(key.traps[:, None], 1 - key.targets, key.targets)  # as the files are
    hand_in_scores(handed_in, "inverted", key, 0.9 - 0.8 * true)
    for student in ("half1", "half2"):
        hand_in_scores(handed_in, student, key, np.full((N, 3), 0.5))
    assert not any(remarks_of(grading.grade_submissions(handed_in, course)).values())


def test_of_many_equally_good_students_hardly_any_is_ranked_below_the_best(course, handed_in):
    key, n_split = write_key(course), 0
    for trial in range(20):
        for number in range(12):
            hand_in(handed_in, f"student{number}", key, predict(key, 0.6, 100 * trial + number))
        ranks = {grade.rank for grade in grading.grade_submissions(handed_in, course).grades}
        n_split += ranks != {1}
    assert n_split <= 3  # with the best student fixed in advance, the correction for its pairs gives twice as many


def test_two_students_of_one_name_and_formulas_in_names_are_kept_apart(course, handed_in, tmp_path):
    key = write_key(course)
    names = ("Ana_13_assignsubmission_file_", "ana_14_assignsubmission_file_", "A.B", "A_B", "=HYPERLINK(1)")
    for number, name in enumerate(names):
        hand_in(handed_in, name, key, predict(key, 0.7, number))
    hand_in(handed_in, "Ana_13_assignsubmission_onlinetext_", key, predict(key, 0.7, 9))
    (handed_in / "__MACOSX").mkdir()
    (handed_in / "Thumbs.db").write_bytes(b"")
    book = grading.grade_submissions(handed_in, course)
    files = grading.write_grades(book, tmp_path / "grades")
    assert len(book.grades) == 5 and len({path.name.casefold() for path in files}) == len(files) == 7
    rows = list(csv.DictReader(io.StringIO(files[0].read_text())))
    assert {"Ana", "ana", "'=HYPERLINK(1)"} <= {row["student"] for row in rows}
    assert {grade.submission.moodle_id for grade in book.grades} == {"", "13", "14"}


def test_the_table_of_predictions_is_read_and_not_the_sample_or_the_rows_of_clips(course, handed_in):
    key = write_key(course)
    labels = predict(key, 1.0, 0)
    hand_in(handed_in, "siti/genres", key, [key.class_names[0]] * N, "sample_submission.csv")
    (handed_in / "siti/genres/groups.csv").write_text("file,group\na.wav,1\n")
    clips = [f"{name},{start},{label}" for name, label in zip(key.files, labels, strict=True) for start in ("", "0.0")]
    (handed_in / "siti/out").mkdir()
    text = "\n".join(["file,start,label", *clips])
    (handed_in / "siti/out/Predictions.CSV").write_text(text)
    (handed_in / "siti/broken.zip").write_bytes(b"PK\x03\x04")
    (grade,) = grading.grade_submissions(handed_in, course).grades
    assert grade.value == 1 and "broken.zip is damaged" in " ".join(grade.remarks) and len(grade.remarks) == 1


def test_a_run_without_digests_or_of_folds_is_no_changed_run(course, handed_in, asked_about_tones):
    write_key(course, files={"x.wav": {"labels": {"low": True}, "group": "x", "digest": ""}})
    write_tone(course / "students/genres/test/x.wav", 200)
    run = handed_in / "someone/run"
    shutil.copytree(asked_about_tones.path, run)
    shutil.copytree(asked_about_tones.path, run / "folds/1")
    (run / "digests.csv").unlink()
    (grade,) = grading.grade_submissions(handed_in, course).grades
    assert len(grade.remarks) == 1 and "has no digests.csv" in grade.remarks[0] and grade.value == 1


@pytest.fixture(scope="module")
def small_course(get_sample, tmp_path_factory):
    """A class folder made of little data."""
    folder, seeds = tmp_path_factory.mktemp("class") / "course", []

    def generate(root, seed, only, scale):
        seeds.append(seed)
        get_sample(*only, root)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(data, "generate_sample_data", generate, raising=False)
        patched.setattr(assignments, "N_FAULTY", 2)
        make_course(folder, seed=3)
    assert len(set(seeds)) == len(assignments.ASSIGNMENTS), "each has data of its own"
    return folder


@pytest.mark.parametrize("name", assignments.ASSIGNMENTS)
def test_a_package_has_all_test_files_and_nothing_of_the_key(name, small_course):
    package, key = small_course / "students" / name, submissions.read_keys(small_course)[name]
    assert {path.relative_to(package / "test").as_posix() for path in (package / "test").rglob("*.*")} == set(key.files)
    facts = json.loads((package / "assignment.json").read_text())
    assert facts["files"] == list(key.files) and facts["class_names"] == list(key.class_names)
    content = json.loads((small_course / "key" / f"{name}.json").read_text())
    traps = json.loads((small_course / "course.json").read_text())["assignments"][name]["traps"]
    assert "trap" not in json.dumps(content) and (traps or name == "pictures")
    assert facts["seal"] == compute_seal(content, traps) and str(content["salt"]) not in json.dumps(facts)
    assert not any(str(content["seed"]) == str(value) for value in facts.values())
    assert not [path for path in package.rglob("*") if path.name in ("SOURCE.json", "split.csv")]
    order = key.targets.argmax(axis=1)
    assert (small_course / "key").stat().st_mode & 0o777 == 0o700
    assert {"/key/", "/course.json"} <= set((small_course / ".gitignore").read_text().split())
    assert name == "many_labels" or (np.diff(order) != 0).sum() > len(set(order)), "the order must not tell the class"
    for language, word in (("", "synthetic"), (".id", "sintetis")):
        assert word in (package / f"README{language}.md").read_text()


def test_the_faults_that_are_planted_are_there(small_course):
    from musicml.data.io import load_audio
    from musicml.utils import compute_digest

    key = json.loads((small_course / "key/faults.json").read_text())
    traps = set(json.loads((small_course / "course.json").read_text())["assignments"]["faults"]["traps"])
    package, digests = small_course / "students/faults/test", {}
    for name, file in key["files"].items():
        digests.setdefault(compute_digest(package / name), []).append(name)
        y = load_audio(package / name).y
        if name not in traps:
            assert ("silent" in file["labels"]) == (np.abs(y).max() == 0)
            assert ("clipped" in file["labels"]) == ((np.abs(y) > 0.98).mean() > 0.01)
    twice = {
        name
        for names in digests.values()
        if len(names) > 1
        for name in names
        if "silent" not in key["files"][name]["labels"]
    }
    assert twice - traps == {
        name for name, file in key["files"].items() if "duplicate" in file["labels"] and name not in traps
    }


def test_a_sample_submission_is_graded_at_chance(small_course, handed_in):
    for name in ("genres", "many_labels", "faults"):
        shutil.copyfile(small_course / "students" / name / "sample_submission.csv", handed_in / f"{name}.csv")
    book = grading.grade_submissions(handed_in, small_course)
    assert {grade.submission.assignment for grade in book.grades} == {"genres", "many_labels", "faults"}
    assert all(grade.value is not None and not grade.remarks for grade in book.grades)


@pytest.mark.parametrize("words", [["new", "FOLDER", "--assignment", "nothing"], ["new", "FULL"], ["grade", "FOLDER"]])
def test_the_command_says_what_is_wrong_in_a_sentence(words, musicml, tmp_path, small_course):
    places = {"FOLDER": tmp_path / "x", "FULL": small_course}
    code, out, err = musicml("course", *(places.get(word, word) for word in words))
    assert (code, out, len(err.splitlines())) == (2, "", 1)


def test_the_command_grades_prints_and_writes(course, handed_in, musicml):
    key = write_key(course)
    hand_in(handed_in, "a", key, predict(key, 0.9, 0))
    code, out, err = musicml("course", "grade", handed_in, "--course", course, "--language", "id")
    assert (code, err) == (0, "") and "a " in out and (course / "grades/moodle-genres.csv").is_file()
    # no English and no decimal point in an Indonesian table
    assert out.split()[:2] == ["mahasiswa", "tugas"] and " sampai 0," in out and "0." not in out
    (handed_in / "b").mkdir()
    (handed_in / "b/predictions.csv").write_text(f"file,score:high,score:low,score:middle\n{key.files[-1]},2,0,0\n")
    code, out, _ = musicml("course", "grade", handed_in, "--course", course, "--language", "id")
    assert "1 baris di predictions.csv memiliki skor" in out and "rows of" not in out
    (handed_in / "b/predictions.csv").unlink()
    code, out, _ = musicml("course", "grade", handed_in, "--course", course, "--json")
    assert code == 1 and [row["student"] for row in json.loads(out)["grades"]] == ["a", "b"]
    feedback = translate(grading.describe_grade(grading.grade_submissions(handed_in, course).grades[0]), "en")
    assert "Your accuracy is 0." in feedback


def test_an_altered_metric_of_many_labels_is_found(tmp_path):
    run = make(tmp_path, "a", family="multi", n=40, draws=2, epochs=2)
    assert not any("was changed" in text for text in submissions.find_changes(run))
    report = run.read("report.json")
    report["metrics"][report["main_metric"]] += 0.05
    (run.path / "report.json").write_text(json.dumps(report))
    assert any("mean_average_precision" in text for text in submissions.find_changes(run))


def test_a_zip_file_with_damaged_content_is_named_and_the_table_beside_it_counts(course, handed_in):
    key = write_key(course)
    hand_in(handed_in, "siti", key, predict(key, 1.0, 0))
    with zipfile.ZipFile(handed_in / "siti/report.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("report.txt", "words " * 500)
    content = bytearray((handed_in / "siti/report.zip").read_bytes())
    content[45:60] = b"\xff" * 15  # inside the compressed stream
    (handed_in / "siti/report.zip").write_bytes(content)
    (grade,) = grading.grade_submissions(handed_in, course).grades
    assert grade.value == 1 and "report.zip can't be unpacked" in grade.remarks[0]
