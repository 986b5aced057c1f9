"""The page of a dossier: one HTML file without scripts, readable and printable anywhere."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from sopilot_assets.dossier import plain, plots, words
from sopilot_assets.dossier.chart import POSITIVE, SOFT
from sopilot_assets.dossier.headline import REPORTED, SITE, SPLITS, line_of
from sopilot_assets.dossier.inputs import BASELINE, DossierInputs
from sopilot_assets.dossier.signing import SigningKey
from sopilot_assets.dossier.summary import DossierSummary
from sopilot_assets.store.ledgers import Cell
from sopilot_assets.studies.claims import FALSE_ALARM, MISS, whole_percent
from sopilot_assets.studies.split_manifest import GATE_SPLIT
from sopilot_assets.texts.languages import Text

_LIMITS: Final[Mapping[str, Sequence[str]]] = {
    MISS: ("clustered_miss_rate_ci95_high", "critical_miss_rate_ci95_high"),
    FALSE_ALARM: ("clustered_false_positive_rate_ci95_high", "critical_false_positive_rate_ci95_high"),
}
_DECISIONS: Final[Mapping[str, Text]] = {
    "false_negative": Text("Missed", "見逃し"),
    "false_positive": Text("False alarm", "誤警報"),
    "undecided": Text("Left open", "保留"),
}


def page(inputs: DossierInputs, summary: DossierSummary, key: SigningKey) -> str:
    """The whole document; the same inputs give the same text."""
    style = _text("style.css")
    policy = (
        "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; "
        f"style-src 'sha256-{base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()}'"
    )
    verdict, sentence = plain.verdict(inputs, summary)
    task = plain.task_of(inputs)
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "percent": words.percent,
        "gate_name": words.gate_name,
        "told": getattr,
        "worst": whole_percent,
    }
    return environment.from_string(_text("index.html.j2")).render(
        policy=Markup(policy),  # noqa: S704 - ours
        style=Markup(style),  # noqa: S704 - ours
        summary=summary,
        look=plain.look_of(summary),
        verdict=verdict,
        verdict_sentence=sentence,
        privacy=inputs.privacy,
        signer=key.name,
        fingerprint=key.fingerprint,
        tiles=_tiles(inputs, summary),
        plain_words=plain.in_plain_words(inputs, summary),
        steps=plain.steps(task),
        severities=plain.severities(task),
        task=task,
        sites=plain.group_rows(summary, SITE),
        reported=plain.group_rows(summary, REPORTED),
        glossary=plain.GLOSSARY,
        challenge=words.challenge(inputs),
        shown=words.shown(inputs, summary),
        not_shown=words.not_shown(inputs, summary),
        gates=_gates(inputs),
        gate_report=inputs.results.gates and inputs.results.gates.report,
        gate_split=GATE_SPLIT,
        figures=_figures(inputs, summary),
        plots=_plots(inputs, summary),
        errors=_errors(inputs),
        left_open=_left_open(inputs),
        splits=_splits(inputs),
        registration=inputs.protocol.registration and inputs.protocol.registration.current,
        leakage=_leakage(inputs),
        policies=inputs.results.policies,
        policy_id=inputs.results.policy_id,
        labels=_labels(inputs),
        agreement=inputs.labels.agreement,
        looks=_records(inputs.tables.looks),
        shadow=inputs.results.shadow,
        baseline=inputs.protocol.baseline_detector,
        versions=summary.versions,
    )


def readme(summary: DossierSummary, key: SigningKey) -> str:
    """How to check the dossier, for somebody with nothing but the folder."""
    return _text("README.txt").format(key=key.name, fingerprint=key.fingerprint, **summary.document())


@dataclass(frozen=True, slots=True)
class _Tile:
    """One figure on top of the page; ``weak`` where too few people stand behind it."""

    value: Text
    name: Text
    detail: Text
    weak: bool = False


def _tiles(inputs: DossierInputs, summary: DossierSummary) -> list[_Tile]:
    names = {
        MISS: Text("of critical recordings may be missed", "重大な逸脱の見逃し率（上端）"),
        FALSE_ALARM: Text("of others may be falsely alarmed", "誤警報率（上端）"),
    }
    tiles = [
        _Tile(
            Text("unknown", "不明")
            if one.bad_end is None
            else Text(f"up to {whole_percent(one.bad_end)}", f"最大 {whole_percent(one.bad_end)}"),
            names[one.figure],
            Text(
                f"{one.errors} of {one.n} seen, by {words.plural(one.people, 'person', 'people')}; for a "
                f"statement, {whole_percent(one.allowed)} at most",
                f"実測 {one.n} 件中 {one.errors} 件（{one.people} 人）。"
                f"結論には {whole_percent(one.allowed)} 以下が必要",
            ),
            weak=not one.carried,
        )
        for one in summary.claims
    ]
    right = inputs.results.of(GATE_SPLIT, summary.detector) if summary.detector else None
    if right is not None and tiles:
        decided, strict = words.percent(right.decided_share), words.percent(right.strict_miss_rate)
        tiles += [
            _Tile(
                Text(decided, decided),
                Text("decided by the detector", "検出器が判定"),
                Text(
                    f"the rest is left to a person; counted as missed, the miss rate is {strict}",
                    f"残りは人が判断。見逃しに数えると見逃し率は {strict}",
                ),
            ),
            _Tile(
                Text(*[f"{right.independent_positives} + {right.independent_negatives}"] * 2),
                Text("people behind these figures", "数値の元になった人数"),
                Text(
                    "with critical recordings + with others; a person's recordings are not independent",
                    "重大な逸脱あり + それ以外。同じ人の録画は互いに独立ではない",
                ),
                weak=not summary.carried,
            ),
        ]
    return tiles


def _gates(inputs: DossierInputs) -> list[dict[str, Cell]]:
    if inputs.results.gates is None:
        return []
    report = inputs.results.gates.report
    changed = {one.check: one.reason for one in report.overrides}
    return [
        {
            "name": check.name,
            "enabled": check.enabled,
            "passed": check.passed,
            "value": check.value,
            "needed": check.needed.text if check.needed else "",
            "shown_value": words.gate_value(check.name, check.value, beside=check.threshold),
            "shown_threshold": ("≤ " if check.direction == "max" else "≥ ")
            + words.gate_value(check.name, check.threshold),
            "override": changed.get(check.name, ""),
        }
        for check in report.checks
        if check.enabled or check.name in changed
    ]


def _figures(inputs: DossierInputs, summary: DossierSummary) -> list[dict[str, object]]:
    """One row for each split and detector: both rates, share decided, area under the curve."""
    rows = []
    detectors = list(dict.fromkeys(line.detector for line in summary.headline))
    for split in dict.fromkeys(line.split for line in summary.headline):
        for detector in detectors:
            found = inputs.results.of(split, detector)
            rows.append(
                {
                    "split": split,
                    "detector": f"{inputs.protocol.baseline_detector} (baseline)"
                    if detector == BASELINE
                    else detector,
                    "selected": detector == inputs.results.detector,
                    "miss": line_of(summary.headline, MISS, split, detector),
                    "alarm": line_of(summary.headline, FALSE_ALARM, split, detector),
                    "decided": found.decided_share if found else None,
                    "auc": found.auc if found else None,
                }
            )
    return rows


def _plots(inputs: DossierInputs, summary: DossierSummary) -> dict[str, Markup]:
    drawn: dict[str, Markup] = {}
    cases, detections, detector = inputs.tables.cases, inputs.tables.detections, inputs.results.detector
    if cases is not None and detections is not None and detector:
        limits = {figure: _limit(inputs, names) for figure, names in _LIMITS.items()}
        drawn["intervals"] = plots.interval_plot(summary.headline, detector, limits)
        here = detections["split"].isin(["test", "challenge"]).to_numpy()
        scores, expected = _column(detections, f"{detector}.score", here), _column(cases, "expected", here)
        decided = _column(detections, f"{detector}.decided", here)
        threshold = inputs.results.policy.threshold if inputs.results.policy else None
        drawn["scores"] = plots.score_plot(scores, expected, decided, threshold)
        test = (detections["split"] == GATE_SPLIT).to_numpy()
        drawn["roc"] = plots.roc_plot(
            _column(detections, f"{detector}.score", test),
            _column(cases, "expected", test),
            _column(detections, f"{detector}.decided", test),
            [
                (
                    name,
                    colour,
                    line_of(summary.headline, MISS, GATE_SPLIT, column),
                    line_of(summary.headline, FALSE_ALARM, GATE_SPLIT, column),
                )
                for name, colour, column in ((detector, POSITIVE, detector), ("old baseline", SOFT, BASELINE))
            ],
        )
        drawn["thresholds"] = plots.threshold_plot(scores, expected, decided, threshold)
        drawn["reliability"] = plots.reliability_plot(scores, expected)
    if inputs.tables.repeats is not None and len(inputs.tables.repeats):
        drawn["repeats"] = plots.repeats_plot(
            inputs.tables.repeats, _limit(inputs, ["shifted_jitter_max_delta"])
        )
    if cases is not None and len(cases):
        drawn["drift"] = plots.drift_plot(_column(cases, "score", np.ones(len(cases), dtype=bool)))
    return drawn


def _limit(inputs: DossierInputs, names: Sequence[str]) -> float | None:
    """The threshold of the first of these checks that the gates enable."""
    checks = inputs.results.gates.report.checks if inputs.results.gates else ()
    found = {check.name: check.threshold for check in checks if check.enabled}
    return next((found[name] for name in names if name in found), None)


def _column(table: pd.DataFrame, name: str, here: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    return table[name].to_numpy(dtype=np.float64)[here]


def _errors(inputs: DossierInputs) -> list[dict[str, object]]:
    rows = [row for row in _records(inputs.tables.errors) if row["error"] != "undecided"]
    pictures = words.by_case(inputs.pictures.stills or {}, [str(row["case_id"]) for row in rows])
    return [
        {
            **row,
            "kind": _DECISIONS[str(row["error"])],
            "split": _split_of(inputs, str(row["case_id"])),
            "types": plain.types_named(row["deviation_types"]),
            "reason": plain.reason(str(row["reason"])),
            "stills": [(caption, _data_uri(data)) for caption, data in pictures[str(row["case_id"])]],
        }
        for row in rows
    ]


def _left_open(inputs: DossierInputs) -> list[dict[str, object]]:
    rows = [row for row in _records(inputs.tables.errors) if row["error"] == "undecided"]
    return [{**row, "reason": plain.reason(str(row["reason"]))} for row in rows]


def _split_of(inputs: DossierInputs, case_id: str) -> str:
    if inputs.tables.detections is None:
        return ""
    found = inputs.tables.detections.loc[inputs.tables.detections["case_id"] == case_id, "split"]
    return str(found.iloc[0]) if len(found) else ""


def _splits(inputs: DossierInputs) -> list[dict[str, object]]:
    counts = inputs.results.manifest.counts if inputs.results.manifest else {}
    return [{"name": name, **counts[name].model_dump()} for name in SPLITS if name in counts]


def _leakage(inputs: DossierInputs) -> list[dict[str, object]]:
    """By kind of group how many there are, and which of them leak."""
    if inputs.tables.leakage is None:
        return []
    return [
        {
            "kind": str(kind).replace("_", " "),
            "groups": len(rows),
            "leaking": [f"{row['name']} ({row['splits']})" for row in _records(rows.loc[rows["leaks"]])],
        }
        for kind, rows in inputs.tables.leakage.groupby("kind", sort=False)
    ]


def _labels(inputs: DossierInputs) -> dict[str, object] | None:
    if not inputs.labels.events:
        return None
    events = inputs.labels.events
    sources: dict[str, int] = {}
    for event in events:
        sources[event.source.value] = sources.get(event.source.value, 0) + 1
    return {
        "events": len(events),
        "raters": len({event.who for event in events}),
        "sources": dict(sorted(sources.items())),
        "counting": ", ".join(inputs.protocol.label_sources),
        "first": events[0].at[:10],
        "last": events[-1].at[:10],
        "head": inputs.labels.head,
    }


def _records(table: pd.DataFrame | None) -> list[dict[str, object]]:
    if table is None:
        return []
    known = table.astype(object).where(table.notna(), None)
    return [{str(name): value for name, value in row.items()} for row in known.to_dict("records")]


def _data_uri(picture: bytes) -> Markup:
    return Markup(f"data:image/jpeg;base64,{base64.b64encode(picture).decode()}")  # noqa: S704 - base64


@cache
def _text(name: str) -> str:
    return files("sopilot_assets.dossier").joinpath("templates", name).read_text(encoding="utf-8")
