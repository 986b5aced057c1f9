"""What a video file holds: every frame's display time, its size as displayed, and how much of it is damaged.

The display times come from the packets' own timestamps (one demultiplexing pass, no decoding), so sampling
never relies on an average frame rate.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.sidedata.sidedata import SideData
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from sopilot_assets.errors import JoinedVideo, TruncatedVideo
from sopilot_assets.video.container import open_video, packets_of, video_stream
from sopilot_assets.video.fields import SecondFields
from sopilot_assets.video.heads import begins_twice

FloatArray = NDArray[np.float64]

UNTIMED_CONTAINERS: Final = frozenset({"avi", "asf", "h264", "hevc", "m4v", "mpegvideo", "obu"})
"""Formats that say when a picture is decoded and not when it is shown: pictures are shown in their order, one
in each place.
"""

LONGEST_VIDEO_S: Final = 12 * 3600.0
"""Timestamps beyond this are damage: no recording of a procedure lasts longer."""

CLOCK_TOLERANCE_S: Final = 1e-3
"""A frame counts as shown this much before its time: some containers round times to 1 ms, and remuxing must
not change what is sampled.
"""

LATE_PICTURES_S: Final = 0.5
"""Sound that begins this much before the pictures begins the recording: a player's clock runs from there.
Less is the rounding of devices, and shorter than a clip's stride.
"""

LEAST_STRETCH, MOST_STRETCH = 1.02, 4.0
"""Pixels are squares unless they are so much longer one way than the other, and no more: what sizes rounded
to whole pixels leave is no stretch.
"""

JUMP_S: Final = 1.0
"""Packets of one recording are stored in the order of their time, to within less than this."""


@dataclass(frozen=True, slots=True)
class Orientation:
    """How the stored picture is turned for display: ``swap`` exchanges the axes first, then ``flip_x`` and
    ``flip_y`` mirror the result.

    ``rotation_deg`` is the clockwise turn a player applies: 0, 90, 180 or 270.
    """

    swap: bool = False
    flip_x: bool = False
    flip_y: bool = False

    @classmethod
    def of_matrix(cls, matrix: NDArray[np.int32]) -> Orientation:
        """The nearest right-angled orientation of a display matrix (9 int32, ISO 14496-12: x' = a x + c y, y'
        = b x + d y).
        """
        a, b, _, c, d = (int(value) for value in matrix[:5])
        if abs(b) + abs(c) > abs(a) + abs(d):
            return cls(swap=True, flip_x=c < 0, flip_y=b < 0)
        return cls(swap=False, flip_x=a < 0, flip_y=d < 0)

    def __bool__(self) -> bool:
        return self.swap or self.flip_x or self.flip_y

    @property
    def rotation_deg(self) -> int:
        """The clockwise turn in degrees; a mirrored picture reports the turn that is left after undoing a
        horizontal mirror.
        """
        if self.swap:
            return 90 if self.flip_x else 270
        return 180 if self.flip_y else 0

    def apply(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The image (h, w, 3) as displayed, contiguous."""
        turned = image.transpose(1, 0, 2) if self.swap else image
        return np.ascontiguousarray(turned[:: -1 if self.flip_y else 1, :: -1 if self.flip_x else 1])


@dataclass(frozen=True, slots=True)
class VideoProbe:
    """What a video file holds, as displayed.

    ``duration_s`` runs from the beginning to the end of the last frame that is really there;
    ``declared_duration_s`` is what the container claims for the pictures, ``None`` when it claims nothing.
    ``declared_frame_count`` is how many frames it claims (AVI counts places, with or without a frame: None).
    ``damaged_packets`` counts the packets that the container itself marks damaged or whose time is absurd.
    ``begin_s`` is when the first picture appears, 0 unless sound runs before it.
    """

    duration_s: float
    declared_duration_s: float | None
    frame_count: int
    declared_frame_count: int | None
    width: int
    height: int
    rotation_deg: int
    codec: str
    mean_fps: float
    variable_rate: bool
    container: str
    damaged_packets: int
    begin_s: float = 0.0

    @property
    def pictures_s(self) -> float:
        """How long there are pictures."""
        return self.duration_s - self.begin_s


