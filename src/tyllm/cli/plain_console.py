"""A console for results: names and messages from files cannot steer the terminal, nor are they taken for emoji."""

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderableType, RenderHook, RenderResult
from rich.segment import Segment

from tyllm_base.printable import printable


def plain_console() -> Console:
    """A console on stdout, in which whatever is printed is `printable`."""
    console = Console(soft_wrap=True, highlight=False, emoji=False)
    console.push_render_hook(_Printable())
    return console


class _Printable(RenderHook):
    """The text of all that is printed goes through `printable`, rich's own codes do not."""

    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        return [_Cleaned(renderable) for renderable in renderables]


class _Cleaned:
    def __init__(self, renderable: RenderableType) -> None:
        self.renderable = renderable

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        segments: Iterable[Segment] = console.render(self.renderable, options)
        for segment in segments:
            yield segment if segment.control else Segment(printable(segment.text), segment.style)
