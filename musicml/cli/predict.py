"""`musicml predict`: classify files with a trained run.

Print the most probable classes of each file. A folder stands for all sound or picture files in it. Files that cannot be
read are reported and skipped. The exit code is then 1, or 2 if no file could be read.
"""

from __future__ import annotations

import argparse
import itertools
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from musicml.cli import options, output
from musicml.utils import InputError, count_endings, make_printable, print_message, suppress_stderr, write_csv

if TYPE_CHECKING:
    from musicml.inference import Predictor

# Limits for the part of an explanation's file name that comes from the sound file. Some disks allow 143 bytes in all.
MAX_NAME_CHARACTERS, MAX_NAME_BYTES = 80, 120
SAMPLE_NOTES = {  # the key: whether the run has a backbone that was trained on real music
    False: "This run was trained on synthetic sample data. Its predictions say nothing about real music.",
    True: "The last layers of this run were trained on synthetic sample data, so its confidence is not valid for real "
    "music. benchmarks/README.md shows how often such runs are correct on real recordings.",
}


def add_command(commands: Any) -> None:
    """Add `musicml predict` to the command line."""
    example = "musicml predict RUN song.mp3 --over-time --explain why"
    parser = options.add_documented_parser(commands, print_predictions, __doc__, example)
    options.add_run_argument(parser)
    parser.add_argument("files", nargs="+", metavar="FILE", help="sound or picture files, or folders of them")
    parser.add_argument("--over-time", action="store_true", help="also print the probabilities of each clip")
    text = (
        "explain each prediction: write into DIR a picture of the decisive parts, and for sounds the decisive seconds"
    )
    parser.add_argument("--explain", type=Path, metavar="DIR", help=text)
    parser.add_argument("--csv", type=Path, metavar="F", help="also write the predictions to the table F")
    parser.add_argument("--top", type=int, default=3, help="number of classes to print (default: 3)")
    text = "what runs the model (default: auto, the exported ONNX model if there is one)"
    parser.add_argument("--engine", choices=("auto", "onnx", "keras"), default="auto", help=text)


def print_predictions(args: argparse.Namespace) -> int:
    """Classify files and print the predictions.

    Returns
    -------
    The exit code: 0, 1 if a prediction or an explanation failed, or 2 if every file failed.
    """
    from musicml.experiment import open_run
    from musicml.inference import Predictor

    run = open_run(args.run, args.runs)
    predictor = Predictor(run, args.engine)
    check_targets(args.csv, args.explain)  # before any work is done
    if remark := predictor.isolation_notice:  # the run comes from others and runs in a separate process
        print_message(remark)
    info = run.info
    sample = info.data.sample
    predictions = []
    files, failed = list_files(args.files, predictor.serving.kind)
    for prediction in itertools.chain(failed, predict(predictor, files, args.over_time, args.explain)):
        predictions.append(prediction)
        if "error" in prediction:
            print_message(f"musicml: {prediction['error']}")
        if "label" in prediction and not args.json:
            print_prediction(prediction, args.top)
    if args.csv:
        write_predictions(args.csv, predictions, predictor.class_names, args.over_time, sample)
    n_labels = sum("label" in prediction for prediction in predictions)
    if args.json:
        caveat = {"caveat": info.caveat} if info.caveat else {}
        output.print_json({"run": str(run.path), "sample": sample, **caveat, "predictions": predictions})
    elif n_labels:
        if sample:
            print(SAMPLE_NOTES[info.family == "pretrained_audio"])
        if info.caveat:
            print(info.caveat)
    n_failed = sum("error" in prediction for prediction in predictions)
    n_explained = sum("explanation" in prediction for prediction in predictions)
    if not n_failed and (not args.explain or n_explained == n_labels):
        return 0
    return 2 if n_failed == len(predictions) else 1


def predict(predictor: Predictor, files: list[str], over_time: bool, folder: Path | None) -> Iterator[dict[str, Any]]:
    """Yield one dict per file: its prediction, or the error.

    Parameters
    ----------
    over_time : also give the probabilities of each clip
    folder : where to write explanations, or None for no explanations
    """
    predictions = predictor.predict_all(files)  # several files in one batch
    for number, file in enumerate(files, start=1):
        with suppress_stderr():  # libmpg123 reports damaged mp3 files there; musicml's own warnings are clearer
            prediction = next(predictions)
        if isinstance(prediction, InputError):
            yield {"file": file, "error": str(prediction)}
            continue
        row = prediction.to_dict(over_time)
        if folder:  # numbered, since files of different folders may have the same name
            explanation = _explain(predictor, file, folder, f"{number:03d}-{_get_plain_stem(file)}")
            is_warning = isinstance(explanation, str)
            row |= {"warnings": [*row["warnings"], explanation]} if is_warning else {"explanation": explanation}
        yield row


def _explain(predictor: Predictor, file: str, folder: Path, stem: str) -> dict[str, Any] | str:
    """Write the explanation of a prediction into `folder`. Return its description, or a warning if it failed."""
    from musicml.inference import explain_prediction, save_explanation

    try:
        with suppress_stderr():
            return {**save_explanation(explain_prediction(predictor, file), folder, stem), "folder": str(folder)}
    except Exception as error:  # the prediction is still valid, and so are those of the other files
        reason = error.message if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
        return f"There is no explanation: {' '.join(reason.split())}"


def _get_plain_stem(file: str) -> str:
    """Return a file's stem, reduced to letters, digits, `-` and `_`, and cut to a length that every disk allows.

    Disks count bytes, and one character takes up to four in UTF-8. The cut never splits a character.
    """
    plain = re.sub(r"[^\w-]+", "_", unicodedata.normalize("NFC", Path(file).stem))[:MAX_NAME_CHARACTERS]
    return plain.encode()[:MAX_NAME_BYTES].decode(errors="ignore").strip("_") or "file"