@dataclass(frozen=True, slots=True)
class VideoIndex:
    """A probe with every frame's display time.

    ``starts_s`` (n,) are display times in seconds by a player's clock, ascending, the first one 0 unless
    sound runs before the pictures (`LATE_PICTURES_S`); the last frame ends at ``end_s``. ``key_starts_s`` are
    those of the key frames. ``origin_s`` is the container's time at 0. ``hidden_frames`` counts stored frames
    that an edit list hides. ``pixel_aspect`` is how many times as wide as high a stored pixel is shown.
    ``in_order`` says that the times are places to be filled in the order in which
    frames are shown, since the container does not say which frame belongs to which.
    """

    probe: VideoProbe
    starts_s: FloatArray
    key_starts_s: FloatArray
    end_s: float
    origin_s: float
    orientation: Orientation
    hidden_frames: int
    in_order: bool
    pixel_aspect: float

    @property
    def begin_s(self) -> float:
        """When the first picture appears."""
        return self.probe.begin_s

    def sample_times(self, *, rate_hz: float, phase_s: float = 0.0) -> FloatArray:
        """The times ``begin_s + phase_s + k / rate_hz`` (k = 0, 1, ...) before the end of the last frame,
        (m,) seconds.
        """
        first_s = self.begin_s + phase_s
        count = math.ceil((self.end_s - first_s) * rate_hz - CLOCK_TOLERANCE_S * rate_hz)
        return first_s + np.arange(max(count, 0)) / rate_hz

    def clock_times(self, *, rate_hz: float) -> FloatArray:
        """When to take pictures for a copy that begins at 0 with the clock: every ``1 / rate_hz`` seconds,
        (m,); before the first picture appears it stands in.
        """
        count = math.ceil(self.end_s * rate_hz - CLOCK_TOLERANCE_S * rate_hz)
        return np.maximum(np.arange(max(count, 0)) / rate_hz, self.begin_s)

    def frames_at(self, times_s: FloatArray) -> NDArray[np.int64]:
        """The index of the frame whose display interval contains each time, (m,) for times (m,)."""
        shown = np.searchsorted(self.starts_s, times_s + CLOCK_TOLERANCE_S, side="right") - 1
        return np.clip(shown, 0, len(self.starts_s) - 1).astype(np.int64)

    def scaled(self, short_side: int) -> tuple[int, int]:
        """Width and height as displayed, scaled so that the shorter one is ``short_side`` pixels."""
        scale = short_side / min(self.probe.width, self.probe.height)
        return max(round(self.probe.width * scale), 1), max(round(self.probe.height * scale), 1)

    def shown(self, short_side: int) -> tuple[int, int]:
        """The same with the proportions that a player gives the picture, whose pixels may be no squares."""
        aspect = 1 / self.pixel_aspect if self.orientation.swap else self.pixel_aspect
        scale = short_side / min(self.probe.width * aspect, self.probe.height)
        return max(round(self.probe.width * aspect * scale), 1), max(round(self.probe.height * scale), 1)


def probe(path: Path) -> VideoProbe:
    """What the video at ``path`` holds; raises ``UnreadableVideo`` (``NotAVideo``, ``NoVideoStream``,
    ``TruncatedVideo``) when it holds no frames.
    """
    return read_index(path).probe


def read_index(path: Path) -> VideoIndex:
    """The display time of every frame of the video at ``path``; raises like `probe`, and ``JoinedVideo``
    where its time runs back.
    """
    with open_video(path) as container:
        stream = video_stream(container, path)
        packets = _Packets.read(container, stream)
    if not packets.times_s.size:
        raise TruncatedVideo(
            f"{path}: expected video packets, found none; the recording was cut before its first frame. "
            "Copy or record it again."
        )
    return _index(path, packets)


def orientation_of(frame: VideoFrame) -> Orientation:
    """How a decoded frame must be turned for display."""
    matrix: object = frame.side_data.get("DISPLAYMATRIX")
    if not isinstance(matrix, SideData):
        return Orientation()
    return Orientation.of_matrix(np.frombuffer(bytes(matrix), np.int32))


@dataclass(slots=True)
class _Clock:
    """When the packets of one stream begin and end, as they come."""

    first_s: float | None = None
    last_s: float = 0.0

    def add(self, packet: Packet[Stream]) -> None:
        stamp = packet.pts if packet.pts is not None else packet.dts
        if stamp is None or packet.is_discard:
            return
        start_s = float(stamp * packet.time_base)
        self.first_s = start_s if self.first_s is None else min(self.first_s, start_s)
        self.last_s = max(self.last_s, start_s + float((packet.duration or 0) * packet.time_base))


