from tests.fixtures.command_output import one_object


def test_fetch_writes_sample_data(musicml, tmp_path):
    code, out, err = musicml(
        "fetch", "instrument_images", "--sample", "--scale", 0.02, "--data-root", tmp_path, "--json"
    )
    assert code == 0 and one_object(out) == {"folders": [str(tmp_path / "sample/instrument_images")]}
    assert "sample data" in err and (tmp_path / "sample/instrument_images/train/banjo").is_dir()
