"""`musicml predict`: ask a run about files.

Print the classes that a run gives files the highest probability of. A folder is taken as its files. A file that can't
be read is reported and the others go on; the exit code is then 1, or 2 if no file could be read.
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

MOST_LETTERS, MOST_BYTES = 80, 120  # of a file's name in that of its explanation; some disks take 143 bytes in all
SAMPLE_NOTES = {  # whether the run has a backbone that was trained on real music → what to say of its answers
    False: "This run was trained on generated sample data: its answers say nothing about real music.",
    True: "This run's last layers were trained on generated sample data, so its confidence does not hold for real "
    "music. benchmarks/README.md says how often such runs are right about real recordings.",
}


def add_command(commands: Any) -> None:
    """Add `musicml predict` to the command line."""
    example = "musicml predict RUN song.mp3 --over-time --explain why"
    parser = options.add_documented_parser(commands, print_predictions, __doc__, example)
    options.add_run_argument(parser)
    parser.add_argument("files", nargs="+", metavar="FILE", help="sound or picture files, or folders of them")
    parser.add_argument("--over-time", action="store_true", help="tell each clip's probabilities too")
    words = "write into DIR where the run looked: a picture a file, of a sound the seconds that decided too"
    parser.add_argument("--explain", type=Path, metavar="DIR", help=words)
    parser.add_argument("--csv", type=Path, metavar="F", help="write the answers to F as a table as well")
    parser.add_argument("--top", type=int, default=3, help="how many classes to print (default: 3)")
    words = "(default: the exported model, if there is one)"
    parser.add_argument("--engine", choices=("auto", "onnx", "keras"), default="auto", help=words)


def print_predictions(args: argparse.Namespace) -> int:
    """Ask a run about files and print its answers; return 1 where some can't be had, 2 where none can."""
    from musicml.experiment import open_run
    from musicml.inference import Predictor

    run = open_run(args.run, args.runs)
    predictor = Predictor(run, args.engine)
    check_targets(args.csv, args.explain)
    if remark := predictor.isolation_notice:
        print_message(remark)
    info = run.info
    sample = info.data.sample
    answers = []
    files, failed = list_files(args.files, predictor.serving.kind)
    for answer in itertools.chain(failed, predict(predictor, files, args.over_time, args.explain)):
        answers.append(answer)
        if "error" in answer:
            print_message(f"musicml: {answer['error']}")
        if "label" in answer and not args.json:
            print_answer(answer, args.top)
    if args.csv:
        write_answers(args.csv, answers, predictor.class_names, args.over_time, sample)
    if args.json:
        caveat = {"caveat": info.caveat} if info.caveat else {}
        output.print_json({"run": str(run.path), "sample": sample, **caveat, "predictions": answers})
    elif sample and any("label" in answer for answer in answers):
        print(SAMPLE_NOTES[info.family == "pretrained_audio"])
    if info.caveat and not args.json and any("label" in answer for answer in answers):
        print(info.caveat)
    n_failed = sum("error" in answer for answer in answers)
    n_lacking = n_failed + sum("label" in answer and "explanation" not in answer for answer in answers if args.explain)
    return 0 if not n_lacking else 2 if n_failed == len(answers) else 1


def predict(predictor: Predictor, files: list[str], over_time: bool, folder: Path | None) -> Iterator[dict[str, Any]]:
    """Yield each file's answer as a table, with the error in place of what could not be had.

    With `folder`, where the run looked is written into it. The pictures are numbered, since two files of different
    folders may share a name.
    """
    predictions = predictor.predict_all(files)  # which takes several in one pass
    for number, file in enumerate(files, start=1):
        with suppress_stderr():  # libmpg123 writes to the terminal about damaged mp3; the warnings say it in words
            prediction = next(predictions)
        if isinstance(prediction, InputError):
            yield {"file": file, "error": str(prediction)}
            continue
        answer = prediction.to_dict(over_time)
        if folder:
            found = _explain(predictor, file, folder, f"{number:03d}-{_get_plain_stem(file)}")
            answer |= {"warnings": [*answer["warnings"], found]} if isinstance(found, str) else {"explanation": found}
        yield answer


def _explain(predictor: Predictor, file: str, folder: Path, stem: str) -> dict[str, Any] | str:
    """Write where the run looked in a file; return that, or a warning why there is none, since the answer holds."""
    from musicml.inference import explain_prediction, save_explanation

    try:
        with suppress_stderr():
            return {**save_explanation(explain_prediction(predictor, file), folder, stem), "folder": str(folder)}
    except Exception as error:  # whatever it is, it costs neither this answer nor the others
        reason = error.message if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
        return f"There is no explanation: {' '.join(reason.split())}"


def _get_plain_stem(file: str) -> str:
    """Return a file's name with nothing in it that could lead a path elsewhere, not longer than any disk takes.

    Disks count bytes, and a letter has up to four; none is cut in half. Letters with marks are one character each.
    """
    plain = re.sub(r"[^\w-]+", "_", unicodedata.normalize("NFC", Path(file).stem))[:MOST_LETTERS]
    return plain.encode()[:MOST_BYTES].decode(errors="ignore").strip("_") or "file"


