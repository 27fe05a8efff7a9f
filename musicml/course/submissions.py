"""Read what students hand in: predictions.csv, or a run folder whose model is applied to the test files."""

from __future__ import annotations

import math
import re
import shutil
import stat
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from musicml.course.assignments import COURSE_FILE, KEYS, STUDENTS, compute_seal
from musicml.experiment import Run, read_digests
from musicml.utils import InputError, Message, get_message, make_printable, read_csv, read_json

PREDICTIONS, RUN_FILE = "predictions.csv", "run.json"
MAX_FILES, MAX_BYTES = 2_000, 500_000_000  # in a zip file of a student, unpacked
MAX_NAMED = 5  # files or classes in a message
MOODLE_FOLDER = re.compile(r"(?P<name>.+)_(?P<id>\d+)_assignsubmission_file_?")


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
    scores : np.ndarray [shape=(n_files, n_classes)], in the order of the key; None if they could not be read
    n_missing : files without a prediction, which count as wrong
    problems : why it cannot be graded, or what was left out, in sentences
    remarks : what a teacher should look at, in sentences
    """

    student: str
    assignment: str
    moodle_id: str = ""
    scores: np.ndarray | None = None
    n_missing: int = 0
    problems: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def read_keys(course: Path) -> dict[str, Key]:
    """Read the keys of a class folder, and check their seals.

    Raises
    ------
    InputError
        If it is not a class folder, or a key is damaged or was changed after the packages were made.
    """
    if not (course / COURSE_FILE).is_file():
        raise InputError(
            "Expected a class folder with {file}, got {folder}. Make one with `musicml course new`.",
            file=COURSE_FILE,
            folder=course,
        )
    seals = read_json(course / COURSE_FILE).get("assignments") or {}
    return {name: _read_key(course, name, seal) for name, seal in seals.items()}


def _read_key(course: Path, name: str, seal: str) -> Key:
    """Read one key."""
    path = course / KEYS / f"{name}.json"
    content = read_json(path)
    try:
        is_sealed = compute_seal(content) == seal
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
        np.array([files[name]["trap"] for name in names]),
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
    entries = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    if not entries:
        raise InputError("Expected submissions in {folder}, but it is empty.", folder=folder)
    found = []
    for number, entry in enumerate(entries):
        matched = MOODLE_FOLDER.fullmatch(entry.name)
        name, moodle_id = (
            (matched["name"], matched["id"]) if matched else (entry.stem if entry.is_file() else entry.name, "")
        )
        found += _read_entry(entry, make_printable(name), moodle_id, keys, work / str(number))
    return found


def _read_entry(entry: Path, student: str, moodle_id: str, keys: Mapping[str, Key], work: Path) -> list[Submission]:
    """Read what one student handed in."""
    try:
        folders = [_unpack(entry, work)] if entry.is_file() else [entry]
        for archive in sorted(entry.rglob("*.zip")) if entry.is_dir() else ():
            folders.append(_unpack(archive, work / archive.stem))
    except InputError as error:
        return [Submission(student, "", moodle_id, problems=[get_message(error)])]
    runs = [path.parent for folder in folders for path in sorted(folder.rglob(RUN_FILE)) if not _is_link(path)]
    tables = [
        path
        for folder in folders
        for path in sorted(folder.rglob("*.csv"))
        if not _is_link(path) and not any(path.is_relative_to(run) for run in runs)
    ]
    found: dict[str, Submission] = {}
    problems: list[str] = []
    for path in tables:
        _read_table(path, student, moodle_id, keys, found, problems)
    for run in runs:
        _read_run(Run(run), student, moodle_id, keys, found, problems)
    if not found:
        reason = problems or [Message("there is no predictions.csv and no run folder")]
        return [Submission(student, "", moodle_id, problems=reason)]
    for submission in found.values():
        submission.problems += problems
    return list(found.values())


def _unpack(entry: Path, work: Path) -> Path:
    """Unpack a zip file, or copy a single file, into a folder; return the folder."""
    work.mkdir(parents=True, exist_ok=True)
    if entry.suffix.lower() != ".zip":
        shutil.copyfile(entry, work / entry.name)
        return work
    try:
        with zipfile.ZipFile(entry) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            if len(members) > MAX_FILES or sum(member.file_size for member in members) > MAX_BYTES:
                raise InputError("Expected at most {n} files and 500 MB in {name}.", n=MAX_FILES, name=entry.name)
            for member in members:
                if stat.S_ISLNK(member.external_attr >> 16):
                    continue
                archive.extract(member, work)  # drops drives, leading slashes and `..` from names
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError, EOFError) as error:
        raise InputError("{name} can't be unpacked: {error}", name=entry.name, error=error) from error
    return work


def _is_link(path: Path) -> bool:
    """Return whether a path is a link, or no regular file."""
    return path.is_symlink() or not path.is_file()


def _read_table(
    path: Path,
    student: str,
    moodle_id: str,
    keys: Mapping[str, Key],
    found: dict[str, Submission],
    problems: list[str],
) -> None:
    """Read a table of predictions into the submission of its assignment, or say why it can't be read."""
    rows: list[dict[str, str]] = []
    for column in ("file", "example"):  # of `musicml predict --csv`, and of a run's own table
        try:
            rows = read_csv(path, column)
            break
        except InputError:
            continue
    if not rows:
        if path.name == PREDICTIONS:
            problems.append(Message("{file} is empty, damaged, or has no column `file`", file=path.name))
        return  # some other table, such as figures of a report
    names = [_clean_name(row[column]) for row in rows]
    counts = {name: len(_match(names, key)) for name, key in keys.items()}
    best = max(counts, key=lambda name: counts[name], default=None)
    if best is None or not counts[best]:
        problems.append(Message("{file} names no test file of an assignment", file=path.name))
        return
    submission = Submission(student, best, moodle_id)
    if best in found:
        problems.append(Message("{file} is a second table for {assignment}", file=path.name, assignment=best))
        return
    found[best] = submission
    _fill_scores(submission, keys[best], rows, names, path.name)


