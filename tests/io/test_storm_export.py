"""A model with most features of the format, as Storm 2.0 exports it, and its values by Storm."""

import numpy as np
import pytest

import regmdp as rm

DOUBLE = """\
// Exported by storm
// Original model type: MDP
@type: MDP
@value_type: double
@parameters

@reward_models
cost
@nr_states
4
@nr_choices
6
@model
state 0 [0, 1] init
//[s=0]
\taction go [2.5, 0]
\t\t1 : 0.3333333333
\t\t2 : 0.6666666667
\taction wait [0, 0]
\t\t0 : 1
state 1 [4, 1]
//[s=1]
\taction __NOLABEL__ [0, 0]
\t\t0 : 0.5
\t\t3 : 0.5
state 2 [0, 1]
//[s=2]
\taction __NOLABEL__ [0, 0]
\t\t3 : 1
state 3 [0, 0] goal
//[s=3]
\taction a [0, 0]
\t\t3 : 1
\taction b [0, 0]
\t\t3 : 1
""".replace("cost", "cost  ")  # a space after each name, one of which is empty
RATIONAL = (
    DOUBLE.replace("double", "rational")
    .replace("0.3333333333", "1/3")
    .replace("0.6666666667", "2/3")
    .replace("2.5", "5/2")
    .replace(" 0.5", " 1/2")
)


@pytest.mark.parametrize("text", [DOUBLE, RATIONAL], ids=["double", "rational"])
def test_the_value_is_that_of_storm(tmp_path, text):
    path = tmp_path / "model.drn"
    path.write_text(text)
    mdp = rm.io.read_model(path, rewards="cost")
    # R{"cost"}max=? [C]
    np.testing.assert_allclose(rm.solve(mdp).value, [23 / 5, 63 / 10, 0, 0], atol=1e-8)
    np.testing.assert_array_equal(mdp.terminal, [False, False, False, True])
    # the second reward structure has no name; its total is infinite
    with pytest.raises(rm.FormatError, match="choose one with rewards=: cost, rew1"):
        rm.io.read_model(path)
    with pytest.raises(rm.UnboundedError):
        rm.solve(rm.io.read_model(path, rewards="rew1"))
