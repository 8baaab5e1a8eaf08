"""Models of which tests of both engines take the gradients."""

LOTKA_VOLTERRA = """
param a = 1.1
param b = 0.4
init x = 10
init y = 5
dx/dt = a*x - b*x*y
dy/dt = 0.1*x*y - 0.4*y
"""
ROBERTSON = """
param k1 = 0.04
param k2 = 3e7
param k3 = 1e4
init y1 = 1
init y2 = 2e-5
init y3 = 0.1
dy1/dt = -k1*y1 + k3*y2*y3
dy2/dt = k1*y1 - k3*y2*y3 - k2*y2**2
dy3/dt = k2*y2**2
"""
VAN_DER_POL = """
param mu = {mu}
init x = 2
init y = 0.5
dx/dt = y
dy/dt = mu*(1 - x**2)*y - x
"""
FORCED = """
input u linear
param k = 3
param g = 0.5
init x = 1
init y = 0.2
dx/dt = -k*(x - u) + g*y*sin(t)
dy/dt = x - g*y + cos(t)
"""
