"""The radix tree finds what a plain comparison with every holder finds."""

import random

from tyllm.runtime.cache.prefix_tree import PrefixTree


def longest(held, keys):
    """The slow, obvious answer."""
    best, holders = 0, set()
    for holder, theirs in held.items():
        count = next((at for at, (a, b) in enumerate(zip(theirs, keys, strict=False)) if a != b), None)
        count = min(len(theirs), len(keys)) if count is None else count
        if count > best:
            best, holders = count, {holder}
        elif count == best:
            holders.add(holder)
    return best, holders if best else set()


def nodes(node):
    return 1 + sum(nodes(child) for child in node.children.values())


def test_random_holders():
    rng, tree, held = random.Random(0), PrefixTree(), {}
    for _ in range(3000):
        keys = [rng.randrange(2) for _ in range(rng.randrange(1, 9))]
        holder = rng.randrange(6)
        if rng.random() < 0.7:
            tree.insert(holder, keys)
            held[holder] = keys
        else:
            tree.remove(holder)
            held.pop(holder, None)
        asked = [rng.randrange(2) for _ in range(rng.randrange(9))]
        count, holders = tree.match(asked)
        assert (count, set(holders)) == longest(held, asked)
    for holder in range(6):
        tree.remove(holder)
    assert nodes(tree._root) == 1


def test_keys_are_compared_by_content_and_kind():
    tree = PrefixTree()
    tree.insert(0, [None, 5, ("digest", 0), ("digest", 1), 7])
    assert tree.match([None, 5, ("digest", 0), ("other", 1)]) == (3, {0})
    assert tree.match(["salt", 5]) == (0, frozenset())
    tree.insert(0, [None, 6])  # in the place of what it had
    assert tree.match([None, 5]) == (1, {0})
