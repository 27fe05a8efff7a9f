"""Make a class folder: a package for students per assignment, and the key that stays with the teacher."""

from __future__ import annotations

import hashlib
import json
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from musicml.course.checking import LANGUAGES
from musicml.utils import InputError, Message, compute_digest, translate, write_csv, write_json, write_text

if TYPE_CHECKING:
    from musicml.data.datasets import Dataset, Example

FORMAT_VERSION = 1
COURSE_FILE, STUDENTS, KEYS = "course.json", "students", "key"
N_TRAPS = 16  # test files with a wrong label in the key; only someone who has read the key predicts these labels
MAX_SECONDS = 10.0  # of a sound: shorter files make smaller packages
SAMPLE_RATE = 22_050
FAULTS = ("ok", "duplicate", "silent", "clipped", "wrong label")
N_FAULTY = 8  # files with each fault


@dataclass(frozen=True)
class Assignment:
    """An assignment.

    Attributes
    ----------
    dataset, scale : the synthetic data that it is made of, and the share of it
    title, text : its name and what students do, in sentences
    experiment : one that can be trained on the folder train/, if there is one
    """

    dataset: str
    scale: float
    title: str
    text: str
    experiment: str = ""


ASSIGNMENTS = {
    "genres": Assignment(
        "gtzan",
        0.2,
        Message("Genres of synthetic tracks"),
        Message(
            "Train a classifier on the tracks in train/, which has one folder per genre, and predict the genre of "
            "each file in test/. train/groups.csv names the artist of each training track: tracks of one artist "
            "belong on the same side of your own validation split."
        ),
        "genre_cnn",
    ),
    "pictures": Assignment(
        "instrument_images",
        0.2,
        Message("Instruments in synthetic pictures"),
        Message(
            "Train a classifier on the pictures in train/, which has one folder per instrument, and predict the "
            "instrument of each file in test/."
        ),
        "instrument_images_mobilenet",
    ),
    "many_labels": Assignment(
        "openmic",
        1.0,
        Message("Many instruments at once, with missing labels"),
        Message(
            "Predict the probability of each instrument for each file in test/. labels.csv has 1 for an instrument "
            "that is present in a training file and 0 for one that is absent. An empty cell was not labeled: it is "
            "neither. `musicml train` does not read this table, so train with Keras or scikit-learn."
        ),
    ),
    "faults": Assignment(
        "gtzan",
        0.1,
        Message("Faults in a dataset"),
        Message(
            "The folder test/ is a dataset with one folder per genre. Some of its files have a fault. Find them with "
            "any method, and predict for each file: ok, duplicate (the same recording is there twice), silent, "
            "clipped, or wrong label (it lies in the folder of another genre)."
        ),
    ),
}

README = Message(
    "# {title}\n\n{text}\n\nThe data is synthetic: generated, not recorded.\n\n## What you hand in\n\n"
    "A folder or zip file with your name, which has:\n\n"
    "- predictions.csv: one row per file in test/. The column `file` has the name, for example `{example}`. {columns} "
    "sample_submission.csv shows such a file.\n{report}\n\n"
    "Classes: {class_names}.\n\n"
    "The result is the {metric} on the test files, with a 95% confidence interval. Results that differ by no more than "
    "chance share a rank. Up to a quarter of the files have no valid label and do not count.\n\n"
    "The seal of the key, {seal}, shows later that the key was not changed after you got this package.\n"
)
COLUMNS = {
    "single": Message(
        "Either the column `label` has the predicted class, or one column `score:CLASS` per class has its probability."
    ),
    "multi": Message("One column `score:CLASS` per class has its probability."),
}
REPORT = Message("- your report, with your split, your validation result with an interval, and what did not work.")
REPORT_OF_FAULTS = Message("- your report, with your method, how you checked it, and what did not work.")
REPORT_AND_RUN = Message(
    "{report}\n- if you trained with musicml: the run folder. Its model is then applied to the test files. "
    "`musicml train {experiment} --folder train` trains one, and `musicml predict {experiment} test --csv "
    "predictions.csv` writes its predictions."
)
METRICS = {"single": Message("accuracy"), "multi": Message("mean average precision")}


