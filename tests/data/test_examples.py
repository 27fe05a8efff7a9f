import hashlib
import json
import pickle
import random
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from musicml.data import collect_digests
from musicml.data.datasets import Dataset, Example, Examples
from musicml.data.splits import groups, make_split

ODD_NAMES = ("é", "e\u0301", "line\nbreak", "\U0001f3b5", "Cort\udce9ge", "a b", "")
CLASSES = ("drum", "é", "d\udce9")


def make_rows(seed, n=60):
    """A tuple of examples with odd names, some in a group named like another example, some without a split."""
    rnd, rows = random.Random(seed), []
    for k in range(n):
        name = f"{rnd.choice(ODD_NAMES)}/{k}"
        if seed % 2:
            labels = {one: rnd.random() < 0.5 for one in rnd.sample(CLASSES, rnd.randint(0, 3))}
        else:
            labels = {CLASSES[k % (1 if seed == 2 else 3)]: True}
        group = rnd.choice([name, f"artist {rnd.randint(0, 9)}", rows[0].id if rows else name])
        folder, split = Path(rnd.choice(["here", "there"])), rnd.choice(["", "train", "val", "test"])
        rows.append(Example(name, folder, labels, group, split, rnd.choice(["", "f\udce9.wav", name])))
    return tuple(rows)


def make_dataset(rows, task="multi"):
    return Dataset("toy", "sound", task, "class", CLASSES, rows)


@pytest.mark.parametrize(("seed", "n"), [(0, 60), (1, 60), (2, 60), (3, 1), (4, 0)])
def test_examples_behave_like_a_tuple(seed, n):
    rows = make_rows(seed, n)
    examples = Examples(iter(rows))
    assert examples == rows and rows == examples and tuple(examples) == rows and len(examples) == n
    assert [examples[k] for k in range(-n, n)] == [*rows, *rows] and bool(examples) == bool(rows)
    for part in (slice(3, 20), slice(None, None, -7), slice(50, 3), slice(100, None)):
        assert isinstance(examples[part], Examples) and examples[part] == rows[part]
    assert list(reversed(examples)) == list(reversed(rows))
    assert all(one in examples for one in rows) and all(examples.index(one) == k for k, one in enumerate(rows))
    assert examples != rows[:-1] or not rows
    assert examples != [*rows] and (examples == 3) is False
    assert pickle.loads(pickle.dumps(examples[5:9])) == rows[5:9]
    with pytest.raises(IndexError):
        examples[n]
    with pytest.raises(TypeError, match="unhashable"):
        hash(examples)


@pytest.mark.parametrize("seed", range(6))
def test_a_dataset_computes_from_columns_what_it_computed_from_objects(seed):
    rows = make_rows(seed)
    dataset = make_dataset(rows, "multi" if seed % 2 else "single")
    assert dataset.examples == rows and replace(dataset, examples=rows[::-1]).examples == rows[::-1]
    assert dataset.groups.tolist() == [row.group for row in rows]
    unknown = np.nan if seed % 2 else 0
    expected = [[row.labels.get(name, unknown) for name in CLASSES] for row in rows]
    np.testing.assert_array_equal(dataset.targets(), np.array(expected, np.float32))
    content = json.dumps([[e.id, sorted(e.labels.items()), e.group, e.split] for e in sorted(rows, key=lambda e: e.id)])
    assert dataset.hash() == hashlib.blake2b(content.encode(), digest_size=8).hexdigest()
    kept = dataset.keep([k % 3 == 0 for k in range(len(rows))])
    assert kept.examples == rows[::3] and kept.targets().shape == (20, 3)
    names = sorted({row.group for row in rows})
    assert dataset.examples.assign_group_numbers()[0] == len(names)
    assert dataset.examples.assign_group_numbers()[1].tolist() == [names.index(row.group) for row in rows]


def test_a_dataset_without_examples_has_empty_columns():
    dataset = make_dataset(())
    assert dataset.targets().shape == (0, 3) and len(dataset.groups) == 0 and dataset.keep([]).examples == ()
    assert dataset.hash() == hashlib.blake2b(b"[]", digest_size=8).hexdigest()
    assert dataset.examples.assign_group_numbers()[0] == 0 and "0 sound files" in dataset.describe()


def test_two_examples_with_the_same_name_are_in_one_group():
    rows = [Example(name, Path("x"), {}, name) for name in ("b", "a", "b")]
    n_groups, number = Examples(rows).assign_group_numbers()
    assert n_groups == 2 and number.tolist() == [1, 0, 1]


@pytest.mark.parametrize("seed", range(4))
def test_identical_files_share_the_group_of_the_first(seed):
    rows, rnd = make_rows(seed), random.Random(seed)
    digests = {row.id: str(rnd.randint(0, 40)) for row in rows[5:]}
    dataset = groups.group_identical_files(make_dataset(rows), digests)
    first, alone = {}, {}
    assert dataset.groups.tolist() == [first.setdefault(digests.get(e.id, e.id), e.group) for e in rows]
    expected = [alone.setdefault(digests.get(e.id, e.id), e.id) for e in rows]
    assert groups.regroup(dataset, "track").groups.tolist() == expected
    assert [one.id for one in dataset.examples] == [row.id for row in rows]


def test_digests_in_columns_equal_those_of_the_files(tmp_path):
    for name in ("a", "b", "c"):
        (tmp_path / name).write_text("same" if name != "b" else "other")
    rows = tuple(Example(name, tmp_path, {"drum": True}, name) for name in ("a", "b", "c", "missing"))
    dataset = make_dataset(rows)
    found = collect_digests(dataset)
    assert found["a"] == found["c"] != found["b"] and found["missing"].startswith("unread: ")
    assert groups.group_identical_files(dataset, found).groups.tolist() == ["a", "b", "a", "missing"]
    assert groups.group_identical_files(dataset, dict(found)).groups.tolist() == ["a", "b", "a", "missing"]


def make_many(n):
    """A dataset of many files with names of 40 letters, from objects that do not stay."""
    labels = [{name: True} for name in CLASSES]
    return make_dataset(Example(f"{k:040}", Path("x"), labels[k % 3], f"{k:040}") for k in range(n))


def test_a_listed_file_takes_less_than_150_bytes_while_it_is_listed_and_afterwards():
    tracemalloc.start()
    try:
        dataset, (now, peak) = make_many(20_000), tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert dataset.examples.nbytes <= now <= peak < 150 * 20_000


def test_a_split_by_group_takes_less_than_500_bytes_a_file():
    dataset = make_many(20_000)
    make_split(make_dataset(make_rows(0)), "group", 0.2, 0.2, 0)  # imports
    tracemalloc.start()
    try:
        make_split(dataset, "group", 0.2, 0.2, 0)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 500 * 20_000
