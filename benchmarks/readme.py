"""Write benchmarks/README.md from benchmarks/results/*.json, so that no measured number is typed by hand.

python -m benchmarks.readme                # after a change of the text, without measuring anything
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import coverage, recipe_comparison, significance
from musicml.utils import files

HEAD = """# Benchmarks

`make bench` runs the benchmarks, and writes `results/*.json` and this page. `ARGS="frozen"` selects one, and
`.venv/bin/python -m benchmarks --help` lists them all. Ratios are medians of pairs that were measured in turn.
Benchmarks on real pictures and sounds need a folder with them, set by `MUSICML_SHARED_DATA` (`benchmarks/recipes.py`
describes it). Times depend on the machine and its load.

In the tables of accuracies, each row is a mean over seeds. A seed sets the folds, the weights and the order of batches.
The 95% interval comes from a bootstrap over groups, and differences are paired by file. The interval does not include
the variation between seeds, which is in the next column.

{gpu}
"""
NO_GPU = (
    "Nothing was measured on a GPU. So the throughput of the CRNN and of fine-tuning ResNet50 at 224 pixels is "
    "unknown, and so is the effect of mixed precision."
)
TITLES = {
    "features": "Computing features",
    "frozen": "Training a head on the stored outputs of a frozen backbone",
    "again": "Time until training starts",
    "memory": "Memory",
    "plan": "Plans of large trainings",
    "cluster": "Overhead of a local cluster",
    "scale": "Growth with the number of files",
    "steps": "XLA on a CPU",
    "prediction": "Predictions",
    "hostile": "Damaged and malicious files",
    "strangers": "Run folders from others",
    "unlike": "Out-of-distribution warnings",
    "dashboard": "Dashboard",
    "coverage": "Coverage of 95% intervals",
    "significance": "False positives and power of the comparison of runs",
    "genres": "Genres of real music, by artist",
    "genre_parts": "Ablation of genre_best",
    "sounds": "Four instruments from real sounds",
    "pretrained_genres": "Genres of real music, by artist, with a network pretrained on music",
    "pretrained_sounds": "Four instruments from real sounds, with a network pretrained on music",
    "pretrained_openmic": "Twenty instruments of the sample data, with a network pretrained on music",
    "synthetic_to_real": "Real recordings, for runs trained only on sample data",
    "half_precision": "Features of half precision",
    "pictures": "Thirty instruments from real pictures",
    "spectrograms": "Real GTZAN as spectrogram pictures",
    "sample_genres": "Genres of the synthetic sample data",
}
SUMMARIZED = ("hostile", "strangers")  # too many files to list them all
TABLES = {"coverage": coverage.format_table, "significance": significance.format_table}
NOTES = {
    "coverage": "Simulated classifiers with four classes: true accuracy 0.6, 0.75 or 0.9, a correlation of errors in "
    "a group of 0.1 or 0.3. Groups differ in size and have eight files on average, of one class each or of all "
    "classes. The nominal coverage is 0.95. Reports use the interval named log-odds t. Reports of older versions of "
    "musicml use percentiles.",
    "significance": "Simulated runs that are correct on 0.7 of the files, with eight files per group on average. "
    "Equal: how often the test calls any two equal runs different (nominal: 0.05). 5, 10 points: the first run is "
    "better than the second by that much, and the number says how often the test finds this. McNemar's test assumes "
    "independent files. `musicml compare` flips the signs of whole groups. With several classes per example, it draws "
    "groups with replacement.",
    "genres": "Clips of two to three seconds, one per track of GTZAN, in folds with no artist in both training and "
    "test. The recipe of genre_best and the settings of both scikit-learn baselines were each the best of a handful "
    "on these same folds, so their results are optimistic. genre_gru was the best of six recipes and genre_crnn the "
    "best of three, on the same clips in other folds by artist. This is optimistic too, but less.",
    "genre_parts": "The same clips and folds. Each row changes one thing.",
    "sounds": "Guitar, violin, piano and drums, recordings of single instruments, in folds of files. All pianos and "
    "half of the guitars come from one collection, which is in both the training and the test part of every fold. This "
    "makes both rows optimistic.",
    "pretrained_genres": "The clips and folds of the table of genre_best, without validation data, since no epoch is "
    "chosen. musicnn may have been trained on the test tracks, and its tags include genres. The same network with "
    "random weights is a control for the rest of the recipe, but not for that. The layer, the head and its "
    "regularization were chosen on these same folds, which is optimistic. When all three were chosen by folds inside "
    "each training part, the accuracy was 0.669 (0.675, 0.641 and 0.690).",
    "pretrained_sounds": "The recordings and folds of the table of instrument_sounds_best. Nothing was chosen on them: "
    "the layer and the head are those of genre_musicnn.",
    "pretrained_openmic": "This data is synthetic, so the result says little about pretraining on music.",
    "synthetic_to_real": "No run was trained on these clips. But they were used to compare variants of the "
    "generator of sample data, which is optimistic. The default sample data uses seed 0. The other seeds show how much "
    "the result depends on the bands, pianos and rooms that were drawn. All real pianos and half of the real guitars "
    "are single notes from one collection of samples. musicnn may have been trained on the tracks of GTZAN, and many "
    "of its tags name genres and instruments.",
    "half_precision": "The cache stores float32. float16 would take half the disk, but stored scores would differ more "
    "from those of a prediction, which does not use the cache, and each batch would have to be converted.",
    "pictures": "All pictures of the three folders, in folds that keep near-duplicates together. The second size of "
    "320 pixels was the best of a handful of trials on plain folds of the same pictures, which is optimistic.",
    "spectrograms": "Trained on the fault-filtered training list and tested on the validation list. No artist is in "
    "both. The recipe was chosen by folds of the training list, by artist, but the first trials were scored on the "
    "validation list too. The settings of the baseline are common ones and were not tuned.",
    "sample_genres": "Each with its own recipe, and without ImageNet's weights.",
}


def write_readme(folder: Path, page: Path, describers: dict[str, Callable[[dict[str, Any]], list[str]]]) -> None:
    """Write the page from all results in `folder`.

    Parameters
    ----------
    describers : name of a benchmark → function that describes its results in sentences
    """
    parts = [HEAD.format(gpu=NO_GPU)]
    for name, title in TITLES.items():
        path = folder / f"{name}.json"
        if not path.is_file():
            continue
        results = files.read_json(path)
        machine = results.pop("machine")
        if name in TABLES:
            body = TABLES[name](results)
        elif "differences" in results:  # a comparison of ways to train
            body = _format_comparison(results)
        else:
            body = _format_list(name, describers[name](results))
        note = f"{NOTES[name]}\n\n" if name in NOTES else ""
        parts.append(f"## {title}\n\n{note}{body}\n\n{_format_origin(name, machine)}\n")
    files.write_text(page, "\n".join(parts))


def _format_list(name: str, sentences: list[str]) -> str:
    """Format sentences as a Markdown list. For a benchmark of many files, take only the last, the summary."""
    return "\n".join(f"- {line}" for line in (sentences[-1:] if name in SUMMARIZED else sentences))


def _format_comparison(results: dict[str, Any]) -> str:
    """Format a Markdown table of all ways, with the difference between the first way and each other."""
    first = next(iter(results["ways"]))
    rows = [f"| | {results.get('metric', 'accuracy')} | each seed | {first} minus it |", "|---|---|---|---|"]
    for name, row in results["ways"].items():
        difference, text = results["differences"].get(f"{first} - {name}"), ""
        if difference:  # the first way has none
            text = f"{difference['mean']:+.3f}{recipe_comparison.format_interval(difference['interval'], '+')}"
        accuracy = f"{row['accuracy']:.3f}{recipe_comparison.format_interval(row['interval'])}"
        seeds = ", ".join(f"{value:.3f}" for value in row["each_seed"])
        rows.append(f"| {name} | {accuracy} | {seeds} | {text} |")
    ending = f"{results['files']} files, {results['groups']} groups, seeds {', '.join(map(str, results['seeds']))}."
    return "\n".join([*rows, "", ending])


def _format_origin(name: str, machine: dict[str, Any]) -> str:
    """Describe the command, commit, machine and versions of a measurement."""
    versions = ", ".join(f"{package} {version}" for package, version in machine["versions"].items())
    commit = f", at commit {machine['commit']}" if machine.get("commit") else ""
    return f"`python -m benchmarks {name}`{commit}, {machine['cores']} cores, {machine['system']}, {versions}."


if __name__ == "__main__":
    from benchmarks.__main__ import DESCRIBERS, RESULTS

    write_readme(RESULTS, RESULTS.parent / "README.md", DESCRIBERS)