def make_course(folder: Path, names: Sequence[str] = (), seed: int | None = None) -> list[Path]:
    """Make a class folder with the packages of assignments and their keys.

    Parameters
    ----------
    folder : a new or empty folder; `students` in it is for students, `key` is not
    names : the assignments (default: all of `ASSIGNMENTS`)
    seed : int >= 0, of the data; secret, since the key can be generated from it (default: drawn at random)

    Returns
    -------
    packages : one folder per assignment

    Raises
    ------
    InputError
        If the folder is not empty, or there is no such assignment.
    """
    names = list(dict.fromkeys(names or ASSIGNMENTS))
    if unknown := [name for name in names if name not in ASSIGNMENTS]:
        raise InputError(
            "Expected assignments among {known}, got {name}.", known=", ".join(ASSIGNMENTS), name=", ".join(unknown)
        )
    if folder.exists() and any(folder.iterdir()):
        raise InputError(
            "Expected a new or empty folder, but {folder} has files in it. Give another folder.", folder=folder
        )
    made, existed = {}, folder.exists()
    try:
        for place, name in enumerate(names):
            own = secrets.randbits(63) if seed is None else seed + place
            made[name] = _make_assignment(folder, name, own)
    except BaseException:  # Ctrl-C too: packages without course.json are useless, and would be in the way
        for part in (STUDENTS, KEYS):
            shutil.rmtree(folder / part, ignore_errors=True)
        if not existed and folder.exists():
            folder.rmdir()
        raise
    (folder / KEYS).chmod(0o700)  # on a shared machine, students are other users
    write_json(folder / COURSE_FILE, {"format_version": FORMAT_VERSION, "assignments": made})
    write_text(folder / ".gitignore", f"# never to be handed out\n/{KEYS}/\n/{COURSE_FILE}\n")
    return [folder / STUDENTS / name for name in names]


