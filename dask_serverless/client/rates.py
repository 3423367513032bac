"""Rates: what moving a large output takes, for a run that has moved none or few of them."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from dask_serverless.client.evidence import Transfers
from dask_serverless.history.observations import DOWNLOAD, UPLOAD
from dask_serverless.history.predicted import Predicted
from planners.numbers.predictions import Line

if TYPE_CHECKING:
    from dask_serverless.client.report import RunReport
    from planners.cost.outlook import Outlook


class Rates:
    """By this run's own transfers, else by earlier ones to the same kind of place, else as planned.

    The line of what is only assumed rests on no samples.
    """

    def __init__(self, report: RunReport, outlook: Outlook) -> None:
        self.transfers, self.place = report.transfers or Transfers(), report.place
        self.workload, self.known = outlook.workload, outlook.model.predictions

    @cached_property
    def upload(self) -> Line:
        planned = self.before(UPLOAD, self.workload.upload)
        return self.transfers.upload(planned)

    @cached_property
    def download(self) -> Line:
        planned = self.before(DOWNLOAD, self.workload.download)
        return self.transfers.download(planned)

    @property
    def assumed(self) -> bool:
        return not (self.upload.samples and self.download.samples)

    def before(self, direction: str, planned: Line) -> Line:
        """What earlier runs tell of this place; other places tell nothing of it."""
        if not self.place or not isinstance(self.known, Predicted):
            return planned
        if self.known.places.get((self.place, direction)):
            return self.known.transfer(self.place, direction)
        return planned._replace(samples=0)