def list_files(names: Iterable[str], kind: str) -> tuple[list[str], list[dict[str, Any]]]:
    """List the files to classify, with each folder replaced by the sounds or pictures in it.

    Other files are counted on standard error. A folder without sounds or pictures stays in the list, so that it is
    reported as an error.

    Parameters
    ----------
    names : files and folders from the command line
    kind : kind of the run's features, such as `log_mel` or `pixels`

    Returns
    -------
    files : paths, sorted within each folder
    failed : one dict with `file` and `error` per folder that cannot be read
    """
    from musicml.data.io import detect_kind, list_files

    # a spectrogram run takes sounds, and pictures of spectrograms
    kinds = {"pixels": ("picture",), "spectrogram": ("sound", "picture")}.get(kind, ("sound",))
    files: list[str] = []
    failed: list[dict[str, Any]] = []
    for name in names:
        if not os.path.isdir(name):  # unlike Path.is_dir, never fails for a strange name
            files.append(name)
            continue
        try:
            (listing,) = list_files([name])
        except InputError as error:
            failed.append({"file": name, "error": error.message})
            continue
        inside = sorted(path for path in listing.files if any(detect_kind(path, kind) == kind for kind in kinds))
        _report_skipped_files(name, sorted(set(listing.files) - set(inside)), listing.skipped)
        files += inside or [name]
    return files, failed


def _report_skipped_files(folder: str, others: list[str], skipped: Iterable[tuple[str, str]]) -> None:
    """Print how many files of a folder are skipped because of their content, and each broken link with its reason."""
    if others:
        first = make_printable(others[0])
        print_message(f"{make_printable(folder)}: skipped by content: {count_endings(others)}; the first: {first}")
    for path, reason in skipped:
        print_message(f"{make_printable(path)}: {reason}")


def check_targets(table: Path | None, folder: Path | None) -> None:
    """Raise InputError if `table` would overwrite a file that is no CSV table, or if `folder` is a file."""
    if table is not None and table.exists() and (not table.is_file() or table.suffix.lower() != ".csv"):
        raise InputError(
            "Expected --csv to name a new file or an existing .csv table, got {table}. Choose another name.",
            table=table,
        )
    if folder is not None and folder.exists() and not folder.is_dir():
        raise InputError("Expected --explain to name a folder, but {folder} is a file. Choose another.", folder=folder)


def print_prediction(prediction: dict[str, Any], top: int) -> None:
    """Print a file's `top` most probable classes, those of its clips, the explanation and the warnings."""
    print(make_printable(prediction["file"]))
    for name, probability in _get_top_classes(prediction["probabilities"], top):
        # above its threshold, if a file can have several classes
        mark = "  present" if name in prediction.get("present", ()) else ""
        print(f"  {probability:6.1%}  {name}{mark}")
    for clip in prediction.get("over_time", []):
        if "start" in clip:  # pictures have no times
            names = ", ".join(f"{name} {share:.0%}" for name, share in _get_top_classes(clip["probabilities"], top))
            print(f"  {_format_time(clip['start'])} to {_format_time(clip['end'])}  {names}")
    if "explanation" in prediction:
        print(f"  {_format_explanation(prediction['explanation'])}")
    for warning in prediction["warnings"]:
        print(f"  warning: {warning}")


def _get_top_classes(probabilities: dict[str, float], top: int) -> list[tuple[str, float]]:
    return sorted(probabilities.items(), key=lambda item: -item[1])[: max(top, 1)]


def _format_time(seconds: float) -> str:
    """Format seconds from the start of a recording as `1:05.0`."""
    return f"{int(seconds // 60)}:{seconds % 60:04.1f}"


def _format_explanation(explanation: dict[str, Any]) -> str:
    picture = Path(explanation["folder"]) / explanation["picture"]
    text = f"why {explanation['label']}: {picture} ({explanation['method']})"
    if "decided" not in explanation:  # a picture has no times
        return text
    start, end = explanation["decided"]
    sound = f", extracted to {explanation['sound']}" if "sound" in explanation else ""
    return f"{text}; most decisive from {_format_time(start)} to {_format_time(end)}{sound}"


def write_predictions(
    path: Path, predictions: list[dict[str, Any]], class_names: list[str], over_time: bool, sample: bool
) -> None:
    """Write predictions to a CSV file with one row per file.

    Parameters
    ----------
    over_time : also write one row per clip
    sample : whether the run was trained on sample data, for the column of that name
    """
    rows = []
    for prediction in predictions:
        row = {"file": prediction["file"], "error": prediction.get("error", ""), "sample": sample}
        if "label" not in prediction:
            rows.append(row)
            continue
        row |= {"label": prediction["label"], "warnings": " ".join(prediction["warnings"])}
        row |= {"present": "|".join(prediction.get("present", [prediction["label"]]))}
        rows.append({**row, **_name_columns(prediction["probabilities"])})
        for clip in prediction["over_time"] if over_time else []:
            times = {"start": clip.get("start"), "end": clip.get("end")}
            rows.append({"file": row["file"], "sample": sample, **times, **_name_columns(clip["probabilities"])})
    scores = _name_columns(dict.fromkeys(class_names))
    write_csv(path, rows, ["file", "start", "end", "label", "present", *scores, "warnings", "error", "sample"])


def _name_columns(probabilities: dict[str, float | None]) -> dict[str, float | None]:
    """Return probabilities with the column names of a run's predictions.csv, such as `score:jazz`."""
    # so that a class named `file` is no problem
    return {f"score:{name}": value for name, value in probabilities.items()}
