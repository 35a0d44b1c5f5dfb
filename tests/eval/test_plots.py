from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from eval.plots import (
    AFTER_COLOUR,
    BEFORE_COLOUR,
    BEST_COLOUR,
    TRAIN_COLOUR,
    VALIDATION_COLOUR,
    OrdersDrawn,
    Readings,
    ScorePanel,
    draw_counts,
    draw_dumbbells,
    draw_loss,
    draw_orders,
    draw_readings,
    draw_reliability,
    draw_scores,
)

TRAIN, VALIDATION = [(1, 3.0), (10, 2.0), (20, 1.5)], [(10, 2.2), (20, 1.9)]


HOSTILE = "</text></svg><script>alert(1)</script> $\\frac{ \u2028 情绪 \ud800 \x00 " + "long " * 40
PANELS = [
    ScorePanel("EU, generate", 0.04, 0.07, {"before": (0.0, 0.0, 0.03), "after": (0.3, 0.2, 0.4)}),
    ScorePanel(HOSTILE, 0.25, 0.3, dict.fromkeys(("before", "prompted", "after"), (0.5, 0.4, 0.6))),
]
PLOTS = {
    "loss": lambda: draw_loss(TRAIN, VALIDATION),
    "scores": lambda: draw_scores("scores 0", PANELS),
    "dumbbells": lambda: draw_dumbbells("cells 0", {"faux pas (3)": (0.1, 0.6), HOSTILE: (0.5, 0.5)}, 0.25),
    "readings": lambda: draw_readings([Readings("EmoBench, EU: after", 0.9, 0.1, 0.4), Readings(HOSTILE, 0, 0, 0)]),
    "reliability": lambda: draw_reliability(
        "reliability 0", {"before": [(0.3, 0.2, 0.1, 0.4), (0.6, 0.5, 0.4, 0.7)], "after": [(0.9, 0.5, 0.4, 0.6)]}
    ),
    "orders": lambda: draw_orders(
        [OrdersDrawn("EmoBench, EU: after", (0.1, 0.4), 0.25, (0.2, 0.3), 0.05), OrdersDrawn(HOSTILE, (), 0, (0, 0), 0)]
    ),
    "counts": lambda: draw_counts("funnel", {"planned": 1234, HOSTILE: 0}),
}


@pytest.mark.parametrize("name", PLOTS)
def test_the_plot_is_one_svg_element_without_scripts_or_links(name: str) -> None:
    svg = PLOTS[name]()
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


@pytest.mark.parametrize("name", PLOTS)
def test_a_plot_takes_its_colours_from_the_page(name: str) -> None:
    svg = PLOTS[name]()
    assert "currentColor" in svg
    assert set(re.findall(r"#[0-9a-f]{6}", re.sub(r"var\(--\w+, #[0-9a-f]{6}\)", "", svg))) == set()


@pytest.mark.parametrize("name", PLOTS)
def test_plots_are_the_same_each_time_and_share_no_ids(name: str) -> None:
    svg = PLOTS[name]()
    assert PLOTS[name]() == svg
    ids = set(re.findall(r' id="(.*?)"', svg))
    assert set(re.findall(r"url\(#(.*?)\)|xlink:href=\"#(.*?)\"", svg)) <= {(one, "") for one in ids} | {
        ("", one) for one in ids
    }
    others = [PLOTS[other]() for other in PLOTS if other != name]
    assert not [one for other in others for one in re.findall(r' id="(.*?)"', other) if one in ids]


def test_scores_are_drawn_beside_chance_and_the_constant_answer() -> None:
    texts = re.findall(r"<text[^>]*>(.*?)</text>", draw_scores("scores 0", PANELS))
    assert {"EU, generate", "before", "prompted", "after", "chance", "best constant answer", "30.0", "0.0"} <= set(
        texts
    )
    assert texts.count("50.0") == 3


def test_a_student_of_another_name_looks_like_the_stage_that_it_is_said_to_be() -> None:
    shares = {"1 base": (0.5, 0.4, 0.6), "2 new": (0.6, 0.5, 0.7)}
    svg = draw_scores("s", [ScorePanel("EA", 0.25, 0.3, shares, {"1 base": "before", "2 new": "after"})])
    assert {"1 base", "2 new"} <= set(re.findall(r"<text[^>]*>(.*?)</text>", svg))
    assert all(colour in svg for colour in (BEFORE_COLOUR, AFTER_COLOUR))


def test_long_labels_are_cut_and_counts_stay() -> None:
    texts = re.findall(r"<text[^>]*>(.*?)</text>", draw_counts("funnel", {"planned": 1234, "x" * 99: 7}))
    assert texts == ["planned: 1,234", f"{'x' * 45}…: 7"]
