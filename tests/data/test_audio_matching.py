"""Near-duplicates of sounds are found despite changes, and different sounds are not."""

import numpy as np
import pytest
import soundfile

from musicml.data.audit import audio_fingerprint, audio_matching, audit
from musicml.data.io import audio
from tests.fixtures.audit_data import SAMPLE_RATE, dataset_of, song, write
from tests.fixtures.malformed_files import encoded

N_OTHERS = 80


@pytest.fixture(scope="module")
def tracks():
    """The spectral peaks of many songs over a few drum loops."""
    return [audio_fingerprint.find_peaks(song(seed)) for seed in range(N_OTHERS)]


def changed():
    """Near-duplicates of one song: the change → its samples at 8000 Hz."""
    y = song(3)

    def from_file(content):
        return audio.load_audio(content, sample_rate=SAMPLE_RATE).y

    late = np.concatenate([np.zeros(SAMPLE_RATE, np.float32), y])[: len(y)]
    return {
        "mp3": from_file(encoded(y, "MP3", sample_rate=SAMPLE_RATE)),
        "begins a second later in the song": y[SAMPLE_RATE:],
        "begins with a second of silence": late,
        "begins somewhere between two frames": y[5_000:],
        "a quarter as loud": 0.25 * y,
        "a hundredth as loud": 0.01 * y,
        "three times as loud, and clipped": np.clip(3 * y, -1, 1),
        "another sample rate": audio.load_audio(
            audio.load_audio(y, 16_000, source_rate=SAMPLE_RATE).y, SAMPLE_RATE, source_rate=16_000
        ).y,
        "all of it": from_file(encoded(0.3 * y[SAMPLE_RATE:], "MP3", sample_rate=SAMPLE_RATE)),
    }


def test_a_changed_track_is_found_among_many(tracks):
    copies = {N_OTHERS + place: how for place, how in enumerate(changed())}
    found = audio_matching.find_matches([*tracks, *map(audio_fingerprint.find_peaks, changed().values())])
    missing = [how for place, how in copies.items() if (3, place) not in {(one.first, one.second) for one in found}]
    assert missing == []
    assert {place for one in found for place in (one.first, one.second)} == {3, *copies}
    assert all(audio_matching.MIN_PEAKS <= one.n_agree <= one.n_peaks for one in found)


def test_the_shift_between_two_tracks_is_measured(tracks):
    copies = changed()
    (later,) = audio_matching.find_matches(
        [tracks[3], audio_fingerprint.find_peaks(copies["begins with a second of silence"])]
    )
    (earlier,) = audio_matching.find_matches(
        [tracks[3], audio_fingerprint.find_peaks(copies["begins a second later in the song"])]
    )
    assert abs(later.seconds - 1) < 0.05 and abs(earlier.seconds + 1) < 0.05


def test_songs_with_the_same_drum_loop_are_different_recordings(tracks):
    assert audio_matching.find_matches(tracks) == []
    # they share so much that each has candidates by hashes
    assert len(list(audio_matching.find_candidates(tracks))) > N_OTHERS


def test_the_peaks_of_a_long_sound_do_not_depend_on_the_size_of_blocks(monkeypatch):
    y = song(1, seconds=20.0)
    whole = audio_fingerprint.find_peaks(y)
    monkeypatch.setattr(audio_fingerprint, "BLOCK_FRAMES", 50)
    np.testing.assert_array_equal(audio_fingerprint.find_peaks(y), whole)
    assert len(whole) > 200 and (np.diff(whole[:, 0].astype(int)) >= 0).all()


def test_silence_and_very_short_sounds_never_match():
    few = [
        audio_fingerprint.find_peaks(y) for y in (np.zeros(8_000, np.float32), np.zeros(10, np.float32), song(1)[:800])
    ]
    assert [len(track) for track in few[:2]] == [0, 0] and len(few[2]) > 0
    assert audio_matching.find_matches(few * 3) == [] and audio_matching.find_matches([]) == []


def test_too_many_hashes_for_memory_are_sampled_consistently(tracks, monkeypatch):
    monkeypatch.setattr(audio_matching, "MAX_HASHES", 20_000)
    index = audio_matching.HashIndex(tracks)
    assert 0 < len(index.hashes) < 20_000
    found = audio_matching.find_matches([*tracks, audio_fingerprint.find_peaks(changed()["mp3"])])
    assert [(match.first, match.second) for match in found] == [(3, N_OTHERS)]


