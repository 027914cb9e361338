import pytest

import regmdp as rm

CATALOGUE = rm.models.list_models()


@pytest.mark.parametrize("model", CATALOGUE, ids=lambda model: model.name)
def test_the_catalogue_describes_the_models(model):
    mdp = rm.models.build_model(model.name)
    assert (mdp.n_states, mdp.n_actions, mdp.discount) == (
        model.n_states,
        model.n_actions,
        model.discount,
    )
    assert model.parameters["discount"] == model.discount
    assert model.description
    assert model.answer


@pytest.mark.parametrize(
    "model", [m for m in CATALOGUE if m.name != "icu-sepsis"], ids=lambda model: model.name
)
def test_parameters_reach_the_builder(model):
    assert rm.models.build_model(model.name, discount=0.25).discount == 0.25


def test_names_are_those_of_the_catalogue():
    assert rm.models.model_names() == tuple(model.name for model in CATALOGUE)
    assert rm.models.model_names() == tuple(sorted(rm.models.model_names()))


def test_only_icu_sepsis_needs_an_extra():
    assert [(model.name, model.extra) for model in CATALOGUE if model.extra or model.notice] == [
        ("icu-sepsis", "icu")
    ]


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("gridwrld", "gridworld"),
        ("icu_sepsis", "icu-sepsis"),
        ("Forest", "forest"),
        ("sepsis", "icu-sepsis"),
    ],
)
def test_an_unknown_name_suggests_the_nearest(name, near):
    with pytest.raises(
        rm.ModelError, match=f"there is no model named '{name}'; did you mean {near}"
    ):
        rm.models.build_model(name)


def test_a_name_unlike_all_others_lists_the_models():
    with pytest.raises(rm.ModelError, match="'zzz'. The models are bandit, chain, "):
        rm.models.build_model("zzz")


def test_an_unknown_parameter_lists_the_parameters():
    with pytest.raises(
        rm.ModelError,
        match="chain has no parameter 'states'; did you mean n_states.*It takes n_states=5, dist",
    ):
        rm.models.build_model("chain", states=3)
