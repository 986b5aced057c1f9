"""The actions a worker can do: how each looks at any moment, and what it leaves behind."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from sopilot_assets.capture.simulate.hands import Grasp
from sopilot_assets.capture.simulate.motion import Stage, along, mixed, turned
from sopilot_assets.capture.simulate.state import Held, PartPlace, Point, SceneMoment, SceneState, Thing

_WIPES: Final = 8
_COVER_GRIP: Final = 54.0


@dataclass(frozen=True)
class Action:
    """One kind of action.

    ``show`` gives what is seen at a stage, ``leave`` the state afterwards. ``length`` multiplies the nominal
    step length. ``carries`` marks actions that move a part: done twice, the part is taken back in between.
    """

    name: str
    show: Callable[[Stage], SceneMoment]
    leave: Callable[[SceneState], SceneState]
    length: float = 1.0
    carries: bool = False


def loosen_housing(stage: Stage) -> SceneMoment:
    """The wrench takes the hex in short pulls."""
    p, side = stage.progress, stage.side
    (rest, rest_angle) = stage.layout.tools[Thing.WRENCH]
    hex_ = stage.layout.seat
    pull = mixed(-4, -74, stage.stroke(0.85)) * stage.person.reach * side
    share = stage.during(0.15, 0.26) * (1 - stage.during(0.82, 0.92))
    angle = mixed(rest_angle, pull, share)
    head = along(p, ((0.15, rest), (0.26, hex_), (0.82, hex_), (0.92, rest)))
    handle = turned(head, 78, angle)
    away = stage.home(1)
    hand = _picking(stage, away, handle, 0.14, 0.93)
    grips = 0.12 < p < 0.94
    lift = 0.35 * (stage.envelope(0.16, 0.22) + stage.envelope(0.85, 0.90))
    lead = stage.lead(hand, Grasp.FIST if grips else Grasp.REST, bend=-0.25 * side * angle - 18, lift=lift)
    return SceneMoment(
        state=_taking(stage, Thing.WRENCH, 0.14, 0.93),
        hands=(stage.steadying(stage.beside(hex_, -78, 34), 0.24, 0.84), lead),
        held=_if_taken(stage, 0.14, 0.93, Held(Thing.WRENCH, head, angle, lift)),
    )


def lift_off_cover(stage: Stage) -> SceneMoment:
    """Both hands rock the cover loose, lift it and put it down at the side."""
    start = stage.layout.places[stage.before.cover]
    rocking = 13 * stage.wave(1.5) * stage.envelope(0.16, 0.46) * stage.person.reach
    at, lift = _carry(stage, start, stage.layout.places[PartPlace.PARK], 0.48, 0.80)
    hands_at = _approach(stage, at, 0.12, 0.86)
    return _two_handed_cover(stage, at, hands_at, rocking, lift, leave_at=0.86)


def close_housing(stage: Stage) -> SceneMoment:
    """Both hands bring the cover back, then press it down around its rim."""
    start, seat = stage.layout.places[stage.before.cover], stage.layout.seat
    at, lift = _carry(stage, start, seat, 0.12, 0.36)
    hands_at = _approach(stage, at, 0.10, 0.90)
    pressing = stage.envelope(0.42, 0.88)
    if pressing <= 0:
        return _two_handed_cover(stage, at, hands_at, 0.0, lift, leave_at=0.90)
    push = abs(stage.wave(0.8))
    around = 40 * math.sin(2 * math.pi * 0.27 * stage.clock_s + stage.phase) * stage.person.reach
    radius = mixed(_COVER_GRIP, 34 + 5 * push, pressing)
    hands = tuple(
        hand(
            turned(hands_at, radius, -which * stage.side * 90 + around * pressing),
            Grasp.FLAT,
            bend=-8 - 14 * push,
            lift=0.22 * (1 - push) * pressing,
        )
        for which, hand in ((-1, stage.other), (1, stage.lead))
    )
    return SceneMoment(
        state=replace(stage.before, cover=PartPlace.HELD),
        hands=hands,
        held=(Held(Thing.COVER, at, 0.0, 0.0),),
    )


def pull_old_filter(stage: Stage) -> SceneMoment:
    """One hand twists the old filter out and drops it into the waste tray."""
    state, seat = stage.before, stage.layout.seat
    free = state.cover is not PartPlace.SEAT and state.old_filter is PartPlace.SEAT
    at, lift = _carry(stage, seat, stage.layout.places[PartPlace.WASTE], 0.56, 0.82)
    twist = 34 * stage.wave(0.95) * stage.envelope(0.16, 0.52) * stage.person.reach
    hand_at = _approach(stage, at, 0.12, 0.86, which=1)
    jerk = 6 * abs(stage.wave(1.9)) * stage.envelope(0.40, 0.54)
    lead = stage.lead(
        (hand_at[0], hand_at[1] - jerk), _claw(stage, 0.10, 0.87), bend=stage.side * twist - 6, lift=lift
    )
    hands = (stage.steadying(stage.beside(seat, -80, 46), 0.14, 0.60), lead)
    if not free:
        return SceneMoment(state=state, hands=hands)
    held = Held(Thing.OLD_FILTER, (at[0], at[1] - jerk), stage.side * twist, lift)
    if stage.progress >= 0.86:
        return SceneMoment(state=replace(state, old_filter=PartPlace.WASTE), hands=hands)
    return SceneMoment(state=replace(state, old_filter=PartPlace.HELD), hands=hands, held=(held,))


def wipe_seat(stage: Stage) -> SceneMoment:
    """A cloth goes back and forth over the seat."""
    strokes = _strokes(stage, stage.layout.seat, wide=30, tall=15, hertz=1.35)
    return _wiping(stage, strokes, cleans=True)


def oil_gasket(stage: Stage) -> SceneMoment:
    """The oil can draws circles on the new filter's gasket."""
    rest, rest_angle = stage.layout.tools[Thing.OIL_CAN]
    target = stage.layout.places[stage.before.new_filter]
    work = 2 * math.pi * 0.62 * stage.clock_s + stage.phase
    radius = 29 * stage.person.reach * stage.envelope(0.26, 0.82)
    tip = (target[0] + radius * math.cos(work), target[1] + 0.9 * radius * math.sin(work))
    angle = -38.0 * stage.side
    spout = turned((0.0, 0.0), -46, angle)
    over = (tip[0] - spout[0], tip[1] - spout[1])
    at = along(stage.progress, ((0.14, rest), (0.25, over), (0.82, over), (0.92, rest)))
    share = stage.during(0.14, 0.25) * (1 - stage.during(0.82, 0.92))
    lift = 0.55 * share
    hand = _picking(stage, stage.home(1), stage.beside(at, 6, 24), 0.13, 0.93)
    oiled = max(stage.before.oil, stage.during(0.26, 0.82))
    state = replace(_taking(stage, Thing.OIL_CAN, 0.13, 0.93), oil=round(oiled * 6) / 6)
    lead = stage.lead(hand, _claw(stage, 0.11, 0.94), bend=-14, lift=lift)
    return SceneMoment(
        state=state,
        hands=(stage.steadying(stage.beside(target, -30, 26), 0.24, 0.84), lead),
        held=_if_taken(stage, 0.13, 0.93, Held(Thing.OIL_CAN, at, mixed(rest_angle, angle, share), lift)),
    )


