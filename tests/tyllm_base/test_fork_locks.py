"""A child of a fork waits for no thread that stayed behind."""

import os
import signal
import threading

import pytest

from tyllm_base.fork_locks import new_lock, new_rlock


@pytest.mark.parametrize("new", [new_lock, new_rlock])
def test_a_lock_that_another_thread_holds_is_free_in_the_child(new):
    lock, held, done = new(), threading.Event(), threading.Event()

    def hold():
        with lock:
            held.set()
            done.wait(30)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(30)
    child = os.fork()
    if not child:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(10)
        with lock:
            os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert not lock.acquire(blocking=False)
    done.set()
    thread.join(30)
    with lock:
        pass
