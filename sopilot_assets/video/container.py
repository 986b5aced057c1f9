"""Opening a video file and choosing the pictures in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final, TypeVar, cast

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from sopilot_assets.errors import NotAVideo, NoVideoStream, TruncatedVideo, UnreadableVideo

AnyStream = TypeVar("AnyStream", bound=Stream)

DEMUXERS: Final = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,asf,ogg,gif,mxf,mxf_opatom,"
    "dv,wtv,h264,hevc,av1,obu,ivf,m4v,nut,yuv4mpegpipe,mjpeg,apng"
)
"""The formats that may be opened. Playlists (HLS, DASH, concat) are left out: they would make the reader open
other files.
"""

OPEN_OPTIONS: Final = {"format_whitelist": DEMUXERS, "protocol_whitelist": "file"}
"""How every container is opened."""

SLOWEST_HZ: Final = 1.0
"""A track with fewer pictures a second is a row of stills, where there is another."""

_NOT_MOVING: Final = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image

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
    """The stream of moving pictures that a player shows; raises ``NoVideoStream``.

    Cover pictures, thumbnails and tracks of stills are none. Of several the one marked as default counts,
    then the larger picture, then the first.
    """
    pictures = [stream for stream in container.streams.video if not stream.disposition & _NOT_MOVING]
    known = [stream for stream in pictures if getattr(stream, "codec_context", None) is not None]
    if known:
        chosen = known[0] if len(known) == 1 else max(_moving(known, path), key=_standing)
        chosen.thread_count = 1
        return chosen
    if pictures:
        raise UnreadableVideo(
            f"{path}: its pictures are stored in a way that no decoder here knows; save it as H.264 in "
            "an MP4 file."
        )
    if not container.streams:
        raise TruncatedVideo(f"{path}: holds only the first bytes of a video; copy or record it again.")
    kinds = sorted({str(stream.type) for stream in container.streams})
    raise NoVideoStream(
        f"{path}: expected moving pictures, found only {', '.join(kinds)}; film again with the camera on."
    )


def _moving(streams: list[VideoStream], path: Path) -> list[VideoStream]:
    """Those of several tracks that show more than a row of stills, by counting; all where none does."""
    times_s: dict[int, list[float]] = {stream.index: [] for stream in streams}
    with open_video(path) as container:
        for packet in packets_of(container, *(container.streams[index] for index in times_s)):
            stamp = packet.pts if packet.pts is not None else packet.dts
            if stamp is not None and packet.time_base is not None:
                times_s[packet.stream_index].append(float(stamp * packet.time_base))
    longest_s = max((max(some) - min(some) for some in times_s.values() if some), default=0.0)
    return [stream for stream in streams if len(times_s[stream.index]) > SLOWEST_HZ * longest_s] or streams


def _standing(stream: VideoStream) -> tuple[bool, int]:
    context = stream.codec_context
    return bool(stream.disposition & Disposition.default), context.width * context.height


def packets_of(container: InputContainer, *streams: AnyStream) -> Iterator[Packet[AnyStream]]:
    """The packets of some streams, up to where the container cannot be read any further: damage ends the
    iteration instead of raising.
    """
    packets = cast("Iterator[Packet[AnyStream]]", container.demux(*streams))
    while True:
        try:
            yield next(packets)
        except MemoryError:
            raise
        except (StopIteration, av.error.FFmpegError):
            return


def _starts_like_a_video(path: Path) -> bool:
    with path.open("rb") as stream:
        head = stream.read(16)
    return any(head[offset : offset + len(mark)] == mark for offset, mark in _SIGNATURES)


def _plain(error: Exception) -> str:
    return getattr(error, "strerror", None) or type(error).__name__
