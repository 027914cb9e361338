"""What notebooks and terminals show of results: escaped, without scripts, one line where asked."""

from html.parser import HTMLParser

import numpy as np
import pytest

import regmdp as rm

MDP = rm.models.chain(5)
SHANNON = rm.Shannon(temperature=0.1)


def results():
    noisy = rm.algorithms.NPG(0.1, evaluation=rm.evaluation.GenerativeModel(20))
    return {
        "solution": rm.solve(MDP, SHANNON),
        "certificate": rm.certify(MDP, SHANNON, value=np.zeros(5)),
        "evaluation": rm.evaluate(MDP, rm.uniform_policy(MDP)),
        "learning": rm.learn(MDP, SHANNON, noisy, max_iterations=2, rng=np.random.default_rng(0)),
        "samples": rm.certify_from_samples(
            MDP, SHANNON, value=np.zeros(5), samples=20, rng=np.random.default_rng(0)
        ),
        "frontier": rm.frontier(MDP, rm.uniform_policy(MDP), [1.0]),
        "report": rm.theory.check(
            rm.theory.trace(MDP, SHANNON, rm.algorithms.NPG(0.1), max_iterations=3)
        ),
    }


class Tags(HTMLParser):
    """Collects tags, and checks that each that is opened is closed."""

    def __init__(self):
        super().__init__()
        self.open, self.seen = [], set()

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.seen.add(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.mark.parametrize("name", list(results()))
def test_results_are_well_formed_tables_in_notebooks(name):
    tags = Tags()
    tags.feed(results()[name]._repr_html_())
    assert not tags.open
    assert "table" in tags.seen
    assert not tags.seen & {"script", "style", "img", "link"}


def test_labels_are_escaped():
    labels = ["<script>alert(1)</script>", "b & c"]
    mdp = rm.MDP(np.full((2, 1, 2), 0.5), np.array([[0.0], [1.0]]), 0.9, state_labels=labels)
    text = rm.solve(mdp)._repr_html_()
    assert "<script" not in text


def test_an_event_is_printed_on_one_line():
    heard = []
    rm.solve(MDP, SHANNON, callback=heard.append)
    lines = str(heard[-1]).splitlines()
    assert len(lines) == 1
    assert lines[0].startswith(f"Event(iteration {heard[-1].iteration}, ")
    assert "gap" in lines[0]


def test_regularizers_of_users_show_what_they_hold():
    def square(p, weight):
        return weight * p**2

    separable = rm.Separable(
        square, lambda p, weight: 2 * weight * p, temperature=0.3, parameters={"weight": np.ones(4)}
    )
    text = repr(separable)
    assert text.startswith("Separable(")
    assert "square" in text
    assert "weight of shape (4, 1)" in text
    assert "temperature=0.3" in text
    assert "\n" not in text
