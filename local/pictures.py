"""Real files to try things with: pictures of any size and a short film."""

import io
from pathlib import Path
from typing import Final

from PIL import Image

CLIP: Final = Path(__file__).resolve().parent / "clip.mp4"


def picture(kind: str, width: int = 64, height: int = 48, *, seed: int = 0) -> bytes:
    """A picture with noise on it as a camera's has; ``kind`` is Pillow's name of a format.

    Another seed gives other bytes.
    """
    horizontal = Image.linear_gradient("L").rotate(90 + seed).resize((width, height))
    vertical = Image.linear_gradient("L").resize((width, height))
    noise = Image.effect_noise((width, height), 40 + seed)
    image = Image.merge("RGB", [horizontal, Image.blend(vertical, noise, 0.5), noise])
    data = io.BytesIO()
    image.save(data, kind, exif=_camera()) if kind == "JPEG" else image.save(data, kind)
    return data.getvalue()


def photograph(*, seed: int = 0) -> bytes:
    """A JPEG of a camera's size: 12 megapixels, a few MB, with EXIF."""
    return picture("JPEG", 4032, 3024, seed=seed)


def _camera() -> bytes:
    exif = Image.Exif()
    exif[0x010F] = "Sign S3"
    exif[0x0110] = "Gradient 12"
    exif[0x0112] = 1
    return exif.tobytes()
