"""The graph of a run, as the API of Kubeflow Pipelines lists its nodes.

Argo has a node for everything that may be tried again, and one for each try, `crawl` and
`crawl(0)`: of a step's driver, which looks for a cached result, of the step, and in it of the
executor, whose tries are the step's pods.
"""

import uuid
from datetime import timedelta

NEVER = "1970-01-01T00:00:00Z"
_OVER = {"done": "SUCCEEDED", "cached": "SUCCEEDED", "retried": "SUCCEEDED", "failed": "FAILED"}

_DRIVERS = {"starting": "RUNNING", "not prepared": "FAILED"}


def graph(at, **steps):
    """The nodes of a run whose steps are in these states, in the order in which they run.

    A state is `done`, `cached`, `failed`, `retried`, `waiting`, `running`, `starting`,
    `not prepared` or `left out`.
    """
    tasks = [*_tries("coralline", "RUNNING", at), *_tries("root-driver", "SUCCEEDED", at, at)]
    for step, state in steps.items():
        name = "compile-model" if step == "compile" else step
        if state == "left out":
            tasks += [_task(one, None, at, at) for one in (f"{name}-driver", name)]
            continue
        begun, ready, ended = (at + timedelta(seconds=s) for s in (5, 12, 40))
        if state in _DRIVERS:
            tasks += _tries(f"{name}-driver", _DRIVERS[state], begun, child=driver(step))
            continue
        tasks += _tries(f"{name}-driver", "SUCCEEDED", begun, ready)
        over = _OVER.get(state)
        until = ended if over else None
        tasks += _tries(name, over or "RUNNING", ready, until)
        match state:
            case "cached":
                tasks.append(_task("executor", "SKIPPED", ready, ready))
            case "retried":
                tasks.append(_task("executor", over, ready, until, (node(step), node(step, 1))))
                tasks.append(_task("executor(0)", "FAILED", ready, ready))
                tasks.append(_task("executor(1)", over, ready, until))
            case _:
                inner = over or {"waiting": "PENDING", "running": "RUNNING"}[state]
                tasks.append(_task("executor", over or "RUNNING", ready, until, (node(step),)))
                tasks.append(_task("executor(0)", inner, ready, until))
        at = ended
    return tasks[::-1]  # the real one has them in no order


def driver(step):
    """What the node of a step's driver is called."""
    return f"coralline-abcde-{step}-driver"


def node(step, attempt=0):
    """What the node of a step's pod is called."""
    return f"coralline-abcde-{step}-{attempt}"


def pod(run, step, status, number=0, name="pod"):
    """The pod of a step's try, as the cluster has it."""
    return {
        "metadata": {
            "name": name,
            "creationTimestamp": f"2026-11-25T03:00:0{number}Z",
            "labels": {"pipeline/runid": run},
            "annotations": {
                "workflows.argoproj.io/node-name": f"x(0).root(0).{step}(0).executor({number})"
            },
        },
        "spec": {
            "containers": [
                {"name": "wait"},  # Argo's own
                {"name": "main", "resources": {"limits": {"memory": "8Gi"}}},
            ]
        },
        "status": status,
    }


def stamp(time):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def _tries(name, state, start, end=None, child="coralline-abcde-1"):
    return [_task(name, state, start, end, (child,)), _task(f"{name}(0)", state, start, end)]


def _task(name, state, start, end=None, children=()):
    return {
        "run_id": str(uuid.uuid4()),
        "task_id": str(uuid.uuid4()),
        "display_name": name,
        "create_time": stamp(start),
        "start_time": stamp(start),
        "end_time": stamp(end) if end else NEVER,
        **({"state": state} if state else {}),
        **({"child_tasks": [{"pod_name": child} for child in children]} if children else {}),
    }
