"""`tyllm models`: the architectures that compile, and how far each was tested."""

from dataclasses import asdict, dataclass

from rich.console import Console
from rich.table import Table

from tyllm.cli.options import Debug, Json
from tyllm.cli.output import emit

NOTE = (
    "Any other decoder of transformers that goes through its attention interface is tried too; "
    "what cannot be compiled is named at once."
)


@dataclass(frozen=True)
class Model:
    """One architecture.

    Attributes:
        architecture: as config.json names it.
        model_type: as config.json names it.
        checkpoints: published models that have it.
        tested: the largest thing that was compared with transformers.
    """

    architecture: str
    model_type: str
    checkpoints: tuple[str, ...]
    tested: str


MODELS = (
    Model(
        "Qwen2ForCausalLM",
        "qwen2",
        ("Qwen1.5", "Qwen2", "Qwen2.5", "DeepSeek-R1-Distill-Qwen"),
        "",
    ),
    Model("Qwen3ForCausalLM", "qwen3", ("Qwen3",), ""),
    Model("LlamaForCausalLM", "llama", ("Llama 3", "Llama 3.1"), ""),
    Model("MistralForCausalLM", "mistral", ("Mistral 7B",), ""),
)


def models(as_json: Json = False, debug: Debug = False) -> None:
    """List the architectures that compile, and how far each was tested.

    Example: `tyllm models --json`
    """

    def draw(console: Console) -> None:
        table = Table("architecture", "published as", "tested")
        for model in MODELS:
            table.add_row(model.architecture, ", ".join(model.checkpoints), model.tested)
        console.print(table)
        console.print(NOTE)

    emit({"models": [asdict(model) for model in MODELS], "note": NOTE}, as_json, draw)