def compute_seal(key: Mapping[str, Any], traps: Sequence[str]) -> str:
    """Compute the seal of a key and its traps: the SHA-256 of its salt and its files, in hex.

    The salt is random, so nobody can find the labels by trying keys until the seal fits.
    """
    text = json.dumps([key["salt"], key["class_names"], key["task"], key["files"], sorted(traps)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _make_assignment(folder: Path, name: str, seed: int) -> dict[str, Any]:
    """Write the package and the key of one assignment; return the seal and the traps.

    The traps stand outside of the key, so that a copy of the key does not name them.
    """
    from musicml.data import generate_sample_data
    from musicml.data.datasets import load_dataset

    assignment, rng = ASSIGNMENTS[name], np.random.default_rng(seed)
    package = folder / STUDENTS / name
    (folder / KEYS).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder / KEYS) as temporary:
        root = Path(temporary)
        generate_sample_data(root / "sample", seed, [assignment.dataset], assignment.scale)
        dataset = load_dataset(assignment.dataset, root, "sample")
        if dataset.lists and any(example.split for example in dataset.examples):
            # the lists leave out the faulty files that synthetic data has on purpose, as the real dataset does
            dataset = dataset.keep([bool(example.split) for example in dataset.examples])
        dataset = dataset.keep([_is_usable(example) for example in dataset.examples])
        make = _write_faults if name == "faults" else _write_classes
        class_names, files = make(package, name, dataset, rng)
    task = "multi" if name == "many_labels" else "single"
    traps = _set_traps(files, class_names, task, rng)
    key = {
        "format_version": FORMAT_VERSION,
        "assignment": name,
        "task": task,
        "class_names": list(class_names),
        "seed": seed,
        "salt": secrets.token_hex(16),
        "files": files,
    }
    seal = compute_seal(key, traps)
    write_json(folder / KEYS / f"{name}.json", key)
    _write_instructions(package, assignment, task, class_names, sorted(files), seal)
    return {"seal": seal, "traps": traps}


def _write_classes(
    package: Path, name: str, dataset: Dataset, rng: np.random.Generator
) -> tuple[tuple[str, ...], dict[str, dict[str, Any]]]:
    """Write training files with their labels and test files without; return the classes and the key's files."""
    from musicml.data.splits import make_split

    dataset, split = make_split(dataset, "group", 0.0, 0.5, int(rng.integers(2**31)))
    examples = dataset.examples
    train, test = (
        [examples[k] for k in places] for places in (split.indices("train"), rng.permutation(split.indices("test")))
    )
    groups = {group: f"group {place}" for place, group in enumerate(dict.fromkeys(e.group for e in examples), 1)}
    rows = []
    for number, example in enumerate(train, 1):
        folder = example.label if dataset.task == "single" else ""
        file = _copy_file(example, package / "train" / folder, f"{number:04d}")
        rows.append((f"{folder}/{file.name}".lstrip("/"), example))
    write_csv(
        package / "train" / "groups.csv",
        [{"file": file, "group": groups[e.group]} for file, e in rows],
        ["file", "group"],
    )
    if dataset.task == "multi":
        cells = [{"file": file, **_format_labels(e.labels, dataset.class_names)} for file, e in rows]
        write_csv(package / "labels.csv", cells, ["file", *dataset.class_names])
    files = {}
    for number, example in enumerate(test, 1):
        file = _copy_file(example, package / "test", f"{name}_{number:04d}")
        files[file.name] = _describe_file(file, example.labels, groups[example.group])
    return dataset.class_names, files


def _write_faults(
    package: Path, name: str, dataset: Dataset, rng: np.random.Generator
) -> tuple[tuple[str, ...], dict[str, dict[str, Any]]]:
    """Write a dataset with faults; return the kinds of faults and the key's files."""
    order = list(rng.permutation(len(dataset.examples)))
    chosen = {kind: [order.pop() for _ in range(N_FAULTY)] for kind in FAULTS[1:]}
    kinds = {k: kind for kind, places in chosen.items() for k in places}
    copies = [(k, kinds.get(k, "ok")) for k in range(len(dataset.examples))]
    copies += [(k, "duplicate") for k in chosen["duplicate"]]
    files, genres = {}, dataset.class_names
    for number, place in enumerate(rng.permutation(len(copies)), 1):
        k, kind = copies[place]
        example = dataset.examples[k]
        genre = example.label
        if kind == "wrong label":
            genre = genres[(genres.index(genre) + int(rng.integers(1, len(genres)))) % len(genres)]
        file = _copy_file(example, package / "test" / genre, f"{name}_{number:04d}", kind)
        # both copies of a recording are one group: they are not independent
        files[f"{genre}/{file.name}"] = _describe_file(file, {kind: True}, f"recording {k}")
    return FAULTS, files


def _is_usable(example: Example) -> bool:
    """Return whether a file can be read and is no copy of another: synthetic data has such faults, as real data has."""
    from musicml.data import PICTURE_COPIES
    from musicml.data.io import IMAGE_SUFFIXES, load_audio, load_image

    if example.id in PICTURE_COPIES or example.id in PICTURE_COPIES.values():
        return False

    try:
        (load_image if example.path.suffix.lower() in IMAGE_SUFFIXES else load_audio)(example.path)
    except InputError:
        return False
    return True


def _copy_file(example: Example, folder: Path, stem: str, fault: str = "") -> Path:
    """Copy a file under a name that says nothing: pictures as they are, sounds as a short mono WAV file."""
    import soundfile

    from musicml.data.io import IMAGE_SUFFIXES, load_audio

    folder.mkdir(parents=True, exist_ok=True)
    if example.path.suffix.lower() in IMAGE_SUFFIXES:
        return Path(shutil.copyfile(example.path, folder / f"{stem}{example.path.suffix.lower()}"))
    y = load_audio(example.path, SAMPLE_RATE).y[: round(MAX_SECONDS * SAMPLE_RATE)]
    if fault == "silent":
        y = np.zeros_like(y)
    elif fault == "clipped":
        y = np.clip(y * (4 / max(float(np.abs(y).max()), 1e-6)), -0.99, 0.99)  # three quarters of the range is cut off
    file = folder / f"{stem}.wav"
    soundfile.write(file, y, SAMPLE_RATE, subtype="PCM_16")
    return file


def _describe_file(file: Path, labels: Mapping[str, bool], group: str) -> dict[str, Any]:
    """Describe a test file for the key."""
    return {"labels": dict(labels), "group": group, "digest": compute_digest(file)}


def _format_labels(labels: Mapping[str, bool], class_names: Sequence[str]) -> dict[str, str]:
    """Format the labels of a file as cells: 1, 0 or empty."""
    return {name: str(int(labels[name])) if name in labels else "" for name in class_names}


def _set_traps(
    files: dict[str, dict[str, Any]], class_names: Sequence[str], task: str, rng: np.random.Generator
) -> list[str]:
    """Give some files a wrong label in the key; they do not count, and only a copy of the key predicts them."""
    names = [str(name) for name in rng.permutation(sorted(files))[: min(N_TRAPS, len(files) // 4)]]
    for name in names:
        labels = files[name]["labels"]
        if task == "multi":
            labels = {class_name: not present for class_name, present in labels.items()}
        else:
            true = next(iter(labels))
            labels = {str(rng.choice([class_name for class_name in class_names if class_name != true])): True}
        files[name]["labels"] = labels
    return sorted(names)


def _write_instructions(
    package: Path, assignment: Assignment, task: str, class_names: Sequence[str], names: Sequence[str], seal: str
) -> None:
    """Write what students read, in both languages, and an example of predictions."""
    facts = {"class_names": list(class_names), "task": task, "files": list(names), "seal": seal}
    write_json(package / "assignment.json", facts)
    report = REPORT if (package / "train").is_dir() else REPORT_OF_FAULTS
    if assignment.experiment:
        report = Message(REPORT_AND_RUN, report=report, experiment=assignment.experiment)
    text = Message(
        README,
        title=assignment.title,
        text=assignment.text,
        example=names[0],
        columns=COLUMNS[task],
        report=report,
        class_names=", ".join(class_names),
        metric=METRICS[task],
        seal=seal,
    )
    for language in LANGUAGES:
        write_text(package / ("README.md" if language == "en" else f"README.{language}.md"), translate(text, language))
    columns = ["file", "label"] if task == "single" else ["file", *(f"score:{name}" for name in class_names)]
    write_csv(package / "sample_submission.csv", list(_guess(names, class_names, columns)), columns)


def _guess(names: Sequence[str], class_names: Sequence[str], columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield predictions that know nothing: the first class, or a probability of one half."""
    for name in names:
        yield {"file": name, **{column: class_names[0] if column == "label" else 0.5 for column in columns[1:]}}
