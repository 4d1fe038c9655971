"""The options of `run` and `chat` that say how a text is generated, as a session takes them."""

from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from tyllm.runtime.generation.request import GenerateOptions


def generation_options(
    greedy: bool, stop: list[str] | None, temperature: float | None, **others: int | float | None
) -> "GenerateOptions":
    """The options that were given; all others are left to the checkpoint's author.

    Raises:
        typer.BadParameter: `--greedy` beside a temperature.
    """
    if greedy and temperature:
        raise typer.BadParameter("there is a --temperature too; give one of them", param_hint="'--greedy'")
    given: dict[str, Any] = {"temperature": 0.0 if greedy else temperature, "stop": tuple(stop or ()) or None, **others}
    options: GenerateOptions = {name: value for name, value in given.items() if value is not None}  # type: ignore[assignment]
    return options
