import json
from dataclasses import dataclass

import pytest

from musicml.utils import schema
from musicml.utils.errors import InputError
from musicml.utils.schema import define_option


@dataclass(frozen=True)
class Oven:
    dish: str = define_option()
    degrees: int = define_option(180, least=40, most=300)
    hours: float = define_option(0.5, least=0.1, most=12.0)
    heat: str = define_option("both", choices=("both", "top", "bottom"))
    fan: bool = define_option(False)
    shelves: tuple[int, ...] = define_option((2,), least=1, most=5)
    salt: float = define_option(0.0, least=0.0)
    tilt: float = define_option(0.0)


@dataclass(frozen=True)
class Needs:
    heat: str = define_option(choices=("both", "top"))
    degrees: int = define_option(least=40)
    fan: bool = define_option()


def read(**table):
    return schema.parse_options(Oven, {"dish": "pie", **table}, "oven", "sunday.toml")


def refused(**table):
    with pytest.raises(InputError) as error:
        read(**table)
    return str(error.value)


def test_what_is_not_given_has_its_default():
    assert read() == Oven("pie", 180, 0.5, "both", False, (2,), 0.0, 0.0)


def test_what_is_given_holds():
    table = {"degrees": 200, "hours": 1.5, "heat": "top", "fan": True, "shelves": [1, 3], "salt": 2.5, "tilt": -3.0}
    assert read(**table) == Oven("pie", 200, 1.5, "top", True, (1, 3), 2.5, -3.0)


def test_an_unknown_key_names_its_table_its_file_and_the_nearest_known_key():
    said = refused(degree=200)
    assert "[oven] in sunday.toml has no key 'degree': did you mean 'degrees'?" in said
    assert "Known names: degrees, dish, fan, heat, hours, salt, shelves, tilt." in said


def test_an_unknown_key_that_is_like_none_names_all_known_ones():
    assert "no key 'xyzzy': known names: degrees, dish" in refused(xyzzy=1)


@pytest.mark.parametrize(
    ("cls", "table", "said"),
    [
        (Oven, {}, "[oven] in sunday.toml lacks the required key 'dish'. Add it, for example dish = \"...\""),
        (Needs, {}, "lacks the required key 'heat'. Add it, for example heat = \"both\""),
        (Needs, {"heat": "top"}, "lacks the required key 'degrees'. Add it, for example degrees = 40"),
        (Needs, {"heat": "top", "degrees": 50}, "lacks the required key 'fan'. Add it, for example fan = true"),
    ],
)
def test_a_missing_key_says_which_and_what_could_stand_there(cls, table, said):
    with pytest.raises(InputError) as error:
        schema.parse_options(cls, table, "oven", "sunday.toml")
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("key", "value", "rule"),
    [
        ("degrees", 180.0, "an integer from 40 to 300"),
        ("degrees", "180", "an integer from 40 to 300"),
        ("degrees", True, "an integer from 40 to 300"),
        ("degrees", [180], "an integer from 40 to 300"),
        ("hours", "long", "a number from 0.1 to 12.0"),
        ("hours", True, "a number from 0.1 to 12.0"),
        ("salt", "much", "a number of at least 0.0"),
        ("tilt", float("nan"), "a number"),
        ("dish", 3, "a string in quotes"),
        ("fan", 1, "true or false"),
        ("fan", "true", "true or false"),
        ("heat", 1, "one of 'both', 'top', 'bottom'"),
        ("shelves", 2, "a list of integers from 1 to 5"),
        ("shelves", "12", "a list of integers from 1 to 5"),
        ("shelves", [1, 2.0], "a list of integers from 1 to 5"),
        ("shelves", [1, True], "a list of integers from 1 to 5"),
        ("shelves", [[1]], "a list of integers from 1 to 5"),
        ("shelves", {"first": 1}, "a list of integers from 1 to 5"),
    ],
)
def test_a_wrong_type_gives_the_rule_the_value_and_the_cure(key, value, rule):
    said = refused(**{key: value})
    assert f"oven.{key} = {value!r} must be {rule}. " in said
    assert f"Change it in sunday.toml or with --set oven.{key}=VALUE." in said


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("degrees", 39), ("degrees", 301), ("hours", 0.0999), ("hours", 12.001), ("hours", float("nan"))),
        *(("hours", float("inf")), ("hours", float("-inf")), pytest.param("hours", 10**400, id="hours-huge")),
        *(("salt", -1e-9), ("salt", float("nan")), ("heat", "left"), ("heat", "Top"), ("shelves", [])),
        *(("shelves", [0]), ("shelves", [1, 6]), ("shelves", [6, 1])),
    ],
)
def test_a_value_outside_its_range_or_choice_is_refused(key, value):
    assert f"oven.{key} = " in refused(**{key: value})


@pytest.mark.parametrize(
    ("key", "value"), [("degrees", 40), ("degrees", 300), ("hours", 0.1), ("hours", 12.0), ("shelves", [1, 5])]
)
def test_both_ends_of_a_range_are_allowed(key, value):
    assert getattr(read(**{key: value}), key) == (tuple(value) if isinstance(value, list) else value)


def test_a_whole_number_may_stand_for_a_float_and_becomes_one():
    assert type(read(hours=2).hours) is float


def test_options_become_a_table_that_json_keeps_and_that_reads_back_the_same():
    oven = read(shelves=[1, 3], fan=True)
    table = json.loads(json.dumps(schema.to_dict(oven)))
    assert table["shelves"] == [1, 3]
    assert schema.parse_options(Oven, table, "oven", "sunday.toml") == oven
