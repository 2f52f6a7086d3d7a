"""Which artifact goes from which step to which, where no pipeline's runner brings them.

The pipeline says it once; this reads it from there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from coralline.images import COMPONENTS
from coralline.project import STEPS

if TYPE_CHECKING:
    from collections.abc import Mapping


_PAGE = "system.HTML"


class Wires(NamedTuple):
    """A step's artifacts as `step/artifact`, by the names that the step has for them."""

    inputs: Mapping[str, str]
    outputs: Mapping[str, str]


def wiring() -> dict[str, Wires]:
    """The wires of every step, in the order of the steps."""
    from coralline.pipeline import train_pipeline  # kfp takes a second

    pipeline = train_pipeline("coralline", COMPONENTS).pipeline_spec
    wires = {}
    for name, task in pipeline.root.dag.tasks.items():
        inputs = {}
        for given, source in task.inputs.artifacts.items():
            output = source.task_output_artifact
            inputs[given] = f"{_step(output.producer_task)}/{output.output_artifact_key}"
        for given, source in task.inputs.parameters.items():
            # A dataset goes by its id, for the cache's sake; its manifest has the same name.
            if source.HasField("task_output_parameter"):
                inputs[given] = f"{_step(source.task_output_parameter.producer_task)}/{given}"
        made = pipeline.components[task.component_ref.name].output_definitions.artifacts
        # A page is for Kubeflow to show: its component makes it, and not the step.
        outputs = [name for name, one in made.items() if one.artifact_type.schema_title != _PAGE]
        wires[_step(name)] = Wires(
            inputs=dict(sorted(inputs.items())),
            outputs={artifact: f"{_step(name)}/{artifact}" for artifact in sorted(outputs)},
        )
    return {step: wires[step] for step in STEPS}


def _step(task: str) -> str:
    """The step of a task: `compile`, since `compile-model` is the component's name."""
    return task.partition("-")[0]
