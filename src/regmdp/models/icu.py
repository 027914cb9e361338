"""ICU-Sepsis: a model of the treatment of sepsis, built from hospital records by its authors."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from regmdp._internal.arrays import Float
from regmdp._internal.errors import FormatError, MissingExtraError
from regmdp.mdp import MDP

__all__ = ["ICU_NOTICE", "icu_sepsis", "icu_sepsis_expert"]

#: Notice that has to be shown with results of this model.
ICU_NOTICE = (
    "ICU-Sepsis (Choudhary, Gupta and Thomas 2024) is for research only. It is not a medical "
    "device, and nothing computed from it may guide the treatment of a patient."
)

N_PATIENT_STATES = 713
LEVELS = 5


def icu_sepsis(*, discount: float = 1.0) -> MDP:
    r"""Return ICU-Sepsis, a model of the treatment of sepsis in intensive care.

    For research only, not for clinical use.

    States 0 to 712 are clusters of patients' measurements over four hours. The last three states
    are terminal: death, survival, and the state after both. An action is a level of intravenous
    fluids and a level of vasopressors, 0 for none and 1 to 4 for the quartiles of the doses given:
    action 5i + j is fluids i and vasopressors j. Survival pays 1 and death 0, so that undiscounted
    values are probabilities of survival. All actions are available everywhere: actions that
    clinicians rarely took in a state have the mean of the rows of the actions that they took.

    Known values from the initial distribution, undiscounted: 0.8751 for the best policy (0.88 in
    the paper, by simulation), 0.7818 for the clinicians' (0.78), 0.7801 for the uniform policy
    (0.78).

    Args:
        discount: γ.

    Returns:
        A sparse model of 716 states and 25 actions.

    Raises:
        MissingExtraError: if the package ``icu-sepsis``, which holds the data, is not installed.
        FormatError: if its data are not as expected.

    Examples:
        >>> import regmdp as rm
        >>> mdp = rm.models.icu_sepsis()
        >>> mdp.n_states, mdp.n_actions, mdp.describe(713), mdp.describe(0, 7)
        (716, 25, 'state 713 (death)', 'state 0 (patient 0), action 7 (fluids 1, vasopressors 2)')

    Reference:
        Choudhary, Gupta and Thomas, ICU-Sepsis: a benchmark MDP built from real medical data,
        Reinforcement Learning Conference, 2024, with data from MIMIC-III (Johnson et al. 2016).
    """
    data = _read_arrays("tx_mat", "r_mat", "d_0")
    probabilities, rewards, initial = data["tx_mat"], data["r_mat"], data["d_0"]
    n_states, n_actions, _ = probabilities.shape
    live = np.arange(n_states) < N_PATIENT_STATES
    expected = np.zeros((n_states, n_actions))
    expected[live] = np.einsum("sat,sat->sa", probabilities[live], rewards[live])
    patients = [f"patient {number}" for number in range(N_PATIENT_STATES)]
    return MDP(
        sp.csr_array(probabilities.reshape(n_states * n_actions, n_states)),
        expected,
        discount,
        initial=initial,
        available=np.broadcast_to(live[:, None], (n_states, n_actions)),
        state_labels=[*patients, "death", "survival", "after"],
        action_labels=[
            f"fluids {i}, vasopressors {j}" for i in range(LEVELS) for j in range(LEVELS)
        ],
    )


def icu_sepsis_expert() -> Float[np.ndarray, "S A"]:
    """Return the (716, 25) policy of the clinicians, as the authors of ICU-Sepsis estimated it.

    The rows of the three terminal states are 0. Actions that clinicians rarely took have
    probability exactly 0.

    Raises:
        MissingExtraError: if the package ``icu-sepsis``, which holds the data, is not installed.
        FormatError: if its data are not as expected.

    Examples:
        >>> import regmdp as rm
        >>> mdp, expert = rm.models.icu_sepsis(), rm.models.icu_sepsis_expert()
        >>> round(float(mdp.initial @ rm.evaluate(mdp, expert).value), 4)
        0.7818
    """
    policy = _read_arrays("expert_policy")["expert_policy"]
    policy[N_PATIENT_STATES:] = 0.0
    return policy


def _read_arrays(*names: str) -> dict[str, np.ndarray]:
    """Read arrays from the package's data file.

    The package itself is not imported: that would import the unmaintained gym, which writes to the
    terminal.
    """
    spec = importlib.util.find_spec("icu_sepsis")
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtraError("icu-sepsis", "icu")
    path = Path(next(iter(spec.submodule_search_locations))) / "envs" / "assets" / "dynamics.npz"
    n_states, n_actions = N_PATIENT_STATES + 3, LEVELS * LEVELS
    shapes = {"d_0": (n_states,), "expert_policy": (n_states, n_actions)}
    arrays = {}
    try:
        with np.load(path, allow_pickle=False) as archive:
            for name in names:
                arrays[name] = archive[name]
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise FormatError(
            f"{path} is not the expected data file of icu-sepsis ({error}); reinstall version 2.0 "
            "or newer"
        ) from error
    for name, array in arrays.items():
        shape = shapes.get(name, (n_states, n_actions, n_states))
        if array.shape != shape:
            raise FormatError(
                f"{path}: {name} has shape {array.shape}, not {shape}; this is another version of "
                "ICU-Sepsis"
            )
    return arrays
