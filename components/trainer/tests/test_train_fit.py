import numpy as np
import pytest
from coralline_core.progress import Progress
from coralline_trainer.batches import batches, count
from coralline_trainer.fit import Data, fit
from coralline_trainer.networks import build
from coralline_trainer.settings import TrainSettings


def _labels(found):
    return np.concatenate([labels.numpy() for _, labels in found])


def test_batches_hold_every_crop_once(crops, store):
    found = list(batches(crops, store, "train", 32, batch=10))
    assert sum(len(labels) for _, labels in found) == count(crops, "train") == 48
    assert found[0][0].dtype == np.uint8
    assert found[0][0].shape == (10, 32, 32, 3)
    assert np.bincount(_labels(found)).tolist() == [24, 24]


def test_pixels_are_rgb(make_crops, store):
    for pixels, labels in batches(make_crops(), store, "test", 32, batch=16):
        middle = pixels.numpy()[:, 16, 16].astype(int)
        for (red, _, blue), label in zip(middle, labels.numpy(), strict=True):
            assert (red > blue) == (label == 1)  # b, r


def test_several_shards_are_read_interleaved(make_crops, store):
    dataset = make_crops(shard_bytes=1)
    assert len(dataset.shards) > 3
    assert len(_labels(batches(dataset, store, "train", 32, batch=7))) == 48


def test_the_order_is_the_seeds(crops, store):
    first, again, other = (
        _labels(batches(crops, store, "train", 32, 48, seed=seed)).tolist() for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_each_epoch_has_another_order(crops, store):
    data = batches(crops, store, "train", 32, 48, seed=1)
    assert _labels(data).tolist() != _labels(data).tolist()


def test_what_does_not_fit_in_memory_is_read_anew_in_every_epoch(make_crops, store, monkeypatch):
    monkeypatch.setattr("coralline_trainer.batches._MEMORY", 1)
    dataset = make_crops(shard_bytes=1)
    data, again = (batches(dataset, store, "train", 32, 8, seed=1) for _ in range(2))
    epochs = [_labels(data).tolist() for _ in range(2)]
    assert [sum(labels) for labels in epochs] == [24, 24]
    assert [len(labels) for labels in epochs] == [48, 48]
    assert epochs[0] != epochs[1]
    assert epochs == [_labels(again).tolist() for _ in range(2)]


def test_rare_labels_count_more(make_crops, store):
    crops = make_crops()
    uneven = crops.model_copy(update={"counts": {"b": {"train": 12}, "r": {"train": 36}}})
    data = Data.of(TrainSettings(), uneven, store)
    assert data.class_weights == pytest.approx({0: 2.0, 1: 2 / 3})
    even = Data.of(TrainSettings(class_weights=False), uneven, store)
    assert even.class_weights == {0: 1.0, 1: 1.0}


def test_a_pretrained_network_learns_head_first(make_crops, store, tmp_path):
    settings = TrainSettings.model_validate(
        {"model": {"size": 32}, "head_epochs": 4, "epochs": 1, "head_learning_rate": 1e-2}
    )
    crops = make_crops(shares={"train": 8, "validation": 4, "test": 4})
    network = build(settings.model, 2)
    stem = network.get_layer("Conv1").get_weights()[0].copy()
    norm = network.get_layer("bn_Conv1").get_weights()[2].copy()
    said = []
    history = fit(
        settings, network, Data.of(settings, crops, store), tmp_path, Progress("", said.append)
    )
    assert [e.phase for e in history] == ["head"] * 4 + ["all"]
    assert history[3].loss < history[0].loss
    assert np.array_equal(norm, network.get_layer("bn_Conv1").get_weights()[2])
    best = min(history, key=lambda e: e.val_loss)
    moved = not np.array_equal(stem, network.get_layer("Conv1").get_weights()[0])
    assert moved == (best.phase == "all")
    assert said[-1].done == said[-1].total == 5
    assert all(layer.trainable for layer in network.layers)
