"""Imports that come over the network, and the restarts that an import asks for: what API and admin share."""

from collections.abc import Sequence

from django.db import transaction

from monitoring.actions import Batch, request_actions
from monitoring.importers.faults import Fault, ImportProblem
from monitoring.importers.formats import Format
from monitoring.importers.importing import Import, import_sources, restarts
from monitoring.importers.sources import Options, Source
from operations.auditing import record_import
from operations.requester import Requester


def import_sent(
    sources: Sequence[Source],
    wanted: Format | None,
    options: Options,
    *,
    node: str,
    dry_run: bool,
    requester: Requester,
) -> Import:
    """Import texts that somebody sent. Nothing else is read: no included file, no variable of this process.

    Raises ImportProblem with every fault found. Queries and writes the database.
    """
    if not any(source.text.strip() for source in sources):
        name = sources[0].name if sources else "The import"
        message = "It is empty. Send the file's text, or a form with a file."
        raise ImportProblem(name, [Fault(name, 0, "", message)])
    return import_for(requester, sources, wanted, options, node=node, dry_run=dry_run)


def import_for(
    requester: Requester,
    sources: Sequence[Source],
    wanted: Format | None,
    options: Options,
    *,
    node: str,
    dry_run: bool,
) -> Import:
    """Import, and write down who did so in the same transaction. Raises what :func:`import_sources` does."""
    with transaction.atomic():
        done = import_sources(sources, wanted, options, node=node, dry_run=dry_run)
        if not dry_run:
            record_import(requester, "services", {change.key: change.what for change in done.changes})
    return done


def request_restarts(done: Import, requester: Requester) -> Batch:
    """Request restarts of what runs with old settings: copies one after the other, all others at once.

    Queries and writes the database for each service.
    """
    together = Batch(batch="")
    for services, rolling in restarts(done):
        batch = request_actions(services, "restart", requester, rolling=rolling, reason="import of services")
        together.batch = together.batch or batch.batch
        together.operations += batch.operations
        together.refused += batch.refused
    return together