def insert_new_filter(stage: Stage) -> SceneMoment:
    """One hand brings the new filter, then both palms press it into the seat."""
    state, seat = stage.before, stage.layout.seat
    start = stage.layout.places[state.new_filter]
    at, lift = _carry(stage, start, seat, 0.15, 0.42)
    aside = state.blocked and state.new_filter is not PartPlace.SEAT
    if aside:
        slip = stage.during(0.86, 0.93)
        shoulder = stage.layout.places[PartPlace.SHOULDER]
        at = (mixed(at[0], shoulder[0], slip), mixed(at[1], shoulder[1], slip))
    pressing = stage.envelope(0.48, 0.85)
    push = max(stage.wave(1.05), 0.0)
    lead_at = _approach(stage, at, 0.12, 0.93, which=1)
    down = (lead_at[0], lead_at[1] + pressing * (8 + 5 * push))
    lead = stage.lead(
        down,
        Grasp.FLAT if pressing > 0.5 else _claw(stage, 0.10, 0.92),
        bend=-6 - 10 * push * pressing,
        lift=max(lift, 0.25 * (1 - push) * pressing),
    )
    beside = stage.beside(at, -14, 18 - 4 * push)
    joining = along(
        stage.progress, ((0.34, stage.home(-1)), (0.48, beside), (0.86, beside), (0.96, stage.home(-1)))
    )
    other = stage.other(
        joining, Grasp.FLAT if pressing > 0 else Grasp.REST, bend=10 * push, lift=0.2 * (1 - push) * pressing
    )
    if stage.progress >= 0.93:
        return SceneMoment(state=_inserted(state), hands=(lead, other))
    held = Held(Thing.NEW_FILTER, at, 40 * stage.during(0.15, 0.42), lift)
    return SceneMoment(state=replace(state, new_filter=PartPlace.HELD), hands=(lead, other), held=(held,))