@dataclass(frozen=True, slots=True)
class _Packets:
    """The times of a stream's packets in file order, and what its headers say.

    ``decoded_s`` (n,) are when the packets are to be decoded, ``sound_begin_s`` is the beginning of the
    earliest sound.
    """

    times_s: FloatArray
    decoded_s: FloatArray
    durations_s: FloatArray
    is_key: NDArray[np.bool_]
    in_order: bool
    damaged: int
    hidden: int
    sound_begin_s: float | None
    declared_s: float | None
    declared_frames: int | None
    mean_fps: float
    pixel_aspect: float
    codec: str
    container: str

    @classmethod
    def read(cls, container: InputContainer, stream: VideoStream) -> _Packets:
        tick_s = float(stream.time_base or 0) or 1e-3
        declared_frames = _declared_frames(container, stream)
        rows: list[tuple[float, float, float, bool]] = []
        clocks = {other.index: _Clock() for other in container.streams}
        second_fields = SecondFields(stream)
        damaged = hidden = fields = 0
        for packet in packets_of(container, *container.streams):
            if packet.stream_index in clocks:
                clocks[packet.stream_index].add(packet)
            if packet.stream_index != stream.index or packet.size == 0:
                continue
            duration_s = (packet.duration or 0) * tick_s
            damaged += packet.is_corrupt
            if second_fields.has(packet):
                fields += 1
                continue
            hidden += packet.is_discard
            if not packet.is_discard:
                rows.append(
                    (
                        _seconds(packet.pts, tick_s),
                        _seconds(packet.dts, tick_s),
                        duration_s,
                        packet.is_keyframe,
                    )
                )
        fps = float(stream.average_rate or stream.guessed_rate or 25)
        shown_s, decoded_s, durations_s, is_key = np.array(rows, np.float64).reshape(-1, 4).T
        intra_only = stream.codec_context.codec.intra_only
        in_order = not intra_only and (
            container.format.name in UNTIMED_CONTAINERS or bool(np.isnan(shown_s).any())
        )
        decoded_s = _filled(np.where(np.isnan(decoded_s), shown_s, decoded_s), fps)
        return cls(
            times_s=decoded_s if in_order else np.where(np.isnan(shown_s), decoded_s, shown_s),
            decoded_s=decoded_s,
            durations_s=durations_s,
            is_key=is_key > 0,
            in_order=in_order,
            damaged=damaged,
            hidden=hidden,
            sound_begin_s=min(
                (
                    clock.first_s
                    for other in container.streams.audio
                    if (clock := clocks[other.index]).first_s is not None
                ),
                default=None,
            ),
            declared_s=_declared_s(container, stream, clocks),
            declared_frames=None if declared_frames is None else declared_frames - fields,
            mean_fps=fps,
            pixel_aspect=_pixel_aspect(stream),
            codec=stream.codec.canonical_name,
            container=container.format.name,
        )


def _pixel_aspect(stream: VideoStream) -> float:
    """1 where the file says nothing, or what is hardly seen or cannot be."""
    aspect = float(stream.sample_aspect_ratio or 1)
    return aspect if LEAST_STRETCH < max(aspect, 1 / aspect) < MOST_STRETCH else 1.0


def _seconds(stamp: int | None, tick_s: float) -> float:
    return math.nan if stamp is None else stamp * tick_s


def _index(path: Path, packets: _Packets) -> VideoIndex:
    sane = _sane(packets.times_s, packets.declared_s) & ~_strays(packets.decoded_s)
    _require_one_recording(path, packets, sane)
    order = np.flatnonzero(sane)[np.argsort(packets.times_s[sane], kind="stable")]
    starts_s = packets.times_s[order]
    last_s = float(starts_s[-1]) + _last_duration_s(
        starts_s, float(packets.durations_s[order[-1]]), packets.mean_fps
    )
    origin_s = _origin_s(float(starts_s[0]), last_s, packets.sound_begin_s)
    starts_s, end_s = starts_s - origin_s, last_s - origin_s
    width, height, orientation = _picture(path)
    shown = (height, width) if orientation.swap else (width, height)
    return VideoIndex(
        probe=VideoProbe(
            duration_s=end_s,
            declared_duration_s=packets.declared_s,
            frame_count=len(starts_s),
            declared_frame_count=packets.declared_frames,
            width=shown[0],
            height=shown[1],
            rotation_deg=orientation.rotation_deg,
            codec=packets.codec,
            mean_fps=len(starts_s) / (end_s - float(starts_s[0])),
            variable_rate=_varies(starts_s),
            container=packets.container,
            damaged_packets=packets.damaged + int((~sane).sum()),
            begin_s=float(starts_s[0]),
        ),
        starts_s=starts_s,
        key_starts_s=starts_s[packets.is_key[order]],
        end_s=end_s,
        origin_s=origin_s,
        orientation=orientation,
        hidden_frames=packets.hidden,
        in_order=packets.in_order,
        pixel_aspect=packets.pixel_aspect,
    )


