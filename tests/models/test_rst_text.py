"""reStructuredText becomes plain words."""

import pytest
from rst_text import inline, plain_text

SOURCE = """
.. _label:

:mod:`bisect` --- Arrays
========================

.. module:: bisect

.. function:: insort(a, x, lo=0)

   Insert *x* in ``a``; see :func:`~os.path.join` and `the docs <https://example.org>`_.

   .. versionadded:: 3.1

Example::

   >>> 1
"""


def test_a_page():
    assert plain_text(SOURCE) == (
        "# `bisect` --- Arrays\n\n`insort(a, x, lo=0)`\n\n"
        "   Insert *x* in `a`; see `os.path.join` and the docs.\n\n"
        "   New in version 3.1:\n\nExample:\n\n   >>> 1\n"
    )


@pytest.mark.parametrize(
    ("source", "text"),
    [(":pep:`8`", "PEP 8"), ("``x``", "`x`"), (":ref:`Sorting <sortinghowto>`", "`Sorting`"), ("a\\ *b*", "a*b*")],
)
def test_inline(source, text):
    assert inline(source) == text
