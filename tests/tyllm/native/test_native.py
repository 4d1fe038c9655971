"""The C library under stress: right sums, no deadlock when a worker fails, and nothing that a sanitizer finds."""

import platform
import re
import subprocess
from functools import partial

import numpy as np
import pytest
from fake_package import HERE, build

from tyllm.native import FOLDER, headers, sources
from tyllm.package import RUNTIME_ABI
from tyllm_base.machine import cpu_flags

STRESS = HERE / "native" / "stress.c"


@pytest.fixture(scope="module")
def stress(tmp_path_factory):
    return build(STRESS, tmp_path_factory.mktemp("stress") / "stress", ())


ADDRESS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer")
THREAD = ("-fsanitize=thread",)


@pytest.fixture(scope="module", params=[ADDRESS, THREAD], ids=["address", "thread"])
def sanitizer(request, tmp_path_factory):
    source = tmp_path_factory.mktemp("sanitizer") / "empty.c"
    source.write_text("int main(void) { return 0; }\n")
    command = ["gcc", *request.param, source, "-o", source.with_suffix("")]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("this compiler has no such sanitizer")
    return request.param


@pytest.fixture(scope="module")
def stress_sanitized(tmp_path_factory, sanitizer):
    return build(STRESS, tmp_path_factory.mktemp("sanitized") / "stress", sanitizer)


def run(program, *arguments):
    """Run it; without failing steps and with them."""
    for failing in ((), ("FAIL",)):
        command = [str(argument) for argument in (program, *arguments, *failing)]
        result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        if "unexpected memory mapping" in result.stderr:
            pytest.skip("ThreadSanitizer does not run on this kernel")
        assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(("dies", "workers"), [(1, 1), (1, 2), (2, 1), (2, 2), (4, 1), (3, 3)])
@pytest.mark.parametrize("spin_ns", [0, 20_000])
def test_sums_are_right_and_failures_do_not_block(stress, dies, workers, spin_ns):
    run(stress, dies, workers, 200, spin_ns)


@pytest.mark.parametrize(("dies", "workers"), [(1, 1), (2, 2), (3, 1)])
@pytest.mark.parametrize("spin_ns", [0, 20_000])
def test_no_sanitizer_speaks(stress_sanitized, dies, workers, spin_ns):
    run(stress_sanitized, dies, workers, 60, spin_ns)


def numbers(*command):
    """What a program prints."""
    printed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    return tuple(map(int, printed.split()))


@pytest.fixture(scope="module")
def sharing(tmp_path_factory):
    """With a laggard: iterations of worker 0, of the laggard; whether worker 0 went ahead of what was not done."""
    program = build(HERE / "native" / "work_stealing.c", tmp_path_factory.mktemp("sharing") / "sharing", ())
    return partial(numbers, program)


@pytest.fixture(scope="module")
def meeting(tmp_path_factory):
    """With a latecomer: die 1's iterations of its own, of the guest; wrong sums; whether a step ended too early."""
    program = build(HERE / "native" / "meeting.c", tmp_path_factory.mktemp("meeting") / "meeting", ())
    return partial(numbers, program)


@pytest.fixture(scope="module", params=["work_stealing.c", "meeting.c"])
def lagging(request, tmp_path_factory, sanitizer):
    return build(HERE / "native" / request.param, tmp_path_factory.mktemp("lagging") / "lagging", sanitizer)


@pytest.mark.parametrize("where", ["outside", "inside"])
def test_no_sanitizer_speaks_where_a_worker_lags(lagging, where):
    result = subprocess.run([lagging, where], capture_output=True, text=True, timeout=120, check=False)
    if "unexpected memory mapping" in result.stderr:
        pytest.skip("ThreadSanitizer does not run on this kernel")
    assert result.returncode == 0, result.stderr


def test_nobody_waits_for_a_worker_that_holds_no_chunk(sharing):
    assert sharing("outside") == (20 * 1000, 0, 0)


def test_others_take_all_but_the_piece_that_is_held(sharing):
    first, laggard, early = sharing("inside")
    assert first + laggard == 20 * 1000
    assert laggard >= 125  # a quarter of its half
    assert not early


def test_nobody_waits_for_a_die_whose_thread_holds_no_piece(meeting):
    """All of 20 steps × 5 rounds × 1000 iterations, and the latecomer goes on with the steps after them."""
    assert meeting("outside") == (0, 20 * 5 * 1000, 0, 0)


def test_a_guest_takes_all_but_the_piece_that_is_held_and_the_step_waits_for_that(meeting):
    own, guest, wrong, early = meeting("inside")
    assert own + guest == 20 * 5 * 1000
    assert own >= 500  # half of its die's iterations
    assert guest >= 500
    assert not wrong
    assert not early


@pytest.fixture(scope="module")
def steps(tmp_path_factory):
    """Moments set up by hand: what steps.c says of each."""
    program = build(HERE / "native" / "steps.c", tmp_path_factory.mktemp("steps") / "steps", ())
    return partial(numbers, program)


