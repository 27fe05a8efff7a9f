"""benchmarks/README.md, written from benchmarks/results/*.json: no measured figure in it is typed by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import recipe_comparison
from musicml.utils import files

HEAD = """# Benchmarks

`make bench` measures, writes `results/*.json`, and writes this page from them; `ARGS="frozen"` chooses, and
`.venv/bin/python -m benchmarks --help` names what there is. Ratios are medians of pairs measured in turn in one run.
Measurements on real pictures and sounds need a folder of them, which `MUSICML_SHARED_DATA` names
(`benchmarks/recipes.py` says what is in it). Seconds are this machine's and depend on what else it does.

In the tables of accuracies each row is a mean over seeds, which change the folds, the weights and the order of batches;
its interval, 95 %, comes from a bootstrap over groups, and differences are paired by file. How the seeds differ is not
in the interval: the column beside it shows them.

{gpu}
"""
NO_GPU = (
    "On a GPU nothing was measured: neither samples a second of ResNet50 fine-tuning at 224 pixels and of the CRNN, "
    "nor float32 against mixed precision."
)
TITLES = {
    "features": "Files to features",
    "frozen": "A head on a frozen backbone's stored outputs",
    "again": "From the start to the beginning of training",
    "memory": "Memory",
    "steps": "XLA on a CPU",
    "prediction": "Answers",
    "hostile": "Damaged and malicious files",
    "strangers": "Run folders from others",
    "unlike": "Files unlike training",
    "dashboard": "The dashboard",
    "genres": "Genres of real music, by artist",
    "genre_parts": "What each part of genre_best gives",
    "sounds": "Four instruments from real sounds",
    "pretrained_genres": "Genres of real music, by artist, with a network that has heard music",
    "pretrained_sounds": "Four instruments from real sounds, with a network that has heard music",
    "pretrained_openmic": "Twenty instruments of the sample data, with a network that has heard music",
    "synthetic_to_real": "Real recordings, asked of runs that were trained on sample data alone",
    "pictures": "Thirty instruments from real pictures",
    "spectrograms": "Real GTZAN as spectrogram pictures",
    "sample_genres": "Genres of the sample data, which is generated and no music",
}
SUMMED_UP = ("hostile", "strangers")
NOTES = {
    "genres": "Clips of two to three seconds, one of a track of GTZAN, in folds with no artist on two sides. The "
    "recipe of genre_best was found by trying out a handful on these very folds, and so were the strengths of both "
    "rivals by scikit-learn: their figures flatter. Those of genre_gru and genre_crnn were chosen "
    "among six and three on folds by artist of the same clips with another seed, which flatters too, if less.",
    "genre_parts": "The same clips and folds; each row changes one thing.",
    "sounds": "Guitar, violin, piano and drums, recordings of single instruments, in folds of files. All pianos and "
    "half of the guitars come from one collection, which stands on both sides of every fold: that flatters "
    "both rows.",
    "pretrained_genres": "The clips and folds of the table above of genre_best, and nothing is left out to choose an "
    "epoch by. musicnn may have heard the test tracks in its own training, and its tags name genres: the same network "
    "with random weights is the control for the rest of the recipe, not for that. The layer, the head and its strength "
    "were chosen on these very folds, which flatters; with all three chosen anew by folds inside each training part, "
    "it was right in 0.669 (0.675, 0.641 and 0.690).",
    "pretrained_sounds": "The recordings and folds of the table above of instrument_sounds_best. Nothing was chosen on "
    "them: layer and head are those of genre_musicnn.",
    "pretrained_openmic": "Generated and no music: what the network has heard says little here.",
    "synthetic_to_real": "Nothing was learned from these clips, but variants of the generator of sample data were "
    "compared on them, which flatters. The default sample data uses seed 0; the other seeds show how much the result "
    "depends on which bands, pianos and rooms were drawn. All real pianos and half of the real guitars are single "
    "notes of one sampled collection. musicnn may have heard the tracks of GTZAN, and many of its tags name genres and "
    "instruments.",
    "pictures": "All pictures of the three folders, in folds that keep near-duplicates together. That a second look at "
    "320 pixels helps was found among a handful of trials, on plain folds of the same pictures: that flatters it.",
    "spectrograms": "Trained on the fault-filtered training list and asked about the validation list; no artist is on "
    "both. The recipe was chosen by folds of the training list, by artist; first trials were scored on the "
    "other, too. The rival's settings are common ones that nobody searched.",
    "sample_genres": "Each by its own recipe and without ImageNet's weights.",
}


def write(results: Path, page: Path, lines: dict[str, Callable[[dict[str, Any]], list[str]]]) -> None:
    """Write the page of all results that are there.

    Parameters
    ----------
    lines : measurement → what it says in words
    """
    parts = [HEAD.format(gpu=NO_GPU)]
    for name, title in TITLES.items():
        path = results / f"{name}.json"
        if path.is_file():
            found = files.read_json(path)
            machine = found.pop("machine")
            body = table(found) if "differences" in found else listed(name, lines[name](found))
            note = f"{NOTES[name]}\n\n" if name in NOTES else ""
            parts.append(f"## {title}\n\n{note}{body}\n\n{named(name, machine)}\n")
    files.write_text(page, "\n".join(parts))


def listed(name: str, said: list[str]) -> str:
    """Sentences as a list; of a measurement of many files only the last, which sums them up."""
    return "\n".join(f"- {line}" for line in (said[-1:] if name in SUMMED_UP else said))


def table(found: dict[str, Any]) -> str:
    """A table of ways beside the first of them, in Markdown."""
    first = next(iter(found["ways"]))
    rows = [f"| | {found.get('metric', 'accuracy')} | seed by seed | {first} above it |", "|---|---|---|---|"]
    for name, row in found["ways"].items():
        apart = found["differences"].get(f"{first} - {name}")
        above = f"{apart['mean']:+.3f}{recipe_comparison.between(apart['interval'], '+')}" if apart else ""
        each = ", ".join(f"{accuracy:.3f}" for accuracy in row["each_seed"])
        rows.append(
            f"| {name} | {row['accuracy']:.3f}{recipe_comparison.between(row['interval'])} | {each} | {above} |"
        )
    ending = f"{found['files']} files, {found['groups']} groups, seeds {', '.join(map(str, found['seeds']))}."
    return "\n".join([*rows, "", ending])


def named(name: str, machine: dict[str, Any]) -> str:
    """What it was measured on, and by which command."""
    versions = ", ".join(f"{package} {version}" for package, version in machine["versions"].items())
    commit = f", at commit {machine['commit']}" if machine.get("commit") else ""
    return f"`python -m benchmarks {name}`{commit}, {machine['cores']} cores, {machine['system']}, {versions}."
