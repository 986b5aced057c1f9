"""The sentences that explain a deviation or a decision, in English and Japanese."""

from __future__ import annotations

from typing import Final

from sopilot_assets.tasks import Step
from sopilot_assets.texts.languages import Text

NOTHING_TO_SAY: Final = Text("", "")


def clock(seconds: float) -> str:
    """A timecode, minutes and seconds with one decimal.

    >>> clock(75.25)
    '1:15.2'
    """
    tenths = int(seconds * 10)
    return f"{tenths // 600}:{tenths // 10 % 60:02d}.{tenths % 10}"


def chance(probability: float) -> Text:
    """A probability in words that need no knowledge of probabilities.

    >>> chance(0.43).en, chance(0.43).ja, chance(0.02).en
    ('about 4 in 10', '約4割', 'less than 1 in 10')
    """
    tenths = round(10 * probability)
    if tenths < 1:
        return Text("less than 1 in 10", "1割未満")
    if tenths > 9:
        return Text("almost certain", "ほぼ確実")
    return Text(f"about {tenths} in 10", f"約{tenths}割")


def points_beside(points: float, limit: float | None) -> str:
    """Points with one decimal, with two where one would move them to the other side of the limit.

    >>> points_beside(89.96, 90.0), points_beside(89.94, 90.0), points_beside(89.96, None)
    ('89.96', '89.9', '90.0')
    """
    short = f"{points:.1f}"
    moved = limit is not None and (float(short) < limit) is not (points < limit)
    return f"{points:.2f}" if moved else short


def percent(probability: float) -> Text:
    """A probability in whole per cent.

    >>> percent(0.147).en, percent(0.002).en, percent(0.002).ja
    ('15%', 'less than 1%', '1%未満')
    """
    told = f"{probability:.0%}"
    return Text("less than 1%", "1%未満") if told == "0%" else Text(told, told)


_TEMPLATES: Final[dict[str, Text]] = {
    "missing": Text(
        "“{step}” is missing; it was expected at {start}.",
        "「{step}」が見つかりません({start} 付近で行われるはずでした)。",
    ),
    "missing_start": Text(
        "The recording starts too late: “{step}” is not in it.",
        "録画の開始が遅く、「{step}」が写っていません。",
    ),
    "missing_end": Text(
        "The recording ends too early: “{step}” is not in it.",
        "録画が途中で終わり、「{step}」が写っていません。",
    ),
    "cut": Text(
        "Only {share} of the usual time of “{step}” is in the recording.",
        "「{step}」は通常の時間の{share}しか写っていません。",
    ),
    "swap": Text(
        "“{step}” and “{other}” were done in the wrong order.", "「{step}」と「{other}」の順番が逆です。"
    ),
    "wrong": Text(
        "Instead of “{step}” something else was done from {start} to {end}.",
        "{start}〜{end} に「{step}」ではない別の作業が行われました。",
    ),
    "extra": Text(
        "From {start} to {end} something was done that is not part of the procedure.",
        "{start}〜{end} に手順にない作業がありました。",
    ),
    "long": Text(
        "“{step}” took {seconds:.1f} s; {usual:.1f} s is usual.",
        "「{step}」に {seconds:.1f} 秒かかりました(通常は {usual:.1f} 秒)。",
    ),
    "frozen": Text(
        "The picture stands still from {start} to {end}.", "{start}〜{end} の間、映像が止まっています。"
    ),
    "frozen_hides": Text(
        "The picture stands still from {start} to {end}; {steps} cannot be seen.",
        "{start}〜{end} の間、映像が止まっていて、{steps} を確認できません。",
    ),
    "rests_or_frozen": Text(
        "Nothing moves from {start} to {end}: the camera hung, or nobody moved; {steps} cannot be seen.",
        "{start}〜{end} の間、映像に動きがなく(カメラの停止か作業者の静止)、{steps} を確認できません。",
    ),
    "damaged_end": Text(
        "The file is damaged, and what comes last is not in it. If there is a whole one, drop that.",
        "ファイルが破損していて、終わりの部分がありません。元のファイルがあれば、もう一度コピーしてください。",
    ),
    "film_again": Text("Film again. {first}", "撮影し直してください。{first}"),
    "pass": Text(
        "No deviation that matters; score {score}, pass at {limit:g}.",
        "問題となる逸脱はありません(得点 {score}、合格 {limit:g})。",
    ),
    "fail": Text("Critical: {first}", "重大な逸脱: {first}"),
    "retrain": Text(
        "Score {score} is below the retrain score of {limit:g}.",
        "得点 {score} は再訓練の基準 {limit:g} を下回っています。",
    ),
    "review_score": Text(
        "Score {score} is below the pass score of {limit:g}.",
        "得点 {score} は合格点 {limit:g} を下回っています。",
    ),
    "review_deviation": Text("To be looked at: {first}", "確認が必要です: {first}"),
    "uncertain": Text(
        "A critical deviation can neither be named nor ruled out ({share} likely).",
        "重大な逸脱を特定も否定もできません(可能性 {share})。",
    ),
    "hardly_familiar": Text(
        "This may not be this procedure ({share} likely), or it was filmed quite unlike the golds.",
        "別の作業の可能性があります({share})。または撮影条件がお手本と大きく異なります。",
    ),
    "suspected": Text(
        "Perhaps ({share:.0%} likely): {first} Look there.",
        "可能性 {share:.0%}: {first} 該当箇所を確認してください。",
    ),
    "one_gold_only": Text(
        "No gold could be tried on others (a single one, or none that shows every step beside another), so "
        "nothing says how much a right recording may differ. Record a gold by one more person.",
        "お手本どうしを比べられない(1本だけ、または全工程を示すものが足りない)ため、正しい作業のばらつきが"
        "わかりません。別の人のお手本を追加してください。",
    ),
    "one_gold": Text("There is no other gold to try it on.", "試すための別のお手本がありません。"),
    "golds_differ": Text(
        "It is reported too often in golds that are right: people do this step differently.",
        "正しいお手本でも多く報告されます。この工程のやり方は人によって異なります。",
    ),
    "seldom_found": Text(
        "It is found in fewer than half of the golds that were edited to show it.",
        "この逸脱を加えたお手本の半分未満でしか検出できません。",
    ),
    "more_persons": Text(
        "Record golds by other people, {golds} or more.", "別の人のお手本を{golds}本以上追加してください。"
    ),
    "unverifiable": Text(
        "The recording does not show this procedure clearly enough to be judged (match {fit:.0%} of what "
        "golds reach among themselves). Is it this procedure, filmed like the golds?",
        "この手順の録画として判定できるほど明確ではありません(お手本どうしの一致に対し {fit:.0%})。"
        "この手順の録画か、撮影条件がお手本と同じかを確認してください。",
    ),
}


def sentence(key: str, /, **values: object) -> Text:
    """The sentence of that name with its values filled in; a value that is a `Step` or a `Text` appears in
    each language.
    """
    template = _TEMPLATES[key]
    return Text(
        template.en.format(**{name: _in_english(value) for name, value in values.items()}),
        template.ja.format(**{name: _in_japanese(value) for name, value in values.items()}),
    )


def _in_english(value: object) -> object:
    if isinstance(value, Text):
        return value.en
    return value.name if isinstance(value, Step) else value


def _in_japanese(value: object) -> object:
    if isinstance(value, Text):
        return value.ja
    return (value.name_ja or value.name) if isinstance(value, Step) else value
