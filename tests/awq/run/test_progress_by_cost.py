"""Progress in thousandths of the work."""

from awq.run.progress_by_cost import ProgressByCost


def test_steps_are_shares_of_the_cost():
    told = []
    meter = ProgressByCost(lambda *step: told.append(step), {("a", "x"): 1.0, ("a", "y"): 3.0, ("b", ""): 4.0})
    meter.report(("a", "x"), "first")
    meter.report(("a", "y"), "second")
    meter.report(("b", ""), "third")
    meter.report(("b", ""), "third", share=0.5)
    meter.finish()
    expected = [(0, "first"), (125, "second"), (500, "third"), (750, "third"), (1000, "done")]
    assert told == [(done, 1000, what) for done, what in expected]


def test_it_never_goes_back_and_ends_only_at_the_end():
    told = []
    meter = ProgressByCost(lambda done, total, what: told.append(done), {("a", ""): 1.0, ("b", ""): 1.0})
    meter.report(("b", ""), "", share=1.0)
    meter.report(("a", ""), "")
    meter.report(("c", ""), "no cost is known of this one")
    assert told == [999, 999, 999]
