"""What a video file holds: every frame's display time, its size as displayed, and how much of it is damaged.

The display times come from the packets' own timestamps (one demultiplexing pass, no decoding), so sampling
never relies on an average frame rate. Both readers (`sopilot_assets.video.frames`) share them, which is why
they choose the same frames.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.sidedata.sidedata import SideData
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from sopilot_assets.errors import NotAVideo, NoVideoStream, TruncatedVideo, UnreadableVideo

FloatArray = NDArray[np.float64]

DEMUXERS: Final = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,asf,ogg,gif,mxf,mxf_opatom,"
    "dv,wtv,h264,hevc,av1,obu,ivf,m4v,nut,yuv4mpegpipe,mjpeg,apng"
)
"""The formats that may be opened. Playlists (HLS, DASH, concat) are left out: they would make the reader open
other files.
"""

OPEN_OPTIONS: Final = {"format_whitelist": DEMUXERS, "protocol_whitelist": "file"}
"""How every container is opened."""

INDEXED_CONTAINERS: Final = frozenset({"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "avi"})
"""Containers that list where each frame is. In others (MPEG-TS) seeking is a guess: decord returned other
frames than asked for there, without an error.
"""

LONGEST_VIDEO_S: Final = 12 * 3600.0
"""Timestamps beyond this are damage: no recording of a procedure lasts longer."""

CLOCK_TOLERANCE_S: Final = 1e-3
"""A frame counts as shown this much before its time: some containers round times to 1 ms, and remuxing must
not change what is sampled.
"""

_SIGNATURES: Final = (
    (4, b"ftyp"),
    (4, b"moov"),
    (4, b"mdat"),
    (4, b"wide"),
    (0, b"\x1aE\xdf\xa3"),
    (8, b"AVI "),
    (0, b"OggS"),
    (0, b"FLV\x01"),
)


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

    ``duration_s`` runs from the first frame to the end of the last frame that is really there;
    ``declared_duration_s`` is what the container claims, ``None`` when it claims nothing. ``damaged_packets``
    counts the packets that the container itself marks damaged or whose time is absurd.
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


@dataclass(frozen=True, slots=True)
class VideoIndex:
    """A probe with every frame's display time.

    ``starts_s`` (n,) are display times in seconds, ascending, the first one 0; the last frame ends at
    ``end_s``. ``key_starts_s`` are those of the key frames. ``origin`` is the container time of the first
    frame, in seconds. ``hidden_frames`` counts stored frames that an edit list hides.
    """

    probe: VideoProbe
    starts_s: FloatArray
    key_starts_s: FloatArray
    end_s: float
    origin_s: float
    orientation: Orientation
    stored_width: int
    stored_height: int
    hidden_frames: int

    def sample_times(self, *, rate_hz: float, phase_s: float = 0.0) -> FloatArray:
        """The times ``phase_s + k / rate_hz`` (k = 0, 1, ...) before the end of the last frame, (m,)
        seconds.
        """
        count = math.ceil((self.end_s - phase_s) * rate_hz - CLOCK_TOLERANCE_S * rate_hz)
        return phase_s + np.arange(max(count, 0)) / rate_hz

    def frames_at(self, times_s: FloatArray) -> NDArray[np.int64]:
        """The index of the frame whose display interval contains each time, (m,) for times (m,)."""
        shown = np.searchsorted(self.starts_s, times_s + CLOCK_TOLERANCE_S, side="right") - 1
        return np.clip(shown, 0, len(self.starts_s) - 1).astype(np.int64)

    def scaled(self, short_side: int) -> tuple[int, int]:
        """Width and height as displayed, scaled so that the shorter one is ``short_side`` pixels."""
        scale = short_side / min(self.probe.width, self.probe.height)
        return max(round(self.probe.width * scale), 1), max(round(self.probe.height * scale), 1)


def probe(path: Path) -> VideoProbe:
    """What the video at ``path`` holds; raises ``UnreadableVideo`` (``NotAVideo``, ``NoVideoStream``,
    ``TruncatedVideo``) when it holds no frames.
    """
    return read_index(path).probe


def read_index(path: Path) -> VideoIndex:
    """The display time of every frame of the video at ``path``; raises like `probe`."""
    with open_video(path) as container:
        stream = video_stream(container, path)
        packets = _Packets.read(container, stream)
    if not packets.times_s.size:
        raise TruncatedVideo(
            f"{path}: expected video packets, found none; the recording was cut before its first frame. "
            "Copy or record it again."
        )
    return _index(path, packets)


def open_video(path: Path) -> InputContainer:
    """The open container; raises ``NotAVideo``, or ``TruncatedVideo`` when the file starts like a video but
    its directory is missing.
    """
    try:
        return av.open(str(path.absolute()), metadata_errors="replace", options=OPEN_OPTIONS)
    except MemoryError:
        raise
    except (av.error.PermissionError, av.error.FileNotFoundError, av.error.IsADirectoryError) as error:
        raise UnreadableVideo(
            f"{path}: could not be opened ({_plain(error)}); check that it is a file and its permissions."
        ) from error
    except (av.error.FFmpegError, ValueError) as error:
        if _starts_like_a_video(path):
            raise TruncatedVideo(
                f"{path}: starts like a video but its directory of frames is missing or cut "
                f"({_plain(error)}); copy or record it again."
            ) from error
        raise NotAVideo(f"{path}: expected a video file, found something else ({_plain(error)}).") from error


def video_stream(container: InputContainer, path: Path) -> VideoStream:
    """The first stream of moving pictures; raises ``NoVideoStream``. Cover pictures do not count."""
    for stream in container.streams.video:
        if stream.disposition & Disposition.attached_pic:
            continue
        if not hasattr(stream, "codec_context") or stream.codec_context is None:
            raise UnreadableVideo(
                f"{path}: its pictures are stored in a way that no decoder here knows; save it as H.264 in "
                "an MP4 file."
            )
        stream.thread_count = 1
        return stream
    if not container.streams:
        raise TruncatedVideo(f"{path}: holds only the first bytes of a video; copy or record it again.")
    kinds = sorted({str(stream.type) for stream in container.streams})
    raise NoVideoStream(
        f"{path}: expected moving pictures, found only {', '.join(kinds)}; film again with the camera on."
    )


def packets_of(container: InputContainer, stream: VideoStream) -> Iterator[Packet[VideoStream]]:
    """The packets of a stream up to where the container cannot be read any further: damage ends the iteration
    instead of raising.
    """
    packets = container.demux(stream)
    while True:
        try:
            yield next(packets)
        except MemoryError:
            raise
        except (StopIteration, av.error.FFmpegError):
            return


def orientation_of(frame: VideoFrame) -> Orientation:
    """How a decoded frame must be turned for display."""
    matrix: object = frame.side_data.get("DISPLAYMATRIX")
    if not isinstance(matrix, SideData):
        return Orientation()
    return Orientation.of_matrix(np.frombuffer(bytes(matrix), np.int32))


@dataclass(frozen=True, slots=True)
class _Packets:
    """The times of a stream's packets in file order, and what its headers say."""

    times_s: FloatArray
    durations_s: FloatArray
    is_key: NDArray[np.bool_]
    damaged: int
    hidden: int
    declared_s: float | None
    declared_frames: int | None
    mean_fps: float
    codec: str
    container: str

    @classmethod
    def read(cls, container: InputContainer, stream: VideoStream) -> _Packets:
        tick_s = float(stream.time_base or 0) or 1e-3
        rows: list[tuple[float, float, bool]] = []
        damaged = hidden = 0
        for packet in packets_of(container, stream):
            if packet.size == 0:
                continue
            damaged += packet.is_corrupt
            hidden += packet.is_discard
            if not packet.is_discard:
                stamp = packet.pts if packet.pts is not None else packet.dts
                rows.append(
                    (
                        math.nan if stamp is None else stamp * tick_s,
                        (packet.duration or 0) * tick_s,
                        packet.is_keyframe,
                    )
                )
        fps = float(stream.average_rate or stream.guessed_rate or 25)
        columns = np.array(rows, np.float64).reshape(-1, 3)
        times_s = _filled(columns[:, 0], fps)
        return cls(
            times_s=times_s,
            durations_s=columns[:, 1],
            is_key=columns[:, 2] > 0,
            damaged=damaged,
            hidden=hidden,
            declared_s=_declared_s(container, stream),
            declared_frames=stream.frames or None,
            mean_fps=fps,
            codec=stream.codec.canonical_name,
            container=container.format.name,
        )


