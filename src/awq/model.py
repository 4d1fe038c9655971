"""The model to be quantized, behind `AutoAWQForCausalLM.from_pretrained`."""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from awq.quant_config import QuantConfig, renamed
from awq.quantize_arguments import QuantizeArguments, QuantizeOptions
from awq.work.progress_bar import bar_unless
from hf_checkpoint.checkpoint import Checkpoint
from hf_checkpoint.tokenizer_trial import try_tokenizer
from hf_checkpoint.weight_names import model_name, stored_name
from tyllm_base.doors import Door, callers
from tyllm_base.errors import CheckpointError, OutputError, SettingError
from tyllm_base.progress import Progress
from tyllm_base.user_path import user_path

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase, ProcessorMixin

    from awq.calibration.source import Source
    from awq.recipe import Recipe
    from awq.run.quantization_report import QuantizationReport
    from awq.run.run_plan import RunPlan
    from awq.stream.meta_model import MetaModel
    from awq.work.work_folder import WorkFolder
    from awq.work.workplace import Workplace

REPORT = "quantization_report.json"  # beside the weights; what loads checkpoints does not look at it


class AwqModel:
    """A float checkpoint to quantize: `quantize` writes parts into a work folder, `save_quantized` gathers them."""

    def __init__(self, checkpoint: Checkpoint, device: str | None = None, trust_remote_code: bool = False) -> None:
        self.checkpoint = checkpoint
        self.trust_remote_code = trust_remote_code
        self.device = device
        self.quant_config = QuantConfig()
        self.is_quantized = False
        self.plan: RunPlan | None = None  # of the latest run
        self.report: QuantizationReport | None = None  # of the latest run that has finished
        self._parts: list[Path] = []
        self._fingerprint = ""
        self._workplace: Workplace | None = None  # while there is work that is not saved

    @property
    def config(self) -> dict[str, Any]:
        """The checkpoint's config.json."""
        return self.checkpoint.config

    @Door(CheckpointError)
    def quantize(
        self,
        tokenizer: PreTrainedTokenizerBase | ProcessorMixin | None = None,
        quant_config: Mapping[str, Any] | None = None,
        calib_data: Source = None,
        split: str = "train",
        text_column: str = "text",
        duo_scaling: bool = True,
        export_compatible: bool = False,
        apply_clip: bool = True,
        n_parallel_calib_samples: int | None = None,
        max_calib_samples: int | None = None,
        max_calib_seq_len: int | None = None,
        max_chunk_memory: int | None = None,
        **options: Unpack[QuantizeOptions],
    ) -> None:
        """Quantize layer by layer; in memory are one layer in float32 and the calibration's hidden states.

        Every finished layer is written to the work folder at once. Give `quant_path` (or `work_dir`), and a run that
        was killed goes on at its last finished layer when it is started again with the same settings, and ends in the
        same bytes; with neither the folder is a temporary one.

        Args:
            tokenizer: encodes calibration text, or a processor with one; by default the one beside the checkpoint.
            quant_config: AutoAWQ's dictionary, see `QuantConfig`.
            calib_data: texts, conversations (for vision-language models with images, see `awq.calibration`), lists of
                token ids, a text or .jsonl file, a dataset, or "self" for text that the model writes itself; by default
                the bundled text.
            split: split of the dataset.
            text_column: column of the dataset.
            duo_scaling: let weights have a say in the scales beside activations.
            export_compatible: must be False.
            apply_clip: search clipping limits.
            n_parallel_calib_samples: samples that go through a layer at a time; by default about 2048 tokens' worth.
            max_calib_samples: by default 16 on a CPU, 128 on a GPU.
            max_calib_seq_len: tokens per sample; by default 512, or as many as the model has positions.
            max_chunk_memory: accepted for AutoAWQ's sake; `max_search_tokens` bounds memory here.
            options: see `QuantizeOptions`.

        Raises:
            SettingError: a setting that cannot work.
            CalibrationError: the calibration data cannot be used.
            CheckpointError: the weights contradict config.json, or one is NaN, infinite or beyond float16; the
                tokenizer crashes or does not end.
            UnsupportedError: transformers does not know the model, or it is no decoder that the method can quantize.
            OutputError: the output folder exists, the work folder cannot be written, or the disk cannot hold them.
        """
        own = (tokenizer, quant_config, calib_data, split, text_column, duo_scaling, export_compatible, apply_clip)
        counts = (n_parallel_calib_samples, max_calib_samples, max_calib_seq_len, max_chunk_memory)
        if unknown := options.keys() - QuantizeOptions.__annotations__.keys():
            known = ", ".join(QuantizeOptions.__annotations__)
            raise SettingError(f"quantize has no option {', '.join(sorted(unknown))}; it has {known}.")
        arguments = QuantizeArguments(*own, *counts, **options)
        arguments.check()
        self.quant_config = arguments.config()
        from awq.stream.meta_model import MetaModel

        self._let_go()
        self._workplace = self._take_workplace(arguments)
        try:
            try_tokenizer(self.checkpoint.path, self.config)
            model = MetaModel.build(self.checkpoint, self._device(), self.trust_remote_code)
            recipe = self._recipe(model, arguments)
            progress = arguments.progress and callers(arguments.progress)
            with bar_unless(progress) as report:
                self._run(model, recipe, self._workplace, report, callers(arguments.announce or _warn))
        except BaseException:
            self._let_go()
            raise

    def _recipe(self, model: MetaModel, arguments: QuantizeArguments) -> Recipe:
        """Everything that decides the result, the calibration's samples among it."""
        import torch

        from awq.calibration.inputs import CalibrationData
        from awq.recipe import Recipe, calibration_budget

        limits = (arguments.max_calib_samples, arguments.max_calib_seq_len, arguments.max_search_tokens)
        budget = calibration_budget(self._device(), *limits, model.context)
        data = CalibrationData(arguments.calib_data, arguments.split, arguments.text_column, self.trust_remote_code)
        samples, images = torch.empty((0, 0), dtype=torch.int64), None
        if arguments.method != "rtn":
            samples, images = data.samples(model, arguments.tokenizer, budget.samples, budget.length)
        return Recipe(
            config=renamed(self.quant_config, self._model_name),
            method=arguments.method,
            samples=samples,
            duo_scaling=arguments.duo_scaling,
            parts=arguments.parts(),
            search_tokens=budget.search_tokens,
            batch=arguments.n_parallel_calib_samples or budget.batch(samples.shape[1], self._widest()),
            bits_per_weight=arguments.bits_per_weight,
            images=images,
        )

    def _device(self) -> torch.device:
        """Where to compute; raises `SettingError` where there is no such device."""
        import torch

        try:
            device = torch.device(self.device or ("cuda" if torch.cuda.is_available() else "cpu"))
        except RuntimeError as error:
            raise SettingError(f"device_map is {self.device!r}, no device of torch; use 'cpu' or 'cuda'.") from error
        if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
            raise SettingError(
                f"device_map is {self.device!r}, and torch finds no such GPU; use 'cpu', or leave it out."
            )
        return device

    def _widest(self) -> int:
        """The largest number of inputs of a linear layer, as far as config.json tells."""
        text = self.config.get("text_config") or self.config
        return int(text.get("intermediate_size") or 4 * int(text.get("hidden_size") or 1024))

    def _model_name(self, name: str) -> str:
        """The model's name of the module that is stored as `name`."""
        return model_name(name, self.config)

    def _stored_name(self, name: str) -> str:
        """The name under which the model's module `name` is stored."""
        return stored_name(name, self.config)

    def _take_workplace(self, arguments: QuantizeArguments) -> Workplace:
        """The place of the output and the work folder, held until the result is saved or this object goes."""
        from awq.run.output_folder import CONFIG, refuse_existing_output
        from awq.work.workplace import Workplace

        given = (arguments.quant_path, arguments.work_dir)
        quant_path, work_dir = (None if path is None else user_path(path, OutputError) for path in given)
        workplace = Workplace.take(quant_path, work_dir, refuse_existing_output, CONFIG)
        weakref.finalize(self, workplace.release)
        return workplace

    def _let_go(self) -> None:
        """Give up what is not saved."""
        if self._workplace is not None:
            self._workplace.release()
        self._workplace, self.is_quantized, self._parts = None, False, []

    def _run(
        self,
        model: MetaModel,
        recipe: Recipe,
        workplace: Workplace,
        progress: Progress,
        announce: Callable[[RunPlan], None],
    ) -> None:
        """Quantize into the work folder."""
        import torch

        from awq.calibration.self_calibration import finished_samples
        from awq.run.quantization_report import quantization_report
        from awq.run.quantizer import Quantizer
        from awq.run.run_plan import run_plan
        from awq.stream.malloc_trim import return_large_blocks
        from awq.work.work_folder import WorkFolder

        return_large_blocks()
        Quantizer(model, recipe, WorkFolder(Path()), progress).check()
        self._fingerprint = recipe.fingerprint(self.checkpoint)
        work = workplace.open(self._fingerprint)
        self.plan = run_plan(model, recipe, work.path)
        announce(self.plan)
        self._check_disk(self.plan, work)
        try:
            with torch.no_grad():
                samples = finished_samples(recipe.samples, model, work, progress)
                quantizer = Quantizer(model, replace(recipe, samples=samples), work, progress)
                quantizer.run()
        except CheckpointError:
            work.remove()  # a bad weight stays bad: there is nothing to go on with
            raise
        self.quant_config = renamed(quantizer.recipe.config, self._stored_name)  # and the overrides of a budget of bits
        self.report = quantization_report(model, quantizer.recipe, work)
        if self.report.rarity:
            warnings.warn(self.report.rarity, UserWarning, stacklevel=4)
        self._parts = [work.file(part) for part in quantizer.parts()]
        self.is_quantized = True

    @staticmethod
    def _check_disk(plan: RunPlan, work: WorkFolder) -> None:
        """Raise `OutputError` if the disk is too small; a work folder without finished work goes again."""
        try:
            plan.check_disk(work.path)
        except OutputError:
            if not plan.present:
                work.remove()
            raise

    @Door(CheckpointError)
    def save_quantized(self, save_dir: str | Path, safetensors: bool = True, shard_size: str | int = "5GB") -> None:
        """Gather the quantized parts into the folder `save_dir`, which appears whole by a rename at the end.

        Beside the weights it holds config.json, `quantization_report.json` (the errors of `report`), and generation
        config, chat template and tokenizer files if the checkpoint has them. The work folder is removed; until then
        the disk holds the quantized weights twice. If it cannot be saved the work is kept, and the error says where:
        this can be called again with another folder.

        Args:
            save_dir: a path where nothing is yet, or an empty folder.
            safetensors: must be True.
            shard_size: largest weight file, such as "5GB".

        Raises:
            OutputError: `save_dir` holds something, is being written by another run or cannot be written, or nothing
                was quantized.
            SettingError: `shard_size` is no size.
        """
        if not safetensors:
            raise SettingError("safetensors is False, but only safetensors files are written; use True.")
        if self._workplace is None or not self.is_quantized or not self._parts:
            raise OutputError("There is nothing to save: call quantize first, and save_quantized once after it.")
        from awq.run.output_folder import bytes_of, refuse_existing_output, write_output

        assert self.report is not None and self._workplace.work is not None  # set with _parts
        bytes_of(shard_size)
        folder, notes = user_path(save_dir, OutputError), {REPORT: self.report.document()}
        with self._workplace.saving(folder, refuse_existing_output, self._fingerprint) as place:
            ready = self._workplace.work.note_result
            write_output(place, self._parts, self.checkpoint, self.quant_config, shard_size, notes, ready)
        self._workplace, self._parts = None, []


def _warn(plan: RunPlan) -> None:
    """Warn if memory is short."""
    if plan.shortage:
        warnings.warn(plan.shortage, ResourceWarning, stacklevel=4)
