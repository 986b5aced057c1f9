"""The partial order of a task's steps: which step must come before which."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import TypeAlias

StepOrder: TypeAlias = Sequence[tuple[str, Sequence[str] | None]]
"""Step ids in the order of the file, each with the ids it comes after; None stands for the step above."""


def direct_predecessors(steps: StepOrder) -> dict[str, tuple[str, ...]]:
    """For every step, the steps it names as coming before it, with the default filled in.

    >>> direct_predecessors([("open", None), ("lift", None), ("wipe", ["open"])])
    {'open': (), 'lift': ('open',), 'wipe': ('open',)}
    """
    above = [(), *((step_id,) for step_id, _ in steps)]
    return {
        step_id: tuple(after) if after is not None else default
        for (step_id, after), default in zip(steps, above, strict=False)
    }


def predecessors(steps: StepOrder) -> dict[str, frozenset[str]]:
    """For every step of a valid order, all steps that must come before it, directly or through others."""
    direct = direct_predecessors(steps)
    closed: dict[str, frozenset[str]] = {}
    for step_id in TopologicalSorter(direct).static_order():
        closed[step_id] = frozenset(direct[step_id]).union(*(closed[other] for other in direct[step_id]))
    return {step_id: closed[step_id] for step_id, _ in steps}


def legal_orders(predecessors: Mapping[str, frozenset[str]]) -> Iterator[tuple[str, ...]]:
    """Every order in which all steps can be done; the one closest to the file's comes first.

    >>> list(legal_orders({"a": frozenset(), "b": frozenset({"a"}), "c": frozenset({"a"})}))
    [('a', 'b', 'c'), ('a', 'c', 'b')]
    """

    def continued(done: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        if len(done) == len(predecessors):
            yield done
        for step_id, before in predecessors.items():
            if step_id not in done and before <= set(done):
                yield from continued((*done, step_id))

    return continued(())


def check_order(steps: StepOrder) -> None:
    """Refuse (``ValueError``) doubled ids, unknown ids in ``after``, and circles."""
    doubled = [step_id for step_id, count in Counter(step_id for step_id, _ in steps).items() if count > 1]
    if doubled:
        raise ValueError(f"expected every id once, found {_listed(doubled)} more than once")
    direct = direct_predecessors(steps)
    for step_id, before in direct.items():
        unknown = [other for other in before if other not in direct]
        if unknown:
            raise ValueError(
                f"step {step_id!r}: expected `after` to name steps of this task ({', '.join(direct)}), "
                f"found {_listed(unknown)}"
            )
    try:
        TopologicalSorter(direct).prepare()
    except CycleError as error:
        circle = " after ".join(reversed(error.args[1]))
        raise ValueError(f"expected an order that can be done, found the circle {circle}") from error


def _listed(step_ids: Sequence[str]) -> str:
    return ", ".join(repr(step_id) for step_id in step_ids)
