from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from eval.plots import BEST_COLOUR, TRAIN_COLOUR, VALIDATION_COLOUR, draw_loss

TRAIN, VALIDATION = [(1, 3.0), (10, 2.0), (20, 1.5)], [(10, 2.2), (20, 1.9)]


def test_the_plot_is_one_svg_element_without_scripts_or_links() -> None:
    svg = draw_loss(TRAIN, VALIDATION)
    root = ElementTree.fromstring(svg)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    tags = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert not tags & {"script", "a", "image", "foreignObject"}
    assert not re.search(r"https?://", re.sub(r'xmlns(:\w+)?="[^"]*"', "", svg))


def test_both_curves_are_drawn_and_named() -> None:
    svg = draw_loss(TRAIN, VALIDATION)
    assert all(mark in svg for mark in (TRAIN_COLOUR, VALIDATION_COLOUR, ">training<", ">validation<", ">step<"))


def test_a_missing_curve_is_left_out() -> None:
    svg = draw_loss(TRAIN, [])
    assert ">validation<" not in svg
    assert VALIDATION_COLOUR not in svg


def test_the_best_step_is_marked_where_it_is_known() -> None:
    marked = draw_loss(TRAIN, VALIDATION, 20)
    assert ">best: step 20<" in marked
    assert BEST_COLOUR in marked
    assert BEST_COLOUR not in draw_loss(TRAIN, VALIDATION)


@pytest.mark.parametrize(("train", "validation"), [(TRAIN, VALIDATION), ([(1, 2.0)], []), ([], [])])
def test_the_same_points_give_the_same_bytes(
    train: list[tuple[int, float]], validation: list[tuple[int, float]]
) -> None:
    assert draw_loss(train, validation) == draw_loss(train, validation)
