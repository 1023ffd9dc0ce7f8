"""Speed and accuracy figures that anyone can run again: ``python -m benchmarks [NAME]``."""
