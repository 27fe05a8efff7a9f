"""Generate a synthetic OpenMIC-2018 in the layout of its release: 140 clips of 10 s with 1 to 4 of 20 instruments.

Sounds are 22,050 Hz mono in Ogg Vorbis. As in the real dataset, most labels are not observed: only 17% of the cells
are. For each instrument, 9 clips with it and 9 without it are observed in train, and 3 and 3 in test. Two observed
cells have a relevance of exactly 0.5. No artist is in both splits.
The `vggish` features have the shape of the real ones, but they are a fixed random projection of band energies.
"""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.fft
import soundfile

from musicml.data.io import compute_checksum
from musicml.data.synthetic import recording, sampled_instruments, synth
from musicml.utils import Message, write_csv, write_json, write_text

SECONDS = 10.0
SAMPLE_RATE = 22_050
N_CLIPS = {"train": 105, "test": 35}
MIN_CLIPS = {"train": 14, "test": 10}  # at small scales
N_OBSERVED = {"train": 9, "test": 3}  # clips with each instrument, and without it, that have a label
MIXTURE_SIZES = (2, 1, 3, 2, 4, 1, 2, 3)  # instruments in consecutive clips
CLIPS_PER_ARTIST = 3
TIE = 0.5  # as many listeners heard the instrument as did not
WINDOW_SECONDS = 0.96  # per row of features
N_ROWS, N_FEATURES, N_BANDS, N_FRAMES = 10, 128, 64, 12
PROJECTION_SEED = 1432913  # the same for every seed of the data
MEAN_LOG_ENERGY, FEATURE_STEP = -5.0, 9.0  # center the features in the range of uint8
NOTES = {"vggish": Message("a stand-in of the same shape: a random projection of band energies, not VGGish")}
CELLS = ["sample_key", "instrument", "relevance", "num_responses"]
METADATA = ["track_id", "artist_id", "artist_name", "track_title", "license_title", "sample_key", "start_time"]


@dataclass(frozen=True)
class Clip:
    """One clip with its artist and its instruments."""

    track: int
    artist: int
    start: float
    split: str
    instruments: tuple[str, ...]

    @property
    def key(self) -> str:
        """The clip's name in the release, such as `000046_3840`: the track and the start in milliseconds."""
        return f"{self.track:06d}_{round(self.start * 1000)}"


def write(folder: Path, seed: int, scale: float, run: Callable) -> None:
    """Write the dataset into `folder`. `run` maps a function over its jobs."""
    release = folder / "openmic-2018"
    clips = plan(seed, scale)
    for part, clip in itertools.product(("audio", "vggish"), clips):
        (release / part / clip.key[:3]).mkdir(parents=True, exist_ok=True)
    features = np.stack(run(_write_clip, [(release, clip, seed) for clip in clips]))
    relevance = draw_labels(clips, scale, np.random.default_rng([seed, synth.hash_name("openmic labels")]))
    _write_tables(release, clips, features, relevance)


def plan(seed: int, scale: float) -> list[Clip]:
    """Plan the clips of both splits, in the order of their keys."""
    rng = np.random.default_rng([seed, synth.hash_name("openmic")])
    mixtures = [
        (split, names)
        for split, count in N_CLIPS.items()
        for names in _draw_mixtures(max(MIN_CLIPS[split], round(count * scale)), rng)
    ]
    clips, track, artist = [], 40, 3
    for place, (split, names) in enumerate(mixtures):
        is_new_artist = place % CLIPS_PER_ARTIST == 0 or split != mixtures[place - 1][0]
        track, artist = track + int(rng.integers(3, 300)), artist + int(is_new_artist)
        clips.append(Clip(track, artist, round(0.96 * float(rng.integers(0, 200)), 2), split, names))
    return clips


def _draw_mixtures(n_clips: int, rng: np.random.Generator) -> list[tuple[str, ...]]:
    """Draw the instruments of each clip like cards from shuffled decks, so that all occur about equally often."""
    deck: list[str] = []
    mixtures = []
    for clip in range(n_clips):
        if len(deck) < max(MIXTURE_SIZES):
            deck = deck + rng.permutation(sampled_instruments.NAMES).tolist()
        # the end of one deck and the start of the next may hold the same instrument
        names = list(dict.fromkeys(deck[: MIXTURE_SIZES[clip % len(MIXTURE_SIZES)]]))
        deck = deck[len(names) :]
        mixtures.append(tuple(sorted(names)))
    return mixtures


def draw_labels(clips: Sequence[Clip], scale: float, rng: np.random.Generator) -> np.ndarray:
    """Draw the relevance [shape=(n_clips, 20)]: 0 to 1 for observed cells, NaN for all others."""
    relevance = np.full((len(clips), len(sampled_instruments.NAMES)), np.nan)
    for split, count in N_OBSERVED.items():
        count = max(2 if split == "train" else 1, round(count * scale))
        for column, name in enumerate(sampled_instruments.NAMES):
            for present in (True, False):
                rows = [
                    row
                    for row, clip in enumerate(clips)
                    if clip.split == split and (name in clip.instruments) == present
                ]
                selected = rng.choice(rows, min(count, len(rows)), replace=False)
                relevance[selected, column] = rng.uniform(0.0, 0.4, len(selected)) + (0.6 if present else 0.0)
    for split in N_CLIPS:
        # one more cell per split, about which the listeners disagree
        row = next(row for row, clip in enumerate(clips) if clip.split == split and np.isnan(relevance[row, 0]))
        relevance[row, 0] = TIE
    return relevance


