import functools
import hashlib
import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from musicml.data.datasets import loading
from musicml.data.datasets.base import Dataset, Example
from musicml.data.splits import groups, splitting
from musicml.data.splits.assign import spread_groups
from musicml.utils.errors import InputError

SEEDS = range(200)


def dataset_of(examples, task="single", classes=None):
    """A dataset from rows of (id, classes present, group) or (id, classes, group, side)."""
    made = []
    for number, present, group, *side in examples:
        labels = dict.fromkeys(present.split(), True)
        made.append(Example(str(number), Path("nowhere"), labels, group, *side))
    names = classes or sorted({name for example in made for name in example.labels})
    return Dataset("toy", "sound", task, "class", tuple(names), tuple(made))


@functools.cache
def random_dataset(seed):
    """Up to 8 classes, groups of 1 to 6 files; some groups, and if `multi` some files, are of several classes."""
    rng = np.random.default_rng(seed)
    task = "multi" if seed % 3 == 0 else "single"
    names = [f"c{k}" for k in range(rng.integers(2, 9))]
    rows = []
    for group in range(int(rng.integers(2 * len(names), 8 * len(names)))):
        its = rng.choice(names, rng.integers(1, 3) if rng.random() < 0.2 else 1, replace=False)
        for _ in range(rng.integers(1, 7)):
            n = rng.integers(1, len(its) + 1) if task == "multi" else 1
            rows.append((len(rows), " ".join(rng.choice(its, n, replace=False)), f"g{group}"))
    dataset = dataset_of(rows, task, names)
    if task == "multi":  # most of what is not there was never looked for
        looked = rng.random((len(rows), len(names))) < 0.3
        dataset = replace(
            dataset,
            examples=tuple(
                replace(e, labels={n: e.labels.get(n, False) for n, see in zip(names, row, strict=True) if see})
                for e, row in zip(dataset.examples, looked, strict=True)
            ),
        )
    return dataset


@functools.cache
def attempt(make, seed, kind, *how):
    """What `make_split` or `make_folds` gives for a random dataset; nothing where it is refused."""
    try:
        return make(random_dataset(seed), kind, *how, seed)
    except InputError as error:
        assert re.search("none|nothing|something|fewer", str(error))
        return ()


def split_random(seed):
    return attempt(splitting.make_split, seed, "group", 0.15, 0.2)


def fold_random(seed):
    return attempt(splitting.make_folds, seed, "group", 2 + seed % 4, 0.15)


def sides_of_groups(dataset, split):
    found = {}
    for group, side in zip(dataset.groups, split.sides, strict=True):
        found.setdefault(group, set()).add(side)
    return found


def own_groups(dataset, name):
    """The groups in which `name` and no other class is present."""
    present = {}
    for example in dataset.examples:
        present.setdefault(example.group, set()).update(n for n, there in example.labels.items() if there)
    return [group for group, its in present.items() if its == {name}]


@pytest.mark.parametrize("name", loading.DATASET_NAMES)
@pytest.mark.parametrize("kind", ["official", "group"])
def test_a_group_never_stands_on_two_sides(root, name, kind):
    dataset, split = splitting.make_split(loading.load_dataset(name, root), kind, 0.15, 0.15, seed=0)
    groups = {side: set(dataset.groups[split.indices(side)]) for side in ("train", "val", "test")}
    assert groups["train"] and groups["test"]
    assert len(set().union(*groups.values())) == sum(map(len, groups.values()))
    assert len(split.sides) == len(dataset.examples) and set(split.sides) <= {"train", "val", "test"}


def test_a_group_never_stands_on_two_sides_of_any_random_data_set():
    made = [split_random(seed) for seed in SEEDS if split_random(seed)]
    for kept, split in made:
        assert all(len(sides) == 1 for sides in sides_of_groups(kept, split).values())
    assert len(made) > 0.8 * len(SEEDS)
    assert all(split_random(seed)[0] is random_dataset(seed) for seed in SEEDS if split_random(seed))


