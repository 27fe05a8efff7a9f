from musicml.course import find_musicnn, notebooks

NAME = "pretrained/musicnn_msd.npz"


def test_weights_of_the_checkout_are_copied_to_the_data_of_the_lessons(tmp_path, monkeypatch):
    source, target = tmp_path / "checkout" / "data" / NAME, tmp_path / "mine" / NAME
    monkeypatch.setattr(notebooks, "find_checkout", lambda: tmp_path / "checkout")
    monkeypatch.setenv("MUSICML_DATA", str(tmp_path / "mine"))
    assert not find_musicnn()
    source.parent.mkdir(parents=True)
    source.write_bytes(b"weights")
    assert find_musicnn() and target.read_bytes() == b"weights"


def test_weights_in_the_data_of_the_lessons_are_not_replaced(tmp_path, monkeypatch):
    for folder in ("checkout/data", "mine"):
        (tmp_path / folder / NAME).parent.mkdir(parents=True)
        (tmp_path / folder / NAME).write_bytes(folder.encode())
    monkeypatch.setattr(notebooks, "find_checkout", lambda: tmp_path / "checkout")
    monkeypatch.setenv("MUSICML_DATA", str(tmp_path / "mine"))
    assert find_musicnn() and (tmp_path / "mine" / NAME).read_bytes() == b"mine"
