"""The sensor that sends results to the programs that settings.yaml names."""

import os
import socket

import dagster as dg

from sopilot_assets.defs.resources import ClockResource, HomeResource
from sopilot_assets.settings import load_settings
from sopilot_assets.upkeep.results.deliver import ResultOutbox, channel_names


@dg.sensor(
    name="results",
    minimum_interval_seconds=15,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description=(
        "Sends results by webhook and as xAPI statements, as settings.yaml says: when they are decided, when "
        "they change, and when they no longer count. What cannot be sent is tried again."
    ),
)
def results_sensor(
    context: dg.SensorEvaluationContext, home: HomeResource, clock: ClockResource
) -> dg.SkipReason:
    """One tick."""
    settings = load_settings(home.home)
    installation = settings.alerts.installation or socket.gethostname()
    outbox = ResultOutbox(home.home, settings, os.environ, installation, clock.now())
    if not channel_names(settings.results):
        return dg.SkipReason("settings.yaml names no program that is told of results")
    sent = outbox.deliver()
    for one in sent.failed:
        message = f"{one.channel}: {one.parcel.key} not delivered, try {one.tries}: {one.error}"
        context.log.warning(message)
    return dg.SkipReason(f"{sent.delivered} results sent, {sent.waiting} wait")