def test_an_audit_reports_near_duplicates_and_their_effect(tmp_path):
    write(tmp_path / "data", {f"a/{k}.wav": song(k) for k in range(4)} | {"b/4.wav": song(4), "b/5.wav": song(5)})
    (tmp_path / "data/b/0.mp3").write_bytes(encoded(song(0), "MP3", sample_rate=SAMPLE_RATE))
    write(tmp_path / "data", {"a/late.flac": song(1)[SAMPLE_RATE:]})
    (tmp_path / "data/a/copy.wav").write_bytes((tmp_path / "data/a/2.wav").read_bytes())
    sides = {"a/0.wav": "train", "a/1.wav": "train", "a/late.flac": "test", "b/0.mp3": "test"}
    names = sorted(path.relative_to(tmp_path / "data").as_posix() for path in (tmp_path / "data").rglob("*.*"))
    dataset = dataset_of(tmp_path / "data", [(name, name[0], sides.get(name, "train")) for name in names])
    found = audit.audit_dataset(dataset, tmp_path / "store")
    near, exact = found.list_findings("near_duplicates")[0], found.list_findings("exact_duplicates")[0]
    assert {(pair.first, pair.second) for pair in near.pairs} == {("a/0.wav", "b/0.mp3"), ("a/1.wav", "a/late.flac")}
    by_name = {pair.first: pair for pair in near.pairs}
    assert by_name["a/0.wav"].across_labels and by_name["a/0.wav"].across_splits and not by_name["a/0.wav"].exact
    assert not by_name["a/1.wav"].across_labels and by_name["a/1.wav"].how.startswith("shifted by 1.0 s, ")
    assert near.weight == "fault" and near.words.endswith(": 2. Across splits: 2, across labels: 1.")
    assert near.effect.startswith("2 of 2 test examples have a duplicate in training")
    assert [(pair.first, pair.second, pair.exact) for pair in exact.pairs] == [("a/2.wav", "a/copy.wav", True)]
    assert exact.weight == "caution" and near.files == ("a/0.wav", "a/1.wav", "a/late.flac", "b/0.mp3")
    clusters = audit.find_clusters(dataset, tmp_path / "store")
    assert clusters["b/0.mp3"] == clusters["a/0.wav"] == "a/0.wav" and clusters["a/copy.wav"] == "a/2.wav"
    assert set(clusters) == set(names) and clusters["b/5.wav"] == "b/5.wav"


# The files themselves


def test_silent_clipped_truncated_empty_and_unreadable_files_are_reported(tmp_path):
    write(
        tmp_path,
        {
            "a/good.wav": song(1),
            "a/silent.wav": 0.0005 * song(3) / np.abs(song(3)).max(),
            "a/clipped.wav": np.clip(20 * song(4), -1, 1),
            "b/empty.wav": b"",
            "b/text.wav": b"This is no sound.",
            "b/other.wav": song(2),
        },
    )
    whole = (tmp_path / "b/other.wav").read_bytes()
    (tmp_path / "b/cut.wav").write_bytes(whole[: len(whole) // 2])
    names = ["a/good.wav", "a/silent.wav", "a/clipped.wav", "b/empty.wav", "b/text.wav", "b/other.wav", "b/cut.wav"]
    found = audit.audit_dataset(
        dataset_of(tmp_path, [*((name, name[0]) for name in names), ("b/gone.wav", "b")]), tmp_path / "store"
    )
    files = {finding.kind: finding.files for finding in found.findings if finding.weight != "fine"}
    assert files["silent"] == ("a/silent.wav",) and files["clipped"] == ("a/clipped.wav",)
    assert files["truncated"] == ("b/cut.wav",) and files["empty"] == ("b/empty.wav",)
    assert files["unreadable"] == ("b/text.wav", "b/gone.wav") and files["near_duplicates"] == (
        "b/cut.wav",
        "b/other.wav",
    )
    (unreadable,) = found.list_findings("unreadable")
    assert unreadable.words.startswith("Unreadable files: 2 of 8. The first: Expected sound in b/text.wav")
    assert unreadable.effect.endswith("the other 5 examples.")
    assert [finding.weight for finding in found.findings] == sorted(
        (finding.weight for finding in found.findings), key=audit.WEIGHTS.index
    )


def test_unusual_lengths_and_sample_rates_are_reported_with_their_class(tmp_path):
    write(tmp_path, {f"a/{k}.wav": song(k) for k in range(6)} | {"b/6.wav": song(6), "b/short.wav": song(7)[:8_000]})
    soundfile.write(tmp_path / "b/fast.wav", np.stack([song(8, seconds=12.0)] * 2, axis=1), 16_000)
    names = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.glob("?/*.wav"))
    found = audit.audit_dataset(dataset_of(tmp_path, [(name, name[0]) for name in names]), tmp_path / "store")
    (lengths,), (rates,) = found.list_findings("lengths"), found.list_findings("rates")
    assert lengths.files == ("b/short.wav",) and "1.0 to 6.0 s, median 6.0 s" in lengths.words
    assert rates.files == ("b/fast.wav",) and "33% of b have another rate, and 0% of a" in rates.effect
    assert found.lengths["seconds"]["least"] == 1 and found.lengths["seconds"]["median"] == 6
    assert found.lengths["rates"] == {"8000": 8, "16000": 1} and found.lengths["channels"] == {"1": 8, "2": 1}