def hammer_housing(stage: Stage) -> SceneMoment:
    """A hammer knocks on the housing's edge."""
    target = stage.beside(stage.layout.seat, 74, -22)
    swing = stage.stroke(1.5, pull=0.7)
    raised = swing * stage.envelope(0.24, 0.84) * stage.person.reach
    head = (target[0] + stage.side * 16 * raised, target[1] - 12 * raised)
    return _with_tool(stage, Thing.HAMMER, head, mixed(-38, -66, raised), lift=0.1 + 0.9 * raised, grip=74)


def measure_with_ruler(stage: Stage) -> SceneMoment:
    """Two hands slide a ruler over the work and turn it."""
    seat = stage.layout.seat
    slide = stage.wave(0.34) * stage.envelope(0.24, 0.84)
    middle = (seat[0] + 26 * slide * stage.person.reach, seat[1] + 10 + 10 * slide)
    outside = (seat[0], 420.0)
    at = along(stage.progress, ((0.0, outside), (0.2, middle), (0.84, middle), (1.0, outside)))
    tilt = 12 * stage.wave(0.22) * stage.side
    hands = tuple(
        hand(
            (
                at[0] + which * stage.side * 62 * math.cos(math.radians(tilt)),
                at[1] + 6 + which * stage.side * tilt,
            ),
            Grasp.CLAW,
            bend=-6,
        )
        for which, hand in ((-1, stage.other), (1, stage.lead))
    )
    return SceneMoment(state=stage.before, hands=hands, held=(Held(Thing.RULER, at, tilt, 0.15),))


def wipe_bench(stage: Stage) -> SceneMoment:
    """The cloth goes in wide strokes over the bench beside the work."""
    middle = stage.beside((236.0, 238.0), 84, 8)
    return _wiping(stage, _strokes(stage, middle, wide=66, tall=20, hertz=0.8), cleans=False)


def spray_cleaner(stage: Stage) -> SceneMoment:
    """A spray bottle, held high, is swept across the whole bench in short bursts."""
    seat = stage.layout.seat
    sweep = stage.wave(0.4) * stage.envelope(0.24, 0.84) * stage.person.reach
    burst = 9 * stage.wave(2.6)
    nozzle = (seat[0] + 118 * sweep, seat[1] + 62 + burst)
    return _with_tool(stage, Thing.SPRAY, nozzle, -24 + 26 * sweep, lift=0.95, grip=14, bend=burst)


