"""Damage small valid files of each format in thousands of ways. Each must be read, or rejected with a message.

    python -m tests.fuzz --sounds 500 --pictures 200 --seed 0
    python -m tests.fuzz --seed 0 --only sound:17 --write case    # repeat one of them in this process

Anything else is a finding: another exception, a Python warning, a value that is not finite, an error message that is
no sentence, more than two seconds, or more than a gigabyte. The files are read in separate processes, so crashes and
hangs are findings too. The last line is JSON. The exit code is 1 if there are findings.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import functools
import json
import multiprocessing
import os
import signal
import struct
import sys
import time
import tomllib
import traceback
import warnings
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from musicml.data.io.audio import AudioSource
from musicml.features import audio_features
from musicml.utils.errors import InputError
from tests.fixtures.malformed_files import by_ffmpeg, crc, deep, encoded, picture, saved, tone, transparent, turned

KINDS = ("sound", "picture")
EXPERIMENT = Path(__file__).parent.parent / "experiments/genre_gru.toml"
WORKERS = 2
START = 120.0  # seconds in which a process must start to read
LONGEST = 400  # characters of an error message
# a fork of this process would copy locks that its threads hold; a fork server that only has the imports has none
CONTEXT = multiprocessing.get_context("forkserver" if hasattr(os, "fork") else "spawn")
if hasattr(os, "fork"):
    CONTEXT.set_forkserver_preload(["tests.fuzz"])


@dataclass(frozen=True)
class Limits:
    """Limits for reading a file: seconds, seconds without any output, MB of memory."""

    seconds: float = 2.0
    silence: float = 20.0
    megabytes: float = 1_000.0


@dataclass(frozen=True)
class Case:
    """One damaged file. Equal fields give the same file on every machine."""

    kind: str
    number: int
    seed: int = 0


@dataclass(frozen=True)
class Result:
    """The outcome of one file: `read`, `refused` or `finding`, with a description of a finding."""

    case: Case
    file: str
    outcome: str
    words: str = ""
    seconds: float = 0.0
    megabytes: float = 0.0


# Valid files


@functools.cache
def whole_files(kind: str) -> dict[str, bytes]:
    """Make a small valid file of each format, by name."""
    return sounds() if kind == "sound" else pictures()


def sounds() -> dict[str, bytes]:
    """Make half a second of a tone in each format."""
    y = tone(0.5, channels=2)
    made = {
        "16_bit.wav": encoded(y),
        "24_bit.wav": encoded(y, subtype="PCM_24"),
        "float.wav": undated(encoded(y, subtype="FLOAT")),
        "adpcm.wav": encoded(y, subtype="IMA_ADPCM"),
        "tone.flac": encoded(y, "FLAC"),
        "tone.mp3": encoded(y, "MP3"),
        "tone.ogg": encoded(y, "OGG"),
        "tone.aiff": encoded(y, "AIFF"),
        "tone.au": encoded(y, "AU"),
    }
    by_codec = {
        "tone.opus": ("ogg", "libopus"),
        "tone.m4a": ("mp4", "aac"),
        "lossless.m4a": ("mp4", "alac"),
        "tone.webm": ("webm", "libopus"),
        "tone.wma": ("asf", "wmav2"),
        "tone.aac": ("adts", "aac"),
    }
    for name, (format, codec) in by_codec.items():
        with contextlib.suppress(ValueError):  # this FFmpeg was built without the codec
            made[name] = by_ffmpeg(format, codec, seconds=0.5)
    return {name: mended(content) for name, content in made.items()}


def undated(content: bytes) -> bytes:
    """Make a WAV of floats without the time of writing, which libsndfile stores with the peak."""
    place = content.index(b"PEAK") + 12
    return content[:place] + bytes(4) + content[place + 4 :]


def pictures() -> dict[str, bytes]:
    """Make pictures of noise in each common format and mode."""
    return {
        "side.jpg": turned(6),
        "progressive.jpg": saved(picture(), "JPEG", progressive=True),
        "cmyk.jpg": saved(picture("CMYK"), "JPEG"),
        "colour.png": saved(picture(), "PNG"),
        "palette.png": transparent(),
        "deep.png": deep(),
        "still.gif": saved(picture(), "GIF"),
        "moves.gif": saved(picture(), "GIF", save_all=True, append_images=[picture("L")]),
        "lossy.webp": saved(picture(), "WEBP"),
        "lossless.webp": saved(picture("RGBA"), "WEBP", lossless=True),
        "colour.bmp": saved(picture(), "BMP"),
        "palette.bmp": saved(picture("P"), "BMP"),
    }


# Damage: each of these functions takes bytes and a random generator, and returns other bytes

# the places of sizes and counts: a marker, and the offset from its start
SIZES = [
    *((mark, 4) for mark in (b"RIFF", b"fmt ", b"data", b"fact", b"FORM", b"COMM", b"SSND", b"VP8 ", b"VP8L", b"VP8X")),
    *((mark, place) for mark in (b".snd", b"OggS", b"Xing", b"Info") for place in (4, 8, 16, 23)),
    *((b"fLaC", place) for place in (4, 8, 18, 22)),
    *(
        (mark, -4)
        for mark in (b"moov", b"trak", b"mdia", b"stbl", b"esds", b"mp4a", b"alac", b"mdat", b"IHDR", b"IDAT")
    ),
    *(
        (mark, place)
        for mark in (b"stsd", b"stts", b"stsc", b"stsz", b"stco", b"mdhd", b"mvhd")
        for place in (-4, 8, 12)
    ),
    *((mark, 4) for mark in (b"\x1aE\xdf\xa3", b"\x18S\x80g", b"\x16T\xaek", b"\x1fC\xb6u", b"\x15I\xa9f")),
    *((b"OpusHead", place) for place in (8, 10, 12)),
    *((b"0&\xb2u", place) for place in (16, 24)),
    *(
        (mark, 2)
        for mark in (b"\xff\xc0", b"\xff\xc2", b"\xff\xc4", b"\xff\xda", b"\xff\xdb", b"\xff\xe0", b"\xff\xe1")
    ),
    *((mark, 5) for mark in (b"\xff\xc0", b"\xff\xc2")),
    *((b"IHDR", place) for place in (4, 8)),
    *((b"GIF8", place) for place in (6, 8)),
    *((b"BM", place) for place in (2, 10, 14, 18, 22, 28, 46)),
]
WIDTHS = (1, 2, 4, 8)


def flip_bits(content: bytes, rng: np.random.Generator) -> bytes:
    """Flip up to ten bits, half of them near the beginning."""
    changed = bytearray(content)
    for _ in range(rng.integers(1, 11)):
        changed[place_in(content, rng)] ^= 1 << rng.integers(8)
    return bytes(changed)


def overwrite_bytes(content: bytes, rng: np.random.Generator) -> bytes:
    """Overwrite some bytes with random ones."""
    place, n = place_in(content, rng), rng.integers(1, 33)
    return content[:place] + rng.bytes(min(n, len(content) - place)) + content[place + n :]


def cut_off(content: bytes, rng: np.random.Generator) -> bytes:
    """Cut off the end."""
    return content[: rng.integers(1, len(content) + 1)]


def repeat_block(content: bytes, rng: np.random.Generator) -> bytes:
    """Repeat a block up to a hundred times."""
    first, last = block_in(content, rng)
    return content[:first] + content[first:last] * rng.integers(2, 100) + content[last:]


def remove_block(content: bytes, rng: np.random.Generator) -> bytes:
    """Remove a block."""
    first, last = block_in(content, rng)
    return content[:first] + content[last:]


def set_field(content: bytes, rng: np.random.Generator) -> bytes:
    """Set a field of the header to an extreme value."""
    place, width = int(rng.integers(min(len(content), 300))), int(rng.choice(WIDTHS))
    return with_value(content, place, width, int(rng.choice(extremes(width))), rng)


def change_size(content: bytes, rng: np.random.Generator) -> bytes:
    """Set a size or count of the format to an extreme value, or change it a little."""
    places = [content.find(mark) + behind for mark, behind in SIZES if mark in content]
    place, width = max(int(rng.choice(places or [0])), 0), int(rng.choice(WIDTHS[1:3]))
    before = int.from_bytes(content[place : place + width], "big")
    values = [*extremes(width), before + 1, max(before - 1, 0), 2 * before, int(rng.integers(2**16))]
    return with_value(content, place, width, int(rng.choice(values)), rng)


def splice(content: bytes, rng: np.random.Generator) -> bytes:
    """Join the beginning of one file and the end of another, of any format."""
    others = [*whole_files("sound").values(), *whole_files("picture").values()]
    other = others[rng.integers(len(others))]
    return content[: rng.integers(1, len(content) + 1)] + other[rng.integers(len(other)) :]


DAMAGES = (flip_bits, overwrite_bytes, cut_off, repeat_block, remove_block, set_field, change_size, splice)


def place_in(content: bytes, rng: np.random.Generator) -> int:
    """Draw a place, in half of the cases near the beginning."""
    return int(rng.integers(min(len(content), rng.choice([64, 300, len(content)]))))


def block_in(content: bytes, rng: np.random.Generator) -> tuple[int, int]:
    """Draw the start and end of a block of up to a quarter of the file."""
    first = place_in(content, rng)
    return first, first + int(rng.integers(1, max(2, len(content) // 4)))


def extremes(width: int) -> list[int]:
    """Return integers of the given size that often break arithmetic."""
    bits = 8 * width
    return [0, 1, 2 ** (bits - 1) - 1, 2 ** (bits - 1), 2**bits - 1]


def with_value(content: bytes, place: int, width: int, value: int, rng: np.random.Generator) -> bytes:
    """Overwrite bytes with a number, in either byte order."""
    order = "little" if rng.random() < 0.5 else "big"
    return content[:place] + (value % 2 ** (8 * width)).to_bytes(width, order) + content[place + width :]


def mended(content: bytes) -> bytes:
    """Correct the checksums, so that a decoder does not stop at a wrong one."""
    return ogg_mended(content) if content[:4] == b"OggS" else png_mended(content) if content[1:4] == b"PNG" else content


def ogg_mended(content: bytes) -> bytes:
    """Correct the checksum of each Ogg page (RFC 3533, section 6). Set the random serial number to 1."""
    changed, place = bytearray(content), 0
    while (place := content.find(b"OggS", place)) >= 0 and place + 27 <= len(content):
        end = place + 27 + content[place + 26]
        end += sum(content[place + 27 : end])
        changed[place + 14 : place + 26] = struct.pack("<I4sI", 1, content[place + 18 : place + 22], 0)
        changed[place + 22 : place + 26] = struct.pack("<I", crc(bytes(changed[place:end]), 32, 0x04C11DB7))
        place += 4
    return bytes(changed)


def png_mended(content: bytes) -> bytes:
    """Correct the checksum of each PNG chunk."""
    changed, place = bytearray(content), 8
    while place + 12 <= len(content):
        end = place + 8 + int.from_bytes(content[place : place + 4], "big")
        if end + 4 > len(content):
            break
        changed[end : end + 4] = struct.pack(">I", zlib.crc32(content[place + 4 : end]))
        place = end + 4
    return bytes(changed)


def damaged(case: Case) -> tuple[str, bytes, list[str]]:
    """Make the file of a case: its name, its content, and the kinds of damage."""
    rng = np.random.default_rng([case.seed, KINDS.index(case.kind), case.number])
    files = whole_files(case.kind)
    name = list(files)[case.number % len(files)]
    content, done = files[name], []
    for damage in rng.choice(DAMAGES, rng.choice([1, 1, 2, 3])):
        content = damage(content, rng) or content[:1]
        done.append(damage.__name__)
    if rng.random() < 0.5:
        content, done = mended(content), [*done, "mended"]
    return f"{case.kind}_{case.number}_{name}", content, done


# Reading


@functools.cache
def settings_of(kind: str) -> audio_features.MFCC | audio_features.Pixels:
    """Return the features to compute: those of genre_gru, or pixels."""
    table = tomllib.loads(EXPERIMENT.read_text())["features"]
    del table["kind"]
    return audio_features.MFCC(**table) if kind == "sound" else audio_features.Pixels()


def judged(read: Callable, content: bytes, kind: str, name: str) -> tuple[str, str]:
    """Return the outcome of reading a file, and the description of a finding. `read` is like `compute_features`."""
    try:
        values, remarks = read(AudioSource(content, name), settings_of(kind))
        wrong = wrong_values(values, kind) or next(filter(None, map(wrong_sentence, remarks)), "")
        return ("finding", wrong) if wrong else ("read", "")
    except InputError as error:
        wrong = wrong_sentence(str(error))
        return ("finding", wrong) if wrong else ("refused", "")
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        return "finding", f"{type(error).__name__}: {error} ({Path(place.filename).name}, line {place.lineno})"


def wrong_values(values: np.ndarray, kind: str) -> str:
    """Describe an error in features, or return "" if they are right."""
    settings, type_wanted = settings_of(kind), "float32" if kind == "sound" else "uint8"
    wanted = (max(len(values), 1), settings.n_bins) if kind == "sound" else settings.get_shape()
    if values.shape != wanted or values.dtype != type_wanted:
        return f"the features are of {values.shape}, {values.dtype}, not of {wanted}, {type_wanted}"
    return "" if np.isfinite(values).all() else "the features are not all finite"


def wrong_sentence(words: str) -> str:
    """Describe why a text is no message on one line that ends with a period, or return "" if it is one."""
    if words.endswith(".") and words.isprintable() and len(words) <= LONGEST:
        return ""
    return f"no sentence: {words[:LONGEST]!r}"


def tried(read: Callable, case: Case, limits: Limits) -> Result:
    """Read one damaged file, and check its time and memory against the limits."""
    name, content, _ = damaged(case)
    forget_peak()
    before, begun, spent = peak_megabytes(), time.perf_counter(), time.process_time()
    outcome, words = judged(read, content, case.kind, name)
    # a busy machine increases the first, a second thread the second
    seconds = min(time.perf_counter() - begun, time.process_time() - spent)
    megabytes = peak_megabytes() - before
    if outcome != "finding" and (seconds > limits.seconds or megabytes > limits.megabytes):
        outcome, words = "finding", f"{outcome} after {seconds:.1f} s and with {megabytes:.0f} MB"
    return Result(case, name, outcome, words, seconds, megabytes)


def peak_megabytes() -> float:
    """Return the peak resident memory of this process since `forget_peak` (on Linux) or since its start, in MB."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage would start from the memory of the parent process
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) / 1e3
    with contextlib.suppress(ImportError):  # Windows has neither
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
    return 0.0


