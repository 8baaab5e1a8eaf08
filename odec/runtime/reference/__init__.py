"""The reference engine: loops and steps in plain torch, for every method and device."""