def _origin_s(first_s: float, last_s: float, sound_begin_s: float | None) -> float:
    """The container's time at which a player's clock begins: that of the first picture, or of sound well
    before it. Pictures that would come later than they last are not believed.
    """
    if sound_begin_s is not None and LATE_PICTURES_S <= first_s - sound_begin_s <= last_s - first_s:
        return sound_begin_s
    return first_s


def _strays(decoded_s: FloatArray) -> NDArray[np.bool_]:
    """Which packets have a time of their own (n,), while those before and after agree: damage."""
    stray = np.zeros(len(decoded_s), np.bool_)
    before, here, after = decoded_s[:-2], decoded_s[1:-1], decoded_s[2:]
    alone = (np.abs(here - before) > JUMP_S) & (np.abs(after - here) > JUMP_S)
    stray[1:-1] = alone & (after >= before) & (after - before <= JUMP_S)
    return stray


def _require_one_recording(path: Path, packets: _Packets, sane: NDArray[np.bool_]) -> None:
    """Nothing where time runs on; raises ``JoinedVideo`` that says where it runs back."""
    decoded_s = packets.decoded_s[sane]
    back = np.flatnonzero(np.diff(decoded_s) < -JUMP_S)
    if back.size:
        at_s = float(decoded_s[back[0]] - decoded_s[0])
    elif begins_twice(path, packets.container):
        at_s = float(decoded_s[-1] - decoded_s[0])
    else:
        return
    raise JoinedVideo(
        f"{path}: expected one recording, found several joined to one file: time runs back at {at_s:.1f} s. "
        "Drop the parts as files of their own, or join them with a video editor."
    )


def _picture(path: Path) -> tuple[int, int, Orientation]:
    """Width, height and orientation of the first frame that decodes."""
    with open_video(path) as container:
        stream = video_stream(container, path)
        for packet in packets_of(container, stream):
            try:
                frames = packet.decode()
            except MemoryError:
                raise
            except av.error.FFmpegError:
                continue
            if frames:
                return frames[0].width, frames[0].height, orientation_of(frames[0])
    raise TruncatedVideo(f"{path}: has video packets but not one decodes; copy or record it again.")


def _filled(times_s: FloatArray, fps: float) -> FloatArray:
    """The times with missing ones counted on from the packet before at the stream's rate (raw streams carry
    none).
    """
    if not np.isnan(times_s).any():
        return times_s
    filled = times_s.copy()
    for position in np.flatnonzero(np.isnan(filled)):
        filled[position] = filled[position - 1] + 1 / fps if position else 0.0
    return filled


def _sane(times_s: FloatArray, declared_s: float | None) -> NDArray[np.bool_]:
    reach_s = LONGEST_VIDEO_S if declared_s is None else min(1.5 * declared_s + 10, LONGEST_VIDEO_S)
    return np.abs(times_s - np.median(times_s)) <= reach_s


def _last_duration_s(starts_s: FloatArray, stated_s: float, fps: float) -> float:
    """How long the last frame is shown: as stated, else as long as a typical frame."""
    if stated_s > 0:
        return stated_s
    return float(np.median(np.diff(starts_s))) if len(starts_s) > 1 else 1 / fps


def _varies(starts_s: FloatArray) -> bool:
    """Whether more than 1 % of the frame intervals differ from the median by over a quarter (and 2 ms:
    containers round to 1 ms).
    """
    gaps_s = np.diff(starts_s)
    if not gaps_s.size:
        return False
    typical_s = np.median(gaps_s)
    return bool(np.mean(np.abs(gaps_s - typical_s) > 0.25 * typical_s + 0.002) > 0.01)


def _declared_frames(container: InputContainer, stream: VideoStream) -> int | None:
    """How many pictures there should be by the container; those that an edit list cuts off are not in its
    index. To be asked before packets are read, which may enlarge the index.
    """
    if not stream.frames or container.format.name == "avi":
        return None
    listed = len(stream.index_entries)
    return min(stream.frames, listed) if listed else stream.frames


def _declared_s(container: InputContainer, stream: VideoStream, clocks: Mapping[int, _Clock]) -> float | None:
    """How long the pictures should last by the container; None where it says so of all its tracks together
    and one of them lasts that long.
    """
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    if not container.duration or container.duration < 0:
        return None
    declared_s = container.duration / av.time_base
    begin_s = min((clock.first_s for clock in clocks.values() if clock.first_s is not None), default=0.0)
    end_s = max((clock.last_s for clock in clocks.values()), default=0.0)
    if max(end_s, end_s - begin_s) + JUMP_S >= declared_s:
        return None
    return declared_s - begin_s if 0 < begin_s < declared_s else declared_s
