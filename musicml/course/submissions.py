"""Read what students hand in: predictions.csv, or a run folder whose model is applied to the test files."""

from __future__ import annotations

import math
import re
import shutil
import stat
import unicodedata
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from musicml.course.assignments import COURSE_FILE, KEYS, STUDENTS, compute_seal
from musicml.experiment import Run, read_digests
from musicml.utils import (
    InputError,
    Message,
    describe_os_error,
    get_message,
    make_printable,
    pluralize,
    read_csv,
    read_json,
    replace_in_message,
)

PREDICTIONS, RUN_FILE = "predictions.csv", "run.json"
MAX_FILES, MAX_BYTES = 2_000, 500_000_000  # in a zip file of a student, unpacked
MAX_TABLE_BYTES = 5_000_000
MAX_NAMED = 5  # files or classes in a message
MAX_ROUNDING = 1e-4  # between a metric in a report and the same metric of its predictions
MAX_DIFFERENT = 0.02  # share of files for which a run may predict another class on the teacher's machine
MOODLE_NAME = re.compile(r"(?P<name>.+)_(?P<id>\d+)_assignsubmission_(?P<kind>[a-z]+)(?:_.*)?")
JUNK = ("__macosx", "thumbs.db", "desktop.ini")  # what systems leave in folders
GIVEN = ("sample_submission.csv", "groups.csv", "labels.csv")  # tables of a package, which are no predictions


@dataclass(frozen=True)
class Key:
    """The key of an assignment.

    Attributes
    ----------
    files : names of the test files, in the order of the rows below
    targets : np.ndarray [shape=(n_files, n_classes)], 1, 0, or NaN for a cell without a label
    traps : np.ndarray [shape=(n_files,)], bool: files with a wrong label, which do not count
    package : the folder that students got
    """

    assignment: str
    task: str
    class_names: tuple[str, ...]
    files: tuple[str, ...]
    targets: np.ndarray
    groups: np.ndarray
    digests: tuple[str, ...]
    traps: np.ndarray
    package: Path


@dataclass
class Submission:
    """What one student handed in for one assignment.

    Attributes
    ----------
    student, moodle_id : the name of the folder or file; the number that Moodle gives it, if there is one
    place : position of the folder or file among all of them, since two students may have one name
    scores : np.ndarray [shape=(n_files, n_classes)], in the order of the key; None if they could not be read
    n_missing : files without a prediction, which count as wrong
    problems : why it cannot be graded, or what was left out, in sentences
    remarks : what a teacher should look at, in sentences
    fingerprints : of the runs that were handed in
    """

    student: str
    assignment: str
    moodle_id: str = ""
    place: int = 0
    scores: np.ndarray | None = None
    n_missing: int = 0
    problems: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    fingerprints: set[str] = field(default_factory=set)


def read_keys(course: Path) -> dict[str, Key]:
    """Read the keys of a class folder, and check their seals.

    Raises
    ------
    InputError
        If it is not a class folder, or a key is damaged or was changed after the packages were made.
    """
    if not (course / COURSE_FILE).is_file():
        raise InputError(
            "Expected a class folder with {file}, got {folder}. Name yours with --course, or make one with `musicml "
            "course new`.",
            file=COURSE_FILE,
            folder=course,
        )
    facts = read_json(course / COURSE_FILE)
    known = facts.get("assignments") if isinstance(facts, dict) else None
    if not isinstance(known, dict):
        raise InputError(
            "Expected a table of assignments in {path}. Restore it from a backup.", path=course / COURSE_FILE
        )
    return {name: _read_key(course, name, own) for name, own in known.items()}


