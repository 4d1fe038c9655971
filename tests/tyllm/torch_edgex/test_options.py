"""Options are checked when they are set, and unknown keys are refused by name."""

from pathlib import Path

import pytest

from tyllm.graph.compile_cache import CompileSettings
from tyllm.torch_edgex import Options, current, edgex_module, set_device_mode
from tyllm_base.errors import SettingError


def test_the_original_s_script_sets_them():
    set_device_mode("exec_mode", "AOT")
    set_device_mode("prefill_lens", [1, 96])
    set_device_mode("AOT_DIR", "here")
    set_device_mode("VM_die_remap", [3, 2, 1, 0])
    set_device_mode("LM_die_remap", [1, 2, 3, 0])
    edgex_module.set_trace_only_mode(True)
    assert current() == Options(
        aot_dir=Path("here"), trace_only=True, vm_die_remap=(3, 2, 1, 0), lm_die_remap=(1, 2, 3, 0),
        prefill_lens=(1, 96),
    )  # fmt: skip


def test_the_first_dies_of_the_order_play():
    assert Options(dies=2, vm_die_remap=(3, 1, 0)).order() == (3, 1)
    assert Options(dies=2).order() is None


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("mode", "AOT", "no option 'mode'; there are exec_mode, .*AOT_DIR, VM_die_remap, LM_die_remap"),
        ("aot_dir", "here", "no option 'aot_dir'"),
        ("exec_mode", "JIT", "exec_mode is 'JIT'; use one of AOT, EAGER"),
        ("dies", 5, "dies is 5; use one of 1, 2, 3, 4, 8"),
        ("dies", True, "dies is True"),
        ("activations", "fp8", "activations is 'fp8'"),
        ("prefill_lens", [0], "prefill_lens holds 0"),
        ("prefill_lens", 96, "prefill_lens is 96; give a list"),
        ("VM_die_remap", [0, 0], r"VM_die_remap \[0, 0\] names a number twice"),
        ("LM_die_remap", [-1], "LM_die_remap holds -1"),
        ("AOT_DIR", 3, "AOT_DIR is 3"),
        ("threads", 0, "threads holds 0"),
        ("trace_only", "yes", "trace_only is 'yes'"),
    ],
)
def test_what_cannot_work_is_refused(key, value, words):
    before = current()
    with pytest.raises(SettingError, match=words) as caught:
        set_device_mode(key, value)
    assert caught.value.exit_code == 4
    assert current() == before


def test_an_order_too_short_for_the_dies():
    with pytest.raises(SettingError, match=r"VM_die_remap \[0\] names 1 dies and 2 are used"):
        Options(dies=2, vm_die_remap=(0,))


def test_the_graph_compiler_is_told_all_that_decides_the_bytes():
    settings = Options(dies=2, activations="int8", target="x86-64-v3", aot_dir=Path("modules")).compile_settings()
    assert settings == CompileSettings(2, "int8", "x86-64-v3", Path("modules"))
