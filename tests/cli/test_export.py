def test_export_writes_a_folder_and_prints_the_result_of_its_check(asked_about_tones, musicml, tmp_path):
    code, out, _ = musicml("export", asked_about_tones.path, "--to", tmp_path / "taken")
    assert code == 0 and "differ by at most" in out and (tmp_path / "taken/model.onnx").is_file()
    code, _, err = musicml("export", asked_about_tones.path, "--to", tmp_path / "taken")
    assert code == 2 and "already exists" in err
    code, _, err = musicml("export", asked_about_tones.path, "--format", "litert", "--to", tmp_path / "other")
    assert code == 2 and "is a random forest" in err and not (tmp_path / "other").exists()