def _write_tables(release: Path, clips: Sequence[Clip], features: np.ndarray, relevance: np.ndarray) -> None:
    """Write the class map, the label table, the metadata, the splits and the arrays."""
    mask = ~np.isnan(relevance)
    write_json(release / "class-map.json", {name: column for column, name in enumerate(sampled_instruments.NAMES)})
    cells = [(clips[row].key, sampled_instruments.NAMES[k], relevance[row, k], 3) for row, k in np.argwhere(mask)]
    tracks = [
        (clip.track, clip.artist, f"Artist {clip.artist}", f"Piece {clip.track}", "generated", clip.key, clip.start)
        for clip in clips
    ]
    for name, columns, rows in (("aggregated-labels", CELLS, cells), ("metadata", METADATA, tracks)):
        named = [dict(zip(columns, row, strict=True)) for row in rows]
        write_csv(release / f"openmic-2018-{name}.csv", named, columns)
    for split in N_CLIPS:
        lines = "".join(f"{clip.key}\n" for clip in clips if clip.split == split)
        write_text(release / "partitions" / f"split01_{split}.csv", lines)
    np.savez(
        release / "openmic-2018.npz",
        X=features,
        Y_true=np.where(mask, relevance, 0.5),
        Y_mask=mask,
        sample_key=np.array([clip.key for clip in clips]),
    )


def _write_clip(release: Path, clip: Clip, seed: int) -> np.ndarray:
    """Render and write one clip, and return its features, [shape=(10, 128)], uint8."""
    key = [seed, synth.hash_name("openmic"), clip.artist]
    y = _render_clip(clip, np.random.default_rng(key), np.random.default_rng([*key, clip.track]))
    (release / "audio" / clip.key[:3] / f"{clip.key}.ogg").write_bytes(encode_vorbis(y))
    features = _compute_features(y)
    table = {"time_points": [round(row * WINDOW_SECONDS, 2) for row in range(N_ROWS)], "features": features.tolist()}
    (release / "vggish" / clip.key[:3] / f"{clip.key}.json").write_text(json.dumps(table))
    return features


def _render_clip(clip: Clip, artist: np.random.Generator, rng: np.random.Generator) -> np.ndarray:
    """Render ten seconds of the clip's instruments in the artist's room, as mono float32."""
    recorder = recording.vary_recorder(recording.draw_recorder(artist), rng)
    y = np.zeros(int(SECONDS * SAMPLE_RATE), np.float32)
    for name in clip.instruments:
        part = sampled_instruments.render_instrument(name, SECONDS, SAMPLE_RATE, rng)
        y += synth.normalize_peak(part, 10 ** (rng.uniform(-5, 0) / 20))
    return recording.record_sound(y, SAMPLE_RATE, recorder, rng)


def _compute_features(y: np.ndarray) -> np.ndarray:
    """Project the means and deviations of 64 band energies onto 128 features per window, [shape=(10, 128)], uint8."""
    n_samples = int(WINDOW_SECONDS * SAMPLE_RATE) // N_FRAMES
    frames = y[: N_ROWS * N_FRAMES * n_samples].reshape(N_ROWS * N_FRAMES, n_samples)
    power = np.abs(scipy.fft.rfft(frames * np.hanning(n_samples).astype(np.float32))) ** 2 / n_samples
    # the lowest bands would be empty: each gets at least one bin
    edges = np.geomspace(3, power.shape[1], N_BANDS + 1).astype(int)
    edges = np.maximum(edges, 3 + np.arange(N_BANDS + 1))
    energy = np.log(np.add.reduceat(power[:, : edges[-1]], edges[:-1], axis=1) + 1e-7)
    energy = energy.reshape(N_ROWS, N_FRAMES, N_BANDS)
    statistics = np.concatenate([energy.mean(1) - MEAN_LOG_ENERGY, 2 * energy.std(1)], axis=1)
    matrix = np.random.default_rng(PROJECTION_SEED).normal(0, (2 * N_BANDS) ** -0.5, (2 * N_BANDS, N_FEATURES))
    return np.clip(128 + FEATURE_STEP * statistics @ matrix, 0, 255).astype(np.uint8)


def encode_vorbis(y: np.ndarray) -> bytes:
    """Encode `y` as Ogg Vorbis with reproducible bytes.

    The encoder picks a random stream number, so each page gets the number 1 and a new checksum.
    """
    buffer = io.BytesIO()
    soundfile.write(buffer, y, SAMPLE_RATE, format="OGG", subtype="VORBIS")
    content, start = bytearray(buffer.getvalue()), 0
    while start < len(content):
        n_segments = content[start + 26]
        end = start + 27 + n_segments + sum(content[start + 27 : start + 27 + n_segments])
        content[start + 14 : start + 18] = (1).to_bytes(4, "little")
        content[start + 22 : start + 26] = compute_checksum(bytes(content[start:end]))
        start = end
    return bytes(content)
