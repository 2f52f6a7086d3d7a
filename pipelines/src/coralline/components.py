"""The steps as KFP components: thin wrappers that import their step when they run.

The bodies are shipped as source text and executed elsewhere, in a process or a container that
holds the one step, so each imports what it needs inside.
"""

import os

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Model, Output

REGISTRY = os.environ.get("CORALLINE_REGISTRY", "coralline")
TAG = os.environ.get("CORALLINE_TAG", "latest")


def _image(step: str) -> str:
    return f"{REGISTRY}/{step}:{TAG}"


@dsl.component(base_image=_image("crawler"), install_kfp_package=False)
def crawl(settings: dict, store: str, images: Output[Dataset], report: Output[Artifact]) -> None:
    """Queries to images."""
    from coralline_crawler.step import execute

    execute(settings, store, images=images.path, report=report.path)


@dsl.component(base_image=_image("curator"), install_kfp_package=False)
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


@dsl.component(base_image=_image("cropper"), install_kfp_package=False)
def crop(
    settings: dict,
    store: str,
    curated: Input[Dataset],
    crops: Output[Dataset],
    report: Output[Artifact],
) -> None:
    """Images to crops of what is to be classified."""
    from coralline_cropper.step import execute

    execute(settings, store, curated=curated.path, crops=crops.path, report=report.path)


@dsl.component(base_image=_image("trainer"), install_kfp_package=False)
def train(
    settings: dict,
    store: str,
    crops: Input[Dataset],
    model: Output[Model],
    report: Output[Artifact],
) -> None:
    """Crops to a Keras classifier."""
    from coralline_trainer.step import execute

    execute(settings, store, crops=crops.path, model=model.path, report=report.path)


@dsl.component(base_image=_image("converter"), install_kfp_package=False)
def convert(
    settings: dict,
    store: str,
    crops: Input[Dataset],
    model: Input[Model],
    converted: Output[Model],
    report: Output[Artifact],
) -> None:
    """A Keras classifier to int8 LiteRT, measured and explained."""
    from coralline_converter.step import execute

    execute(
        settings,
        store,
        crops=crops.path,
        model=model.path,
        converted=converted.path,
        report=report.path,
    )


@dsl.component(base_image=_image("edgetpu-compiler"), install_kfp_package=False)
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


@dsl.component(base_image=_image("publisher"), install_kfp_package=False)
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
    report: Output[Artifact],
) -> None:
    """Champion against challenger, the model card and the report page."""
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