def drive_screws(stage: Stage) -> SceneMoment:
    """A screwdriver turns screw after screw."""
    spot = math.floor(stage.clock_s * 0.8) % 4
    corner = stage.beside(stage.layout.seat, (-62, 62, 62, -62)[spot], (-38, -38, 38, 38)[spot])
    twist = 24 * stage.wave(2.0)
    return _with_tool(stage, Thing.SCREWDRIVER, corner, -32 + 0.3 * twist, lift=0.4, grip=62, bend=twist)


def _keep(state: SceneState) -> SceneState:
    return state


def _lifted(state: SceneState) -> SceneState:
    return replace(state, cover=PartPlace.PARK)


def _closed(state: SceneState) -> SceneState:
    return replace(state, cover=PartPlace.SEAT)


def _pulled(state: SceneState) -> SceneState:
    free = state.cover is not PartPlace.SEAT and state.old_filter is PartPlace.SEAT
    return replace(state, old_filter=PartPlace.WASTE) if free else state


def _wiped(state: SceneState) -> SceneState:
    return replace(state, clean=1.0) if _seat_open(state) else state


def _oiled(state: SceneState) -> SceneState:
    return replace(state, oil=1.0)


def _inserted(state: SceneState) -> SceneState:
    if state.new_filter is PartPlace.SEAT:
        return state
    return replace(state, new_filter=PartPlace.SHOULDER if state.blocked else PartPlace.SEAT)


def _seat_open(state: SceneState) -> bool:
    return not state.blocked and state.new_filter is not PartPlace.SEAT


ACTIONS: Final[Mapping[str, Action]] = {
    action.name: action
    for action in (
        Action("loosen_housing", loosen_housing, _keep),
        Action("lift_off_cover", lift_off_cover, _lifted, length=0.95, carries=True),
        Action("pull_old_filter", pull_old_filter, _pulled, carries=True),
        Action("wipe_seat", wipe_seat, _wiped, length=1.05),
        Action("oil_gasket", oil_gasket, _oiled),
        Action("insert_new_filter", insert_new_filter, _inserted, length=1.05, carries=True),
        Action("close_housing", close_housing, _closed, length=1.1, carries=True),
        Action("hammer_housing", hammer_housing, _keep),
        Action("measure_with_ruler", measure_with_ruler, _keep),
        Action("wipe_bench", wipe_bench, _keep),
        Action("spray_cleaner", spray_cleaner, _keep),
        Action("drive_screws", drive_screws, _keep),
    )
}


def idle(stage: Stage) -> SceneMoment:
    """Hands at rest, moving a little."""
    drift = 3 * stage.wave(0.3)
    lead, other = stage.home(1), stage.home(-1)
    return SceneMoment(
        state=stage.before,
        hands=(stage.other((other[0] - drift, other[1])), stage.lead((lead[0] + drift, lead[1] + drift / 2))),
    )


def _picking(stage: Stage, home: Point, at: Point, start: float, end: float) -> Point:
    """The hand's way from home to a thing, along with it, and home again."""
    p = stage.progress
    if p < start:
        return along(p, ((0.0, home), (start, at)))
    return at if p <= end else along(p, ((end, at), (1.0, home)))


def _approach(stage: Stage, at: Point, start: float, end: float, *, which: int = 0) -> Point:
    home = stage.home(which) if which else (236.0, 292.0)
    return _picking(stage, home, at, start, end)


def _carry(stage: Stage, start: Point, end: Point, begin: float, finish: float) -> tuple[Point, float]:
    share = stage.during(begin, finish)
    bow = 14 * math.sin(math.pi * share)
    at = (mixed(start[0], end[0], share), mixed(start[1], end[1], share) - bow)
    return at, 0.9 * math.sin(math.pi * share) ** 0.8 if 0 < share < 1 else 0.0


def _claw(stage: Stage, start: float, end: float) -> Grasp:
    return Grasp.CLAW if start < stage.progress < end else Grasp.REST


