"""Updates carry what is new, so that nobody needs to look at what grows in the engine's thread."""

from fake_package import reference_greedy


def test_updates_add_up_to_the_result(serve):
    served, text, tokens, updates = serve(), "", [], []
    served.add([1, 2], "a", max_new_tokens=8, logprobs=1)
    while served.core.has_work:
        updates += served.core.step()
    for update in updates:
        text += update.text
        tokens += update.token_ids
        assert len(update.logprobs) == 1 and update.logprobs[0].token_id == tokens[-1]
    assert tokens == reference_greedy([1, 2], 8) and text == updates[-1].result.text
    assert [update.finished for update in updates] == [False] * 7 + [True]
