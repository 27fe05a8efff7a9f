import argparse

import pytest

from musicml.cli import options


@pytest.mark.parametrize(
    ("parse", "text", "sentence"),
    [
        (options.parse_natural, "x", "expected a whole number from 0 .* got 'x'"),
        (options.parse_natural, "-1", "from 0 to 4294967295, got '-1'"),
        (options.parse_natural, str(2**32), "from 0 to 4294967295"),
        (options.parse_positive, "x", "expected a whole number from 1 .* got 'x'"),
        (options.parse_positive, "0", "from 1 to 4294967295, got .0."),
    ],
)
def test_a_number_out_of_range_is_rejected(parse, text, sentence):
    with pytest.raises(argparse.ArgumentTypeError, match=sentence):
        parse(text)


def test_the_limits_of_the_range_are_accepted():
    assert options.parse_natural("0") == 0 and options.parse_natural(str(2**32 - 1)) == 2**32 - 1
    assert options.parse_positive("1") == 1
