"""The native engine: a C or CUDA kernel for a whole run, built when it is first needed."""
