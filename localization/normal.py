"""Figures of the normal distribution."""

#: Half width of a 90 % interval, in standard deviations.
Z90 = 1.645
