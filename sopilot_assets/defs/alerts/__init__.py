"""Alerts in Dagster: the sensor that notes and sends what needs attention."""
