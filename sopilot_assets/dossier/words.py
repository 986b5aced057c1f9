"""What a dossier says in words: its verdict, what is shown, what is not, the names of gates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

import pandas as pd

from sopilot_assets.dossier.headline import line_of
from sopilot_assets.dossier.inputs import DossierInputs
from sopilot_assets.dossier.summary import DossierSummary
from sopilot_assets.studies.claims import FALSE_ALARM, MISS
from sopilot_assets.studies.repeatability import repeatability
from sopilot_assets.studies.split_manifest import GATE_SPLIT
from sopilot_assets.studies.splits import held_out_persons
from sopilot_assets.texts.languages import Text

GATE_NAMES: Final[Mapping[str, Text]] = {
    "critical_miss_rate": Text("Critical recordings missed", "重大な逸脱の見逃し率"),
    "critical_false_positive_rate": Text("False alarms", "誤警報率"),
    "critical_miss_rate_ci95_high": Text(
        "Missed: upper 95 % bound, recordings as independent",
        "見逃し率：95 % 区間の上端（録画を独立とみなす）",
    ),
    "critical_false_positive_rate_ci95_high": Text(
        "False alarms: upper 95 % bound, recordings as independent",
        "誤警報率：95 % 区間の上端（録画を独立とみなす）",
    ),
    "clustered_miss_rate_ci95_high": Text(
        "Missed: upper 95 % bound, by person", "見逃し率：95 % 区間の上端（人ごと）"
    ),
    "clustered_false_positive_rate_ci95_high": Text(
        "False alarms: upper 95 % bound, by person", "誤警報率：95 % 区間の上端（人ごと）"
    ),
    "independent_positives": Text("People with a critical recording", "重大な逸脱のある録画の人数"),
    "independent_negatives": Text("People with a recording that is not critical", "それ以外の録画の人数"),
    "blind_label_share": Text("Labels given without seeing the result", "結果を見ずに付けたラベルの割合"),
    "rater_kappa_ci95_low": Text(
        "Agreement of raters beyond chance (kappa): lower 95 % bound",
        "評価者の一致（カッパ係数）：95 % 区間の下端",
    ),
    "settled_label_share": Text(
        "Recordings with labels on which raters came to an answer", "評価者の答えが定まった録画の割合"
    ),
    "decided_share": Text("Labelled recordings that the detector decided", "検出器が判定した録画の割合"),
    "decided_positive_share": Text(
        "Critical recordings that the detector decided", "重大な逸脱のある録画のうち判定した割合"
    ),
    "scored_share": Text("Labelled recordings that could be scored", "採点できた録画の割合"),
    "shifted_recordings": Text(
        "Recordings scored again with shifted sampling", "時刻をずらして再採点した録画数"
    ),
    "shifted_jitter_max_delta": Text(
        "Largest change of a score by shifted sampling (points)", "ずらした再採点での最大の点差"
    ),
    "shifted_decision_change_rate": Text(
        "Decisions changed by shifted sampling", "ずらした再採点で変わった判定の割合"
    ),
    "test_looks": Text("Looks at the test split", "test を見た回数"),
    "leaking_groups": Text("Groups on two sides of the split", "区分をまたぐ集まりの数"),
    "rescore_jitter_max_delta": Text(
        "Largest difference of repeated scores (points)", "再採点での最大の点差"
    ),
    "rescore_pairs": Text("Pairs with repeated scores", "再採点した組の数"),
    "dtw_normalized_cost_p90": Text("Alignment cost, 90 % quantile", "位置合わせの費用（90 % 点）"),
    "drift_critical_score_psi": Text("Drift of the critical score (PSI)", "重大度の傾向の変化（PSI）"),
    "drift_score_psi": Text("Drift of the score (PSI)", "点数の傾向の変化（PSI）"),
    "drift_dtw_psi": Text("Drift of the alignment cost (PSI)", "位置合わせの費用の傾向の変化（PSI）"),
    "critical_detected_rate_shift_abs": Text("Shift of the alarm rate", "警報率の変化"),
    "num_completed_jobs": Text("Scored recordings", "採点済みの録画数"),
    "labels_total_jobs": Text("Label rows", "ラベルの行数"),
    "labels_labeled_jobs": Text("Labelled recordings", "ラベル付きの録画数"),
    "critical_positives": Text("Critical recordings", "重大な逸脱のある録画数"),
    "critical_negatives": Text("Recordings that are not critical", "それ以外の録画数"),
    "coverage_rate": Text("Labelled recordings that were scored", "ラベル付き録画のうち採点された割合"),
}
"""The checks of gates as a reader would name them."""

_SHARES: Final = frozenset(
    [
        "critical_miss_rate",
        "critical_false_positive_rate",
        "critical_miss_rate_ci95_high",
        "settled_label_share",
        "decided_share",
        "decided_positive_share",
        "scored_share",
        "critical_false_positive_rate_ci95_high",
        "clustered_miss_rate_ci95_high",
        "blind_label_share",
        "coverage_rate",
        "clustered_false_positive_rate_ci95_high",
        "shifted_decision_change_rate",
    ]
)


_NARROW: Final = "\u00a0"
"""A space at which no line breaks."""


def percent(value: float | None) -> str:
    """A share for readers, with a digit where it matters."""
    if value is None:
        return "–"
    shown = 100 * value
    digits = 0 if shown in (0, 100) or shown >= 10 else 1
    return f"{shown:.{digits}f}{_NARROW}%"


def gate_value(name: str, value: float | None, *, beside: float | None = None) -> str:
    """A value or threshold of a check for readers; with more digits where a value would else read like the
    threshold ``beside`` it, which it is not.

    >>> gate_value("num_completed_jobs", 12345.0)
    '12345'
    >>> gate_value("clustered_miss_rate_ci95_high", 0.10046, beside=0.1).replace(_NARROW, " ")
    '10.05 %'
    """
    if value is None:
        return "–"
    usual = 3 if name in _SHARES else 4
    enough = (
        digits
        for digits in range(usual, 17)
        if beside in (None, value) or _said(name, value, digits) != _said(name, beside, digits)
    )
    return _said(name, value, next(enough, usual))


def _said(name: str, value: float, digits: int) -> str:
    if name in _SHARES:
        return f"{100 * value:.{digits}g}{_NARROW}%"
    return f"{value:.{digits}g}" if abs(value) < 10**digits - 0.5 else f"{value:.0f}"


def gate_name(name: str) -> Text:
    """A check as a reader would name it."""
    return GATE_NAMES.get(name) or Text(name, name)


def plural(count: int, one: str, many: str = "") -> str:
    """The count with its noun.

    >>> plural(1, "gate"), plural(3, "person", "people")
    ('1 gate', '3 people')
    """
    return f"{count} {one if count == 1 else many or one + 's'}"


def shown(inputs: DossierInputs, summary: DossierSummary) -> list[str]:
    """What the evidence shows, one sentence each."""
    return [*_rates(inputs, summary), *_protocol(inputs), *_people(inputs), *_stability(inputs)]


def not_shown(inputs: DossierInputs, summary: DossierSummary) -> list[str]:
    """What the evidence does not show, one sentence each; the most important first."""
    return [*_missing(summary), *_failed(inputs), *_limits(inputs, summary)]


def _rates(inputs: DossierInputs, summary: DossierSummary) -> Iterator[str]:
    if not summary.headline or not inputs.results.detector:
        return
    for figure, verb, what in (
        (MISS, "missed", "critical"),
        (FALSE_ALARM, "raised a false alarm on", "other"),
    ):
        line = line_of(summary.headline, figure, GATE_SPLIT, inputs.results.detector)
        if line.point is not None:
            yield (
                f"On recordings it was not fitted on, {inputs.results.detector} {verb} {line.errors} of "
                f"{line.n} "
                f"{what} recordings by {plural(line.people, 'person', 'people')}: "
                f"{percent(line.point)}, and "
                f"{percent(line.clustered_low)} to {percent(line.clustered_high)} is compatible "
                "with that."
            )


def _protocol(inputs: DossierInputs) -> Iterator[str]:
    if inputs.protocol.registration and not _looked_before_registered(inputs):
        current = inputs.protocol.registration.current
        yield (
            f"What counts was written down on {str(current.registered_at)[:10]} by {current.by}, "
            "before any "
            "look at held-out recordings."
        )
    if inputs.tables.leakage is not None and not inputs.tables.leakage["leaks"].any():
        yield (
            f"Of {len(inputs.tables.leakage)} persons, sessions, source videos, near-duplicates and "
            "recordings none is on "
            "two sides of the split."
        )
    if _test_looks(inputs) == 1:
        yield "The test split was evaluated with one set of inputs only."


def _people(inputs: DossierInputs) -> Iterator[str]:
    agreement = inputs.labels.agreement
    if agreement and agreement.kappa is not None and (agreement.low or 0.0) > 0:
        yield (
            f"{agreement.recordings} recordings were labelled by two people or more, of "
            f"{plural(agreement.raters, 'rater')}, who agree beyond chance: "
            f"kappa {agreement.kappa:.2f} ({agreement.low:.2f} to "
            f"{agreement.high:.2f})."
        )
    used = _used(inputs)
    if used is not None:
        blind = int((used["label_source"] == "blind_human").sum())
        if blind:
            yield (
                f"{blind} of {len(used)} recordings were labelled by people who did not see the "
                "result. Labels form a "
                "chain in which none can be changed or dropped unnoticed."
            )


def _stability(inputs: DossierInputs) -> Iterator[str]:
    if inputs.tables.repeats is None or inputs.tables.repeats.empty:
        return
    found = repeatability(inputs.tables.repeats)
    for one, how in ((found.exact, "in the same way"), (found.shifted, "with the sampling shifted in time")):
        if one.max_delta is not None:
            yield (
                f"Scored again {how}, {plural(one.pairs, 'time')} in all, "
                f"{plural(one.videos, 'recording')} moved by at most {one.max_delta:.3g} points, and the "
                f"decision on {one.decision_changes} of them changed."
            )


def _missing(summary: DossierSummary) -> Iterator[str]:
    for blocker in summary.readiness.blockers:
        # what to do about it is for whoever builds it, and told there
        yield f"{blocker.input}: {blocker.reason}."


def _failed(inputs: DossierInputs) -> Iterator[str]:
    gates = inputs.results.gates
    for check in gates.report.failed() if gates else ():
        direction = "at most" if check.direction == "max" else "at least"
        found = (
            "nothing" if check.value is None else gate_value(check.name, check.value, beside=check.threshold)
        )
        needed = f" Needed: {check.needed.text}." if check.needed else ""
        yield (
            f"{gate_name(check.name).en}: {direction} "
            f"{gate_value(check.name, check.threshold)} was asked for, {found} was found.{needed}"
        )


def _limits(inputs: DossierInputs, summary: DossierSummary) -> Iterator[str]:
    yield from _doubts(inputs)
    used = _used(inputs)
    if used is not None and inputs.results.detector:
        yield from _open(inputs)
        sites = sorted(set(used["site"]) - {""})
        people = plural(len(set(used["person"]) - {""}), "person", "people")
        others = ", and others whom nobody named," if (used["person"] == "").any() else ""
        where = f"at {plural(len(sites), 'site')} ({', '.join(sites[:4])})" if sites else "at unknown sites"
        yield (
            f"Other people, sites or tasks: the figures are about {people}{others} "
            f"{where} doing {summary.task_id}."
        )
    if site := _held_out_site(inputs):
        yield (
            f"The challenge split holds the recordings of the site {site}, which was held out: its rates are "
            "about that site alone."
        )
    else:
        yield (
            "The challenge split holds the hardest recordings on purpose; its rates are no estimate of "
            "daily work."
        )
    yield (
        "The signature shows who issued this dossier and that nothing was changed since. It does not "
        "show that "
        "the labels are true or the videos genuine."
    )


def challenge(inputs: DossierInputs) -> Text:
    """What the challenge split holds."""
    site = _held_out_site(inputs)
    if site is None:
        return Text("the hardest cases", "最も難しい録画")
    return Text(f"the cases of the site {site}, which was held out", f"除外しておいた拠点 {site} の録画")


def _held_out_site(inputs: DossierInputs) -> str | None:
    manifest = inputs.results.manifest
    return None if manifest is None else manifest.holdout_site


def _doubts(inputs: DossierInputs) -> Iterator[str]:
    """What the inputs say against themselves, whether or not a gate asks for it."""
    if inputs.protocol.registration and _looked_before_registered(inputs):
        yield "Held-out recordings were looked at before the study was registered in its present form."
    if inputs.tables.leakage is not None and inputs.tables.leakage["leaks"].any():
        yield (
            f"{plural(int(inputs.tables.leakage['leaks'].sum()), 'group is', 'groups are')} on two sides of "
            "the split: the "
            "figures may describe recognising them."
        )
    if seen := _shown_by_golds(inputs):
        yield (
            f"Held-out recordings show {plural(len(seen), 'person', 'people')} whom golds show too: they say "
            "nothing about people whom nothing was learnt from."
        )
    looks = _test_looks(inputs)
    if looks > 1:
        yield f"The test split was evaluated with {looks} different sets of inputs; it is not untouched."
    if inputs.labels.agreement is not None and not (inputs.labels.agreement.low or 0.0) > 0:
        why = inputs.labels.agreement.reason or "the interval of kappa holds 0"
        yield f"That people agree on what a critical deviation is: {why}."
    used = _used(inputs)
    if used is not None:
        others = sorted(set(used["label_source"]) - {"blind_human", ""})
        if others:
            count = int((used["label_source"] != "blind_human").sum())
            yield (
                f"{count} of {len(used)} labels were not given blind ({', '.join(others)}); such "
                "labels can repeat "
                "what the product or a file name said."
            )


def people_apart(inputs: DossierInputs) -> bool:
    """Whether nothing was fitted on anybody in held-out recordings, as far as people are known."""
    cases, leakage, manifest = inputs.tables.cases, inputs.tables.leakage, inputs.results.manifest
    if cases is None or leakage is None or manifest is None:
        return False
    unknown = set(manifest.split_of(cases["case_id"][cases["person"] == ""])) - {""}
    leaks = leakage["leaks"].astype(bool) & (leakage["kind"] == "person")
    return not (leaks.any() or len(unknown) > 1 or _shown_by_golds(inputs))


def _shown_by_golds(inputs: DossierInputs) -> list[str]:
    """Who is in held-out recordings and in golds too."""
    cases, manifest, registration = inputs.tables.cases, inputs.results.manifest, inputs.protocol.registration
    if cases is None or manifest is None or registration is None:
        return []
    return held_out_persons(cases, manifest, registration.golds.persons)


def _used(inputs: DossierInputs) -> pd.DataFrame | None:
    """The cases of all splits."""
    if inputs.tables.cases is None or inputs.tables.detections is None:
        return None
    used: pd.DataFrame = inputs.tables.cases.loc[(inputs.tables.detections["split"] != "").to_numpy()]
    return used


def _test_looks(inputs: DossierInputs) -> int:
    if inputs.tables.looks is None or inputs.tables.looks.empty:
        return 0
    return int(inputs.tables.looks.loc[inputs.tables.looks["split"] == "test", "inputs_sha256"].nunique())


def _looked_before_registered(inputs: DossierInputs) -> bool:
    if inputs.protocol.registration is None or inputs.tables.looks is None or inputs.tables.looks.empty:
        return False
    registered = inputs.protocol.registration.current.registered_at
    return min(map(datetime.fromisoformat, inputs.tables.looks["looked_at"])) < registered


def _open(inputs: DossierInputs) -> Iterator[str]:
    if inputs.tables.cases is None or inputs.tables.detections is None:
        return
    here = (inputs.tables.detections["split"] == GATE_SPLIT).to_numpy()
    labeled = here & inputs.tables.cases["expected"].notna().to_numpy()
    left = int(
        (labeled & ~inputs.tables.detections[f"{inputs.results.detector}.decided"].to_numpy(dtype=bool)).sum()
    )
    if left:
        yield (
            f"{left} of {int(labeled.sum())} labelled recordings of the {GATE_SPLIT} split "
            "were left open "
            "and handed to a person; the rates are about the others."
        )


def still_words(name: str) -> str:
    """The caption of a picture from the last part of its name.

    >>> still_words("1_missing_step_recording.jpg")
    'missing step: recording'
    >>> still_words("at_0012.5s.jpg")
    'at 12.5 s'
    """
    stem = name.rpartition(".")[0]
    if stem.startswith("at_") and stem.endswith("s"):
        return f"at {stem[3:-1].lstrip('0') or '0'} s".replace("at .", "at 0.")
    kind, _, whose = stem.lstrip("0123456789_").rpartition("_")
    return f"{kind.replace('_', ' ')}: {whose}" if kind else whose or stem


def by_case(stills: Mapping[str, bytes], names: Sequence[str]) -> dict[str, list[tuple[str, bytes]]]:
    """The pictures of these cases in order, each with its caption."""
    found: dict[str, list[tuple[str, bytes]]] = {name: [] for name in names}
    for name, data in sorted(stills.items(), key=lambda one: _order(one[0])):
        case, _, file = name.partition("/")
        if case in found:
            found[case].append((still_words(file), data))
    return found


def _order(name: str) -> tuple[str, str, bool, str]:
    """By case and number, the gold after the recording."""
    case, _, file = name.partition("/")
    return case, file.partition("_")[0], "_gold." in file, file
