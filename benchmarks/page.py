"""benchmarks/README.md, written from benchmarks/results/*.json: no figure in it was typed by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import judged
from musicml import files

HEAD = """# Benchmarks

`make bench` measures, writes `results/*.json`, and writes this page from them; `ARGS="frozen"` chooses, and
`.venv/bin/python -m benchmarks --help` names what there is. Ratios are medians of pairs measured in turn in one run.
Measurements on real pictures and sounds need a folder of them, which `MUSICML_SHARED_DATA` names
(`benchmarks/recipes.py` says what is in it). Seconds are this machine's and depend on what else it does.

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
    "unlike": "Files unlike training",
    "dashboard": "The dashboard",
    "genres": "Genres of real music, by artist",
    "genre_parts": "What each part of genre_best gives",
    "sounds": "Four instruments from real sounds",
    "pictures": "Thirty instruments from real pictures",
    "spectrograms": "Real GTZAN as spectrogram pictures",
    "sample_genres": "Genres of the sample data, which is generated and no music",
}
NOTES = {
    "genres": "323 clips of two to three seconds, one of a track of GTZAN; three folds, no artist on two sides. The "
    "recipe was found by trying out a handful on these folds, so its figure flatters a little.",
    "genre_parts": "The same clips and folds; each row changes one thing.",
    "sounds": "Guitar, violin, piano and drums, recordings of single instruments, five folds of files; whose "
    "instruments they are is not known.",
    "pictures": "All pictures of the three folders, five folds grouped by near-duplicates, one seed.",
    "spectrograms": "Trained on the fault-filtered training list, asked about its validation list, which had no part "
    "in any choice of the recipe; no artist is on both. Three seeds.",
    "sample_genres": "Each by its own recipe and without ImageNet's weights; three seeds.",
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
            body = table(found) if "differences" in found else "\n".join(f"- {line}" for line in lines[name](found))
            note = f"{NOTES[name]}\n\n" if name in NOTES else ""
            parts.append(f"## {title}\n\n{note}{body}\n\n{named(name, machine)}\n")
    files.write_text(page, "\n".join(parts))


def table(found: dict[str, Any]) -> str:
    """A table of ways beside the first of them, in Markdown."""
    first = next(iter(found["ways"]))
    rows = [f"| | accuracy | {first} above it, paired | seconds a seed |", "|---|---|---|---|"]
    for name, row in found["ways"].items():
        apart = found["differences"].get(f"{first} - {name}")
        above = f"{apart['mean']:+.3f}{judged.between(apart['interval'], '+')}" if apart else ""
        seconds = sum(row["seconds"]) / len(row["seconds"])
        rows.append(f"| {name} | {row['accuracy']:.3f}{judged.between(row['interval'])} | {above} | {seconds:.0f} |")
    ending = f"{found['files']} files, {found['groups']} groups, seeds {', '.join(map(str, found['seeds']))}."
    return "\n".join([*rows, "", ending])


def named(name: str, machine: dict[str, Any]) -> str:
    """What it was measured on, and by which command."""
    versions = ", ".join(f"{package} {version}" for package, version in machine["versions"].items())
    return f"`python -m benchmarks {name}`, {machine['cores']} cores, {machine['system']}, {versions}."
