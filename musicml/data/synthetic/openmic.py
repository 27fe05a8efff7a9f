"""Stand-in for OpenMIC-2018 in its release's layout: 140 clips of 10 s, Ogg Vorbis, each with 1 to 4 of 20 instruments.

The sound is 22,050 Hz mono. As in the real one most labels are not observed: 17 % of the cells are, for each instrument
9 clips with it and 9 without it in train, 3 and 3 in test. Two observed cells have a relevance of exactly 0.5. No
artist is on both sides.
The `vggish` features have the real ones' shape and are not VGGish: a fixed random projection of band energies.
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
CLIPS = {"train": 105, "test": 35}
FEWEST = {"train": 14, "test": 10}
OBSERVED = {"train": 9, "test": 3}  # clips with, and without, each instrument that listeners were asked about
HANDS = (2, 1, 3, 2, 4, 1, 2, 3)  # instruments in one clip after the other
TRACKS_EACH = 3  # clips by one artist
TIE = 0.5  # as many listeners heard it as did not
WINDOW = 0.96  # seconds of one row of features
ROWS, COLUMNS, BANDS, FRAMES = 10, 128, 64, 12
PROJECTION = 1432913  # seeds the projection, the same whatever the data's seed
QUIET, STEP = -5.0, 9.0  # features: mean of the log energies; steps of a feature for one unit
NOTES = {"vggish": Message("a stand-in of the same shape: a random projection of band energies, not VGGish")}
CELLS = ["sample_key", "instrument", "relevance", "num_responses"]
METADATA = ["track_id", "artist_id", "artist_name", "track_title", "license_title", "sample_key", "start_time"]


@dataclass(frozen=True)
class Clip:
    """One clip: what can be heard in it, and whose it is."""

    track: int
    artist: int
    start: float
    split: str
    heard: tuple[str, ...]

    @property
    def key(self) -> str:
        """The clip's name in the release: `000046_3840`, the track and the start in milliseconds."""
        return f"{self.track:06d}_{round(self.start * 1000)}"


def write(folder: Path, seed: int, scale: float, run: Callable) -> None:
    """Write the data set into `folder`; `run` maps a function over its jobs."""
    release = folder / "openmic-2018"
    clips = plan(seed, scale)
    for part, clip in itertools.product(("audio", "vggish"), clips):
        (release / part / clip.key[:3]).mkdir(parents=True, exist_ok=True)
    features = np.stack(run(write_clip, [(release, clip, seed) for clip in clips]))
    relevance = labels(clips, scale, np.random.default_rng([seed, synth.number("openmic labels")]))
    write_tables(release, clips, features, relevance)


def plan(seed: int, scale: float) -> list[Clip]:
    """The clips of both splits, in the order of their keys."""
    rng = np.random.default_rng([seed, synth.number("openmic")])
    heard = [
        (split, names)
        for split, count in CLIPS.items()
        for names in mixtures(max(FEWEST[split], round(count * scale)), rng)
    ]
    clips, track, artist = [], 40, 3
    for place, (split, names) in enumerate(heard):
        new = place % TRACKS_EACH == 0 or split != heard[place - 1][0]
        track, artist = track + int(rng.integers(3, 300)), artist + int(new)
        clips.append(Clip(track, artist, round(0.96 * float(rng.integers(0, 200)), 2), split, names))
    return clips


def mixtures(n_clips: int, rng: np.random.Generator) -> list[tuple[str, ...]]:
    """Which instruments each clip has: dealt from shuffled packs, so that each comes about equally often."""
    pack: list[str] = []
    dealt = []
    for clip in range(n_clips):
        if len(pack) < max(HANDS):
            pack = pack + rng.permutation(sampled_instruments.NAMES).tolist()
        # the end of one pack and the start of the next may hold the same instrument: it is heard once
        hand = list(dict.fromkeys(pack[: HANDS[clip % len(HANDS)]]))
        pack = pack[len(hand) :]
        dealt.append(tuple(sorted(hand)))
    return dealt


def labels(clips: Sequence[Clip], scale: float, rng: np.random.Generator) -> np.ndarray:
    """Relevance [shape=(n_clips, 20)] from 0 to 1 where it was observed, NaN elsewhere."""
    relevance = np.full((len(clips), len(sampled_instruments.NAMES)), np.nan)
    for split, count in OBSERVED.items():
        count = max(2 if split == "train" else 1, round(count * scale))
        for column, name in enumerate(sampled_instruments.NAMES):
            for present in (True, False):
                rows = [
                    row for row, clip in enumerate(clips) if clip.split == split and (name in clip.heard) == present
                ]
                chosen = rng.choice(rows, min(count, len(rows)), replace=False)
                relevance[chosen, column] = rng.uniform(0.0, 0.4, len(chosen)) + (0.6 if present else 0.0)
    for split in CLIPS:
        # one more cell a split, on which the listeners were of two minds
        row = next(row for row, clip in enumerate(clips) if clip.split == split and np.isnan(relevance[row, 0]))
        relevance[row, 0] = TIE
    return relevance


