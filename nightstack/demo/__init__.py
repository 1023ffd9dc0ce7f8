"""A whole simulated night, end to end, in one folder."""

from nightstack.demo.night import DemoOptions, run_demo

__all__ = ["DemoOptions", "run_demo"]
