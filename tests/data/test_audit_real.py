"""Audits of real data in the folder MUSICML_SHARED_DATA."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from musicml.data.audit import audio_fingerprint, audio_matching, audit, scan
from musicml.data.datasets import gtzan, loading

DATA = Path(os.environ.get("MUSICML_SHARED_DATA") or ".")
pytestmark = pytest.mark.skipif(
    not os.environ.get("MUSICML_SHARED_DATA"), reason="MUSICML_SHARED_DATA names no folder of real data"
)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A cache folder, so that all tests share the scans."""
    return tmp_path_factory.mktemp("looks")


@pytest.mark.slow
def test_the_thirty_instruments_have_duplicates_some_across_splits(tmp_path):
    dataset = loading.load_folder(DATA / "instrument_images")
    of = {"bagpipes", "tuba", "harmonica", "casaba", "clarinet", "Didgeridoo"}
    some = tuple(example for example in dataset.examples if example.path.parent.name in of)
    found = audit.audit_dataset(replace(dataset, examples=some), tmp_path)
    (near,) = found.list_findings("near_duplicates")
    pairs = {(pair.first, pair.second): pair for pair in near.pairs}
    assert len(pairs) >= 9 and sum(pair.across_splits for pair in near.pairs) >= 5 and near.weight == "fault"
    # checked by eye: other sizes, crops, colors and mirrored copies of one photograph
    for first, second in (
        ("test/bagpipes/3.jpg", "train/bagpipes/007.jpg"),
        ("train/tuba/034.jpg", "valid/tuba/4.jpg"),
        ("train/harmonica/034.jpg", "valid/harmonica/3.jpg"),
        ("train/casaba/067.jpg", "train/casaba/102.jpg"),
    ):
        assert (first, second) in pairs
    # similar hashes, but clearly two instruments
    assert ("test/clarinet/2.jpg", "train/Didgeridoo/063.jpg") not in pairs
    (resembling,) = found.list_findings("look_alikes")
    assert {"test/clarinet/2.jpg", "train/Didgeridoo/063.jpg"} <= set(resembling.files)


def test_different_real_recordings_are_no_duplicates(store):
    clips = loading.load_folder(DATA / "instrument_clips")
    for dataset in (gtzan.load(DATA / "gtzan"), clips):
        found = audit.audit_dataset(dataset, store)
        assert found.pairs == () and found.list_findings("unreadable")[0].weight == "fine"


def test_an_excerpt_of_two_seconds_is_found_in_its_track(store):
    """51 tracks of GTZAN have an excerpt with the same name."""
    tracks = gtzan.load(DATA / "gtzan")
    excerpts = loading.load_folder(DATA / "gtzan_clips")
    looks = [scan.scan_dataset(dataset, store)[0] for dataset in (tracks, excerpts)]
    names = [example.path.stem for dataset in (tracks, excerpts) for example in dataset.examples]
    marks = [
        audio_fingerprint.unpack_peaks(its[example.id].fingerprint)
        for its, dataset in zip(looks, (tracks, excerpts), strict=True)
        for example in dataset.examples
    ]
    found = audio_matching.find_matches(marks)
    n, both = len(tracks.examples), {e.path.stem for e in tracks.examples} & {e.path.stem for e in excerpts.examples}
    assert all(names[one.first] == names[one.second] for one in found)
    assert {names[one.first] for one in found if one.first < n <= one.second} == both and len(both) == 51
