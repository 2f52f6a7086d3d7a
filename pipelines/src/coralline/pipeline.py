"""The pipeline: seven tasks in a line, each fat, none fanned out.

On a cluster every task in sequence costs about 20 s before it does anything, and one process
already keeps a crawl or a compilation busy: a fan-out would cost more than it saves.

Kubeflow's cache spares the tasks from the training to the compilation where neither the crops nor
the settings have changed. What comes before depends on more than its inputs: on the web, and on
what people have said of images since, which lies in the store. It looks anew each time, and costs
little where nothing is new.
"""

from collections.abc import Callable, Mapping

from kfp import dsl
from kfp.dsl import Artifact, PipelineTask, base_component

from coralline import components
from coralline.cluster.settings import StepName


def train_pipeline(
    name: str,
    images: Mapping[str, str],
    place: Callable[[StepName, PipelineTask], object] = lambda _, __: None,
) -> base_component.BaseComponent:
    """The pipeline over given images.

    Args:
        name: What Kubeflow lists it as.
        images: The reference of each step's image, by the step's name.
        place: Told each step's task, to say what its pod gets.
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
        curated = steps.curate(settings=curate, store=store, images=crawled.outputs["images"])
        cropped = steps.crop(settings=crop, store=store, curated=curated.outputs["curated"])
        crops = cropped.outputs["Output"]  # the dataset's id: the cache cannot tell by an artifact
        trained = steps.train(settings=train, store=store, crops=crops)
        converted = steps.convert(
            settings=convert,
            store=store,
            crops=crops,
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
        # As the champion may have changed since, the decision is made anew, too.
        for task in (crawled, curated, cropped, published):
            task.set_caching_options(enable_caching=False)
        place("crawl", crawled)
        place("curate", curated)
        place("crop", cropped)
        place("train", trained)
        place("convert", converted)
        place("compile", compiled)
        place("publish", published)
        return published.outputs["published"]

    return pipeline
