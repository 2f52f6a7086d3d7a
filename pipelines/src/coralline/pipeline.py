"""The pipeline: seven tasks in a line, each fat, none fanned out.

On a cluster every task in sequence costs about 20 s before it does anything, and one process
already keeps a crawl or a compilation busy: a fan-out would cost more than it saves.
"""

from collections.abc import Mapping

from kfp import dsl
from kfp.dsl import Artifact, base_component

from coralline import components


def train_pipeline(name: str, images: Mapping[str, str]) -> base_component.BaseComponent:
    """The pipeline over given images.

    Args:
        name: What Kubeflow lists it as.
        images: The reference of each step's image, by the step's name.
    """
    steps = components.wrapped(images)

    @dsl.pipeline(name=name, description="From queries to a published, compiled edge model")
    def pipeline(
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

        The arguments are the store's URI and each step's settings, as `Project.arguments` gives
        them.

        Returns:
            The folder with the model, the report page and the summary.
        """
        crawled = steps.crawl(settings=crawl, store=store)
        crawled.set_caching_options(enable_caching=False)  # the web is not a function of settings
        curated = steps.curate(settings=curate, store=store, images=crawled.outputs["images"])
        cropped = steps.crop(settings=crop, store=store, curated=curated.outputs["curated"])
        trained = steps.train(settings=train, store=store, crops=cropped.outputs["crops"])
        converted = steps.convert(
            settings=convert,
            store=store,
            crops=cropped.outputs["crops"],
            model=trained.outputs["model"],
        )
        compiled = steps.compile_model(
            settings=compile_model, store=store, converted=converted.outputs["converted"]
        )
        published = steps.publish(
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

    return pipeline
