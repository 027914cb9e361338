"""Writing films: GIF with Pillow, MP4 with the program ffmpeg."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import IO, TypeAlias

import numpy as np
from PIL import Image

from regmdp._internal.arrays import Shaped
from regmdp._internal.errors import MissingProgramError

__all__ = ["Pixels", "require_ffmpeg", "write_gif", "write_mp4"]

#: A frame: rows of pixels, each red, green and blue.
Pixels: TypeAlias = Shaped[np.ndarray, "height width 3"]

#: Time for which the last frame stays, in seconds.
LAST_SECONDS = 1.0


def write_gif(
    file: IO[bytes],
    frames: Iterable[Pixels],
    frames_per_second: float,
    samples: Sequence[Pixels],
) -> None:
    """Write an endlessly repeated GIF.

    All frames have one palette, so that a colour that stays the same does not flicker.

    Args:
        file: Where to write.
        frames: The frames.
        frames_per_second: Speed; a GIF counts in hundredths of a second.
        samples: Some of the frames, from which the 256 colours are chosen.
    """
    palette = _Palette(samples)
    images = [palette.apply(frame) for frame in frames]
    each = 10 * round(100.0 / frames_per_second)
    durations = [each] * (len(images) - 1) + [max(each, round(1000 * LAST_SECONDS))]
    images[0].save(
        file, format="GIF", save_all=True, append_images=images[1:], duration=durations, loop=0
    )


def write_mp4(
    file: IO[bytes], frames: Iterable[Pixels], frames_per_second: float, program: str
) -> None:
    """Write an MP4 with H.264 that browsers and presentations play.

    Args:
        file: Where to write.
        frames: The frames.
        frames_per_second: Speed.
        program: The path of ffmpeg.

    Raises:
        MissingProgramError: if ffmpeg fails, as one without H.264 does.
    """
    frames = iter(frames)
    first = next(frames)
    held = _repeat_last(chain([first], frames), round(LAST_SECONDS * frames_per_second))
    with tempfile.TemporaryDirectory() as folder:
        target, messages = Path(folder) / "film.mp4", Path(folder) / "messages.txt"
        command = _write_command(program, first.shape, frames_per_second, target)
        with open(messages, "wb") as errors:
            code = _pipe_frames(command, held, errors)
        if code != 0 or not target.exists():
            lines = messages.read_text(errors="replace").strip().splitlines()
            raise MissingProgramError(
                f"{program} failed: {lines[-1] if lines else 'it says nothing'}; install one with "
                "libx264, or write a .gif"
            )
        with open(target, "rb") as film:
            shutil.copyfileobj(film, file)


def require_ffmpeg() -> str:
    """Return the path of ffmpeg.

    Raises:
        MissingProgramError: if it is not installed.
    """
    program = shutil.which("ffmpeg")
    if program is None:
        raise MissingProgramError(
            "an .mp4 needs the program ffmpeg, which is not installed or not on the PATH; install "
            "it, or write a .gif"
        )
    return program


def _write_command(
    program: str, shape: tuple[int, ...], frames_per_second: float, target: Path
) -> list[str]:
    """Return the command that reads raw frames and writes the film."""
    height, width, _ = shape
    return [
        program, "-loglevel", "error", "-y",
        "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}",
        "-r", f"{frames_per_second:g}", "-i", "-",
        # H.264 with colours at half resolution, which players expect, needs even sides
        "-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2:color=white",
        "-c:v", "libx264", "-crf", "20", "-pix_fmt", "yuv420p",
        "-threads", "1", "-fflags", "+bitexact", "-map_metadata", "-1",
        "-movflags", "+faststart", str(target),
    ]  # fmt: skip


class _Palette:
    """256 colours, and the nearest one of each colour that has occurred."""

    def __init__(self, samples: Sequence[Pixels]) -> None:
        chosen = Image.fromarray(np.concatenate(samples)).quantize(256).getpalette()
        self._colors = np.array(chosen, dtype=np.int64).reshape(-1, 3)
        self._nearest = np.full(1 << 24, -1, dtype=np.int16)

    def apply(self, frame: Pixels) -> Image.Image:
        """Return a frame in the nearest colours; Pillow's own search is approximate."""
        red, green, blue = np.moveaxis(frame.astype(np.int32), -1, 0)
        packed = (red << 16) | (green << 8) | blue
        new = np.unique(packed[self._nearest[packed] < 0])
        colors = np.stack((new >> 16, (new >> 8) & 255, new & 255), axis=1)
        distance = np.sum(self._colors**2, axis=1) - 2 * colors @ self._colors.T
        self._nearest[new] = np.argmin(distance, axis=1)
        image = Image.fromarray(self._nearest[packed].astype(np.uint8))
        image.putpalette(self._colors.astype(np.uint8).tobytes())
        return image


def _pipe_frames(command: list[str], frames: Iterable[Pixels], errors: IO[bytes]) -> int:
    """Run a program that reads frames, and return its exit code.

    It is stopped if the frames end with an exception.
    """
    encoder = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=errors)
    with suppress(BrokenPipeError), encoder:  # if the program ends early, its messages say why
        assert encoder.stdin is not None
        try:
            for frame in frames:
                encoder.stdin.write(np.ascontiguousarray(frame).tobytes())
        except BaseException:
            encoder.kill()
            raise
    return encoder.wait()


def _repeat_last(frames: Iterable[Pixels], times: int) -> Iterable[Pixels]:
    """Return the frames, the last one several times more."""
    frame = None
    for frame in frames:
        yield frame
    if frame is not None:
        for _ in range(times):
            yield frame
