"""Updates on their way from the engine's thread to a task of an event loop; neither waits for the other."""

from __future__ import annotations

import asyncio
from collections import deque

from tyllm.runtime.scheduler.sequence_update import SequenceUpdate


class UpdateMailbox:
    """Holds updates until they are asked for: at most those of one request, so there is no other limit."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop, self._arrived = loop, asyncio.Event()
        self._updates: deque[SequenceUpdate] = deque()
        self._told = False

    def put(self, update: SequenceUpdate) -> None:
        """Leave an update; from any thread. Raises `RuntimeError` where the event loop is closed."""
        self._updates.append(update)
        if not self._told:
            self._told = True
            self._loop.call_soon_threadsafe(self._arrived.set)

    async def take(self) -> list[SequenceUpdate]:
        """All updates that have come since the last call, at least one."""
        await self._arrived.wait()
        self._arrived.clear()
        self._told = False  # before they are taken: what comes from now on is told again
        taken = []
        while self._updates:
            taken.append(self._updates.popleft())
        return taken
