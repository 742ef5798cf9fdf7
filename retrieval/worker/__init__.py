"""Embeds what the queue in the database holds, and shows how far that is."""

from retrieval.worker.jobs import FailedJob, JobCounts
from retrieval.worker.signals import Stopped, StopSignals
from retrieval.worker.worker import Worker

__all__ = ["FailedJob", "JobCounts", "StopSignals", "Stopped", "Worker"]
