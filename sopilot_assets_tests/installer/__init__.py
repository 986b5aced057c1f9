"""Tests of the folder that is installed without a network."""
