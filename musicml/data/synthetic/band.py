"""Simulate bands: draw an artist of a genre, and render tracks of it.

The tracks of an artist share style, instruments, rhythms, singer, drum kit, tempo and production, so a model can
recognize the artist instead of the genre. Each track has its own key, chords and melodies, and a slightly other tempo.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import numpy as np

from musicml.data.synthetic import arrangement, mastering, renderer, synth, voice
from musicml.data.synthetic.arrangement import Clock, Piece, Tune, pick
from musicml.data.synthetic.renderer import Note
from musicml.data.synthetic.styles import STYLES
from musicml.data.synthetic.styles.style import Part, Singing, Sound, Style

MIN_PITCH = {"male": 47, "female": 57}  # of singers
VOCAL_RANGE = 19  # semitones
RAP_OFFSET = 3  # semitones by which rappers are lower
ARTIST_MIX_DB, TRACK_MIX_DB = 2.0, 1.0  # deviation of part levels between artists, and between tracks of an artist
ARTIST_TINT_DB, TRACK_TINT_DB = 2.0, 0.6  # the same for tone color
DOUBLING_SECONDS, DOUBLING_SEMITONES = 0.015, 0.15  # differences between two takes of a doubled part
MP3_SHARE = 0.3  # of the artists
SCRATCH_DB = -4.0


@dataclass(frozen=True)
class Voice:
    """The singer of an artist and the manner of singing."""

    singer: voice.Singer
    backing: voice.Singer | None
    singing: Singing
    low: int
    level: float
    rest: float
    wet: float


@dataclass(frozen=True)
class Artist:
    """The properties that all tracks of an artist share."""

    style: Style
    tempo: float
    swing: float
    scale: tuple[int, ...]
    drums: dict[int, str]
    kit: int
    drum_level: float
    parts: tuple[Part, ...]  # each with one program, one rhythm, ...
    voice: Voice | None
    scratches: bool
    record: SimpleNamespace  # values drawn from `styles.style.Sound`, with `tint` and `mp3`


def draw_artist(genre: str, rng: np.random.Generator) -> Artist:
    """Draw a random artist of a genre."""
    styles = STYLES[genre]
    weights = np.array([style.weight for style in styles])
    style = styles[rng.choice(len(styles), p=weights / weights.sum())]
    pattern = pick(style.drums, rng) if style.drums else {}
    return Artist(
        style=style,
        tempo=rng.uniform(*style.tempo),
        swing=rng.uniform(*style.swing),
        scale=pick(style.scales, rng),
        drums={
            drum: pick((rhythms,) if isinstance(rhythms, str) else rhythms, rng) for drum, rhythms in pattern.items()
        },
        kit=pick(style.kits, rng),
        drum_level=style.drum_level + rng.normal(0, ARTIST_MIX_DB),
        parts=tuple(_draw_part(part, rng) for part in style.parts if rng.random() < part.chance),
        voice=_draw_voice(style.singing, rng) if style.singing else None,
        scratches=bool(rng.random() < style.scratches),
        record=_draw_record(style.sound, rng),
    )


def perform(artist: Artist, seconds: float, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """Render one track of an artist.

    Returns
    -------
    np.ndarray [shape=(n_samples,)], mono float32 in [-1, 1]
    """
    piece = _draw_piece(artist, seconds, rng)
    y = np.zeros(round(seconds * sample_rate), np.float32)
    if artist.drums and rng.random() < artist.style.drum_share:
        notes = arrangement.play_drums(piece, artist.drums, artist.style.fill, artist.style.crash)
        sound = renderer.render_notes(notes, artist.kit, seconds, sample_rate, is_drum=True)
        y += mastering.set_loudness(sound, artist.drum_level + rng.normal(0, TRACK_MIX_DB))
    for part in artist.parts:
        if rng.random() < part.share:
            notes = ROLES[part.role](piece, part)
            sound = renderer.render_notes(notes, part.programs[0], seconds, sample_rate)
            if part.doubled:
                sound += _play_second_take(notes, part.programs[0], seconds, sample_rate, rng)
            sound = _add_effects(sound, part, artist, sample_rate, rng)
            y += mastering.set_loudness(sound, part.level + rng.normal(0, TRACK_MIX_DB))
    y += _render_vocals(piece, artist, mastering.measure_loudness(y), sample_rate, rng)
    return _master_track(y, artist.record, sample_rate, rng)


def _play_second_take(
    notes: list[Note], program: int, seconds: float, sample_rate: int, rng: np.random.Generator
) -> np.ndarray:
    """Render a part again with slightly other timing and pitch, as in a second take."""
    second_take = [note._replace(start=max(0.0, note.start + rng.normal(0, DOUBLING_SECONDS))) for note in notes]
    y = renderer.render_notes(second_take, program, seconds, sample_rate)
    return np.float32(0.8) * mastering.add_vibrato(y, DOUBLING_SEMITONES, 1.0, sample_rate, rng)


def _draw_part(part: Part, rng: np.random.Generator) -> Part:
    """Draw how an artist plays a part: one of the part's options of each kind."""
    program, rhythm = pick(part.programs, rng), pick(part.rhythms, rng)
    return replace(
        part,
        programs=(program,),
        rhythms=part.rhythms if part.by_track else (rhythm,),
        level=part.level + rng.normal(0, ARTIST_MIX_DB),
        length=part.length * rng.uniform(0.85, 1.1),
        units=(pick(part.units, rng),),
        rest=(rng.uniform(*part.rest),) * 2,
        orders=(pick(part.orders, rng),),
    )


