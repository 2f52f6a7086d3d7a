"""The whole pipeline, twice, with its store in a bucket."""

import pytest
from coralline_core.store import open_store


@pytest.mark.parametrize("kind", ["gs", "s3"])
def test_two_runs_on_a_bucket(workplace, quick, asked, kind, request):
    address = request.getfixturevalue(f"{kind}_address")
    place = workplace({**quick, "store": address})
    done = place.run()
    assert done.returncode == 0, done.stderr
    first, photos = place.summary, asked()
    assert first["images"]["kept"] == 400

    done = place.run()
    assert done.returncode == 0, done.stderr
    second = place.summary
    assert asked() == photos
    assert second["dataset"] == first["dataset"]
    assert second["images"] == {**first["images"], "fetched": 0}
    store = open_store(address)
    assert store.get(f"datasets/{first['dataset']}.json") is not None
    assert store.get(f"models/{second['version']}/SHA256SUMS") is not None
    assert not place.store.exists()
