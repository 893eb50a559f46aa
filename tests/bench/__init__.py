"""Measurements of speed, memory and growth beside other registries; tests/bench/run is the command."""
