"""odec: a compiler from ordinary differential equations, written as text, to readable PyTorch modules."""
