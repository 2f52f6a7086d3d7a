"""Projects without a crawl or without faces: a folder of pictures, whole or by drawn boxes."""

import io
import json

import cv2
import numpy as np
import pytest
from PIL import Image

COUNT = 24  # pictures a label


def picture(label, number):
    """Something red (`warm`) or blue (`cold`), on noise, as RGB (120, 160, 3)."""
    random = np.random.default_rng([number, label == "warm"])
    pixels = random.integers(0, 256, (120, 160, 3), np.uint8)
    pixels[20:100, 30:130, 0 if label == "warm" else 2] = 255
    pixels[20:100, 30:130, 2 if label == "warm" else 0] //= 4
    return pixels


def encoded(pixels, kind="PNG", **options):
    buffer = io.BytesIO()
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def odd_files(label):
    """Pictures in forms that are rare, and are pictures all the same."""
    image = Image.fromarray(picture(label, 100))
    turned = Image.Exif()
    turned[0x0112] = 6
    other = Image.fromarray(picture(label, 101))
    deep = cv2.cvtColor(picture(label, 102), cv2.COLOR_RGB2BGR).astype(np.uint16) * 257
    return {
        "cmyk.jpg": encoded(image.convert("CMYK"), "JPEG"),
        "animated.gif": encoded(other, "GIF", save_all=True, append_images=[image]),
        "16-bit.png": cv2.imencode(".png", deep)[1].tobytes(),
        "turned.jpg": encoded(picture(label, 103), "JPEG", exif=turned),
    }


@pytest.fixture
def pictures(workplace):
    """Makes a workplace with a folder of pictures and a quick project over it."""

    def make(**sections):
        place = workplace(
            {
                "name": "temperature",
                "labels": {label: {"queries": [label]} for label in ("warm", "cold")},
                "crawl": {"sources": [{"type": "directory", "path": "pictures"}]},
                "train": {"model": {"name": "small_mobilenet", "size": 32}, "epochs": 2},
                "convert": {"min_agreement": 0, "max_accuracy_drop": 1},
                "compile": {"targets": ["tflite-micro"]},
                "publish": {"min_accuracy": 0},
                **sections,
            }
        )
        for label in ("warm", "cold"):
            folder = place.folder / "pictures" / label
            folder.mkdir(parents=True)
            for number in range(COUNT):
                (folder / f"{label}-{number:02}.png").write_bytes(encoded(picture(label, number)))
        return place

    return make


def test_whole_pictures_of_every_form_make_a_model(pictures):
    place = pictures(crop={"mode": "whole"})
    for label in ("warm", "cold"):
        for name, data in odd_files(label).items():
            (place.folder / "pictures" / label / name).write_bytes(data)
    done = place.run()
    assert done.returncode == 0, done.stderr
    every = 2 * (COUNT + 4)
    assert place.summary["images"] == {
        "crawled": every,
        "fetched": every,
        "kept": every,
        "rejected": {},
    }
    (micro,) = place.summary["targets"]
    assert (micro["name"], micro["compiled"]) == ("tflite-micro", True)
    photo = "pictures/warm/turned.jpg"
    predicted = place.command("predict", "runs/latest/model", photo, "--json")
    (found,) = json.loads(predicted.stdout)
    assert found["box"] == [0, 0, 120, 160]  # as it is seen
    assert sum(found["probabilities"].values()) == pytest.approx(1, abs=0.01)


def test_drawn_boxes_make_a_model_and_a_failed_gate_keeps_it_back(pictures):
    place = pictures(crop={"mode": "boxes", "boxes": "boxes.csv"}, publish={"min_accuracy": 1.0})
    lines = [
        f"{label}-{number:02}.png,{left},20,{left + 48},68"
        for label in ("warm", "cold")
        for number in range(COUNT - 2)
        for left in (30, 80)
    ]
    (place.folder / "boxes.csv").write_text("\n".join(["image,x1,y1,x2,y2", *lines]) + "\n")
    done = place.run()
    # Two epochs of a network that begins from nothing: it is not perfect.
    assert done.returncode == 3, done.stderr
    (said,) = done.stderr.splitlines()
    assert said.startswith("runs/")
    assert "(floor: 100.0%)" in said
    summary = place.summary
    assert summary["published"] is False
    assert summary["version"] is None
    assert not (place.store / "champion.json").exists()
    assert summary["images"]["kept"] == 2 * (COUNT - 2)
    assert summary["images"]["rejected"] == {"no-box": 4}
    assert "Not published" in (place.latest / "report.html").read_text()