def test_no_thread_goes_into_a_step_while_the_next_one_is_written(steps):
    assert steps("begun") == (1, 1)


def test_after_a_failure_the_step_is_not_found_and_its_sum_forgotten(steps):
    assert steps("failed") == (1, 0, 0)


def test_a_step_waits_for_the_blocks_of_a_sum_that_another_holds(steps):
    assert steps("sum") == (1, 1)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="AMX is x86's")
def test_amx_is_asked_for_and_a_refusal_said(tmp_path):
    program = build(HERE / "native" / "amx.c", tmp_path / "amx", ("-mamx-tile",))
    if "amx_tile" in cpu_flags():
        assert subprocess.run([program], check=False).returncode == 0
    refused = subprocess.run([program, "SMALL"], capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert re.match(r"the AMX tile registers .* \(.+\); compile the model for a plainer target", refused.stdout)


def test_without_amx_nothing_is_asked_for(tmp_path):
    program = build(HERE / "native" / "amx.c", tmp_path / "amx", ())
    assert subprocess.run([program, "SMALL"], check=False).returncode == 0


def test_the_abi_is_the_one_that_python_speaks():
    header = (FOLDER / "tyllm_runtime.h").read_text()
    assert int(re.search(r"#define TYLLM_RUNTIME_ABI (\d+)", header)[1]) == RUNTIME_ABI


def test_a_library_exports_the_control_functions_and_programs_only(toy_library):
    table = subprocess.run(
        ["nm", "-D", "--defined-only", toy_library], capture_output=True, text=True, check=True
    ).stdout
    names = {line.split()[-1] for line in table.splitlines()}
    assert names == {"tyllm_abi", "tyllm_create", "tyllm_step", "tyllm_io", "tyllm_kv", "tyllm_release",
                     "tyllm_last_error",
                     "tyllm_destroy", "tyllm_limit", "tyllm_check", "tyllm_needs_of", "tyllm_program_error",
                     "__tvm_ffi_llm_body",
                     "__tvm_ffi_llm_head"}  # fmt: skip


def test_a_library_keeps_no_state_of_its_own(toy_library):
    table = subprocess.run(["nm", toy_library], capture_output=True, text=True, check=True).stdout
    writable = re.findall(r"^\S+ [bBdD] (\w+)$", table, re.MULTILINE)
    compilers_own = {"completed.0", "__dso_handle", "__TMC_END__", "__bss_start", "_edata", "_end"}
    assert {name for name in writable if not name.startswith(("_", "completed"))} - compilers_own <= {"raised"}


def test_sources_are_there():
    assert {path.suffix for path in sources()} == {".c"}
    assert {path.suffix for path in headers()} == {".h"}
    assert np.all([path.is_file() for path in (*sources(), *headers())])


@pytest.fixture(scope="module")
def with_number(tmp_path_factory):
    """`with_number("dies", 0)`: what `tyllm_check` and `tyllm_create` say of a session with that number."""
    program = build(HERE / "native" / "needs.c", tmp_path_factory.mktemp("needs") / "needs", ("-fsanitize=undefined",))

    def run(*arguments):
        command = [str(argument) for argument in (program, *arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        assert not done.stderr
        return done.stdout.splitlines()

    return run


def test_a_session_with_just_what_its_code_needs(with_number):
    assert with_number() == ["taken", "taken"]


@pytest.mark.parametrize(
    ("name", "least", "what"),
    [
        ("params_bytes", 256, "parameters"),
        ("constants_bytes", 128, "constants"),
        ("kv_bytes", 1024, "KV cache"),
        ("arena_bytes", 2048, "arena"),
        ("io_bytes", 512, "io"),
    ],
)
def test_memory_that_is_too_small_or_absurd(with_number, name, least, what):
    for value in (0, least - 1, 2**47, 2**63, 2**64 - 1):
        check, create = with_number(name, value)
        assert check == create != "taken"
        assert what in check
    assert with_number(name, least) == ["taken", "taken"]


def test_slots_of_another_distance_than_a_batch_computes_with(with_number):
    for value in (0, 1024, (1 << 16) - 1, 1 << 17, 2**64 - 1):
        check, create = with_number("slot_bytes", value)
        assert check == create and ("for a slot of second" in check or "for each of 2 slots" in check)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("abi", (0, 1, 99)),
        ("dies", (0, 65, 2**31, 2**32 - 1)),
        ("workers", (0, 2**16 + 1, 2**31, 2**32 - 1)),
        ("programs", (0, 2**31, 2**32 - 1)),
        ("slots", (0, 2**31, 2**32 - 1)),
        *((name, (0,)) for name in ("die", "of_die", "needs", "body", "error")),
    ],
)
def test_numbers_that_cannot_be(with_number, name, values):
    for value in values:
        check, create = with_number(name, value)
        assert check == create != "taken"