def forget_peak() -> None:
    """Reset the peak memory to the current one, if the system can do that."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


# Worker processes with a time limit


def work(results, cases: Sequence[Case], read: Callable, limits: Limits) -> None:
    """Read files one after another in a worker process, and send the outcome of each."""
    for kind in KINDS:  # so that imports and a decoder's first use do not count
        for name, content in whole_files(kind).items():
            with contextlib.suppress(InputError):  # animations are rejected
                audio_features.compute_features(AudioSource(content, name), settings_of(kind))
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # libmpg123 writes messages about damaged mp3 files
    warnings.simplefilter("error")
    results.send("ready")
    for case in cases:
        results.send(tried(read, case, limits))


def watch(cases: Sequence[Case], read: Callable, limits: Limits) -> list[Result]:
    """Read files in a worker process. If it crashes or hangs, continue with the next file in a new one."""
    results: list[Result] = []
    while len(results) < len(cases):
        results += watched(cases[len(results) :], read, limits)
    return results


def watched(cases: Sequence[Case], read: Callable, limits: Limits) -> list[Result]:
    """Return the results of one process, for all cases or up to the one at which it crashed or hung.

    It reads them in order, so the current case is always the first one without a result.
    """
    ours, theirs = CONTEXT.Pipe(duplex=False)
    process = CONTEXT.Process(target=work, args=(theirs, cases, read, limits), daemon=True)
    process.start()
    theirs.close()
    results: list[Result] = []
    try:
        if not is_ready(ours):
            raise RuntimeError(
                "the process that reads must start, and did not: see above, or run one file with --only."
            )
        while len(results) < len(cases):
            if not ours.poll(limits.silence):
                return [*results, lost(cases[len(results)], f"silent for {limits.silence:g} s")]
            results.append(ours.recv())
        return results
    except (EOFError, OSError):
        process.join()
        return [*results, lost(cases[len(results)], f"the process died: {ending(process.exitcode)}")]
    finally:
        process.kill()
        process.join()


def is_ready(results) -> bool:
    """Wait until a process is ready. Return whether it is."""
    with contextlib.suppress(EOFError, OSError):
        return results.poll(START) and results.recv() == "ready"
    return False


def lost(case: Case, words: str) -> Result:
    """Return the finding for a case without a result."""
    return Result(case, damaged(case)[0], "finding", words)


def ending(code: int) -> str:
    """Describe an exit code."""
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def run(
    cases: Sequence[Case], read: Callable = audio_features.compute_features, limits: Limits | None = None
) -> list[Result]:
    """Read files in two worker processes.

    Parameters
    ----------
    cases : the files
    read : importable function of an `AudioSource` and settings, such as `compute_features`
    limits : limits for one file
    """
    shares = [cases[first::WORKERS] for first in range(WORKERS)]
    with ThreadPoolExecutor(WORKERS) as pool:
        watches = pool.map(lambda share: watch(share, read, limits or Limits()), shares)
        return [result for results in watches for result in results]


# The command line


def summary(results: Sequence[Result]) -> dict:
    """Summarize the results: counts, the slowest and largest file, and the findings."""
    slowest, largest = (max(results, key=lambda result: getattr(result, what)) for what in ("seconds", "megabytes"))
    return {
        **{f"{kind}s": sum(result.case.kind == kind for result in results) for kind in KINDS},
        **{outcome: sum(result.outcome == outcome for result in results) for outcome in ("read", "refused")},
        "slowest": {"file": slowest.file, "seconds": round(slowest.seconds, 3)},
        "largest": {"file": largest.file, "megabytes": round(largest.megabytes, 1)},
        "findings": [
            {"only": f"{result.case.kind}:{result.case.number}", "file": result.file, "words": result.words}
            for result in results
            if result.outcome == "finding"
        ],
    }


def again(case: Case, path: Path | None) -> None:
    """Read one file in this process, for a debugger or a traceback."""
    name, content, done = damaged(case)
    print(f"{name}: {len(content)} bytes after {', '.join(done)}", flush=True)
    if path:
        path.write_bytes(content)
    try:
        values, remarks = audio_features.compute_features(AudioSource(content, name), settings_of(case.kind))
        print("read:", values.shape, *remarks)
    except InputError as error:
        print("refused:", error)


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sounds", type=int, default=500, help="number of sounds (%(default)s)")
    parser.add_argument("--pictures", type=int, default=200, help="number of pictures (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="random seed for the damage (%(default)s)")
    parser.add_argument("--only", metavar="KIND:NUMBER", help="read only this file, with the name that a finding gives")
    parser.add_argument("--write", type=Path, metavar="FILE", help="with --only: write the damaged file here")
    asked = parser.parse_args(words)
    if asked.only:
        kind, _, number = asked.only.partition(":")
        again(Case(kind, int(number), asked.seed), asked.write)
        return 0
    counts = zip(KINDS, (asked.sounds, asked.pictures), strict=True)
    begun = time.perf_counter()
    results = run([Case(kind, number, asked.seed) for kind, count in counts for number in range(count)])
    found = {**summary(results), "seed": asked.seed, "seconds": round(time.perf_counter() - begun, 1)}
    for finding in found["findings"]:
        print(f"--seed {asked.seed} --only {finding['only']}  {finding['file']}: {finding['words']}")
    print(json.dumps(found))
    return 1 if found["findings"] else 0


if __name__ == "__main__":
    faulthandler.enable()
    sys.exit(main())
