"""The kernels compiled by NVRTC, which needs no GPU: that it accepts them, and what a GPU's thread needs.

gpu_registers.json holds the registers, the bytes of stack (the sine of a large angle has one) and the bytes
spilled of every example's kernels, by architecture. ODEC_UPDATE_REGISTERS=1 writes
it anew; read the difference before you keep it.
"""

import json
import os
import re
from itertools import product
from pathlib import Path

import pytest
import torch
from native_calls import engine_of
from native_models import CLASHES, GATED, LORENZ, PAIR_MAP, RICKER, TIMED, load
from tiers import slow_but

from odec.runtime.errors import EngineError
from odec.runtime.native import cuda, toolchain

ROOT = Path(__file__).parents[2]
HELD = Path(__file__).with_name("gpu_registers.json")
EXAMPLES = sorted(json.loads(HELD.read_text(encoding="utf-8")))
DTYPES = {"float32": torch.float32, "float64": torch.float64}
TARGETS = (("sm_80", "float64"), ("sm_90", "float32"), ("sm_90", "float64"), ("sm_100", "float32"))
KERNELS = ("solve", "adjoint", "tangent", "loss")
SPARE = 16
"""Registers that another version of the compiler, or a small change of the source, may add."""


def example(name):
    return load((ROOT / f"examples/{name}/{name}.ode").read_text(encoding="utf-8"))


def figures(module, kernel, dtype, arch="sm_90", times=False, adaptive=0):
    """Registers, stack and spilled bytes of a kernel, as the compiler counts them."""
    defines = engine_of(module).kernels.defines(kernel, dtype, False, times, 1, int(adaptive), 0)
    options = [f"--gpu-architecture={arch}", "--ptxas-options=-v", *toolchain.macros_of(kernel, defines)]
    cubin, log = cuda.compile_cubin(module.KERNEL.source, options)
    assert cubin.startswith(b"\x7fELF")
    stack, stores, loads = re.search(
        r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", log
    ).groups()
    return int(re.search(r"Used (\d+) registers", log)[1]), int(stack), int(stores) + int(loads)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "kernel"), slow_but(product(EXAMPLES, KERNELS), lambda name, _: name == "pendulum")
)
def test_the_examples_take_no_more_registers_than_held(name, kernel):
    module = example(name)
    held = json.loads(HELD.read_text(encoding="utf-8"))
    found = {f"{arch} {dtype}": figures(module, kernel, DTYPES[dtype], arch) for arch, dtype in TARGETS}
    if os.environ.get("ODEC_UPDATE_REGISTERS"):
        held.setdefault(name, {})[kernel] = found
        rows = re.sub(
            r"\[\s+(\d+),\s+(\d+),\s+(\d+)\s+\]", r"[\1, \2, \3]", json.dumps(held, indent=1, sort_keys=True)
        )
        HELD.write_text(rows + "\n", encoding="utf-8")
    for target, (registers, stack, spilled) in found.items():
        most, most_stack, most_spilled = held[name][kernel][target]
        assert registers <= most + SPARE, f"{target}: {registers} registers, where {most} are held"
        assert stack <= most_stack + 32, f"{target}: {stack} bytes of stack, where {most_stack} are held"
        assert spilled <= most_spilled + 64, (
            f"{target}: {spilled} bytes spilled, where {most_spilled} are held"
        )


def test_lorenz_leaves_room_for_many_threads():
    module = example("lorenz")
    for dtype, most in ((torch.float32, 40), (torch.float64, 56)):
        registers, stack, spilled = figures(module, "solve", dtype)
        assert registers <= most and stack == spilled == 0


@pytest.mark.parametrize(
    ("text", "kernel"),
    slow_but(
        product([TIMED, GATED, CLASHES, RICKER, PAIR_MAP], KERNELS),
        lambda text, kernel: text == RICKER or (text == GATED and kernel == "solve"),
    ),
)
def test_inputs_functions_and_awkward_names_compile_without_a_stack_for_the_call(text, kernel):
    module = load(text, "" if "[t+1]" in text else "rk4")
    registers, stack, _ = figures(module, kernel, torch.float64, times=True)
    assert registers <= 255 and stack < 1000


@pytest.mark.parametrize("method", ["euler", "dopri5"])
def test_other_methods_compile(method):
    registers, _, spilled = figures(load(LORENZ, method), "adjoint", torch.float32)
    assert registers <= 128 and spilled == 0


def test_cubins_are_cached_and_damaged_ones_rebuilt(tmp_path, monkeypatch):
    module = load(LORENZ)
    monkeypatch.setenv("ODEC_CACHE_DIR", str(tmp_path))
    built, compile_, source = [], cuda.compile_cubin, module.KERNEL.source
    monkeypatch.setattr(cuda, "compile_cubin", lambda *given: built.append(given) or compile_(*given))
    defines = engine_of(module).kernels.defines("solve", torch.float32, False, False, 1, 0, 0)
    first = cuda.cubin(source, "solve", defines, (9, 0))
    assert cuda.cubin(source, "solve", defines, (9, 0)) == first and len(built) == 1
    (entry,) = tmp_path.glob("*.cubin")
    entry.write_bytes(first[:100])
    assert cuda.cubin(source, "solve", defines, (9, 0)) == first and len(built) == 2
    assert cuda.cubin(source, "solve", defines, (8, 6)) != first and len(built) == 3
    assert len(list(tmp_path.glob("*.cubin"))) == 2


def test_a_kernel_that_does_not_compile_shows_the_command_and_the_log():
    with pytest.raises(EngineError, match=r"(?s)NVRTC \d+\.\d+ failed.*sm_90.*broken") as error:
        cuda.compile_cubin("int broken = ;", ["--gpu-architecture=sm_90"])
    assert "engine='torch'" in str(error.value)


def test_targets_are_the_nearest_older_of_the_same_kind():
    supported = [75, 80, 86, 90, 100, 120]
    for capability, target in (((9, 0), "sm_90"), ((8, 7), "sm_86"), ((8, 0), "sm_80"), ((12, 1), "sm_120")):
        assert cuda.architecture(capability, supported) == target
    with pytest.raises(EngineError, match=r"not for this GPU \(sm_70\); install an older one"):
        cuda.architecture((7, 0), supported)
    with pytest.raises(EngineError, match=r"not for this GPU \(sm_130\); install a newer one"):
        cuda.architecture((13, 0), supported)


@pytest.mark.slow
def test_a_table_of_a_thousand_points_is_searched():
    points = ", ".join(f"({k}, {(k * 37) % 11})" for k in range(1000))
    module = load(f"lookup f = {points}\ninit x = 3\nx' = -f(100*x)\nrun t = 0 .. 1 method rk4 dt 0.1\n")
    registers, _, spilled = figures(module, "adjoint", torch.float64)
    assert registers < 128 and spilled == 0
    assert len(module.KERNEL.source.splitlines()) < 2000
