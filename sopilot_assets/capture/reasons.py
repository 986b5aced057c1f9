"""Why a recording was refused or flagged, and what to do about it, in English and Japanese."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sopilot_assets.capture.ledgers import DAMAGED
from sopilot_assets.texts.languages import Text


class Reason(StrEnum):
    """The fixed list of reasons. Each has its `ReasonText` in ``REASON_TEXTS``."""

    UNKNOWN_TASK = "unknown_task"
    WRONG_FOLDER = "wrong_folder"
    NOT_A_VIDEO = "not_a_video"
    NO_VIDEO_STREAM = "no_video_stream"
    TRUNCATED = "truncated"
    TIME_RUNS_BACK = "time_runs_back"
    UNREADABLE = "unreadable"
    UNREADABLE_SIDECAR = "unreadable_sidecar"
    ALREADY_A_GOLD = "already_a_gold"
    ERASED = "erased"
    TOO_SHORT = "too_short"
    TOO_DARK = "too_dark"
    OVEREXPOSED = "overexposed"
    BLURRED = "blurred"
    UNSTABLE = "unstable"
    TOO_SMALL = "too_small"
    TIME_LIMIT = "time_limit"
    MEMORY_LIMIT = "memory_limit"

    @property
    def text(self) -> ReasonText:
        """What it means and what to do."""
        return REASON_TEXTS[self]


@dataclass(frozen=True, slots=True)
class ReasonText:
    """What happened (``english``, ``japanese``) and what to do (``do_english``, ``do_japanese``)."""

    english: str
    japanese: str
    do_english: str
    do_japanese: str


REASON_TEXTS: Final[dict[Reason, ReasonText]] = {
    Reason.UNKNOWN_TASK: ReasonText(
        "The folder names a task that does not exist.",
        "フォルダ名に対応する作業（タスク）が登録されていません。",
        "Create the task with `sopilot task create`, or move the file into the folder of an existing task.",
        "`sopilot task create` で作業を登録するか、既存の作業のフォルダに入れ直してください。",
    ),
    Reason.WRONG_FOLDER: ReasonText(
        "The file does not lie in <task>/<gold or trainee>/<site>/[<camera>/].",
        "ファイルの置き場所が <作業>/<gold または trainee>/<拠点>/[<カメラ>/] の形になっていません。",
        "Move the file into a folder of that form.",
        "正しい形のフォルダに入れ直してください。",
    ),
    Reason.NOT_A_VIDEO: ReasonText(
        "The file is not a video.",
        "動画ファイルではありません。",
        "Check that the right file was copied; save recordings as MP4 (H.264).",
        "正しいファイルか確認してください。録画は MP4（H.264）で保存してください。",
    ),
    Reason.NO_VIDEO_STREAM: ReasonText(
        "The file holds no moving pictures, only sound or data.",
        "映像が含まれていません（音声またはデータのみです）。",
        "Film again and check that the camera records pictures.",
        "カメラが映像を記録していることを確認し、撮影し直してください。",
    ),
    Reason.TRUNCATED: ReasonText(
        "The recording is cut or damaged: less than half of it can be read.",
        "録画が途中で切れているか壊れており、読み取れる部分が半分未満です。",
        "Copy the file from the camera again; if that is not possible, film again.",
        "カメラからもう一度コピーしてください。できない場合は撮影し直してください。",
    ),
    Reason.TIME_RUNS_BACK: ReasonText(
        "The file holds several recordings one after the other: its time runs back.",
        "複数の録画が1つのファイルにつながれており、途中で時刻が戻っています。",
        "Drop the parts as files of their own, or join them with a video editor.",
        "それぞれの録画を別々のファイルとして入れるか、動画編集ソフトで結合してください。",
    ),
    Reason.UNREADABLE: ReasonText(
        "No reader can decode the pictures of this file.",
        "このファイルの映像を読み取れません。",
        "Save the recording as MP4 (H.264) and drop it again.",
        "MP4（H.264）形式で保存し直して、もう一度入れてください。",
    ),
    Reason.UNREADABLE_SIDECAR: ReasonText(
        "The .json file beside the recording cannot be understood, so who filmed what is unknown.",
        "録画に添えられた .json ファイルを解釈できないため、撮影者などの情報が分かりません。",
        "Correct the .json file (or leave it out) and move both files back into the capture folder.",
        ".json ファイルを直し（または外し）、両方のファイルを capture フォルダに戻してください。",
    ),
    Reason.ALREADY_A_GOLD: ReasonText(
        "The same recording is already a gold of this task; it cannot be scored against itself.",
        "同じ録画がこの作業の手本（gold）として登録済みのため、採点対象にできません。",
        "Use another recording of the trainee.",
        "別の録画を使ってください。",
    ),
    Reason.ERASED: ReasonText(
        "This recording was erased at the wish of the person in it, so it is not taken in again; the file "
        "was removed.",
        "この録画は本人の希望により消去済みのため、取り込みません。ファイルは削除しました。",
        "Remove other copies of the file too, or film again if the person agrees.",
        "ほかに残っているコピーも削除してください。本人の同意があれば撮影し直してください。",
    ),
    Reason.TOO_SHORT: ReasonText(
        "The recording is too short.",
        "録画が短すぎます。",
        "Start recording before the first step and stop after the last one.",
        "最初の手順の前に録画を始め、最後の手順が終わってから止めてください。",
    ),
    Reason.TOO_DARK: ReasonText(
        "The picture is too dark.",
        "映像が暗すぎます。",
        "Add light on the work area, or open the camera's exposure.",
        "作業場所の照明を明るくするか、カメラの露出を上げてください。",
    ),
    Reason.OVEREXPOSED: ReasonText(
        "The picture is too bright: details are washed out.",
        "映像が明るすぎて白飛びしています。",
        "Keep lamps and windows out of the picture, or lower the camera's exposure.",
        "照明や窓が直接映らないようにするか、カメラの露出を下げてください。",
    ),
    Reason.BLURRED: ReasonText(
        "The picture is blurred.",
        "映像がぼやけています。",
        "Clean the lens, focus on the hands and keep at least 50 cm distance.",
        "レンズを拭き、手元にピントを合わせ、50 cm 以上離して撮影してください。",
    ),
    Reason.UNSTABLE: ReasonText(
        "The camera moves too much.",
        "カメラの揺れが大きすぎます。",
        "Put the camera on a stand or fix it to the bench.",
        "三脚を使うか、カメラを作業台に固定してください。",
    ),
    Reason.TOO_SMALL: ReasonText(
        "The picture has too few pixels.",
        "映像の解像度が低すぎます。",
        "Choose a higher resolution in the camera's settings.",
        "カメラの設定で、より高い解像度を選んでください。",
    ),
    Reason.TIME_LIMIT: ReasonText(
        "Reading the file took too long and was stopped.",
        "ファイルの読み取りに時間がかかりすぎたため中止しました。",
        "The file is probably damaged: copy it again, or save it as MP4 (H.264).",
        "ファイルが壊れている可能性があります。コピーし直すか、MP4（H.264）で保存し直してください。",
    ),
    Reason.MEMORY_LIMIT: ReasonText(
        "Reading the file needed too much memory and was stopped.",
        "ファイルの読み取りに必要なメモリが多すぎるため中止しました。",
        "The file is probably damaged or its pictures are huge: save it as MP4 (H.264) in at most 4K.",
        "ファイルが壊れているか解像度が高すぎます。4K 以下の MP4（H.264）で保存し直してください。",
    ),
}

_DAMAGED_TEXT: Final = ReasonText(
    "A part of the file is missing or cannot be read.",
    "ファイルの一部が欠けているか、読み取れません。",
    "If the camera still has the whole recording, copy it again and drop that.",
    "カメラに録画全体が残っていれば、コピーし直して、もう一度入れてください。",
)


def flag_texts(flags: Iterable[str]) -> list[Text]:
    """What is lacking in a recording that was taken in, and what to do, by its flags. Flags that name another
    recording with the same bytes say nothing of that kind and are left out.
    """
    texts = {DAMAGED: _DAMAGED_TEXT} | {str(reason): text for reason, text in REASON_TEXTS.items()}
    return [
        Text(f"{text.english} {text.do_english}", f"{text.japanese}{text.do_japanese}")
        for text in (texts[flag] for flag in flags if flag in texts)
    ]
