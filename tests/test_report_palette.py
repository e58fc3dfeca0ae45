"""Colours by recipe: apart for everyone, and visible on the ground."""

from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray

from augqa.report.palette import DARK, GROUND, LIGHT, colour_classes

Vector = NDArray[np.float64]

# Of linear RGB, at full strength: Machado et al. 2009, IEEE Transactions on Visualization 15(6).
SIGHT = {
    "full": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritanopia": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}
THEMES = {"light": LIGHT, "dark": DARK}


def linear(colour: str) -> Vector:
    value = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def lab(colour: str, sight: str) -> Vector:
    seen = np.clip(SIGHT[sight] @ linear(colour), 0, 1)
    to_xyz = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    )
    x = to_xyz @ seen / np.array([0.9505, 1.0, 1.089])
    f = np.where(x > 0.008856, np.cbrt(x), 7.787 * x + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def contrast(one: str, other: str) -> float:
    weights = np.array([0.2126, 0.7152, 0.0722])
    low, high = sorted(float(weights @ linear(colour)) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


def test_the_contrast_of_black_and_white_is_21() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("sight", SIGHT)
def test_any_two_colours_are_told_apart(theme: str, sight: str) -> None:
    seen = [lab(colour, sight) for colour in THEMES[theme]]
    assert min(float(np.linalg.norm(a - b)) for a, b in combinations(seen, 2)) > 15


@pytest.mark.parametrize("theme", THEMES)
def test_every_colour_stands_out_from_the_ground(theme: str) -> None:
    assert min(contrast(colour, GROUND[theme]) for colour in THEMES[theme]) >= 3


def test_the_control_is_grey_wherever_it_stands() -> None:
    assert colour_classes(["mix", "real", "odd name"], control="real") == {
        "real": "c0",
        "mix": "c1",
        "odd name": "c2",
    }


def test_with_more_recipes_than_colours_no_two_look_alike() -> None:
    names = [f"recipe-{n}" for n in range(12)]
    classes = colour_classes(names, control="real")
    assert len(set(classes.values())) == 13
    assert classes["recipe-7"] == "c1 again"
