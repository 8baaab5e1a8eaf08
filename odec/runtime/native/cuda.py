"""Kernels on NVIDIA GPUs: compiled by NVRTC, launched by the driver on torch's own streams and memory."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import math
import shlex
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..errors import DeviceMemoryError, EngineError
from . import cache, toolchain
from .kernel import Kernels
from .plans import TAPE_BYTES, Knots, Plan, plan_of

if TYPE_CHECKING:
    from .batch import Batch


def on_gpu(value: Tensor) -> bool:
    """Whether a tensor lies in the memory of a GPU."""
    return value.is_cuda


def _packages() -> str:
    """How to install NVIDIA's packages for the CUDA of this torch."""
    if (torch.version.cuda or "").startswith("12"):
        return "pip install 'cuda-bindings<13' nvidia-cuda-nvrtc-cu12  (or 'odec[cuda12]')"
    return "pip install cuda-bindings nvidia-cuda-nvrtc  (or 'odec[cuda]')"


@functools.cache
def bindings() -> tuple[Any, Any, tuple[int, int]]:
    """NVIDIA's driver and run-time compiler, and its version. Raises EngineError where they are missing."""
    try:
        from cuda.bindings import driver, nvrtc

        major, minor = checked("nvrtcVersion", nvrtc.nvrtcVersion())
        return driver, nvrtc, (major, minor)
    except (ImportError, RuntimeError) as error:
        raise EngineError(
            f"kernels for the GPU need NVIDIA's Python packages: {_packages()}; or use engine='torch' "
            f"({error})"
        ) from error


def checked(call: str, result: Sequence[Any]) -> Any:
    """What a call of NVIDIA's bindings returns after its status. Raises EngineError for a failure."""
    status, *values = result
    if int(status):
        raise EngineError(f"{call} failed on the GPU with {status.name}; engine='torch' does without it")
    return values[0] if len(values) == 1 else values


