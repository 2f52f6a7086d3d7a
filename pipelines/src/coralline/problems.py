"""What is wrong with a project file, in words that need no Python."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, get_args

from coralline_core.errors import CorallineError
from pydantic import BaseModel, ConfigDict, ValidationError

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from coralline.yaml_source import Key, YamlSource

# By pydantic's type of an error; in braces what it knows of it.
_MUST = {
    "bool_parsing": "be true or false",
    "bool_type": "be true or false",
    "dict_type": "be a mapping",
    "float_parsing": "be a number",
    "float_type": "be a number",
    "greater_than": "be more than {gt}",
    "greater_than_equal": "be {ge} or more",
    "int_parsing": "be a whole number",
    "int_type": "be a whole number",
    "less_than": "be less than {lt}",
    "less_than_equal": "be {le} or less",
    "literal_error": "be {expected}",
    "model_attributes_type": "be a name, or a mapping",
    "model_type": "be a mapping",
    "multiple_of": "be a multiple of {multiple_of}",
    "path_type": "be a path",
    "string_pattern_mismatch": "fit `{pattern}`",
    "string_too_long": "have {max_length} characters or fewer",
    "string_too_short": "hold something",
    "string_type": "be text",
    "too_short": "hold {min_length} or more",
    "tuple_type": "be a list",
}
_DESCRIBED = {"dict_type", "missing", "string_pattern_mismatch", "too_short"}


class Problem(BaseModel):
    """One thing that is wrong with a project file."""

    model_config = ConfigDict(frozen=True)

    where: str
    """The file, and the line and the key where there is one."""
    what: str
    fix: str | None = None

    def __str__(self) -> str:
        return str(CorallineError(self.what, where=self.where, fix=self.fix))


def problems_in(
    source: YamlSource, error: ValidationError | None, model: type[BaseModel]
) -> list[Problem]:
    """Every problem of a file that was read, from its first line to its last.

    Args:
        source: The file.
        error: What validation said of its content.
        model: What the content was validated as.
    """
    found = [
        (key, Problem(where=source.where(key), what="stands here twice", fix="Keep one."))
        for key in source.repeated
    ]
    errors: list[dict[str, Any]] = [dict(one) for one in error.errors()] if error else []
    misspelt: set[Key] = set()
    for one in sorted(errors, key=lambda one: one["type"] != "extra_forbidden"):
        keys_of, field = _at(model, one["loc"])
        key = source.known(tuple(part for part in one["loc"] if part != "[key]"))
        if one["type"] == "extra_forbidden":
            close = difflib.get_close_matches(str(key[-1]), keys_of, 1)
            misspelt.update((*key[:-1], name) for name in close)
            fix = f"Did you mean `{close[0]}`?" if close else f"There are: {', '.join(keys_of)}."
            found.append((key, Problem(where=source.where(key), what="unknown key", fix=fix)))
        elif not (_follows(one) or (one["type"] == "missing" and key in misspelt)):
            problem = Problem(where=source.where(key), what=_what(one), fix=_fix(one, field))
            found.append((key, problem))
    return [problem for _, problem in sorted(found, key=lambda pair: source.line(pair[0]))]


def models_in(annotation: object) -> list[type[BaseModel]]:
    """The settings models in a type: itself, or those of its union, tuple or dict."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in models_in(part)]


def _follows(error: dict[str, Any]) -> bool:
    """A list that is too short only since an item of it, which is named too, is wrong."""
    if error["type"] != "too_short":
        return False
    least: int = error["ctx"]["min_length"]
    return len(error["input"]) >= least


def _what(error: dict[str, Any]) -> str:
    kind, value = error["type"], error["input"]
    if kind == "missing":
        return "is missing"
    if kind not in _MUST:
        return str(error["msg"]).removeprefix("Value error, ").removesuffix(".")
    limits = {
        name: int(limit) if isinstance(limit, float) and limit.is_integer() else limit
        for name, limit in error.get("ctx", {}).items()
    }
    must = _MUST[kind].format(**limits)
    return f"{_is(value, kind)}, and must {must}"


def _is(value: object, kind: str) -> str:
    if value is None or value in ("", [], {}):
        return "is empty"
    if kind == "too_short" and isinstance(value, (list, dict)):
        return f"holds {len(value)}"
    if isinstance(value, (list, dict)):
        return "is a list" if isinstance(value, list) else "is a mapping"
    text = " ".join(str(value).split())
    return f"is `{text[:60]}…`" if len(text) > 60 else f"is `{text}`" if text else "is blank"


def _fix(error: dict[str, Any], field: FieldInfo | None) -> str | None:
    kind, value = error["type"], error["input"]
    if kind == "tuple_type" and isinstance(value, str):
        return f"Write [{' '.join(value.split())}]."
    if kind == "model_type" and field is not None:
        return f"There are: {', '.join(_keys(models_in(field.annotation)))}."
    if kind in _DESCRIBED and field is not None and field.description:
        return " ".join(field.description.split())
    return None


def _at(model: type[BaseModel], loc: Key) -> tuple[list[str], FieldInfo | None]:
    """The keys that may stand beside the last part of a location, and its innermost field.

    Pydantic names in a location which type of a union was chosen; that narrows the keys.
    """
    models, beside, field = [model], [model], None
    for part in loc:
        beside = models
        fields = [one.model_fields[part] for one in models if part in one.model_fields]
        if fields:
            field = fields[0]
            models = [inner for one in fields for inner in models_in(one.annotation)] or models
        else:
            models = [one for one in models if _is_chosen_by(one, part)] or models
    return _keys(beside), field


def _is_chosen_by(model: type[BaseModel], tag: str | int) -> bool:
    return any(tag in get_args(field.annotation) for field in model.model_fields.values())


def _keys(models: list[type[BaseModel]]) -> list[str]:
    return sorted({name for model in models for name in model.model_fields})