def list_files(names: Iterable[str], kind: str) -> tuple[list[str], list[dict[str, Any]]]:
    """Return the files named, and in place of a folder all the sounds or pictures below it, sorted.

    What else lies there is counted on standard error. A folder without any stays in the list. `kind` is that of the
    run's features.

    Returns
    -------
    files : their paths
    failed : of each folder that can't be read, its name and the error
    """
    from musicml.data.io import detect_kind, list_files

    # a spectrogram is drawn of a sound, or is a picture already
    kinds = {"pixels": ("picture",), "spectrogram": ("sound", "picture")}.get(kind, ("sound",))
    files: list[str] = []
    failed: list[dict[str, Any]] = []
    for name in names:
        if not os.path.isdir(name):  # which, unlike Path's, has no objection to any name
            files.append(name)
            continue
        try:
            (listing,) = list_files([name])
        except InputError as error:
            failed.append({"file": name, "error": error.message})
            continue
        inside = sorted(path for path in listing.files if any(detect_kind(path, kind) == kind for kind in kinds))
        _say_what_is_left_out(name, sorted(set(listing.files) - set(inside)), listing.skipped)
        files += inside or [name]
    return files, failed


def _say_what_is_left_out(folder: str, others: list[str], skipped: Iterable[tuple[str, str]]) -> None:
    """Say how many files in a folder are not asked about, and what could not be followed."""
    if others:
        first = make_printable(others[0])
        print_message(f"{make_printable(folder)}: passed over by content: {count_endings(others)}; the first: {first}")
    for path, reason in skipped:
        print_message(f"{make_printable(path)}: {reason}")


def check_targets(table: Path | None, folder: Path | None) -> None:
    """Refuse a table that would replace something else, and a folder that is none, before any work is done."""
    if table is not None and table.exists() and (not table.is_file() or table.suffix.lower() != ".csv"):
        raise InputError(
            "--csv must name a new file or a table (.csv), and {table} is something else: name another.", table=table
        )
    if folder is not None and folder.exists() and not folder.is_dir():
        raise InputError("--explain must name a folder, and {folder} is a file: name another.", folder=folder)


def print_answer(answer: dict[str, Any], top: int) -> None:
    """Print a file's highest probabilities, over time those of each clip, where the run looked, and the warnings."""
    print(make_printable(answer["file"]))
    for name, probability in _get_top_classes(answer["probabilities"], top):
        mark = "  present" if name in answer.get("present", ()) else ""
        print(f"  {probability:6.1%}  {name}{mark}")
    for clip in answer.get("over_time", []):
        if "start" in clip:
            names = ", ".join(f"{name} {share:.0%}" for name, share in _get_top_classes(clip["probabilities"], top))
            print(f"  {_format_time(clip['start'])} to {_format_time(clip['end'])}  {names}")
    if "explanation" in answer:
        print(f"  {_format_explanation(answer['explanation'])}")
    for warning in answer["warnings"]:
        print(f"  note: {warning}")


def _get_top_classes(probabilities: dict[str, float], top: int) -> list[tuple[str, float]]:
    return sorted(probabilities.items(), key=lambda item: -item[1])[: max(top, 1)]


def _format_time(seconds: float) -> str:
    """Return a moment in a song: `1:05.0`."""
    return f"{int(seconds // 60)}:{seconds % 60:04.1f}"


def _format_explanation(explanation: dict[str, Any]) -> str:
    picture = Path(explanation["folder"]) / explanation["picture"]
    words = f"why {explanation['label']}: {picture} ({explanation['method']})"
    if "decided" not in explanation:
        return words
    start, end = explanation["decided"]
    sound = f", to hear in {explanation['sound']}" if "sound" in explanation else ""
    return f"{words}; decided most by {_format_time(start)} to {_format_time(end)}{sound}"


def write_answers(
    path: Path, answers: list[dict[str, Any]], class_names: list[str], over_time: bool, sample: bool
) -> None:
    """Write answers as CSV: a row a file, with `over_time` a row a clip too; `sample`: whether the run saw no other."""
    rows = []
    for answer in answers:
        row = {"file": answer["file"], "error": answer.get("error", ""), "sample": sample}
        if "label" not in answer:
            rows.append(row)
            continue
        row |= {"label": answer["label"], "warnings": " ".join(answer["warnings"])}
        row |= {"present": "|".join(answer.get("present", [answer["label"]]))}
        rows.append({**row, **_name_scores(answer["probabilities"])})
        for clip in answer["over_time"] if over_time else []:
            times = {"start": clip.get("start"), "end": clip.get("end")}
            rows.append({"file": answer["file"], "sample": sample, **times, **_name_scores(clip["probabilities"])})
    scores = _name_scores(dict.fromkeys(class_names))
    write_csv(path, rows, ["file", "start", "end", "label", "present", *scores, "warnings", "error", "sample"])


def _name_scores(probabilities: dict[str, float | None]) -> dict[str, float | None]:
    """Return probabilities under the names of their columns, as in a run's predictions.csv."""
    return {f"score:{name}": value for name, value in probabilities.items()}