def architecture(capability: tuple[int, int], supported: Sequence[int]) -> str:
    """The compiler's target for a compute capability: its own, else the next older one of the same kind."""
    major, minor = capability
    own = 10 * major + minor
    fit = [arch for arch in supported if arch // 10 == major and arch <= own]
    if fit:
        return f"sm_{max(fit)}"
    older = own < min(supported)
    advice = (
        "an older one (pip install 'cuda-bindings<13' nvidia-cuda-nvrtc-cu12)" if older else "a newer one"
    )
    raise EngineError(
        f"the installed NVRTC compiles for sm_{min(supported)} to sm_{max(supported)}, not for this GPU "
        f"(sm_{own}); install {advice}, or use engine='torch'"
    )


def cubin(source: str, kernel: str, defines: dict[str, int], capability: tuple[int, int]) -> bytes:
    """A kernel compiled for a compute capability such as (9, 0), from the cache or compiled now."""
    _, nvrtc, version = bindings()
    supported = list(checked("nvrtcGetSupportedArchs", nvrtc.nvrtcGetSupportedArchs()))
    options = [f"--gpu-architecture={architecture(capability, supported)}", "--std=c++17"]
    options += toolchain.macros_of(kernel, defines)
    key = toolchain.digest(source, toolchain.headers_digest(), f"NVRTC {version}", str(options))
    path = cache.entry(key, ".cubin")
    if path is not None:
        with contextlib.suppress(OSError):
            return path.read_bytes()
    content, _ = compile_cubin(source, options)
    toolchain.kept(key, ".cubin", content)
    return content


def compile_cubin(source: str, options: Sequence[str]) -> tuple[bytes, str]:
    """The compiled source and the compiler's log. Raises EngineError with the log where it fails."""
    _, nvrtc, version = bindings()
    texts = toolchain.headers()
    program = checked(
        "nvrtcCreateProgram",
        nvrtc.nvrtcCreateProgram(
            source.encode(),
            b"kernel.cu",
            len(texts),
            [text.encode() for text in texts.values()],
            [name.encode() for name in texts],
        ),
    )
    try:
        (status,) = nvrtc.nvrtcCompileProgram(program, len(options), [option.encode() for option in options])
        log = b" " * checked("nvrtcGetProgramLogSize", nvrtc.nvrtcGetProgramLogSize(program))
        nvrtc.nvrtcGetProgramLog(program, log)
        text = log.rstrip(b" \0").decode(errors="replace")
        if int(status):
            words = shlex.join(["nvrtc", *options])
            raise EngineError(
                f"NVRTC {version[0]}.{version[1]} failed ({status.name}); use engine='torch' meanwhile.\n"
                f"{words}\n{text[:4000]}"
            )
        found = b" " * checked("nvrtcGetCUBINSize", nvrtc.nvrtcGetCUBINSize(program))
        checked("nvrtcGetCUBIN", nvrtc.nvrtcGetCUBIN(program, found))
        return found, text
    finally:
        nvrtc.nvrtcDestroyProgram(program)


@functools.cache
def _primary_context(index: int) -> Any:
    """The context that torch uses on a device. Raises EngineError for a driver older than the compiler."""
    driver, _, version = bindings()
    checked("cuInit", driver.cuInit(0))
    known = checked("cuDriverGetVersion", driver.cuDriverGetVersion())
    if known // 1000 < version[0]:
        advice = f"pip install 'cuda-bindings<{version[0]}' nvidia-cuda-nvrtc-cu12"
        raise EngineError(
            f"the NVIDIA driver knows CUDA {known // 1000}.{known % 1000 // 10} and is too old for the "
            f"installed NVRTC {version[0]}.{version[1]}; update the driver, or install an older compiler "
            f"({advice}), or use engine='torch'"
        )
    return checked(
        "cuDevicePrimaryCtxRetain",
        driver.cuDevicePrimaryCtxRetain(checked("cuDeviceGet", driver.cuDeviceGet(index))),
    )


@contextlib.contextmanager
def _current(index: int) -> Iterator[Any]:
    """Makes torch's context of a device current, on whichever thread this runs (autograd has its own)."""
    driver = bindings()[0]
    checked("cuCtxPushCurrent", driver.cuCtxPushCurrent(_primary_context(index)))
    try:
        yield driver
    finally:
        driver.cuCtxPopCurrent()


@functools.cache
def _device_kernel(
    kernels: Kernels,
    name: str,
    dtype: torch.dtype,
    clip: bool,
    times: bool,
    index: int,
    adaptive: int,
    shares_p: bool,
) -> tuple[Any, Any]:
    """The kernel loaded on a device: its module, which must live on, and its function."""
    with _current(index) as driver:
        inner = int(kernels.kernel.arrays)
        defines = kernels.defines(name, dtype, clip, times, 1, adaptive, inner, shares_p)
        content = cubin(kernels.source, name, defines, torch.cuda.get_device_capability(index))
        module = checked("cuModuleLoadData", driver.cuModuleLoadData(content))
        return module, checked("cuModuleGetFunction", driver.cuModuleGetFunction(module, name.encode()))


def launch(batch: Batch, name: str, times: bool) -> None:
    """Run a kernel on torch's current stream; the driver copies the Call, so nothing waits for the GPU."""
    index, grid = batch.device.index, batch.grid
    how = (batch.dtype, batch.clip is not None, times, index, batch.adaptive, batch.shares_p)
    _, function = _device_kernel(batch.kernels, name, *how)
    stream = torch.cuda.current_stream(batch.device)
    batch.plan.on(batch.device).record_stream(stream)
    arguments = (ctypes.c_void_p * 1)(ctypes.addressof(batch.call))
    where = (grid.blocks, 1, 1, grid.block, 1, 1, 0)
    with _current(index) as driver:
        handle = driver.CUstream(stream.cuda_stream)
        done = driver.cuLaunchKernel(function, *where, handle, ctypes.addressof(arguments), 0)
    checked("cuLaunchKernel", done)


@functools.cache
def _multiprocessors(index: int) -> int:
    return int(torch.cuda.get_device_properties(index).multi_processor_count)


class Grid:
    """Blocks of threads, each thread with a trajectory of its own and then, where there are more, others.

    Without a tape every trajectory has a thread. With one there are no more threads than run side by side (or
    than `chunk`, in whole blocks), whatever the batch, as each needs memory for its tape.
    """

    def __init__(self, size: int, device: torch.device, tape: bool, chunk: int):
        processors = _multiprocessors(device.index)
        most = max(1, min(size, chunk) if chunk and tape else size)
        self.block = 32 if most <= 128 * processors else 128
        self.blocks = -(-most // self.block)
        if tape:
            self.blocks = min(self.blocks, 1024 * processors // self.block)
        self.threads = self.block * self.blocks


def device_plan(
    given: tuple[tuple[float, ...], float | None, torch.dtype],
    state_bytes: int,
    inputs: tuple[Knots, tuple[int, ...]],
    threads: int,
    device: torch.device,
) -> Plan:
    """The mesh; the tape holds every step where half of the free memory does, else segments of √steps."""
    whole = plan_of(*given, 0, *inputs)
    if state_bytes and threads * (whole.steps + 2) * state_bytes > free_memory(device) // 2:
        return plan_of(*given, TAPE_BYTES + 1, *inputs)
    return whole


def free_memory(device: torch.device) -> int:
    """Bytes of a device that are free, those included that torch holds unused."""
    return int(
        torch.cuda.mem_get_info(device)[0]
        + torch.cuda.memory_reserved(device)
        - torch.cuda.memory_allocated(device)
    )


def allocate(shape: Sequence[int], batch: Batch, what: str) -> Tensor:
    """An array on the batch's device. Raises DeviceMemoryError where a GPU has no room for it."""
    try:
        return torch.empty(tuple(shape), dtype=batch.dtype, device=batch.device)
    except torch.OutOfMemoryError as error:
        tapes = what.startswith("the tapes")
        count = batch.threads if tapes else batch.size
        needed, free = math.prod(shape) * batch.dtype.itemsize, free_memory(batch.device)
        fit = free * count // needed
        fit -= fit % 32 if fit >= 32 else 0
        advice = (
            f"pass chunk={fit} to Model"
            if tapes and fit >= 32
            else f"call the model on chunks of {fit} trajectories"
        )
        raise DeviceMemoryError(
            f"{what} {count} trajectories need {needed / 1e9:.3g} GB, and the GPU has {free / 1e9:.3g} GB "
            f"free, room for {fit}: {advice}, or ask for fewer times"
        ) from error


def add_sums(batch: Batch, scratch: Tensor, g_p: Tensor | None, g_u: Sequence[Tensor]) -> None:
    """Adds to shared gradients what each thread has summed, in an order that does not vary."""
    call = batch.call
    sums = scratch[batch.threads * call.scratch_tape :].view(batch.groups, call.scratch_sums).sum(0)
    if g_p is not None:
        g_p += sums[: g_p.shape[-1]]
    for place, g in zip(call.series if g_u else (), g_u):
        if not place.item:
            first = batch.kernels.params + place.offset
            g += sums[first : first + g.numel()].view(g.shape)