def _draw_voice(singing: Singing, rng: np.random.Generator) -> Voice:
    speaks = singing.manner == "rap"

    def draw_singer(kind: str) -> voice.Singer:
        """Draw a singer for this manner of singing."""
        return voice.Singer(
            kind=kind,
            size=rng.uniform(0.92, 1.08),
            vibrato=rng.uniform(*singing.vibrato),
            growl=rng.uniform(*singing.growl),
            breath=rng.uniform(0.04, 0.12),
            consonants=0.95 if speaks else 0.75,
            speaks=speaks,
        )

    kind = pick(singing.kinds, rng)
    has_backing = rng.random() < singing.backing
    return Voice(
        singer=draw_singer(kind),
        backing=draw_singer(pick(("male", "female"), rng)) if has_backing else None,
        singing=singing,
        low=MIN_PITCH[kind] + int(rng.integers(-3, 4)) - RAP_OFFSET * speaks,
        level=rng.uniform(*singing.level),
        rest=rng.uniform(*singing.rest),
        wet=rng.uniform(*singing.wet),
    )


def _draw_record(sound: Sound, rng: np.random.Generator) -> SimpleNamespace:
    """Draw the production of an artist's records, from the ranges and options of a style."""
    record = SimpleNamespace()
    value: Any
    for name, options in vars(sound).items():
        if name == "crackle":
            value = rng.random() < options  # the share of artists with worn records
        elif name in ("ratio", "low", "high", "clip"):
            value = pick(options, rng)
        else:
            value = rng.uniform(*options)
        setattr(record, name, value)
    record.tint, record.mp3 = synth.draw_tint(rng, ARTIST_TINT_DB), rng.random() < MP3_SHARE
    return record


def _draw_piece(artist: Artist, seconds: float, rng: np.random.Generator) -> Piece:
    """Draw the key, chords and tempo of a track, and the beat at which it begins."""
    style = artist.style
    clock = Clock(
        tempo=artist.tempo * rng.uniform(0.95, 1.05),
        seconds=seconds,
        rng=rng,
        first=float(rng.integers(style.bar * 8)) + rng.uniform(0, 1),
        swing=artist.swing,
        unit=style.unit,
        loose=style.loose,
    )
    chords = arrangement.parse_chords(pick(style.progressions, rng))
    return Piece(clock, int(rng.integers(12)), artist.scale, chords, pick(style.beats_each, rng), style.bar, rng)


ROLES: dict[str, Callable[[Piece, Part], list[Note]]] = {
    "bass": arrangement.play_bass,
    "walk": arrangement.walk_bass,
    "chords": arrangement.play_chords,
    "power": arrangement.play_power_chords,
    "arpeggio": arrangement.play_arpeggio,
    "run": arrangement.play_run,
    "melody": arrangement.play_melody,
}