def _read_key(course: Path, name: str, known: Mapping[str, Any]) -> Key:
    """Read one key."""
    path = course / KEYS / f"{name}.json"
    if not path.is_file():
        raise InputError("Expected the key {path}, but it is missing. Restore it from a backup.", path=path)
    content = read_json(path)
    try:
        traps = set(known["traps"])
        is_sealed = compute_seal(content, known["traps"]) == known["seal"]
    except (KeyError, TypeError):
        is_sealed = False
    if not is_sealed:
        raise InputError(
            "Expected the key that belongs to the packages, but {path} was changed after they were made. Restore it "
            "from a backup.",
            path=path,
        )
    class_names, files = tuple(content["class_names"]), content["files"]
    names = tuple(sorted(files))
    default = np.nan if content["task"] == "multi" else 0.0  # one label means that all other classes are absent
    targets = np.array([[float(files[name]["labels"].get(c, default)) for c in class_names] for name in names])
    return Key(
        name,
        content["task"],
        class_names,
        names,
        targets,
        np.array([files[name]["group"] for name in names], dtype=object),
        tuple(files[name]["digest"] for name in names),
        np.array([name in traps for name in names]),
        course / STUDENTS / name,
    )


def read_submissions(folder: Path, keys: Mapping[str, Key], work: Path) -> list[Submission]:
    """Read all submissions in a folder: one folder, zip file or CSV file per student, as Moodle saves them too.

    Parameters
    ----------
    work : an empty folder, to unpack zip files in

    Returns
    -------
    submissions : one per student and assignment, by name; those that can't be read have `problems`

    Raises
    ------
    InputError
        If the folder does not exist or is empty.
    """
    if not folder.is_dir():
        raise InputError("Expected a folder of submissions, got {folder}. Check the path.", folder=folder)
    entries = sorted(path for path in folder.iterdir() if not _is_junk(path))
    if not entries:
        raise InputError("Expected submissions in {folder}, but it is empty.", folder=folder)
    found: list[Submission] = []
    for place, entry in enumerate(entries):
        name, moodle_id = (entry.name if entry.is_dir() else entry.stem), ""
        if matched := MOODLE_NAME.fullmatch(name):
            if matched["kind"] != "file":
                continue  # a text that the student typed into Moodle
            name, moodle_id = matched["name"], matched["id"]
        own = work / str(place)
        name = unicodedata.normalize("NFC", name)  # a Mac writes an accent as a character of its own
        for submission in _read_entry(entry, make_printable(name), keys, own):
            submission.moodle_id, submission.place = moodle_id, place
            # a path on the teacher's disk says nothing to a student
            submission.problems = [replace_in_message(text, str(own), "") for text in submission.problems]
            submission.remarks = [replace_in_message(text, str(own), "") for text in submission.remarks]
            found.append(submission)
        shutil.rmtree(own, ignore_errors=True)
    return found


def _is_junk(path: Path) -> bool:
    """Return whether a system or program made a file for itself."""
    return path.name.startswith(".") or path.name.lower() in JUNK


def _read_entry(entry: Path, student: str, keys: Mapping[str, Key], work: Path) -> list[Submission]:
    """Read what one student handed in."""
    problems: list[str] = []
    paths = sorted(entry.rglob("*")) if entry.is_dir() else [entry]
    archives = [path for path in paths if path.suffix.lower() == ".zip" and _is_file(path)]
    for number, archive in enumerate(archives):
        try:
            paths += sorted(_unpack(archive, work / str(number)).rglob("*"))
        except InputError as error:
            problems.append(get_message(error))
    paths = [path for path in paths if _is_file(path) and not any(part.lower() in JUNK for part in path.parts)]
    folders = {path.parent for path in paths if path.name == RUN_FILE}
    # the runs of folds lie in the run that they belong to
    runs = sorted(folder for folder in folders if not any(parent in folders for parent in folder.parents))
    tables = [path for path in paths if path.suffix.lower() == ".csv" and not any(run in path.parents for run in runs)]
    named = [path for path in tables if path.name.lower() == PREDICTIONS]
    found: dict[str, Submission] = {}
    for path in named or [path for path in tables if path.name.lower() not in GIVEN]:
        _read_table(path, student, keys, found, problems)
    _read_runs([Run(folder) for folder in runs], student, keys, found, problems)
    if not found:
        reason = problems or [Message("there is no predictions.csv and no run folder")]
        if not problems and paths:
            names = _list([path.name for path in paths])
            reason = [Message("there is no predictions.csv and no run folder, but {names}", names=names)]
        return [Submission(student, "", problems=reason)]
    for submission in found.values():
        submission.problems += problems
    return list(found.values())


