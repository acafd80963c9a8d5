"""A drawing is told from a photo by its plain background: on what comes with qdash, and on what cameras, scanners and noise make."""

import io

import numpy as np
import pytest
from PIL import Image, ImageFilter

from qdash.inputs.drawings import is_drawing
from qdash.tasks import bundled_items
from qdash.ui.controls.samples import samples

RNG = np.random.default_rng(7)


def png_of(values: np.ndarray | Image.Image) -> bytes:
    picture = values if isinstance(values, Image.Image) else Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def roughened(png: bytes, way: str) -> bytes:
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    if way == "blurred":
        return png_of(picture.filter(ImageFilter.GaussianBlur(1.2)))
    if way == "noisy":
        return png_of(np.asarray(picture) + RNG.normal(0, 6, np.asarray(picture).shape))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=40)
    return png_of(Image.open(buffer).convert("RGB"))


def photo(falloff: float, height: int = 240, width: int = 320) -> np.ndarray:
    """Noise whose power falls with frequency as that of natural pictures does, by a power from 1.5 to 3."""
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None])
    frequency[0, 0] = 1
    spectra = RNG.normal(size=(3, height, width)) + 1j * RNG.normal(size=(3, height, width))
    layers = np.fft.ifft2(spectra / frequency ** (falloff / 2)).real
    layers /= layers.std(axis=(1, 2), keepdims=True)
    return 128 + 40 * (0.8 * layers[0] + 0.4 * layers).transpose(1, 2, 0)


def test_samples_and_questions_are_drawings() -> None:
    assert all(is_drawing(sample.path.read_bytes()) for sample in samples())
    assert all(is_drawing(item.png) for item in bundled_items("drawings") or () if item.png)


@pytest.mark.parametrize("way", ["blurred", "noisy", "coded"])
def test_drawings_that_went_through_a_camera_or_a_web_page_still_are(way: str) -> None:
    drawings = [item.png for item in (bundled_items("drawings") or ())[::4] if item.png]
    assert all(is_drawing(roughened(png, way)) for png in drawings)


def test_photos_noise_textures_and_gradients_are_not() -> None:
    assert not any(is_drawing(png_of(photo(falloff))) for falloff in np.linspace(1.5, 3, 20))
    assert not is_drawing(png_of(RNG.integers(0, 256, (200, 200, 3))))
    ramp = np.broadcast_to(np.linspace(0, 255, 300)[None, :, None], (200, 300, 3))
    assert not is_drawing(png_of(ramp))
    on_white = np.full((240, 240, 3), 255.0)
    on_white[40:200, 40:200] = photo(2.2, 160, 160)
    assert not is_drawing(png_of(on_white))