def hash_random_splits(kind_of_split):
    """One digest of the splits of all random datasets; what is refused counts as well."""
    digest = hashlib.blake2b(digest_size=8)
    for seed in SEEDS:
        digest.update(" ".join(split.hash(random_dataset(seed)) for split in kind_of_split(seed)).encode())
    return digest.hexdigest()


def test_splits_and_folds_are_those_of_runs_that_people_have():
    assert hash_random_splits(lambda seed: split_random(seed)[1:]) == "e472a3a938daedb0"
    assert hash_random_splits(lambda seed: (*fold_random(seed), (), ())[1]) == "557ad7b44846928e"
    by_track = hash_random_splits(lambda seed: attempt(splitting.make_split, seed, "track", 0.1, 0.1)[1:])
    assert by_track == "5e6be9f9fa1c0066"


@pytest.mark.parametrize(
    ("name", "kind", "pinned"),
    [
        ("gtzan", "official", "0a6cef9344fd1f79"),
        ("gtzan", "group", "ef9c458c77f9a55d"),
        ("instrument_images", "group", "0c0dfd97ba4e57eb"),
        ("instrument_sounds", "group", "718e49d9903c965f"),
        ("openmic", "group", "e70aa8674bbf1c25"),
    ],
)
def test_splits_of_sample_data_are_those_of_runs_that_people_have(root, name, kind, pinned):
    dataset, split = splitting.make_split(loading.load_dataset(name, root), kind, 0.15, 0.15, seed=0)
    assert split.hash(dataset) == pinned


class Counted(np.ndarray):
    """An array that counts the values that numpy goes through, its own and those of arrays made of it."""

    seen = 0

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **named):
        Counted.seen += max(np.size(value) for value in inputs)
        plain = [value.view(np.ndarray) if isinstance(value, Counted) else value for value in inputs]
        into = {"out": tuple(value.view(np.ndarray) for value in out)} if out else {}
        made = getattr(ufunc, method)(*plain, **into, **named)
        return out[0] if out else made.view(Counted) if isinstance(made, np.ndarray) else made


@pytest.mark.parametrize("even", [False, True])
def test_the_work_of_spreading_grows_with_the_groups_and_not_with_their_square(even):
    seen = []
    for n_groups in (500, 1000):
        counts = np.eye(16)[np.random.default_rng(0).integers(16, size=n_groups)].view(Counted)
        Counted.seen = 0
        spread_groups(counts, np.array([0.5, 0.5] if even else [0.7, 0.15, 0.15]), even)
        seen.append(Counted.seen)
    assert seen[1] < 2.2 * seen[0]


def count_lines(work):
    """How many lines of musicml `work` runs through."""
    lines = 0

    def step(frame, event, _):
        nonlocal lines
        lines += event == "line"
        return step

    before = sys.gettrace()
    sys.settrace(lambda frame, *_: step if "musicml" in frame.f_code.co_filename else None)
    try:
        work()
    finally:
        sys.settrace(before)
    return lines


def test_a_long_chain_of_files_that_are_alike_is_not_walked_again_for_every_file():
    lines = []
    for n in (100, 200):
        rows = [(f"{i}-{j}", "ab"[i % 2], f"g{i:04d}") for i in range(n) for j in (0, 1)]
        clusters = {f"{i}-{j}": f"c{i + j:04d}" for i in range(n) for j in (0, 1)}
        chain = dataset_of(rows)
        assert set(groups.merge_groups(chain, clusters).groups) == {f"g{n - 1:04d}"}
        lines.append(count_lines(lambda chain=chain, clusters=clusters: groups.merge_groups(chain, clusters)))
    assert lines[1] < 2.5 * lines[0]


def test_folds_keep_groups_whole_and_test_every_file_once_in_any_random_data_set():
    made = {seed: fold_random(seed) for seed in SEEDS if fold_random(seed)}
    for seed, (dataset, found, served) in made.items():
        assert len(found) == 2 + seed % 4 and dataset is random_dataset(seed)
        tested = np.concatenate([split.indices("test") for split in found])
        assert sorted(tested) == list(range(len(dataset.examples)))
        assert not len(served.indices("test")) and len(served.indices("train"))
        for split in (*found, served):
            assert all(len(sides) == 1 for sides in sides_of_groups(dataset, split).values())
    assert len(made) > 0.5 * len(SEEDS)


