"""Which tasks and recordings are composed: performers, orders, variants, and the edits of each recording."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
from numpy.random import Generator

from benchmarks._compose_assemble import assemble, freeze, pause_part, recording, shorten
from benchmarks._compose_parts import (
    DOMAINS,
    DOUBLES,
    EVEN_PACE,
    FPS,
    GOLD_PERFORMERS,
    GOLDS_EACH,
    MIRROR,
    PACE,
    SHARES,
    SOURCE_SPEED,
    Director,
    Json,
    Manner,
    Part,
    Pool,
    Recording,
    Segment,
    Span,
    Task,
    Timeline,
    pick,
)
from sopilot_assets.errors import ConfigError


def read_pool(root: Path) -> tuple[Pool, list[Json]]:
    """The usable segments of a labeled folder, and its labels.

    Left out: truncated and frozen ones, ones shown at an unusual speed or twice, and recordings of several
    performers.
    """
    path = root / "labels.jsonl"
    if not path.is_file():
        raise ConfigError(f"{path}: expected the labels of a folder in ProcBench's format, found no file.")
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    segments = tuple(one for line in lines if len(line["subject_ids"]) == 1 for one in _segments(line))
    return Pool(segments), lines


def _segments(line: Json) -> Iterator[Segment]:
    for step in line["steps"]:
        if step["truncated"] or step["label"].startswith("__") or len(step["src"]) != 1:
            continue
        source = step["src"][0]
        if not SOURCE_SPEED[0] <= source["speed"] <= SOURCE_SPEED[1]:
            continue
        yield Segment(
            file=line["file"],
            label=step["label"],
            domain=line["domain"],
            performer=line["subject_ids"][0],
            site=line["site"],
            start_s=step["start_sec"],
            end_s=step["end_sec"],
            clip=source["clip"],
            clip_start_s=source["src_start"],
            clip_speed=source["speed"],
        )


def plan_tasks(pool: Pool, lines: Sequence[Json], *, seed: int) -> list[Task]:
    """Two tasks of each domain, with other gold performers each.

    The site with the fewest performers is the other site: its performers are golds in no first task, and in
    the second only of every other seed.
    """
    sops = {line["domain"]: tuple(line["sop_steps"]) for line in lines}
    if len(sops) != DOMAINS:
        raise ConfigError(
            f"Expected labels of {DOMAINS} domains, so that each lends the other foreign actions, found "
            f"{sorted(sops)}; add recordings of another domain."
        )
    tasks = []
    for domain, sop in sorted(sops.items()):
        rng = np.random.default_rng([seed, len(domain), *domain.encode()])
        complete = pool.performers(domain, sop)
        away = _away(pool, complete)
        rich = [name for name in complete if _suffices(pool, name, sop)]
        pairs = list(combinations([name for name in rich if name not in away], GOLD_PERFORMERS))
        if not pairs:
            raise ConfigError(
                f"Domain {domain}: expected {GOLD_PERFORMERS} performers at the main site with {GOLDS_EACH} "
                f"whole segments of each of {list(sop)}, found {rich}; add recordings."
            )
        pairs = [pairs[at] for at in np.random.default_rng([*domain.encode()]).permutation(len(pairs))]
        orders: list[tuple[str, ...]] = [sop]
        for number, letter in enumerate("AB"):
            golds = list(pairs[(2 * (seed - 1) + number) % len(pairs)])
            if number == 1 and seed % 2 == 0 and away:
                golds[-1] = away[0]
            orders.append(_other_order(sop, orders, rng))
            tasks.append(
                Task(
                    name=f"{domain}{letter}",
                    domain=domain,
                    steps=orders[-1],
                    golds=tuple(golds),
                    trainees=tuple(name for name in complete if name not in golds),
                    gold_sites=tuple(sorted({pool.site(name) for name in golds})),
                    soft=number == 1,
                )
            )
    return tasks


def _suffices(pool: Pool, performer: str, labels: Sequence[str]) -> bool:
    """Whether there is enough for golds that share no cut."""
    return all(len(pool.of(performer, label)) >= GOLDS_EACH for label in labels)


def _away(pool: Pool, performers: Sequence[str]) -> list[str]:
    sites = defaultdict(list)
    for name in performers:
        sites[pool.site(name)].append(name)
    return min(sites.values(), key=len) if len(sites) > 1 else []


def _other_order(sop: Sequence[str], taken: Sequence[tuple[str, ...]], rng: Generator) -> tuple[str, ...]:
    """A permutation that shares few neighbours with the orders already taken."""
    pairs = {pair for order in taken for pair in pairwise(order)}
    drawn = [tuple(sop[number] for number in rng.permutation(len(sop))) for _ in range(50)]
    return min(drawn, key=lambda order: sum(pair in pairs for pair in pairwise(order)))


def plan_recordings(pool: Pool, task: Task, *, seed: tuple[int, int], variant_count: int) -> list[Recording]:
    """The golds and ``variant_count`` trainees of a task."""
    rng = np.random.default_rng([*seed, 1])
    recordings = []
    for number in range(len(task.golds) * GOLDS_EACH):
        performer, half = task.golds[number // GOLDS_EACH], number % GOLDS_EACH
        draw = np.random.default_rng([*seed, 2, number])
        manner = Manner(pauses=task.soft and half == 1, fades=task.soft, camera=task.soft)
        director = Director(pool, task, performer, draw, float(draw.uniform(*PACE)), half=half)
        parts = [director.step(step) for step in range(len(task.steps))]
        timeline = assemble(parts, manner, draw)
        recordings.append(recording(director, "gold", number + 1, "correct", manner, timeline, []))
    variants = [name for name, count in quotas(variant_count).items() for _ in range(count)]
    performers: list[str] = []
    while len(performers) < variant_count:
        performers += [task.trainees[one] for one in rng.permutation(len(task.trainees))]
    turn: dict[str, int] = defaultdict(lambda: seed[0] + seed[1])
    planned = []
    for variant, performer in zip(variants, performers, strict=False):
        planned.append((variant, performer, turn[variant]))
        turn[variant] += 1
    for number, at in enumerate(rng.permutation(len(planned))):
        variant, performer, mode = planned[at]
        draw = np.random.default_rng([*seed, 3, number])
        recordings.append(_trainee(pool, task, performer, variant, mode, number=number + 1, rng=draw))
    return recordings


def quotas(count: int) -> dict[str, int]:
    """How many of ``count`` recordings each variant gets: its share, and one at least if there is room."""
    exact = {name: share * count for name, share in SHARES.items()}
    given = {name: max(int(share), 1 if count >= 2 * len(SHARES) else 0) for name, share in exact.items()}
    while sum(given.values()) > count:
        given[max(given, key=lambda name: given[name] - exact[name])] -= 1
    while sum(given.values()) < count:
        given[max(given, key=lambda name: exact[name] - given[name])] += 1
    return given


def _trainee(
    pool: Pool, task: Task, performer: str, variant: str, mode: int, *, number: int, rng: Generator
) -> Recording:
    soft = task.soft
    manner = Manner(pauses=soft and bool(rng.random() < 0.75), fades=soft, camera=soft)
    kinds = DOUBLES[mode % len(DOUBLES)] if variant == "double" else (variant,)
    mode = int(rng.integers(12)) if variant == "double" else mode
    pace = float(rng.uniform(*(EVEN_PACE if "over_time" in kinds else PACE)))
    director = Director(pool, task, performer, rng, pace)
    if variant == "empty_bench":
        return _empty_bench(director, number, manner)
    if variant == "other_task":
        return _other_task(director, number, mode, manner)
    parts = {step: director.step(step) for step in range(len(task.steps))}
    order, edits, extra = _edit(director, parts, kinds, mode)
    sequence = [parts[step] for step in order if step in parts]
    if extra is not None:
        sequence.insert(extra[0], extra[1])
    timeline = assemble(sequence, manner, rng)
    told = [_located(edit, timeline) for edit in edits]
    match variant:
        case "freeze":
            timeline, edit = freeze(timeline, rng, mode)
            told.append(edit)
        case "cut_tail" | "skip_start":
            timeline, edit = shorten(timeline, rng, mode, tail=variant == "cut_tail")
            told.append(edit)
    return recording(director, "trainee", number, variant, manner, timeline, told)


@dataclass(frozen=True, slots=True)
class Edit:
    """A deviation before the times are known; ``part`` is what it is about, ``swap`` the parts at both
    places, ``before`` what comes before a missing step.
    """

    told: Json
    part: Part | None = None
    swap: tuple[Part, ...] = ()
    before: tuple[Part, ...] = ()


def _edit(
    director: Director, parts: dict[int, Part], kinds: Sequence[str], mode: int
) -> tuple[list[int], list[Edit], tuple[int, Part] | None]:
    """Change ``parts``; the order, the edits, and an extra part with its position.

    Each edit takes steps that no other has taken. Swaps are made first, since they need two,
    and nothing extra is put where a step is missing: that would be a wrong step.
    """
    rng, steps = director.rng, director.task.steps
    order, free = list(parts), list(parts)
    edits: list[Edit] = []
    swaps: list[tuple[int, int]] = []
    missing: list[int] = []
    extra = None
    for kind in sorted(kinds, key=lambda one: (one != "order_swap", one == "extra_step")):
        match kind:
            case "order_swap":
                adjacent = mode % 2 == 0
                i, j = pick(
                    rng,
                    [(a, b) for a in free for b in free if b > a if (b - a == 1) == adjacent],
                )
                order[i], order[j] = order[j], order[i]
                swaps.append((i, j))
                free = [step for step in free if step not in (i, j)]
            case "missing_step":
                gone = [pick(rng, free)]
                if mode % 3 == 2 and len(kinds) == 1 and gone[0] + 1 in free:
                    gone.append(gone[0] + 1)
                for step in gone:
                    del parts[step]
                missing += gone
                free = [step for step in free if step not in gone]
            case "wrong_step":
                step = pick(rng, free)
                parts[step], told = _wrong(director, step, mode)
                edits.append(
                    Edit(
                        {
                            "type": kind,
                            "gold_step": step,
                            "gold_label": steps[step],
                            **told,
                            "position": order.index(step),
                        },
                        part=parts[step],
                    )
                )
                free.remove(step)
            case "over_time":
                step = pick(rng, free)
                repeat = mode % 2 == 0
                parts[step] = director.step(
                    step, whole=True, slow=1.0 if repeat else 0.5, times=2 if repeat else 1
                )
                edits.append(
                    Edit(
                        {
                            "type": kind,
                            "gold_step": step,
                            "label": steps[step],
                            "mode": "repeat" if repeat else "slow",
                            "factor": 2.0,
                            "position": order.index(step),
                        },
                        part=parts[step],
                    )
                )
                free.remove(step)
            case "extra_step":
                shown = [step for step in order if step in parts]
                gaps = [sum(order.index(one) < order.index(step) for one in shown) for step in missing]
                at = int(pick(rng, [place for place in range(1, len(shown)) if place not in gaps]))
                part, told = _extra(director, shown, at, mode)
                extra = (at, part)
                edits.append(Edit({"type": kind, **told, "position": at}, part=part))
    edits += [
        Edit(
            {"type": "missing_step", "gold_step": step, "label": steps[step]},
            before=tuple(parts[one] for one in order[: order.index(step)] if one in parts),
        )
        for step in missing
    ]
    for i, j in swaps:
        edits.append(
            Edit(
                {
                    "type": "order_swap",
                    "gold_steps": [i, j],
                    "labels": [steps[i], steps[j]],
                    "adjacent": j - i == 1,
                    "positions": [i, j],
                },
                swap=(parts[order[i]], parts[order[j]]),
            )
        )
    return order, edits, extra


def _wrong(director: Director, step: int, mode: int) -> tuple[Part, Json]:
    gold = director.task.steps[step]
    mirrored = [gold.removesuffix(a) + b for a, b in MIRROR.items() if gold.endswith(a)]
    known = director.pool.labels(domain=director.task.domain)
    if mode % 3 == 0 and mirrored and mirrored[0] in known:
        label, performer = mirrored[0], director.performer_of(mirrored[0])
    else:
        label, performer = director.foreign_source(other_domain=mode % 3 == 2)
    part = director.foreign(label, performer)
    return part, {
        "label": label,
        "kind": "mirror_side" if label in mirrored else "other_action",
        "other_domain": label not in known,
        "performer": performer,
    }


def _extra(director: Director, order: Sequence[int], at: int, mode: int) -> tuple[Part, Json]:
    """Something of 2 to 4 s before position ``at`` of ``order``: foreign, or an own step out of its place."""
    near = order[max(at - 2, 0) : at + 2]
    apart = [step for step in order if step not in near]
    if mode % 2 == 0 and apart:
        label, performer, kind = (
            director.task.steps[pick(director.rng, apart)],
            director.performer,
            "own_step",
        )
    else:
        label, performer = director.foreign_source(other_domain=mode % 4 == 3)
        kind = "other_domain" if mode % 4 == 3 else "foreign"
    part = director.foreign(label, performer, longest_s=float(director.rng.uniform(2.2, 4.0)) * director.pace)
    return part, {"label": label, "kind": kind, "after_gold_step": order[at - 1], "performer": performer}


def _located(edit: Edit, timeline: Timeline) -> Json:
    """The deviation with its times."""
    told = dict(edit.told)
    if edit.part is not None:
        told |= _times(_span_of(timeline, edit.part))
    if edit.swap:
        spans = [_span_of(timeline, part) for part in edit.swap]
        told["times"] = [list(_times(span).values()) for span in spans]
    if told["type"] == "missing_step":
        ends = [span.end for span in timeline.spans if any(span.part is part for part in edit.before)]
        told["expected_at_sec"] = max(ends, default=0) / FPS
    return told


def _span_of(timeline: Timeline, part: Part) -> Span:
    return next(span for span in timeline.spans if span.part is part)


def _times(span: Span) -> Json:
    return {"start_sec": span.begin / FPS, "end_sec": span.end / FPS}


def _other_task(director: Director, number: int, mode: int, manner: Manner) -> Recording:
    """The other domain's steps; or foreign actions, with a few own steps in a random order."""
    rng, task = director.rng, director.task
    count = len(task.steps)
    if mode % 2 == 0:
        domain = next(one.domain for one in director.pool.segments if one.domain != task.domain)
        who = pick(
            rng,
            [
                name
                for name in director.pool.performers(domain)
                if len(director.pool.labels(performer=name)) >= 5
            ],
        )
        labels = director.pool.labels(performer=who)
        chosen = [labels[one] for one in rng.permutation(len(labels))[:count]]
        director = replace(director, performer=who)
        parts = [director.foreign(label, who) for label in chosen]
        kind = "other_domain"
    else:
        foreign = count // 2 + 1
        sources = [director.foreign_source(other_domain=more % 2 == 1) for more in range(foreign)]
        parts = [director.foreign(*source) for source in sources]
        parts += [director.step(int(step)) for step in rng.permutation(count)[: count - foreign]]
        parts = [parts[one] for one in rng.permutation(len(parts))]
        kind = "scrambled"
    timeline = assemble(parts, manner, rng)
    shown = {part.gold_step for part in parts}
    told = {
        "type": "other_task",
        "kind": kind,
        "missing_gold_steps": [step for step in range(count) if step not in shown],
    }
    return recording(director, "trainee", number, "other_task", manner, timeline, [told])


def _empty_bench(director: Director, number: int, manner: Manner) -> Recording:
    """One moment going slowly back and forth, as long as the task takes."""
    rng = director.rng
    count = len(director.task.steps)
    moment = director.step(int(rng.integers(count))).cuts[0]
    timeline = Timeline()
    timeline.append(pause_part(moment, round(rng.uniform(3.0, 5.0) * count * FPS), before=False), fade=0)
    told = {"type": "empty_bench", "missing_gold_steps": list(range(count))}
    return recording(director, "trainee", number, "empty_bench", manner, timeline, [told])
