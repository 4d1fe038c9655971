"""Questions come from modules, functions, headings and glossaries, each with a whole paragraph as its answer."""

from documentation_questions import questions_of

MODULE = """
.. module:: heapq
   :synopsis: Heaps.

This module provides an implementation of the heap queue algorithm, also known as the priority queue.

.. function:: heappush(heap, item)

   Push the value *item* onto the *heap*, maintaining the heap invariant all the while.

"""
FAQ = """
Why are there lists?
--------------------

Because sequences that change are useful in most programs that people write.

"""
GLOSSARY = """
.. glossary::

   iterable
      An object capable of returning its members one at a time, such as a list.

"""


def test_modules_and_functions():
    found = dict(questions_of(MODULE))
    assert found["What is `heapq` for?"].startswith("This module provides an implementation")
    assert found["What does `heapq.heappush` do?"].startswith("Push the value *item*")


def test_headings_and_terms():
    assert dict(questions_of(FAQ)) == {
        "Why are there lists?": "Because sequences that change are useful in most programs that people write."
    }
    assert dict(questions_of(GLOSSARY))["What does iterable mean?"].startswith("An object capable")
