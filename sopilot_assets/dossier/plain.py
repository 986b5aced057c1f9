"""The dossier in plain words, English and Japanese: verdict, summary, procedure, groups, glossary."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sopilot_assets.dossier.headline import REPORTED, GroupFigure
from sopilot_assets.dossier.inputs import DossierInputs
from sopilot_assets.dossier.summary import DossierSummary
from sopilot_assets.dossier.words import people_apart
from sopilot_assets.errors import TaskError
from sopilot_assets.intervals import wilson
from sopilot_assets.studies.claims import FALSE_ALARM, MISS, WORST_ALLOWED, Claim, whole_percent
from sopilot_assets.studies.split_manifest import GATE_SPLIT
from sopilot_assets.tasks import DeviationType, Severity, TaskSpec, parse_task
from sopilot_assets.tasks.words import task_name
from sopilot_assets.texts.languages import Text

TOO_FEW: Final = "too_few"
"""How a verdict looks where the gates passed and too few people stand behind it."""

TYPES: Final[Mapping[str, Text]] = {
    DeviationType.MISSING_STEP: Text("a step is missing", "手順の抜け"),
    DeviationType.ORDER_SWAP: Text("steps in another order", "手順の順序違い"),
    DeviationType.WRONG_STEP: Text("a wrong step", "誤った手順"),
    DeviationType.STEP_DEVIATION: Text("a step done otherwise", "手順のやり方の違い"),
    DeviationType.OVER_TIME: Text("a step takes too long", "時間超過"),
    DeviationType.FREEZE: Text("the picture is frozen", "映像の停止"),
    "": Text("nothing", "報告なし"),
}
"""The types of deviations as a reader would name them."""

_REASONS: Final[Mapping[str, str]] = {
    "not_scored": "採点されていない",
    "not_verifiable": "判定不能",
    "weak_match_to_golds": "お手本との一致が弱い",
    "several_reported": "複数の逸脱を報告",
    "probability_without_finding": "指摘はないが、重大な逸脱の確率が高い",
    "finding_overruled": "重大な指摘はあるが、検出のしきい値に届かない",
    "uncertain_below_threshold": "重大な逸脱の可能性はあるが、しきい値に届かない",
    "reported_as_not_critical": "重大でない逸脱として報告",
    "nothing_found": "何も報告されていない",
}

_SEVERITIES: Final[Mapping[Severity, Text]] = {
    Severity.CRITICAL: Text("critical", "重大"),
    Severity.QUALITY: Text("quality", "品質"),
    Severity.EFFICIENCY: Text("efficiency", "効率"),
}

PROFILES: Final[Mapping[str, Text]] = {
    "legacy_poc": Text(
        "legacy_poc holds the limits of the system before, made for a first trial: at most 10 % missed and "
        "30 % false alarms among the recordings at hand. It asks neither for a number of people, nor for "
        "an interval, nor for blind labels. Passing it says how these recordings went, and nothing about "
        "other people.",
        "legacy_poc は旧システムの試験導入用の基準です。手元の録画で見逃し 10 % 以下・誤警報 30 % 以下だけ"
        "を求め、人数・区間・ブラインドのラベルは求めません。満たしても、この録画についての結果であり、ほか"
        "の人については何も言えません。",
    ),
    "ops_v1": Text(
        "ops_v1 watches daily work: repeated scores, drift, enough recordings. It does not ask how often "
        "critical recordings are missed.",
        "ops_v1 は日々の運用を見る基準です（再採点のばらつき、傾向の変化、録画数）。重大な逸脱の見逃し率は"
        "求めません。",
    ),
    "research_v1": Text(
        "research_v1 holds the research limits of the system before, with intervals that take every "
        "recording as independent, also of the same person.",
        "research_v1 は旧システムの研究用の基準です。同じ人の録画も独立とみなした区間を使います。",
    ),
    "research_v2": Text(
        "research_v2 holds the research limits of the system before, with intervals that take every "
        "recording as independent, also of the same person; its limits may be changed with a reason.",
        "research_v2 は旧システムの研究用の基準です。同じ人の録画も独立とみなした区間を使い、理由を付けて変"
        "更できます。",
    ),
    "research_v3": Text(
        "research_v3 asks for enough people, for intervals by person, blind labels, raters who agree, and "
        "one look at the test recordings.",
        "research_v3 は十分な人数、人ごとの区間、ブラインドのラベル、評価者の一致、テスト録画を一度だけ見る"
        "ことを求めます。",
    ),
}
"""What each gate profile is."""

GLOSSARY: Final[Sequence[tuple[Text, Text]]] = (
    (
        Text("critical", "重大"),
        Text(
            "What fails a recording. Here a recording is critical where people who labelled it say that it "
            "shows a critical deviation.",
            "録画を不合格にする逸脱。ここでは、ラベルを付けた人が重大な逸脱があると答えた録画を指します。",
        ),
    ),
    (
        Text("missed, false alarm", "見逃し・誤警報"),
        Text(
            "Missed: people see a critical deviation and the detector does not. False alarm: the other way "
            "round.",
            "見逃し：人は重大な逸脱を認めたが、検出器は認めなかった。誤警報：その逆。",
        ),
    ),
    (
        Text("possible up to; bad end of the 95 % interval", "最悪の場合・95 % 区間の上端"),
        Text(
            "Few people show little. Were the rate higher than this, so few errors would be rare: about one "
            "study in forty. Recordings of one person count as one source.",
            "人数が少ないと分かることは少ない。実際の率がこの値より高ければ、これほど少ない誤りはまれ（およ"
            "そ 40 回に 1 回）。同じ人の録画は一つの情報源と数えます。",
        ),
    ),
    (
        Text("detector, policy", "検出器・ポリシー"),
        Text(
            "The rule that says which recordings are critical, and the threshold that was fitted for it on "
            "dev.",
            "どの録画が重大かを決める規則と、dev の録画で決めたしきい値。",
        ),
    ),
    (
        Text("dev, test, challenge", "dev・test・challenge"),
        Text(
            "The parts of the recordings: dev for fitting, test for judging, challenge for the hardest "
            "ones or those of a site that was held out. A person shall be in one of them only; leaks are "
            "listed.",
            "録画の区分。dev は調整用、test は判定用、challenge は最も難しいもの、または除外しておいた拠点の"
            "もの。"
            "同じ人は一つの区分だけに入るべきで、またがる場合は明示されます。",
        ),
    ),
    (
        Text("gate, profile", "基準・プロファイル"),
        Text(
            "A figure that has to keep a limit, said before anybody looked; a profile is a named set of "
            "them.",
            "事前に決めた、守るべき数値。プロファイルはその名前付きの組。",
        ),
    ),
    (
        Text("blind label", "ブラインドのラベル"),
        Text(
            "An answer by a person who had not seen what the product says.",
            "システムの結果を見ずに付けられた人の答え。",
        ),
    ),
    (
        Text("kappa", "カッパ係数"),
        Text(
            "How far raters agree beyond chance: 0 is chance, 1 is always.",
            "評価者が偶然を超えてどれだけ一致するか。0 は偶然、1 は完全な一致。",
        ),
    ),
    (
        Text("left open", "保留"),
        Text(
            "A recording that the detector does not decide and hands to a person; the rates are about the "
            "others.",
            "検出器が判定せず人に任せた録画。率はそれ以外の録画についてのもの。",
        ),
    ),
)
"""The words of the page that a reader may not know."""


@dataclass(frozen=True, slots=True)
class GroupRow:
    """Both rates of one group, as a row of a table."""

    name: Text
    miss: GroupFigure
    alarm: GroupFigure


@dataclass(frozen=True, slots=True)
class StepRow:
    """One step of the procedure: its name in both languages, and whether it is critical to leave it out."""

    name: Text
    critical: bool


def look_of(summary: DossierSummary) -> str:
    """How the verdict looks: its own name, or `TOO_FEW`."""
    return TOO_FEW if summary.verdict == "gates_passed" and not summary.carried else summary.verdict


def verdict(inputs: DossierInputs, summary: DossierSummary) -> tuple[Text, Text]:
    """The verdict in a few words, and the sentence that goes with it: never without the number of people and
    the bad end.
    """
    if summary.verdict == "not_ready":
        count = len(summary.readiness.blockers)
        inputs_are = "1 input of this dossier is" if count == 1 else f"{count} inputs of this dossier are"
        return Text("Draft, not ready", "下書き（未完成）"), Text(
            f"{inputs_are} missing or contradictory. It must not be used as evidence.",
            f"この文書の入力 {count} 件が不足または矛盾しています。証拠として使えません。",
        )
    assert inputs.results.gates is not None, "a dossier without gates is not ready"
    report = inputs.results.gates.report
    enabled = [check for check in report.checks if check.enabled]
    failed, changed = report.failed(), len(report.overrides)
    said = _joined(summary.claims)
    with_changes = Text(
        f" {changed} threshold{' was' if changed == 1 else 's were'} changed." if changed else "",
        f"しきい値 {changed} 件が変更されています。" if changed else "",
    )
    if failed:
        return Text("Gates not passed", "基準を満たしていません"), Text(
            f"{len(failed)} of {len(enabled)} gates failed (profile {report.profile}, on the {GATE_SPLIT} "
            f"split).{with_changes.en} {said.en}",
            f"{len(enabled)} 件の基準のうち {len(failed)} 件を満たしていません（プロファイル "
            f"{report.profile}、{GATE_SPLIT}）。{with_changes.ja}{said.ja}",
        )
    gates = "1 gate" if len(enabled) == 1 else f"{len(enabled)} gates"
    held = Text(
        f"{gates} of profile {report.profile}, on the {GATE_SPLIT} split.{with_changes.en}",
        f"プロファイル {report.profile} の基準 {len(enabled)} 件、{GATE_SPLIT}。{with_changes.ja}",
    )
    title = (
        Text("All gates passed", "すべての基準を満たしています")
        if summary.carried
        else Text(
            "Gates passed, but by too few people for a statement",
            "基準は満たしましたが、人数が少なく結論は出せません",
        )
    )
    return title, Text(f"{said.en} {held.en}", f"{said.ja}{held.ja}")


def _joined(claims: Sequence[Claim]) -> Text:
    en, ja = (one.text.en for one in claims), (one.text.ja for one in claims)
    return Text("".join(f"{text}. " for text in en).strip(), "".join(f"{text}。" for text in ja))


def in_plain_words(inputs: DossierInputs, summary: DossierSummary) -> list[Text]:
    """The whole dossier in a few sentences for somebody who reads nothing else."""
    return list(_in_plain_words(inputs, summary))


def _in_plain_words(inputs: DossierInputs, summary: DossierSummary) -> Iterator[Text]:
    name = task_name(task_of(inputs), summary.task_id)
    whose = (
        Text("recordings by people on whom nothing was fitted", "調整に使っていない人の録画")
        if people_apart(inputs)
        else Text("recordings on which nothing was fitted", "調整に使っていない録画")
    )
    yield Text(
        f"People were filmed doing “{name.en}”. Raters said of each recording whether it shows a critical "
        f"deviation. The product said so by itself. This dossier compares both, on {whose.en}.",
        f"「{name.ja}」の作業を録画し、評価者が録画ごとに重大な逸脱の有無を答えました。システムも自動で判定"
        f"しました。この文書は、{whose.ja}で両者を比べたものです。",
    )
    for one in summary.claims:
        yield Text(f"{one.text.en}.", f"{one.text.ja}。")
    if summary.claims:
        yield _what_follows(inputs, summary)
    right = inputs.results.of(GATE_SPLIT, summary.detector) if summary.detector else None
    if right is not None and right.decided_share is not None and right.decided_share < 1:
        left = whole_percent(1 - right.decided_share)
        yield Text(
            f"It left {left} of the labelled recordings to a person; the rates are about the others.",
            f"ラベル付き録画の {left} は判定せず人に任せました。率はそれ以外についてのものです。",
        )
    profile = inputs.results.gates.report.profile if inputs.results.gates else ""
    if profile in PROFILES:
        yield PROFILES[profile]


def _what_follows(inputs: DossierInputs, summary: DossierSummary) -> Text:
    if summary.carried and not people_apart(inputs):
        return Text(
            "That is no statement about other people, however many these are: nothing shows that it did not "
            "learn from the same people, in dev or in golds.",
            "人数にかかわらず、ほかの人についての結論は出せません。同じ人の録画（dev またはお手本）から学習"
            "していないことが示されていないためです。",
        )
    if summary.carried:
        return Text(
            "So many people allow a statement about people like these, at these sites.",
            "この人数であれば、同じような人・同じ拠点について結論を出せます。",
        )
    lacking = [one for one in summary.claims if not one.carried]
    needs = [(_least_people(one.figure), one) for one in lacking]
    en = " and ".join(
        f"{least} people {'with a critical recording' if one.figure == MISS else 'with another one'} (here "
        f"{one.people}; at most {whole_percent(one.allowed)} possible)"
        for least, one in needs
    )
    ja = "、".join(
        f"{'重大な逸脱のある録画' if one.figure == MISS else 'それ以外の録画'}が少なくとも {least} 人分（こ"
        f"こでは {one.people} 人。{whole_percent(one.allowed)} 以下になるまで）"
        for least, one in needs
    )
    return Text(
        "That does not allow a statement about other people, whatever the gates say. It takes at least "
        f"{en}, if there is not one error among them.",
        f"基準の結果にかかわらず、ほかの人についての結論は出せません。誤りが一つもない場合でも、{ja}必要です"
        "。",
    )


def _least_people(figure: str) -> int:
    """How many people it takes at least, without any error, until the bad end is low enough."""
    allowed = WORST_ALLOWED[figure]
    return next(people for people in itertools.count(1) if wilson(0, people)[1] <= allowed)


def task_of(inputs: DossierInputs) -> TaskSpec | None:
    """The task as its file says; None where the dossier has none that can be read."""
    if inputs.protocol.task_yaml is None:
        return None
    try:
        return parse_task(inputs.protocol.task_yaml, source="task.yaml")
    except TaskError:
        return None


def steps(task: TaskSpec | None) -> list[StepRow]:
    """The steps of the procedure in order."""
    given = task.steps if task else ()
    return [StepRow(one.names, one.critical) for one in given]


def severities(task: TaskSpec | None) -> list[tuple[Text, Text]]:
    """Each type of deviation, and how the task weighs it."""
    return [(TYPES[kind], _SEVERITIES[how]) for kind, how in task.severity.items()] if task else []


def group_rows(summary: DossierSummary, kind: str) -> list[GroupRow]:
    """The rows of one kind of group that have a recording."""
    names = dict.fromkeys(one.name for one in summary.groups if one.kind == kind)
    rows = []
    for name in names:
        found = {one.figure: one for one in summary.groups if (one.kind, one.name) == (kind, name)}
        if found[MISS].n or found[FALSE_ALARM].n:
            known = TYPES.get(name) if kind == REPORTED else None
            shown = known or (Text(name, name) if name else Text("unknown", "不明"))
            rows.append(GroupRow(shown, found[MISS], found[FALSE_ALARM]))
    return rows


def types_named(types: object) -> Text:
    """The deviation types of a recording, as the column ``deviation_types`` has them, for a reader."""
    names = str(types or "").split(",")
    english = ", ".join(name.replace("_", " ") for name in names)
    return Text(english or "nothing", "、".join(TYPES[name].ja if name in TYPES else name for name in names))


def reason(name: str) -> Text:
    """Why a recording was judged as it was; the reasons of an older system keep their English names."""
    kind = name.removesuffix("_reported")
    japanese = f"{TYPES[kind].ja}を報告" if kind != name and kind in TYPES else _REASONS.get(name)
    english = name.replace("_", " ")
    return Text(english, japanese or english)
