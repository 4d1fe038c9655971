"""No update is lost between a thread and a task."""

import asyncio
import threading

import pytest

from tyllm.runtime.generation.result import Result
from tyllm.runtime.scheduler.sequence_update import SequenceUpdate
from tyllm.runtime.update_mailbox import UpdateMailbox


def test_all_arrive_in_order():
    async def main():
        mailbox, found = UpdateMailbox(asyncio.get_running_loop()), []

        def send():
            for number in range(20_000):
                mailbox.put(SequenceUpdate("a", number, Result()))

        thread = threading.Thread(target=send)
        thread.start()
        while len(found) < 20_000:
            taken = await asyncio.wait_for(mailbox.take(), 20)
            found += [update.index for update in taken]
        thread.join()
        assert found == list(range(20_000))

    asyncio.run(main())


def test_a_closed_loop_is_told():
    loop = asyncio.new_event_loop()
    mailbox = UpdateMailbox(loop)
    loop.close()
    with pytest.raises(RuntimeError):
        mailbox.put(SequenceUpdate("a", 0, Result()))
