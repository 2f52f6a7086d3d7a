"""The pipeline: seven tasks in a line, each fat, none fanned out.

On a cluster every task in sequence costs about 20 s before it does anything, and one process
already keeps a crawl or a compilation busy: a fan-out would cost more than it saves.
"""

from kfp import dsl
from kfp.dsl import Artifact

from coralline import components

NAME = "coralline-train"


@dsl.pipeline(name=NAME, description="From queries to a published, compiled edge model")
def train_pipeline(
    store: str,
    crawl: dict,
    curate: dict,
    crop: dict,
    train: dict,
    convert: dict,
    compile_model: dict,
    publish: dict,
) -> Artifact:
    """Crawl, curate, crop, train, convert, compile and publish.

    The arguments are the store's URI and each step's settings, as `Project.arguments` gives them.

    Returns:
        The folder with the model, the report page and the summary.
    """
    crawled = components.crawl(settings=crawl, store=store)
    crawled.set_caching_options(enable_caching=False)  # the web is not a function of settings
    curated = components.curate(settings=curate, store=store, images=crawled.outputs["images"])
    cropped = components.crop(settings=crop, store=store, curated=curated.outputs["curated"])
    trained = components.train(settings=train, store=store, crops=cropped.outputs["crops"])
    converted = components.convert(
        settings=convert,
        store=store,
        crops=cropped.outputs["crops"],
        model=trained.outputs["model"],
    )
    compiled = components.compile_model(
        settings=compile_model, store=store, converted=converted.outputs["converted"]
    )
    published = components.publish(
        settings=publish,
        store=store,
        curated=curated.outputs["curated"],
        crops=cropped.outputs["crops"],
        model=trained.outputs["model"],
        converted=converted.outputs["converted"],
        compiled=compiled.outputs["compiled"],
        crawl_report=crawled.outputs["report"],
        curate_report=curated.outputs["report"],
        crop_report=cropped.outputs["report"],
        train_report=trained.outputs["report"],
        convert_report=converted.outputs["report"],
        compile_report=compiled.outputs["report"],
    )
    # The champion may have changed since: the decision is made anew each time.
    published.set_caching_options(enable_caching=False)
    return published.outputs["published"]
