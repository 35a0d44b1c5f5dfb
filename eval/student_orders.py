"""How much the students of a recipe depend on the order of the options: their written answers in several orders."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pydantic import BaseModel, ConfigDict

from corpus.records import ApplicationItem, Task, UnderstandingItem
from eval.exam import pose
from eval.orders import OrderScore, Posed, score_orders
from eval.scores import Mark, Stage, by_task

Items = Sequence[UnderstandingItem | ApplicationItem]


class StudentOrders(BaseModel):
    """One student on one task of a benchmark, every item posed in every order."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    benchmark: str
    task: Task
    stage: Stage
    score: OrderScore


def score_student_orders(
    items: Items, marks: Mapping[Stage, Sequence[Sequence[Mark]]], benchmark: str
) -> list[StudentOrders]:
    """Return the scores of one benchmark by task and, there, by student.

    Args:
        marks: student → order, the published one first → marks of written answers with their picks, which are places
            in that order; one per item, in any order, and those of other items are left out.

    Raises:
        KeyError: an item has no mark.
    """
    return [
        StudentOrders(benchmark=benchmark, task=task, stage=stage, score=score_orders(_posed(own, orders)))
        for task, own in by_task(items).items()
        for stage, orders in marks.items()
    ]


def _posed(items: Items, orders: Sequence[Sequence[Mark]]) -> Iterator[Posed]:
    for order, marks in enumerate(orders):
        by_id = {mark.id: mark for mark in marks}
        for item in items:
            yield Posed(item.qid, item.scenario, order, by_id[item.qid].picks, pose(item, order).keys)
