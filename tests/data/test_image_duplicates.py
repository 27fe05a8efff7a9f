"""Near-duplicates of pictures are found despite changes, and different pictures are not."""

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from musicml.data.audit import audit, duplicates, hamming_search, image_alignment, image_hash
from tests.fixtures.audit_data import dataset_of, jpeg, photograph, write

N_OTHERS = 60


def marked(image):
    """The fingerprint of a Pillow image."""
    return image_hash.compute_fingerprint(np.asarray(image.convert("RGB")))


def found_among(marks):
    """Indices of the pairs that show the same photograph."""
    rows = duplicates.compare_pictures(marks)
    return {(first, second) for first, second, same, _ in rows if same}


@pytest.fixture(scope="module")
def others():
    """The fingerprints of different photographs."""
    return [marked(photograph(seed)) for seed in range(N_OTHERS)]


def changed(image):
    """Near-duplicates of one photograph: the change → the picture."""
    width, height = image.size
    return {
        "compressed": Image.open(io.BytesIO(jpeg(image, quality=30))),
        "smaller": image.resize((90, 90)),
        "stretched": image.resize((200, 120)),
        "cropped": image.crop((8, 4, width - 4, height - 10)),
        "mirrored": ImageOps.mirror(image),
        "grey": image.convert("L"),
        "darker": ImageEnhance.Brightness(image).enhance(0.6),
        "mirrored and cropped": ImageOps.mirror(image).crop((6, 6, width - 2, height - 6)),
    }


@pytest.mark.parametrize("how", changed(photograph(3)))
def test_a_changed_photograph_is_found_among_others(how, others):
    assert found_among([*others, marked(changed(photograph(3))[how])]) == {(3, N_OTHERS)}


def test_different_photographs_are_no_duplicates(others):
    assert found_among(others) == set()


def instrument(seed, margin):
    """A slender object on white: always the same outline, but its own details."""
    rng, image = np.random.default_rng(seed), Image.new("RGB", (160, 160), "white")
    draw = ImageDraw.Draw(image)
    draw.line((margin, 160 - margin, 160 - margin, margin), fill=(60, 50, 40), width=16)
    for _ in range(60):
        at = rng.uniform(margin, 160 - margin)
        shade = tuple(rng.integers(0, 256, 3).tolist())
        x, y = at + rng.uniform(-4, 4), 160 - at + rng.uniform(-4, 4)
        draw.ellipse((x - 2, y - 2, x + 2, y + 2), fill=shade)
    return image


def test_one_outline_on_white_is_not_one_photograph_but_a_look_alike(tmp_path):
    images = {f"{name}/{k}.png": instrument(ord(name) + 50 * k, 12) for name in "ab" for k in range(3)}
    images["a/closer.png"] = instrument(ord("a"), 12).crop((10, 10, 150, 150)).resize((160, 160))
    for name, image in images.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        image.save(tmp_path / name)
    dataset = dataset_of(tmp_path, [(name, name[0]) for name in images], "picture")
    found = audit.audit_dataset(dataset, tmp_path / "store")
    (near,), (resembling,) = found.list_findings("near_duplicates"), found.list_findings("look_alikes")
    assert [(pair.first, pair.second) for pair in near.pairs] == [("a/0.png", "a/closer.png")]
    assert resembling.weight == "fine" and {"a/1.png", "b/2.png"} <= set(resembling.files)
    assert resembling.pairs and all("too low" in pair.how for pair in resembling.pairs)
    assert found.pairs == (*near.pairs, *sorted(resembling.pairs, key=lambda pair: (pair.first, pair.second)))


def test_many_similar_codes_have_a_limited_number_of_neighbors():
    rng = np.random.default_rng(0)
    codes = np.packbits(np.tile(rng.random(64) < 0.5, (400, 1)) ^ (rng.random((400, 64)) < 0.03), axis=1)
    rows = hamming_search.find_neighbors(codes, codes, 10)
    assert (
        len(rows) <= hamming_search.MAX_NEIGHBORS * len(codes)
        and np.bincount(rows[:, 0]).max() <= hamming_search.MAX_NEIGHBORS
    )
    least = rows[rows[:, 0] == 7][:, 2].max()
    all_bits = np.unpackbits(codes ^ codes[7], axis=1).sum(axis=1)
    assert (np.sort(all_bits)[: hamming_search.MAX_NEIGHBORS] <= least).all()  # the nearest of all codes


