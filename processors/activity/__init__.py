"""Bars by activity: ticks, volume, money and their imbalances."""
