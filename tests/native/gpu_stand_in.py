"""A stand-in for a GPU: the driver's calls are answered here, and a kernel's threads run one after the other.

The kernel's source is what the GPU gets, compiled by a C++ compiler instead of NVRTC with CUDA's words
defined away; what is tested is the batch's layout on the device, the launch, and the sums of the threads.
"""

import ctypes
import functools
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from enum import IntEnum
from pathlib import Path

import torch

from odec.runtime.native import cuda, plans, toolchain

PRELUDE = """
#include <cmath>
#include <cstring>
using namespace std;
#define __CUDACC__ 1
#define __device__
#define __global__
#define __forceinline__ inline
#define __grid_constant__
#define __launch_bounds__(n)
struct Three { unsigned x; };
static Three gridDim, blockDim, blockIdx, threadIdx;
static double __dmul_rn(double a, double b) { volatile double product = a*b; return product; }
static double __longlong_as_double(long long bits) { double x; memcpy(&x, &bits, 8); return x; }
"""
EVERY_THREAD = """
extern "C" void every_thread(const Call *call, unsigned blocks, unsigned threads)
{
    gridDim.x = blocks;
    blockDim.x = threads;
    for (blockIdx.x = 0; blockIdx.x < blocks; ++blockIdx.x)
        for (threadIdx.x = 0; threadIdx.x < threads; ++threadIdx.x) KERNEL(*call);
}
"""


class Status(IntEnum):
    CUDA_SUCCESS = 0
    CUDA_ERROR_INVALID_VALUE = 1


@functools.cache
def _kernel(source: str, macros: tuple[str, ...]) -> ctypes.CDLL:
    text = PRELUDE + source + EVERY_THREAD
    compiler = os.environ.get("CXX") or shutil.which("c++") or "g++"
    name = hashlib.sha256(f"{text}{compiler}{macros}".encode()).hexdigest()[:24]
    kept = Path(os.environ["ODEC_CACHE_DIR"], "stand-in", f"{name}.so")
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=kept.parent) as folder:
            path, library = Path(folder, "kernel.cpp"), Path(folder, "kernel.so")
            path.write_text(text, encoding="utf-8")
            command = ["-O0", "-w", "-std=c++17", "-ffp-contract=fast", "-shared", "-fPIC", *macros]
            command += [f"-I{toolchain.INCLUDE}"]
            subprocess.run([compiler, *command, str(path), "-o", str(library)], check=True)
            library.replace(kept)
    return ctypes.CDLL(str(kept))


class Driver:
    """What the run time asks of `cuda.bindings.driver`."""

    def __init__(self, version: int = 13050):
        self.version, self.contexts, self.launches = version, [], []

    CUstream = staticmethod(lambda handle: ("stream", handle))

    def cuInit(self, flags):
        return (Status(0),)

    def cuDriverGetVersion(self):
        return Status(0), self.version

    def cuDeviceGet(self, index):
        return Status(0), index

    def cuDevicePrimaryCtxRetain(self, device):
        return Status(0), f"context {device}"

    def cuCtxPushCurrent(self, context):
        self.contexts.append(context)
        return (Status(0),)

    def cuCtxPopCurrent(self):
        return Status(0), self.contexts.pop()

    def cuModuleLoadData(self, image):
        assert self.contexts, "a module is loaded into the current context"
        return Status(0), json.loads(image)

    def cuModuleGetFunction(self, module, name):
        source, kernel, macros = module
        assert name == kernel.encode()
        return Status(0), _kernel(source, tuple(macros)).every_thread

    def cuLaunchKernel(self, f, gx, gy, gz, bx, by, bz, shared, stream, arguments, extra):
        assert self.contexts and (gy, gz, by, bz, shared, extra) == (1, 1, 1, 1, 0, 0)
        if not (0 < gx < 2**31 and 0 < bx <= 1024):
            return (Status(1),)
        self.launches.append((gx, bx, stream))
        call = ctypes.c_void_p.from_address(arguments)
        f(call, ctypes.c_uint(gx), ctypes.c_uint(bx))
        return (Status(0),)


class Stream:
    cuda_stream = 7


class Copy(torch.Tensor):
    """A tensor that can be told of a stream, as those of a GPU."""

    def record_stream(self, stream):
        assert isinstance(stream, Stream)


def install(monkeypatch, *, multiprocessors: int = 1, free: int = 1 << 30) -> Driver:
    """Have the native engine take the CPU's tensors for a GPU's. Returns the driver that it calls."""
    driver = Driver()
    monkeypatch.setattr(cuda, "on_gpu", lambda value: True)
    monkeypatch.setattr(cuda, "bindings", lambda: (driver, None, (13, 5)))
    monkeypatch.setattr(cuda, "_multiprocessors", lambda index: multiprocessors)
    monkeypatch.setattr(cuda, "free_memory", lambda device: free)
    monkeypatch.setattr(cuda, "cubin", _described)
    monkeypatch.setattr(cuda, "_device_kernel", functools.cache(cuda._device_kernel.__wrapped__))
    monkeypatch.setattr(cuda, "_primary_context", functools.cache(cuda._primary_context.__wrapped__))
    monkeypatch.setattr(plans.Arrays, "on", _marked(plans.Arrays.on))
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: Stream())
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda index: (9, 0))
    return driver


def _described(source, kernel, defines, capability):
    """Instead of a cubin: what it would be compiled from."""
    return json.dumps([source, kernel, toolchain.macros_of(kernel, defines)]).encode()


def _marked(on):
    return lambda plan, device: on(plan, device).as_subclass(Copy)