@pytest.mark.numeric
def test_a_crop_on_white_is_found_by_its_object():
    framed = Image.new("RGB", (300, 260), "white")
    framed.paste(photograph(5), (90, 30))
    tight = framed.crop((80, 25, 262, 195))
    assert image_hash.find_object(np.asarray(framed.convert("L")))[:2] == pytest.approx((90, 30), abs=2)
    assert found_among([marked(image) for image in (framed, photograph(6), tight)]) == {(0, 2)}
    assert image_hash.find_object(np.asarray(photograph(5).convert("L"))) == (0, 0, 160, 160)


def test_a_picture_of_one_color_is_not_compared():
    even = [Image.new("RGB", (50, 50), color) for color in ("red", "red", "blue")]
    assert [marked(image) for image in even] == [b"", b"", b""]


@pytest.mark.numeric
def test_the_placement_of_a_crop_is_found():
    whole = np.asarray(photograph(8).convert("L").resize((96, 96)), np.float32)
    crop = np.asarray(photograph(8).convert("L").crop((16, 8, 144, 152)).resize((96, 96)), np.float32)
    fits, place = image_alignment.fit_placement(
        image_alignment.FINE, whole, crop, image_alignment.Placement(0.85, 0.95, 0.0, 0.0)
    )
    assert fits > 0.9
    assert place == pytest.approx((0.8, 0.9, 0.0, 0.0), abs=0.01)


def test_all_codes_within_the_radius_are_found_and_no_others():
    rng = np.random.default_rng(0)
    known = rng.integers(0, 256, (400, 8), dtype=np.uint8)
    flips = [rng.permutation(64)[: k % 14] for k in range(200)]
    asked = np.unpackbits(known[:200], axis=1)
    for row, places in zip(asked, flips, strict=True):
        row[places] ^= 1
    asked = np.packbits(asked, axis=1)
    truth = np.unpackbits(asked[:, None] ^ known[None], axis=2).sum(axis=2)
    expected = {(one, other, truth[one, other]) for one, other in zip(*np.nonzero(truth <= 10), strict=True)}
    assert set(map(tuple, hamming_search.find_neighbors(asked, known, 10).tolist())) == expected
    assert len(expected) > 140 and hamming_search.find_neighbors(asked[:0], known, 10).shape == (0, 3)


def test_many_duplicates_of_one_picture_have_few_candidates_each(monkeypatch):
    seen = [image_hash.unpack_fingerprint(marked(photograph(1)))] * 40
    assert len(image_hash.find_candidates(seen)) <= 40 * image_hash.MAX_CANDIDATES // 2
    monkeypatch.setattr(hamming_search, "CHUNK_SIZE", 2_000)  # the same in many chunks
    assert len(image_hash.find_candidates(seen)) <= 40 * image_hash.MAX_CANDIDATES // 2


def test_pictures_across_splits_and_labels_are_counted_and_clustered(tmp_path):
    images = {"a/1.jpg": photograph(1), "a/2.jpg": photograph(2), "b/3.jpg": photograph(3), "b/4.jpg": photograph(4)}
    copies = {
        "b/1.jpg": jpeg(ImageOps.mirror(photograph(1)), 70),
        "a/small.jpg": jpeg(photograph(2).resize((120, 120))),
        "a/smaller.jpg": jpeg(photograph(2).resize((100, 100))),
    }
    write(tmp_path, {**images, **copies})
    sides = {"b/1.jpg": "test", "a/small.jpg": "val"}
    rows = [(name, name[0], sides.get(name, "train")) for name in (*images, *copies)]
    dataset = dataset_of(tmp_path, rows, "picture")
    found = audit.audit_dataset(dataset, tmp_path / "store")
    (near,) = found.list_findings("near_duplicates")
    pairs = {(pair.first, pair.second): pair for pair in near.pairs}
    assert {("a/1.jpg", "b/1.jpg"), ("a/2.jpg", "a/small.jpg"), ("a/2.jpg", "a/smaller.jpg")} <= set(pairs)
    mirrored = pairs["a/1.jpg", "b/1.jpg"]
    assert mirrored.across_labels and mirrored.sides == ("train", "test") and "after mirroring" in mirrored.how
    assert "across labels: 1." in near.words and near.effect.startswith("1 of 1 test examples have a duplicate")
    assert found.pairs[0] == mirrored and found.lengths is None
    clusters = audit.find_clusters(dataset, tmp_path / "store")
    assert clusters["a/smaller.jpg"] == clusters["a/small.jpg"] == "a/2.jpg" and clusters["b/3.jpg"] == "b/3.jpg"
