"""A clip in frames is written to serving.json and read back as it was, and what no training writes is refused."""

import json
from pathlib import Path

import pytest

from musicml.experiment.run import Run
from musicml.features.clip_spec import ClipSpec, parse_clip_spec
from musicml.inference import manifest
from musicml.utils import files
from musicml.utils.errors import InputError
from musicml.utils.schema import to_dict

OLD = Path(__file__).parent.parent / "fixtures/run_format_1"
SPEC = ClipSpec(30, 15, 16_896, 0.0232, 0.7, "log_probability")


def test_what_is_written_reads_back_as_it_was():
    assert parse_clip_spec(json.loads(json.dumps(to_dict(SPEC))), True, "x") == SPEC
    assert parse_clip_spec(to_dict(ClipSpec()), False, "x") == ClipSpec()


def test_a_run_without_a_choice_of_average_takes_that_of_probabilities():
    table = {key: value for key, value in to_dict(SPEC).items() if key != "average"}
    assert parse_clip_spec(table, True, "x").average == "probability"


def test_a_stored_run_keeps_its_bytes_and_its_fingerprint(tmp_path):
    served, table = manifest.read_manifest(Run(OLD)), Run(OLD).read("serving.json")
    rewritten = {**table, "clips": to_dict(served.clip)}
    files.write_json(tmp_path / "serving.json", rewritten)
    files.write_json(tmp_path / "as_read.json", table)
    assert (tmp_path / "serving.json").read_bytes() == (tmp_path / "as_read.json").read_bytes()
    assert manifest.compute_fingerprint(served.class_names, rewritten) == served.fingerprint


@pytest.mark.parametrize("name", ["n_frames", "hop_frames", "least_samples", "frame_seconds", "seconds"])
@pytest.mark.parametrize("value", [None, -1, "30", True, [30]])
def test_a_value_that_no_training_writes_is_refused_with_its_name(name, value):
    with pytest.raises(InputError, match=rf"clips\.{name} in serving\.json of run x to be a .*, got "):
        parse_clip_spec({**to_dict(SPEC), name: value}, True, "x")


@pytest.mark.parametrize("table", [None, [], "clips", {}])
def test_what_is_no_table_is_refused(table):
    with pytest.raises(InputError, match=r"clips\.n_frames .* got None"):
        parse_clip_spec(table, True, "x")


@pytest.mark.parametrize(("n_frames", "starts"), [(0, [0]), (30, [0]), (60, [0, 15, 30]), (70, [0, 15, 30])])
def test_clips_of_a_track_follow_each_other_by_the_hop(n_frames, starts):
    assert SPEC.compute_starts(n_frames).tolist() == starts
    assert ClipSpec().compute_starts(n_frames).tolist() == [0]