def _unpack(archive: Path, work: Path) -> Path:
    """Unpack a zip file into a folder; return the folder."""
    work.mkdir(parents=True, exist_ok=True)
    try:
        with zipfile.ZipFile(archive) as opened:
            members = [member for member in opened.infolist() if not member.is_dir()]
            if len(members) > MAX_FILES or sum(member.file_size for member in members) > MAX_BYTES:
                raise InputError("Expected at most {n} files and 500 MB in {name}.", n=MAX_FILES, name=archive.name)
            for member in members:
                if not stat.S_ISLNK(member.external_attr >> 16):
                    opened.extract(member, work)  # drops drives, leading slashes and `..` from names
    except InputError:
        raise
    except zipfile.BadZipFile as error:
        raise InputError("{name} is damaged, or no zip file", name=archive.name) from error
    except Exception as error:  # a damaged archive makes zipfile and zlib raise many kinds of errors
        raise InputError("{name} can't be unpacked: {error}", name=archive.name, error=error) from error
    return work


def _is_file(path: Path) -> bool:
    """Return whether a path is a regular file, and no link, pipe or folder."""
    return not path.is_symlink() and path.is_file()


def _read_table(
    path: Path, student: str, keys: Mapping[str, Key], found: dict[str, Submission], problems: list[str]
) -> None:
    """Read a table of predictions into the submission of its assignment, or say why it can't be read."""
    try:
        rows, column = _read_rows(path)
    except InputError as error:
        problems.append(replace_in_message(get_message(error), str(path), path.name))
        return
    except OSError as error:
        problems.append(Message("{file} can't be read: {error}", file=path.name, error=describe_os_error(error)))
        return
    names = [_clean_name(row[column]) for row in rows]
    counts = {name: len(_match(names, key)) for name, key in keys.items()}
    best = max(counts, key=lambda name: counts[name], default=None)
    if best is None or not counts[best]:
        problems.append(Message("{file} names no test file of an assignment", file=path.name))
    elif best in found:
        problems.append(Message("{file} is a second table for {assignment}", file=path.name, assignment=best))
    else:
        found[best] = Submission(student, best)
        _fill_scores(found[best], keys[best], rows, names, path.name)


