"""Runs made ready for loops of one's own."""

import pytest
import torch

import odec

TEXT = """
param a = 2 in (0, inf)
param b = 0.5
init x = 1
init y = 0.5
dx/dt = a*x - x*y
dy/dt = b*x*y - y
run t = 0 .. 3 dt 0.1
"""
T = torch.tensor([0.0, 0.4, 1.5], dtype=torch.float64)


@pytest.mark.parametrize("engine", ["native", "torch"])
@pytest.mark.parametrize(("method", "steps"), [("rk4", {"dt": 0.05}), ("tsit5", {"rtol": 1e-7})])
@pytest.mark.parametrize("batch", [(), (3,), (2, 3)])
def test_its_states_are_those_of_a_call(engine, method, steps, batch):
    module = odec.load(TEXT, method, "native")
    net = module.Model(engine=engine, **steps)
    generator = torch.Generator().manual_seed(3)
    x0 = 0.5 + torch.rand((*batch, 2), generator=generator, dtype=torch.float64)
    p = 0.5 + torch.rand((*batch, 2), generator=generator, dtype=torch.float64)
    run = net.prepared(T, x0, p)
    for factor in (1.0, 0.7):
        with torch.no_grad():
            assert torch.equal(run(factor * x0, factor * p), net(T, factor * x0, factor * p))


def test_it_reads_nothing_of_the_model_later():
    module = odec.load(TEXT, "rk4", "native")
    net = module.Model(engine="native", dt=0.1)
    run, p = net.prepared(T), net.vector().detach().clone()
    x0 = torch.tensor([1.0, 0.5], dtype=torch.float64)
    before = run(x0, p)
    net.a = 3.0
    net.dt = 0.5
    assert torch.equal(run(x0, p), before) and before is not run(x0, p)


@pytest.mark.parametrize("engine", ["native", "torch"])
def test_other_shapes_and_dtypes_are_refused(engine):
    module = odec.load(TEXT, "rk4", "native")
    net = module.Model(engine=engine, dt=0.1)
    run, p = net.prepared(T), net.vector().detach()
    with pytest.raises(ValueError, match=r"this run was made for x0 \(2,\), p \(2,\), not \(\(3, 2\)"):
        run(torch.ones(3, 2, dtype=torch.float64), p)
    with pytest.raises(ValueError, match="torch.float32"):
        run(torch.ones(2), p)


def test_arguments_may_lie_in_memory_as_they_will():
    module = odec.load(TEXT, "rk4", "native")
    net = module.Model(engine="native", dt=0.1)
    x0 = torch.rand(2, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) + 0.5
    p = torch.rand(2, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(2)) + 0.5
    run = net.prepared(T, x0.mT.contiguous(), p.mT.contiguous())
    negated = torch.complex(-x0, -x0).conj().imag.mT  # whose sign is owed in memory
    with torch.no_grad():
        assert torch.equal(run(x0.mT, p.mT), net(T, x0.mT, p.mT))
        assert torch.equal(run(negated, p.mT), net(T, negated, p.mT))


@pytest.mark.parametrize("shape", [(3, 1, 2), (1, 2), (1, 1, 2)])
def test_parameters_may_be_of_some_of_the_batch(shape):
    module = odec.load(TEXT, "rk4", "native")
    net = module.Model(engine="native", dt=0.1)
    generator = torch.Generator().manual_seed(5)
    x0 = 0.5 + torch.rand(3, 2, 2, generator=generator, dtype=torch.float64)
    p = 0.5 + torch.rand(shape, generator=generator, dtype=torch.float64)
    with torch.no_grad():
        assert torch.equal(net.prepared(T, x0, p)(x0, p), net(T, x0, p))
