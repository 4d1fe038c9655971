"""The package: the folder that the compiler makes and the runtime opens. docs/format.md shows it on one screen."""

from tyllm.package.buffer_config import BufferConfig, DieBuffers, KvLayer, ProgramMemory
from tyllm.package.field_types import FORMAT_VERSION, RUNTIME_ABI, IoEntry
from tyllm.package.manifest import Exports, FileEntry, ImageSize, Manifest, QuantizationEntry, Target, Visual
from tyllm.package.opened_package import Package, open_package, verify_package
from tyllm.package.params import Params
from tyllm.package.params_writer import ParamsWriter, write_params
from tyllm.package.verification import file_entries

__all__ = [
    "FORMAT_VERSION",
    "RUNTIME_ABI",
    "BufferConfig",
    "DieBuffers",
    "Exports",
    "FileEntry",
    "ImageSize",
    "IoEntry",
    "KvLayer",
    "Manifest",
    "Package",
    "Params",
    "ParamsWriter",
    "ProgramMemory",
    "QuantizationEntry",
    "Target",
    "Visual",
    "file_entries",
    "open_package",
    "verify_package",
    "write_params",
]