def _read_rows(path: Path) -> tuple[list[dict[str, str]], str]:
    """Read the rows of a table with the names of files, and the column of these names."""
    if path.stat().st_size > MAX_TABLE_BYTES:
        raise InputError("{file} is larger than {n} MB", file=path.name, n=MAX_TABLE_BYTES // 1_000_000)
    problem = InputError("{file} has no rows", file=path.name)
    # of students, of `musicml predict`, and of a run's own table; `read_csv` ignores case in the names it is given
    for columns in (("file", "label"), ("file",), ("example",)):
        try:
            rows = read_csv(path, *columns)
        except InputError as error:
            problem = error if columns == ("file",) and path.stat().st_size else problem
            continue
        if not rows:
            raise InputError("{file} has no rows", file=path.name)
        # the rows of single clips, as of `musicml predict --over-time`, repeat their file
        return [row for row in rows if not (row.get("start") or "").strip()] or rows, columns[0]
    raise problem


def _clean_name(name: str | None) -> str:
    """Return a file's name without the folders of the student's disk: `C:\\work\\test\\a\\1.wav` → `a/1.wav`."""
    parts = (name or "").strip().replace("\\", "/").split("/")
    if "test" in parts:
        parts = parts[len(parts) - parts[::-1].index("test") :]
    return "/".join(parts)


def _match(names: Sequence[str], key: Key) -> dict[str, int]:
    """Match names of a table to test files: file → its first row. Names without folders match too."""
    known, short = set(key.files), {file.rpartition("/")[2]: file for file in key.files}
    matched: dict[str, int] = {}
    for row, name in enumerate(names):
        file = name if name in known else short.get(name.rpartition("/")[2])
        if file is not None:
            matched.setdefault(file, row)
    return matched


def _fill_scores(
    submission: Submission, key: Key, rows: Sequence[Mapping[str, str]], names: Sequence[str], file: str
) -> None:
    """Parse the predictions of a table into scores, and note what is wrong with it."""
    matched = _match(names, key)
    columns = [f"score:{name}" for name in key.class_names]
    present = [name in rows[0] for name in columns]
    if any(present) and not all(present):
        missing = [name for name, there in zip(columns, present, strict=True) if not there]
        submission.problems.append(Message("{file} lacks the columns {names}", file=file, names=_list(missing)))
        return
    if not any(present) and ("label" not in rows[0] or key.task == "multi"):
        names = _list([name for name in rows[0] if name])
        one = Message("{file} needs a column `score:CLASS` per class; it has {names}", file=file, names=names)
        two = Message(
            "{file} needs a column `label`, or a column `score:CLASS` per class; it has {names}", file=file, names=names
        )
        submission.problems.append(one if key.task == "multi" else two)
        return
    places = {name.casefold(): place for place, name in enumerate(key.class_names)}
    scores = np.zeros((len(key.files), len(key.class_names)))
    invalid, unknown = [], []
    for place, name in enumerate(key.files):
        if name not in matched:
            continue
        row = rows[matched[name]]
        if all(present):
            values = [_parse_score(row[column]) for column in columns]
            if any(value is None for value in values):
                invalid.append(name)
                continue
            scores[place] = values
        elif (label := (row["label"] or "").strip()).casefold() in places:
            scores[place, places[label.casefold()]] = 1.0
        else:
            unknown.append(label)
    if len(names) > len(set(names)):
        submission.problems.append(Message("{file} has files twice; the first row counts", file=file))

    def note(text: Message) -> None:
        """Note a problem."""
        submission.problems.append(text)

    if invalid:
        note(
            pluralize(
                "{n} row of {file} has scores that are no numbers from 0 to 1: {names}",
                "{n} rows of {file} have scores that are no numbers from 0 to 1: {names}",
                n=len(invalid),
                file=file,
                names=_list(invalid),
            )
        )
    if unknown:
        note(
            pluralize(
                "{n} row of {file} has a label that is no class: {names}",
                "{n} rows of {file} have labels that are no class: {names}",
                n=len(unknown),
                file=file,
                names=_list(sorted(set(unknown))),
            )
        )
    missing = [name for name in key.files if name not in matched]
    submission.n_missing = len(missing)
    if missing:
        note(
            pluralize(
                "{n} test file has no prediction and counts as 0: {names}",
                "{n} test files have no prediction and count as 0: {names}",
                n=len(missing),
                names=_list(missing),
            )
        )
    submission.scores = scores


def _parse_score(text: str | None) -> float | None:
    """Parse a probability; None if it is not one. Spreadsheets may write a decimal comma."""
    try:
        value = float((text or "").strip().replace(",", "."))
    except ValueError:
        return None
    return value if math.isfinite(value) and 0 <= value <= 1 else None


def _list(names: Sequence[str]) -> str:
    """List the first few names."""
    shown = ", ".join(make_printable(name) for name in names[:MAX_NAMED])
    return f"{shown}, …" if len(names) > MAX_NAMED else shown


def _read_runs(
    runs: Sequence[Run], student: str, keys: Mapping[str, Key], found: dict[str, Submission], problems: list[str]
) -> None:
    """Apply the models of runs to the test files, and compare what each run says with its own files."""
    from musicml.evaluation import read_class_names

    with_table = set(found)
    graded: dict[str, str] = {}
    different: dict[str, list[int]] = {}
    for run in runs:
        name = make_printable(run.name)
        try:
            class_names = set(read_class_names(run))
            assignment = next(name for name, key in keys.items() if set(key.class_names) == class_names)
        except (InputError, StopIteration):
            problems.append(Message("run {run} does not predict the classes of an assignment", run=name))
            continue
        key, submission = keys[assignment], found.setdefault(assignment, Submission(student, assignment))
        submission.remarks += find_changes(run) + _find_test_files(run, key)
        try:
            submission.fingerprints.add(str(run.read("serving.json")["fingerprint"]))
            scores = _predict(run, key)
        except (InputError, KeyError, TypeError) as error:
            submission.problems.append(Message("run {run} can't predict: {error}", run=name, error=error))
            continue
        if assignment in with_table:
            if submission.scores is not None and key.task == "single":
                answered = submission.scores.max(axis=1) > 0
                is_other = scores.argmax(axis=1) != submission.scores.argmax(axis=1)
                n = int(is_other[answered].sum())
                different.setdefault(assignment, []).append(n if n > MAX_DIFFERENT * answered.sum() else 0)
        elif assignment in graded:
            text = Message("there are several runs; {run} was graded", run=graded[assignment])
            submission.problems = [*(one for one in submission.problems if one != text), text]
        else:
            submission.scores, graded[assignment] = scores, name
    for assignment, counts in different.items():
        if min(counts):  # no run fits the table
            found[assignment].remarks.append(
                pluralize(
                    "the run predicts another class than predictions.csv for {n} test file",
                    "the run predicts another class than predictions.csv for {n} test files",
                    n=min(counts),
                )
            )


def _predict(run: Run, key: Key) -> np.ndarray:
    """Apply a run's model to the test files, in the order of the key; the model of a stranger runs isolated."""
    from musicml.inference import Predictor

    predictor = Predictor(run)
    order = [predictor.class_names.index(name) for name in key.class_names]
    scores = []
    for prediction in predictor.predict_all([key.package / "test" / name for name in key.files]):
        if isinstance(prediction, InputError):
            raise prediction
        scores.append(np.asarray(prediction.scores)[order])
    return np.stack(scores)


def find_changes(run: Run) -> list[str]:
    """Find signs that a run was changed after its training: metrics that do not follow from its predictions."""
    from musicml.evaluation import compute_report, read_predictions
    from musicml.inference import read_manifest

    name = make_printable(run.name)
    changes: list[str] = []
    try:
        read_manifest(run)  # it compares the fingerprint
    except InputError as error:
        changes.append(Message("run {run} can't be checked: {error}", run=name, error=error))
    try:
        report, table = run.report, read_predictions(run)
        thresholds = np.full(len(table.class_names), 0.5)
        made = compute_report(
            table.scores, table.targets, table.groups, list(table.class_names), table.task, thresholds, n_bootstrap=2
        )
        metric = report.main_metric
        claimed, own = report.metrics.get(metric), made["metrics"].get(metric)
    except InputError as error:
        return [*changes, Message("the results of run {run} can't be read: {error}", run=name, error=error)]
    if claimed is None or own is None or abs(claimed - own) > MAX_ROUNDING:
        changes.append(
            Message(
                "run {run} was changed: its report claims {claimed} as {metric}, but its own predictions give {own}",
                run=name,
                metric=metric,
                claimed=claimed,
                own=own,
            )
        )
    return changes


def _find_test_files(run: Run, key: Key) -> list[str]:
    """Find test files among the files that a run was trained on, by their digests."""
    try:
        digests = read_digests(run)
    except InputError as error:
        return [get_message(error)]
    if digests is None:
        return [
            Message("run {run} has no digests.csv, so its training files are unknown", run=make_printable(run.name))
        ]
    n = len(digests.learned & set(key.digests))
    return [Message("the run was trained on {n} of the test files", n=n)] if n else []
