"""Saves one version of a model in a repository on the hub: as in a folder, which is checked in the same way and then sent."""

from collections.abc import Generator
from threading import Event

from qdash.checkpoints.new_folder import NewFolder, disk_errors
from qdash.checkpoints.uploading import HubRepository, upload
from qdash.errors import QdashError
from qdash.execution import Executor
from qdash.records import Request, Saved, Step
from qdash.runs.save import Card, check_saveable, checked_files, planned
from qdash.settings import settings


def push_version(
    request: Request, index: int, repository: HubRepository, card: Card, executor: Executor, stop: Event | None = None
) -> Generator[Step, None, Saved]:
    """Save variant `index` of `request` in `repository`, yielding progress.

    Raises QdashError as `save_version` does, and in public mode, whose visitors are not those whose token it is.
    """
    if settings().public:
        raise QdashError("This server sends nothing to the hub.", "Send it with a qdash of your own.", "unavailable")
    check_saveable(request, index)
    exists = repository.check()
    plan = yield from planned(request, index, stop)
    place = NewFolder(settings().cache_dir / "to-the-hub")
    with disk_errors(place.path):
        place.path.parent.mkdir(parents=True, exist_ok=True)
    with place.filled() as part:
        folder = part / "model"
        saved = yield from checked_files(plan, folder, place, (repository.address, repository.name), card, executor, stop)
        yield from upload(folder, repository, exists, stop)
    return saved
