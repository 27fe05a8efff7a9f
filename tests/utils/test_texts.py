import pickle

import numpy as np
import pytest

from musicml.utils import TextMap, Texts

ODD = ["", "a", "é", "e\u0301", "\U0001f3b5", "line\nbreak", "Cort\udce9ge.wav", "\ud800", "a", "\uffff", "", "z" * 300]


def test_texts_behave_like_a_list_of_str_whatever_they_contain():
    texts = Texts(ODD)
    assert list(texts) == ODD and texts == ODD and ODD == texts and len(texts) == len(ODD)
    assert [texts[k] for k in range(-len(ODD), len(ODD))] == ODD * 2
    assert texts[2:9:3] == ODD[2:9:3] and texts[::-1] == ODD[::-1] and texts[50:] == []
    assert texts != ODD[1:] and texts != "a" and texts != [*ODD[:-1], "y"]
    assert "é" in texts and "b" not in texts and texts.index("a") == 1 and texts.count("") == 2
    with pytest.raises(IndexError):
        texts[len(ODD)]
    texts.append("more")
    assert list(texts) == [*ODD, "more"]


def test_a_selection_is_independent_of_what_is_added_later():
    texts = Texts(ODD)
    some = texts.take(np.arange(len(ODD)) % 2 == 0)
    texts.append("one")
    some.append("other")
    assert some == [*ODD[::2], "other"] and texts == [*ODD, "one"]
    assert Texts().take([]) == [] and texts.take(np.zeros(0, int)) == []


def test_texts_sort_as_python_sorts_them_and_know_their_first_occurrence():
    texts = Texts(ODD)
    assert [ODD[k] for k in texts.sort_rows()] == sorted(ODD)
    assert texts.find_first().tolist() == [ODD.index(text) for text in ODD]
    assert len(Texts().find_first()) == len(Texts().sort_rows()) == 0


def test_the_pickle_of_a_selection_has_only_its_own_texts():
    texts = Texts(f"{k:050}" for k in range(1000))
    content = pickle.dumps(texts.take([7, 3]))
    assert pickle.loads(content) == [texts[7], texts[3]] and len(content) < 300


def test_a_text_takes_its_bytes_and_about_sixteen_more():
    texts = Texts("x" * 40 for _ in range(10_000))
    assert 56 * 10_000 <= texts.nbytes <= 65 * 10_000


def test_a_map_of_texts_equals_the_dict():
    names = list(dict.fromkeys(ODD))
    expected = {name: f"value of {name}" for name in names}
    found = TextMap(Texts(expected), Texts(expected.values()))
    assert dict(found) == expected and found == expected and list(found) == names and len(found) == len(names)
    assert [found[name] for name in reversed(names)] == [expected[name] for name in reversed(names)]
    assert found.get("missing", 3) == 3 and "missing" not in found and "a" in found
    with pytest.raises(KeyError):
        found["missing"]
    found["a"]
    assert pickle.loads(pickle.dumps(found)) == expected
    assert not TextMap(Texts(), Texts()) and "a" not in TextMap(Texts(), Texts())


def test_equal_hashes_of_different_texts_are_not_confused(monkeypatch):
    monkeypatch.setattr(Texts, "compute_hashes", lambda self: np.full(len(self), hash("a")))
    texts = Texts(["b", "a", "b", "c", "a"])
    assert texts.find_first().tolist() == [0, 1, 0, 3, 1]
    assert TextMap(Texts(["b", "a", "c"]), Texts("123"))["a"] == "2"
