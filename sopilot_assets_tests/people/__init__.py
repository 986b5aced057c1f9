"""Tests of what one person's recordings say together."""
