"""The module that holds both engines: the torch module, with the kernel's source and its runtime."""

from __future__ import annotations

import inspect
from types import ModuleType

from odec import cache
from odec.backends.job import Job
from odec.backends.native.kernel import kernel_job
from odec.backends.torch.module import module_job as torch_job
from odec.methods import Auto, Method
from odec.passes.program import Programs


def module_job(programs: Programs, tableau: Method | Auto | None, *, version: str) -> Job:
    """The generated module with the native engine beside torch, for a tableau or (None) for a map."""
    job = torch_job(programs, tableau, version=version)
    kernel = kernel_job(programs, tableau, version=version)
    own = {
        "native": True,
        "kernel": kernel,
        "cache_functions": _functions_of(cache),
        "lanes": kernel.context["lanes"],
        "shortest": kernel.context["shortest"],
        "inner_lanes": kernel.context["inner_lanes"],
        "adaptive": kernel.context["adaptive"],
        "input_terms": kernel.context["input_terms"],
        "native_dense": kernel.context["dense"] is not None,
        "native_adaptive": kernel.context["adaptive"],
        "operator_name": f"{job.context['operator_name']}_native",
    }
    return Job(job.template, {**job.context, **own})


def _functions_of(module: ModuleType) -> str:
    """A module's text from its first function on."""
    text = inspect.getsource(module)
    return text[text.index("\ndef ") + 1 :]