def test_a_class_with_a_group_for_every_fold_is_tested_in_every_fold():
    tried = 0
    for seed in SEEDS:
        if not fold_random(seed):
            continue
        dataset, found, _ = fold_random(seed)
        present = np.nan_to_num(dataset.targets()) > 0.5
        for k, name in enumerate(dataset.class_names):
            if len(own_groups(dataset, name)) >= len(found):
                tried += 1
                assert all(present[split.indices("test"), k].any() for split in found), (seed, name)
                assert all(present[split.indices("train"), k].any() for split in found), (seed, name)
    assert tried > 200, tried


FOUR = [(f"{label}{n}", label, f"{label}{n // 3}") for label in "ab" for n in range(24)]


def test_folds_are_of_one_size_as_far_as_groups_allow():
    for n_classes, n_groups, n in ((10, 4, 3), (30, 6, 5), (3, 8, 9), (4, 7, 2)):
        rows = [
            (f"{k}-{g}-{i}", f"c{k}", f"{k}-{g}") for k in range(n_classes) for g in range(n_groups) for i in range(3)
        ]
        _, found, _ = splitting.make_folds(dataset_of(rows), "group", n, 0.15, 0)
        sizes = [len(split.indices("test")) // 3 for split in found]
        assert max(sizes) - min(sizes) <= 1, (n_classes, n_groups, n, sizes)


def test_groups_in_which_nothing_was_found_are_spread_over_folds():
    rows = [*FOUR, *((f"none{n}", "", f"none{n}") for n in range(8))]
    _, found, _ = splitting.make_folds(dataset_of(rows, "multi"), "group", 2, 0.15, 0)
    nothing = [sum(str(rows[i][0]).startswith("none") for i in split.indices("test")) for split in found]
    assert nothing == [4, 4]


def test_a_side_of_which_nothing_is_wanted_gets_nothing():
    dataset = dataset_of([(k, "ab"[k % 2], f"g{k // 2}") for k in range(40)])
    made = [
        splitting.make_split(dataset, "group", 0.0, 0.2, 0)[1],
        *splitting.make_folds(dataset, "group", 3, 0.0, 0)[1],
    ]
    assert [len(split.indices("val")) for split in made] == [0, 0, 0, 0]
    assert all(len(split.indices("train")) and len(split.indices("test")) for split in made)


def test_folds_say_what_they_are_and_another_seed_gives_others():
    _, found, served = splitting.make_folds(dataset_of(FOUR), "group", 4, 0.15, 7)
    assert found[1].statement == "fold 2 of 4, group: 15% validation, seed 7"
    assert served.statement == "4 folds, group: 15% validation, seed 7"
    assert all(len(split.indices("val")) in range(5, 11) for split in (*found, served))
    others = [
        splitting.make_folds(dataset_of(FOUR), "group", 4, 0.15, seed)[1][0].hash(dataset_of(FOUR)) for seed in range(5)
    ]
    assert len(set(others)) > 1


def test_tracks_cross_artists_where_that_is_asked_for():
    dataset, split = splitting.make_split(dataset_of(FOUR), "track", 0.15, 0.15, 0)
    assert [example.group for example in dataset.examples] == [example.id for example in dataset.examples]
    assert (
        split.statement
        == "by file, ignoring groups, which makes results too optimistic: 15% validation, 15% test, seed 0"
    )
    before = dataset_of(FOUR)
    assert any(len(sides) > 1 for sides in sides_of_groups(before, split).values())


def test_what_is_taken_as_published_keeps_the_sides_that_its_lists_give_it():
    rows = [*OFFICIAL, ("twin", "a", OFFICIAL[-1][2], "train")]  # of a group that is tested
    honest, _ = splitting.make_split(dataset_of(rows), "official", 0.15, 0.15, 0)
    published, split = splitting.make_split(replace(dataset_of(rows), as_published=True), "official", 0.15, 0.15, 0)
    assert "twin" not in {example.id for example in honest.examples}
    sides = {example.id: side for example, side in zip(published.examples, split.sides, strict=True)}
    assert sides["twin"] in ("train", "val") and len(sides) == len(rows)
    unlisted = replace(dataset_of(FOUR), as_published=True)
    assert splitting.make_split(unlisted, "official", 0.15, 0.15, 0)[1].statement.startswith("by file, ignoring groups")
    with pytest.raises(InputError, match='requires data.protocol = "honest"'):
        splitting.make_split(unlisted, "filtered", 0.15, 0.15, 0)


def test_equal_files_stand_on_one_side_even_where_tracks_do_as_they_like():
    rows = [(n, "ab"[n % 2], f"g{n}") for n in range(20)]
    whole = groups.group_identical_files(dataset_of(rows), {str(n): str(n % 18) for n in range(20)})
    assert [example.group for example in whole.examples] == [f"g{n % 18}" for n in range(20)]
    for seed in range(20):
        _, split = splitting.make_split(whole, "track", 0.3, 0.3, seed)
        assert split.sides[0] == split.sides[18] and split.sides[1] == split.sides[19]


def test_artists_are_kept_apart_only_where_they_are_known():
    known = replace(dataset_of(FOUR), lists=("artist",))
    dataset, found, _ = splitting.make_folds(known, "artist", splitting.DEFAULT_FOLDS["artist"], 0.15, 0)
    assert len(found) == 3 and dataset.examples == known.examples
    with pytest.raises(InputError, match='"artist" requires an index of artists, but toy has'):
        splitting.make_folds(dataset_of(FOUR), "artist", 3, 0.15, 0)
    with pytest.raises(InputError, match="musicml fetch gtzan"):
        splitting.make_split(replace(dataset_of(FOUR), name="gtzan"), "filtered", 0.15, 0.15, 0)


def test_a_split_by_lists_has_no_folds():
    for kind in splitting.LIST_SPLITS:
        with pytest.raises(InputError, match="data.folds = 5 requires a split that can be repeated"):
            splitting.make_folds(replace(dataset_of(OFFICIAL), lists=("filtered",)), kind, 5, 0.15, 0)


def test_more_folds_than_groups_are_refused():
    with pytest.raises(InputError, match="at least 20 groups in .* for 20 folds, got 16"):
        splitting.make_folds(dataset_of(FOUR), "group", 20, 0.15, 0)


def test_files_that_are_alike_share_a_group_and_so_do_those_that_are_like_them():
    rows = [(n, "ab"[n % 2], f"g{n // 2}") for n in range(10)]
    clusters = {str(n): f"own{n}" for n in range(10)} | {"1": "twins", "4": "twins", "9": "more", "5": "more"}
    together = groups.merge_groups(dataset_of(rows), clusters)
    found = [example.group for example in together.examples]
    assert len({found[n] for n in (0, 1, 4, 5, 8, 9)}) == 1  # 0 and 1 share g0, 4 is like 1, 9 is like 5
    assert len(set(found)) == 3 and found[2] == found[3] == "g1" and found[6] == "g3"
    assert [e.group for e in groups.merge_groups(dataset_of(rows), {str(n): str(n) for n in range(10)}).examples] == [
        f"g{n // 2}" for n in range(10)
    ]


def test_a_class_with_three_groups_of_its_own_stands_on_every_side():
    tried = 0
    for seed in SEEDS:
        dataset = random_dataset(seed)
        split = splitting.split_by_group(dataset, 0.15, 0.15, seed)
        present = np.nan_to_num(dataset.targets()) > 0.5
        for k, name in enumerate(dataset.class_names):
            if len(own_groups(dataset, name)) >= 3:
                tried += 1
                assert set(split.sides[present[:, k]]) == {"train", "val", "test"}, (seed, name)
    assert tried > 200, tried


def test_a_class_with_two_groups_trains_and_is_tested():
    rows = [(f"{label}{n}", label, f"{label}{n % 2}") for label in "abc" for n in range(10)]
    for seed in range(20):
        split = splitting.split_by_group(dataset_of(rows), 0.15, 0.15, seed)
        sides = {row[0]: side for row, side in zip(rows, split.sides, strict=True)}
        for label in "abc":
            assert {side for name, side in sides.items() if name[0] == label} == {"train", "test"}


def test_the_same_seed_gives_the_same_split_and_another_seed_another():
    rows = [(n, "ab"[n % 2], f"g{n // 4 * 2 + n % 2}") for n in range(80)]
    dataset = dataset_of(rows)
    found = [splitting.make_split(dataset, "group", 0.15, 0.15, seed)[1].hash(dataset) for seed in range(10)]
    assert found == [splitting.make_split(dataset, "group", 0.15, 0.15, seed)[1].hash(dataset) for seed in range(10)]
    assert len(set(found)) == 10


def test_the_order_of_the_files_does_not_matter():
    dataset = random_dataset(1)
    turned = replace(dataset, examples=dataset.examples[::-1])
    split, other = (splitting.split_by_group(data, 0.15, 0.15, 3) for data in (dataset, turned))
    assert split.sides.tolist() == other.sides[::-1].tolist()
    assert split.hash(dataset) == other.hash(turned)


def test_sides_come_near_their_shares_and_every_class_is_spread():
    rows = [(f"{label}{n}", label, f"{label}{n // 2}") for label in "abcd" for n in range(40)]
    split = splitting.split_by_group(dataset_of(rows), 0.2, 0.3, 0)
    assert split.statement == "by group: 20% validation, 30% test, seed 0"
    for label in "abcd":
        of = [side for row, side in zip(rows, split.sides, strict=True) if row[1] == label]
        assert abs(of.count("val") - 8) <= 2 and abs(of.count("test") - 12) <= 2


def test_a_file_in_which_nothing_was_found_trains():
    rows = [*((n, "ab"[n % 2], f"g{n}") for n in range(12)), ("none", "", "gx")]
    assert splitting.split_by_group(dataset_of(rows, "multi"), 0.2, 0.2, 0).sides[-1] == "train"


OFFICIAL = [
    *((f"r{n}", "ab"[n % 2], f"r{n % 8}", "train") for n in range(16)),
    *((f"v{n}", "ab"[n % 2], f"v{n}", "val") for n in range(4)),
    *((f"t{n}", "ab"[n % 2], f"t{n}", "test") for n in range(4)),
]


def test_the_data_sets_own_sides_hold_as_they_are():
    dataset, split = splitting.make_split(dataset_of(OFFICIAL), "official", 0.15, 0.15, 0)
    assert split.sides.tolist() == [row[3] for row in OFFICIAL] and dataset.excluded == ()
    assert split.statement == "the dataset's own splits"


def test_group_puts_the_data_sets_own_sides_aside():
    _, split = splitting.make_split(dataset_of(OFFICIAL), "group", 0.15, 0.15, 0)
    assert split.statement.startswith("by group") and split.sides.tolist() != [row[3] for row in OFFICIAL]


def test_a_data_set_without_sides_is_split_by_group():
    rows = [row[:3] for row in OFFICIAL]
    _, split = splitting.make_split(dataset_of(rows), "official", 0.15, 0.15, 0)
    assert split.statement == "by group: 15% validation, 15% test, seed 0"


def test_without_a_test_side_validation_becomes_the_test_and_says_so():
    rows = [row for row in OFFICIAL if row[3] != "test"]
    dataset, split = splitting.make_split(dataset_of(rows), "official", 0.25, 0.15, 0)
    ids = [example.id for example in dataset.examples]
    assert {ids[place] for place in split.indices("test")} == {row[0] for row in rows if row[3] == "val"}
    assert "it has no test split, so its validation split is used for testing" in split.statement
    assert "validation is 25% of its training split, by group, seed 0" in split.statement
    val = {ids[place] for place in split.indices("val")}
    assert val and val < {row[0] for row in rows if row[3] == "train"}
    assert all(len(sides) == 1 for sides in sides_of_groups(dataset, split).values())


def test_without_a_validation_side_some_of_training_becomes_it():
    rows = [row for row in OFFICIAL if row[3] != "val"]
    dataset, split = splitting.make_split(dataset_of(rows), "official", 0.25, 0.15, 0)
    assert [split.sides[n] for n, row in enumerate(rows) if row[3] == "test"] == ["test"] * 4
    assert 2 <= len(split.indices("val")) <= 6
    assert split.statement == "the dataset's own splits; validation is 25% of its training split, by group, seed 0"
    other = splitting.make_split(dataset_of(rows), "official", 0.25, 0.15, 1)[1]
    assert other.sides.tolist() != split.sides.tolist()


def test_a_group_that_is_in_test_is_dropped_from_the_other_sides_and_named():
    rows = [*OFFICIAL, ("leak", "a", "t0", "train"), ("leak2", "a", "t1", "val"), ("leak3", "b", "v1", "train")]
    dataset, split = splitting.make_split(dataset_of(rows), "official", 0.15, 0.15, 0)
    assert [example.id for example in dataset.examples] == [row[0] for row in OFFICIAL]
    assert split.sides.tolist() == [row[3] for row in OFFICIAL]
    assert {item.file: item.reason for item in dataset.excluded} == {
        "leak": "its group 't0' is also in test",
        "leak2": "its group 't1' is also in test",
        "leak3": "its group 'v1' is also in val",
    }


def test_a_file_on_none_of_the_lists_is_left_out_and_named():
    dataset, split = splitting.make_split(dataset_of([*OFFICIAL, ("odd", "a", "x", "")]), "official", 0.15, 0.15, 0)
    assert len(split.sides) == len(dataset.examples) == len(OFFICIAL)
    assert [(item.file, item.reason) for item in dataset.excluded] == [("odd", "in none of the dataset's own lists")]


@pytest.mark.parametrize("others", [[("c2", "c", "c2", "val")], [("c2", "c", "c1", "train")]])
def test_a_class_that_trains_on_nothing_or_only_on_what_leaks_is_refused(others):
    rows = [*OFFICIAL, ("c1", "c", "c1", "test"), *others]
    with pytest.raises(InputError, match="Expected a training example of every class of toy, but there is none of c"):
        splitting.make_split(dataset_of(rows), "official", 0.15, 0.15, 0)


def test_nothing_to_test_on_is_refused():
    with pytest.raises(InputError, match="Expected files to test on in .*, but its own splits have none"):
        splitting.make_split(dataset_of([row for row in OFFICIAL if row[3] == "train"]), "official", 0.15, 0.15, 0)
    with pytest.raises(InputError, match="Expected test data in"):
        splitting.make_split(dataset_of([(1, "a", "ga"), (2, "b", "gb")]), "group", 0.15, 0.15, 0)
    with pytest.raises(InputError, match="Expected test data in"):
        splitting.make_split(dataset_of([(n, "ab"[n % 2], "all") for n in range(10)]), "group", 0.15, 0.15, 0)


def test_a_group_on_two_sides_can_not_come_out():
    dataset = dataset_of([(1, "a", "g"), (2, "b", "h"), (3, "a", "g")])
    with pytest.raises(RuntimeError, match="groups in two splits"):
        splitting.check_split(dataset, splitting.Split(np.array(["train", "train", "test"], dtype=object), "by hand"))


def test_a_hash_tells_who_stands_where():
    dataset = dataset_of([(1, "a", "g"), (2, "b", "h")])
    hashes = {
        splitting.Split(np.array(sides, dtype=object), "").hash(dataset)
        for sides in (["train", "test"], ["test", "train"], ["train", "train"])
    }
    assert len(hashes) == 3 and all(len(found) == 16 for found in hashes)
