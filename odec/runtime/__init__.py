"""The run-time of generated modules: torch alone, and for the native engine a C compiler.

A generated module holds a model's equations and, of explicit methods, one step with its adjoint; everything
that is the same for all models stands here. compiled.py: what a module says of itself; model.py: the
nn.Module; autograd.py, operators.py: how torch sees a solve; reference/: the torch engine; native/: the C and
CUDA engine.
"""