def _add_effects(y: np.ndarray, part: Part, artist: Artist, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """Add the effects of a part: vibrato, and an amplifier, a filter or echoes."""
    record = artist.record
    if part.vibrato:
        y = mastering.add_vibrato(y, part.vibrato, rng.uniform(4.5, 6.5), sample_rate, rng)
    if part.sound == "amp":
        return mastering.distort(y, record.drive, record.tone, sample_rate)
    if part.sound == "sub":
        return mastering.filter_band(y, "lowpass", 400, sample_rate)
    if part.sound == "loop":
        return mastering.filter_band(
            mastering.filter_band(y, "lowpass", 0.7 * record.tone, sample_rate), "highpass", 120, sample_rate
        )
    if part.sound == "dub":
        return mastering.add_echo(y, 0.75 * 60 / artist.tempo, 0.55, sample_rate)
    return y


def _render_vocals(
    piece: Piece, artist: Artist, loudness: float, sample_rate: int, rng: np.random.Generator
) -> np.ndarray:
    """Render the voices and scratches, at their level relative to the band's `loudness`."""
    seconds, level = piece.clock.seconds, 20 * np.log10(loudness + 1e-6)
    y = np.zeros(round(seconds * sample_rate), np.float32)
    if artist.scratches and rng.random() < 0.6:
        y += mastering.set_loudness(voice.scratch(seconds, sample_rate, rng), level + SCRATCH_DB)
    if artist.voice is None or rng.random() > artist.voice.singing.share:
        return y
    front = artist.voice
    notes = _write_vocals(piece, front)
    vocals = voice.sing(notes, front.singer, seconds, sample_rate, rng)
    if front.backing is not None:
        interval = int(rng.choice([3, 4, 4, -5]))
        harmony = [note._replace(pitch=note.pitch + interval) for note in notes if rng.random() < 0.5]
        vocals += np.float32(0.45) * voice.sing(harmony, front.backing, seconds, sample_rate, rng)
    vocals = mastering.compress(mastering.filter_band(vocals, "highpass", 120, sample_rate), 4.0)
    vocals = mastering.set_loudness(vocals, level + front.level)
    room = mastering.build_room(artist.record.room + 0.3, front.wet, sample_rate, rng)
    return y + mastering.equalize(vocals, sample_rate, room, np.zeros(2), np.array([20, 20_000]))


def _write_vocals(piece: Piece, front: Voice) -> list[Note]:
    """Write the notes of the lead voice."""
    if front.singer.speaks:
        return arrangement.write_rap(piece, front.low, 0.72, 0.6)
    singing = front.singing
    tune = Tune(front.low, front.low + VOCAL_RANGE, singing.units[0], singing.density, front.rest, 1, float(piece.bar))
    return arrangement.write_melody(piece, tune)


def _master_track(y: np.ndarray, record: SimpleNamespace, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """Apply compressor, room, equalizer, clipping, noise and mp3 to the mix."""
    if record.ratio > 1:
        y = mastering.compress(y, record.ratio)
    room = mastering.build_room(record.room, record.wet, sample_rate, rng)
    gains, frequencies = mastering.build_equalizer(record.tilt, record.bass, record.treble, record.low, record.high)
    gains = gains + _compute_tint(record.tint + synth.draw_tint(rng, TRACK_TINT_DB), frequencies)
    y = synth.normalize_peak(mastering.equalize(y, sample_rate, room, gains, frequencies))
    if record.clip:
        y = mastering.clip_softly(y, record.clip)
    y = synth.normalize_peak(y, record.peak * rng.uniform(0.92, 1.0))
    y = mastering.add_noise(y, record.noise, record.crackle, sample_rate, rng)
    if record.mp3:
        y = mastering.round_trip_mp3(y, sample_rate)
    return np.clip(y, -0.99, 0.99).astype(np.float32)


def _compute_tint(weights: np.ndarray, frequencies: np.ndarray) -> np.ndarray:
    """Compute the gains of a tone color in dB: slow waves along the logarithm of frequency."""
    height = np.linspace(0, 1, len(frequencies))
    return sum((weight * np.cos(np.pi * (k + 1) * height) for k, weight in enumerate(weights)), np.zeros(len(height)))
