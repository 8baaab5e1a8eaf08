"""odec beside other solvers: one module a workload, run as `python -m benchmarks.NAME`."""