def write_tables(release: Path, clips: Sequence[Clip], features: np.ndarray, relevance: np.ndarray) -> None:
    """Write the class map, the label table, the metadata, the split and the arrays."""
    mask = ~np.isnan(relevance)
    write_json(release / "class-map.json", {name: column for column, name in enumerate(sampled_instruments.NAMES)})
    cells = [(clips[row].key, sampled_instruments.NAMES[k], relevance[row, k], 3) for row, k in np.argwhere(mask)]
    pieces = [
        (clip.track, clip.artist, f"Artist {clip.artist}", f"Piece {clip.track}", "generated", clip.key, clip.start)
        for clip in clips
    ]
    for name, columns, rows in (("aggregated-labels", CELLS, cells), ("metadata", METADATA, pieces)):
        named = [dict(zip(columns, row, strict=True)) for row in rows]
        write_csv(release / f"openmic-2018-{name}.csv", named, columns)
    for split in CLIPS:
        listed = "".join(f"{clip.key}\n" for clip in clips if clip.split == split)
        write_text(release / "partitions" / f"split01_{split}.csv", listed)
    np.savez(
        release / "openmic-2018.npz",
        X=features,
        Y_true=np.where(mask, relevance, 0.5),
        Y_mask=mask,
        sample_key=np.array([clip.key for clip in clips]),
    )


def write_clip(release: Path, clip: Clip, seed: int) -> np.ndarray:
    """Write one clip's sound and features; give the features [shape=(10, 128)], uint8."""
    who = [seed, synth.number("openmic"), clip.artist]
    y = sound(clip, np.random.default_rng(who), np.random.default_rng([*who, clip.track]))
    (release / "audio" / clip.key[:3] / f"{clip.key}.ogg").write_bytes(vorbis(y))
    features = stand_in(y)
    table = {"time_points": [round(row * WINDOW, 2) for row in range(ROWS)], "features": features.tolist()}
    (release / "vggish" / clip.key[:3] / f"{clip.key}.json").write_text(json.dumps(table))
    return features


def sound(clip: Clip, artist: np.random.Generator, rng: np.random.Generator) -> np.ndarray:
    """Ten seconds of the clip's instruments together, in the artist's room; mono float32."""
    recorder = recording.vary_recorder(recording.draw_recorder(artist), rng)
    y = np.zeros(int(SECONDS * SAMPLE_RATE), np.float32)
    for name in clip.heard:
        part = sampled_instruments.render_instrument(name, SECONDS, SAMPLE_RATE, rng)
        y += synth.at_peak(part, 10 ** (rng.uniform(-5, 0) / 20))
    return recording.record_sound(y, SAMPLE_RATE, recorder, rng)


def stand_in(y: np.ndarray) -> np.ndarray:
    """Features [shape=(10, 128)], uint8: mean and spread of 64 log energies a window, mixed by a fixed matrix."""
    n_samples = int(WINDOW * SAMPLE_RATE) // FRAMES
    frames = y[: ROWS * FRAMES * n_samples].reshape(ROWS * FRAMES, n_samples) * np.hanning(n_samples).astype(np.float32)
    power = np.abs(scipy.fft.rfft(frames)) ** 2 / n_samples
    # each band begins at least one place further up, however narrow it is
    edges = np.geomspace(3, power.shape[1], BANDS + 1).astype(int)
    edges = np.maximum(edges, 3 + np.arange(BANDS + 1))
    energy = np.log(np.add.reduceat(power[:, : edges[-1]], edges[:-1], axis=1) + 1e-7).reshape(ROWS, FRAMES, BANDS)
    described = np.concatenate([energy.mean(1) - QUIET, 2 * energy.std(1)], axis=1)
    matrix = np.random.default_rng(PROJECTION).normal(0, (2 * BANDS) ** -0.5, (2 * BANDS, COLUMNS))
    return np.clip(128 + STEP * described @ matrix, 0, 255).astype(np.uint8)


def vorbis(y: np.ndarray) -> bytes:
    """`y` as an Ogg Vorbis file whose bytes depend on the sound alone.

    The encoder numbers its streams by chance, so each page's stream number is set to 1 and its checksum made anew.
    """
    stored = io.BytesIO()
    soundfile.write(stored, y, SAMPLE_RATE, format="OGG", subtype="VORBIS")
    content, start = bytearray(stored.getvalue()), 0
    while start < len(content):
        n_segments = content[start + 26]
        end = start + 27 + n_segments + sum(content[start + 27 : start + 27 + n_segments])
        content[start + 14 : start + 18] = (1).to_bytes(4, "little")
        content[start + 22 : start + 26] = compute_checksum(bytes(content[start:end]))
        start = end
    return bytes(content)
