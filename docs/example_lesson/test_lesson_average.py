"""The average digit: its claim, its page, and bad input."""

import pytest

from lessons_lib.lessons import average
from tests.pages import opened


def test_more_digits_mean_less_error_and_more_blur():
    rows = list(average.over_n())
    assert rows[-1]["mse"] < rows[0]["mse"]
    assert rows[-1]["sharpness"] < rows[0]["sharpness"]


def test_the_page_shows_the_average_in_view():
    at = opened("average", average_n="5")
    assert not at.exception
    assert any("mean of 5" in one.caption for image in at.image for one in image.proto.imgs)


@pytest.mark.parametrize("n", [0, 101])
def test_a_number_of_digits_that_cannot_be(n):
    with pytest.raises(ValueError, match="between 1 and 100"):
        average.average(n)
