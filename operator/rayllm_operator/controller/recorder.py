"""Recording Events: few of them, however fast a model changes its mind.

Said again, an Event keeps its object: its count and its last time rise, and its message is the newest. So a
model has at most one Event for each reason. How often they are written is limited as in Kubernetes' own
components (client-go's ``EventCorrelator``): a burst, and then one for each so many seconds.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from rayllm_operator.controller.conditions import timestamp
from rayllm_operator.controller.decision import Note
from rayllm_operator.controller.events import event_manifest
from rayllm_operator.controller.keys import Key, key_of
from rayllm_operator.controller.logs import log
from rayllm_operator.kube.errors import AlreadyExistsError, ApiError
from rayllm_operator.kube.kinds import EVENT, LLM_MODEL
from rayllm_operator.kube.port import ApiPort, Manifest, Object

BURST = 25
"""Events of one model that are written at once."""

SECONDS_FOR_ONE = 60.0
"""How long a model whose burst is used up waits for its next Event."""


@dataclass
class Allowance:
    """How many Events may be written about one model now."""

    left: float
    at: datetime

    def take(self, now: datetime) -> bool:
        """Take one; False where none is left."""
        passed = (now - self.at).total_seconds()
        self.left, self.at = min(BURST, self.left + passed / SECONDS_FOR_ONE), now
        if self.left < 1:
            return False
        self.left -= 1
        return True


class Recorder:
    """Writes Events; they are a courtesy, and a failure to do so is only logged.

    What it remembers only limits how much is written: a new process begins with a new burst.
    """

    def __init__(self, api: ApiPort) -> None:
        self._api = api
        self._allowances: dict[Key, Allowance] = {}

    async def record(self, model: Object, notes: Iterable[Note], now: datetime) -> None:
        """Write the Events of a pass."""
        for note in notes:
            allowance = self._allowances.setdefault(key_of(LLM_MODEL, model), Allowance(BURST, now))
            if not allowance.take(now):
                log.warning("event not recorded", reason=str(note.reason), error="too many about this model")
                continue
            try:
                await self._write(event_manifest(model, note, timestamp(now)))
            except ApiError as error:
                log.warning("event not recorded", reason=str(note.reason), error=str(error))

    def forget(self, key: Key) -> None:
        """Forget a model that is gone."""
        self._allowances.pop(key, None)

    async def _write(self, event: Manifest) -> None:
        metadata = event["metadata"]
        try:
            await self._api.create(EVENT, event)
        except AlreadyExistsError:
            before = await self._api.get(EVENT, metadata["name"], metadata["namespace"])
            values = {
                "/count": int(before.get("count") or 0) + 1,
                "/lastTimestamp": event["lastTimestamp"],
                "/message": event["message"],
            }
            operations = [{"op": "add", "path": path, "value": value} for path, value in values.items()]
            await self._api.json_patch(EVENT, metadata["name"], metadata["namespace"], operations)
