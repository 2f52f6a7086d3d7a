"""The steps as KFP components: thin wrappers that import their step when they run.

The bodies are shipped as source text and executed elsewhere, in a process or a container that
holds the one step, so each imports what it needs inside.
"""

from collections.abc import Callable, Mapping
from types import SimpleNamespace

from kfp import dsl
from kfp.dsl import HTML, Artifact, Dataset, Input, Model, Output


def wrapped(images: Mapping[str, str]) -> SimpleNamespace:
    """The steps as KFP components, by name, each with its image of `images`."""
    steps: list[Callable[..., object]] = [
        crawl,
        curate,
        crop,
        train,
        convert,
        compile_model,
        publish,
    ]
    return SimpleNamespace(
        **{
            step.__name__: dsl.component(
                step,
                base_image=images[step.__name__.partition("_")[0]],
                install_kfp_package=False,
            )
            for step in steps
        }
    )


def crawl(settings: dict, store: str, images: Output[Dataset], report: Output[Artifact]) -> None:
    """Queries to images."""
    from coralline_crawler.step import execute

    execute(settings, store, images=images.path, report=report.path)


def curate(
    settings: dict,
    store: str,
    images: Input[Dataset],
    curated: Output[Dataset],
    report: Output[Artifact],
) -> None:
    """Images to a clean, grouped and split dataset."""
    from coralline_curator.step import execute

    execute(settings, store, images=images.path, curated=curated.path, report=report.path)


def crop(
    settings: dict,
    store: str,
    curated: Input[Dataset],
    crops: Output[Dataset],
    report: Output[Artifact],
) -> str:
    """Images to crops of what is to be classified; returns the id of their dataset."""
    from pathlib import Path

    from coralline_core.dataset import Dataset as Manifest
    from coralline_cropper.step import execute

    execute(settings, store, curated=curated.path, crops=crops.path, report=report.path)
    return Manifest.read(Path(crops.path)).id


def train(
    settings: dict,
    store: str,
    crops: str,
    model: Output[Model],
    report: Output[Artifact],
) -> None:
    """Crops to a Keras classifier."""
    from coralline_core.handover import dataset_file
    from coralline_trainer.step import execute

    execute(
        settings,
        store,
        crops=dataset_file(store, crops),
        model=model.path,
        report=report.path,
    )


def convert(
    settings: dict,
    store: str,
    crops: str,
    model: Input[Model],
    converted: Output[Model],
    report: Output[Artifact],
) -> None:
    """A Keras classifier to int8 LiteRT, measured and explained."""
    from coralline_converter.step import execute
    from coralline_core.handover import dataset_file

    execute(
        settings,
        store,
        crops=dataset_file(store, crops),
        model=model.path,
        converted=converted.path,
        report=report.path,
    )


def compile_model(
    settings: dict,
    store: str,
    converted: Input[Model],
    compiled: Output[Model],
    report: Output[Artifact],
) -> None:
    """A LiteRT model to accelerator binaries."""
    from coralline_edgetpu_compiler.step import execute

    execute(settings, store, converted=converted.path, compiled=compiled.path, report=report.path)


def publish(
    settings: dict,
    store: str,
    curated: Input[Dataset],
    crops: Input[Dataset],
    model: Input[Model],
    converted: Input[Model],
    compiled: Input[Model],
    crawl_report: Input[Artifact],
    curate_report: Input[Artifact],
    crop_report: Input[Artifact],
    train_report: Input[Artifact],
    convert_report: Input[Artifact],
    compile_report: Input[Artifact],
    published: Output[Artifact],
    page: Output[HTML],
    report: Output[Artifact],
) -> None:
    """Champion against challenger, the model card and the report page, which Kubeflow shows."""
    import json
    import shutil
    from pathlib import Path

    from coralline_publisher.step import execute

    execute(
        settings,
        store,
        curated=curated.path,
        crops=crops.path,
        model=model.path,
        converted=converted.path,
        compiled=compiled.path,
        crawl_report=crawl_report.path,
        curate_report=curate_report.path,
        crop_report=crop_report.path,
        train_report=train_report.path,
        convert_report=convert_report.path,
        compile_report=compile_report.path,
        published=published.path,
        report=report.path,
    )
    shutil.copyfile(f"{published.path}/report.html", page.path)
    # The log is there for all who may see the run; artifacts lie where that takes credentials.
    summary = json.loads(Path(published.path, "summary.json").read_bytes())
    print(f"publish  summary: {json.dumps(summary)}", flush=True)