def _index(path: Path, packets: _Packets) -> VideoIndex:
    sane = _sane(packets.times_s, packets.declared_s)
    order = np.flatnonzero(sane)[np.argsort(packets.times_s[sane], kind="stable")]
    starts_s = packets.times_s[order]
    origin_s = float(starts_s[0])
    starts_s = starts_s - origin_s
    end_s = float(starts_s[-1]) + _last_duration_s(
        starts_s, float(packets.durations_s[order[-1]]), packets.mean_fps
    )
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
            mean_fps=len(starts_s) / end_s,
            variable_rate=_varies(starts_s),
            container=packets.container,
            damaged_packets=packets.damaged + int((~sane).sum()),
        ),
        starts_s=starts_s,
        key_starts_s=starts_s[packets.is_key[order]],
        end_s=end_s,
        origin_s=origin_s,
        orientation=orientation,
        stored_width=width,
        stored_height=height,
        hidden_frames=packets.hidden,
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


def _declared_s(container: InputContainer, stream: VideoStream) -> float | None:
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    if container.duration and container.duration > 0:
        return container.duration / av.time_base
    return None


def _starts_like_a_video(path: Path) -> bool:
    with path.open("rb") as stream:
        head = stream.read(16)
    return any(head[offset : offset + len(mark)] == mark for offset, mark in _SIGNATURES)


def _plain(error: Exception) -> str:
    return getattr(error, "strerror", None) or type(error).__name__