def _clean_name(name: str | None) -> str:
    """Return a file's name without the folders of the student's disk: `C:\\work\\test\\a\\1.wav` → `a/1.wav`."""
    parts = (name or "").strip().replace("\\", "/").split("/")
    if "test" in parts:
        parts = parts[len(parts) - parts[::-1].index("test") :]
    return "/".join(parts)


def _match(names: Sequence[str], key: Key) -> dict[str, int]:
    """Match names of a table to test files: file → its first row. Names without folders match too."""
    short = {file.rpartition("/")[2]: file for file in key.files}
    matched: dict[str, int] = {}
    for row, name in enumerate(names):
        file = name if name in key.files else short.get(name.rpartition("/")[2])
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
        submission.problems.append(Message("{file} has no columns `score:CLASS`, and no labels", file=file))
        return
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
        elif (label := (row["label"] or "").strip()) in key.class_names:
            scores[place, key.class_names.index(label)] = 1.0
        else:
            unknown.append(label)
    if len(names) > len(set(names)):
        submission.problems.append(Message("{file} has files twice; the first row counts", file=file))
    if invalid:
        text = Message(
            "{n} rows of {file} have scores that are no numbers from 0 to 1: {names}",
            n=len(invalid),
            file=file,
            names=_list(invalid),
        )
        submission.problems.append(text)
    if unknown:
        text = Message(
            "{n} rows of {file} have labels that are no class: {names}",
            n=len(unknown),
            file=file,
            names=_list(sorted(set(unknown))),
        )
        submission.problems.append(text)
    submission.n_missing = len(key.files) - len(matched)
    if submission.n_missing:
        missing = [name for name in key.files if name not in matched]
        submission.problems.append(
            Message(
                "{n} test files have no prediction and count as wrong: {names}", n=len(missing), names=_list(missing)
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


def _read_run(
    run: Run,
    student: str,
    moodle_id: str,
    keys: Mapping[str, Key],
    found: dict[str, Submission],
    problems: list[str],
) -> None:
    """Apply the model of a run to the test files, and compare what the run says of itself with its own files."""
    from musicml.evaluation import read_class_names

    try:
        class_names = set(read_class_names(run))
        assignment = next(name for name, key in keys.items() if set(key.class_names) == class_names)
    except (InputError, StopIteration):
        problems.append(
            Message("run {run} does not predict the classes of an assignment", run=make_printable(run.name))
        )
        return
    key, submission = keys[assignment], found.get(assignment) or Submission(student, assignment, moodle_id)
    submission.remarks += find_changes(run) + _find_test_files(run, key)
    try:
        scores = _predict(run, key)
    except InputError as error:
        submission.problems.append(get_message(error))
        scores = None
    if scores is not None and submission.scores is not None:
        n = int((scores.argmax(axis=1) != submission.scores.argmax(axis=1)).sum())
        if key.task == "single" and n:
            submission.remarks.append(
                Message("the run predicts another class than predictions.csv for {n} test files", n=n)
            )
    elif scores is not None:
        submission.scores = scores
    found[assignment] = submission


def _predict(run: Run, key: Key) -> np.ndarray:
    """Apply a run's model to the test files, in the order of the key; the model of a stranger runs isolated."""
    from musicml.inference import Predictor

    predictor = Predictor(run)
    order = [predictor.class_names.index(name) for name in key.class_names]
    return np.stack([np.asarray(predictor.predict(key.package / "test" / name).scores)[order] for name in key.files])


def find_changes(run: Run) -> list[str]:
    """Find signs that a run was changed after its training: metrics that do not follow from its predictions."""
    from musicml.evaluation import read_predictions
    from musicml.inference import read_manifest

    changes: list[str] = []
    try:
        read_manifest(run)
    except InputError as error:
        changes.append(Message("run {run} was changed: {error}", run=make_printable(run.name), error=error))
    try:
        report, table = run.report, read_predictions(run)
    except InputError as error:
        return [
            *changes,
            Message("the results of run {run} can't be read: {error}", run=make_printable(run.name), error=error),
        ]
    if table.task == "single":
        accuracy = float((table.scores.argmax(axis=1) == table.targets.argmax(axis=1)).mean())
        claimed = report.metrics.get("accuracy")
        if claimed is None or abs(claimed - accuracy) > 1e-4:
            changes.append(
                Message(
                    "run {run} was changed: its report claims an accuracy of {claimed}, but its own predictions give "
                    "{accuracy:.3f}",
                    run=make_printable(run.name),
                    claimed=claimed,
                    accuracy=accuracy,
                )
            )
    return changes


def _find_test_files(run: Run, key: Key) -> list[str]:
    """Find test files among the files that a run was trained on, by their digests."""
    try:
        digests = read_digests(run)
    except InputError as error:
        return [get_message(error)]
    n = len(digests.learned & set(key.digests)) if digests else 0
    return [Message("the run was trained on {n} of the test files", n=n)] if n else []