def _two_handed_cover(
    stage: Stage, at: Point, hands_at: Point, turn: float, lift: float, *, leave_at: float
) -> SceneMoment:
    """Both hands at the cover's sides, turning with it."""
    reached = stage.during(0.0, 0.12) * (1 - stage.during(leave_at, 1.0))
    hands = []
    for which, hand in ((-1, stage.other), (1, stage.lead)):
        grip = turned(hands_at, _COVER_GRIP, -which * stage.side * 78 + turn)
        home = stage.home(which)
        place = (mixed(home[0], grip[0], reached), mixed(home[1], grip[1], reached))
        hands.append(
            hand(place, Grasp.CLAW if reached > 0.6 else Grasp.REST, bend=-4 + which * turn, lift=lift)
        )
    held = (Held(Thing.COVER, at, turn, lift),)
    return SceneMoment(state=replace(stage.before, cover=PartPlace.HELD), hands=tuple(hands), held=held)


def _strokes(stage: Stage, middle: Point, *, wide: float, tall: float, hertz: float) -> Point:
    """Where a cloth is that wipes around ``middle`` in strokes."""
    reach = stage.person.reach * stage.envelope(0.24, 0.84, edge=0.04)
    x = wide * stage.wave(hertz) * reach
    y = tall * math.sin(2 * math.pi * 0.31 * stage.clock_s + stage.phase) * reach
    return (middle[0] + x, middle[1] + y + 0.15 * stage.side * x)


def _wiping(stage: Stage, over: Point, *, cleans: bool) -> SceneMoment:
    rest, rest_angle = stage.layout.tools[Thing.CLOTH]
    at = along(stage.progress, ((0.13, rest), (0.23, over), (0.84, over), (0.93, rest)))
    hand = _picking(stage, stage.home(1), at, 0.12, 0.94)
    state = _taking(stage, Thing.CLOTH, 0.12, 0.94)
    if cleans and _seat_open(stage.before):
        done = max(stage.before.clean, stage.during(0.26, 0.84))
        state = replace(state, clean=round(done * _WIPES) / _WIPES)
    lift = 0.3 * (stage.envelope(0.15, 0.20) + stage.envelope(0.87, 0.91))
    angle = rest_angle + 16 * stage.wave(0.6) * stage.envelope(0.2, 0.84)
    lead = stage.lead((hand[0], hand[1] + 4), _flat(stage), bend=-10 + 8 * stage.wave(0.6), lift=lift)
    seat = stage.layout.seat
    return SceneMoment(
        state=state,
        hands=(stage.steadying(stage.beside(seat, -84, 30), 0.22, 0.84), lead),
        held=_if_taken(stage, 0.12, 0.94, Held(Thing.CLOTH, at, angle, lift)),
    )


def _flat(stage: Stage) -> Grasp:
    return Grasp.FLAT if 0.1 < stage.progress < 0.95 else Grasp.REST


def _with_tool(
    stage: Stage, tool: Thing, tip: Point, angle: float, *, lift: float, grip: float, bend: float = 0.0
) -> SceneMoment:
    """The leading hand brings a tool from outside the picture, works with it and takes it away."""
    outside = stage.beside((236.0, 400.0), 190, 0)
    at = along(stage.progress, ((0.04, outside), (0.2, tip), (0.86, tip), (0.98, outside)))
    turn = angle * stage.side
    hand = turned(at, grip, turn)
    lead = stage.lead(hand, Grasp.FIST, bend=-0.3 * angle - 10 + bend, lift=lift)
    steady = stage.steadying(stage.beside(stage.layout.seat, -82, 30), 0.22, 0.84)
    return SceneMoment(state=stage.before, hands=(steady, lead), held=(Held(tool, at, turn, lift),))


def _taking(stage: Stage, tool: Thing, start: float, end: float) -> SceneState:
    if not start <= stage.progress <= end:
        return stage.before
    return replace(stage.before, taken=stage.before.taken | {tool})


def _if_taken(stage: Stage, start: float, end: float, held: Held) -> tuple[Held, ...]:
    return (held,) if start <= stage.progress <= end else ()
