"""Kinds of models that model checkers store, by their names in files."""

from __future__ import annotations

from regmdp.io.text_files import Text

__all__ = ["DECISION_PROCESS", "MARKOV_CHAIN", "require_supported"]

#: Kinds of models that can be read, and descriptions of others.
MARKOV_CHAIN, DECISION_PROCESS = "DTMC", "MDP"
UNSUPPORTED_KINDS = {
    "CTMC": "a Markov chain in continuous time",
    "CTMDP": "a decision process in continuous time",
    "MA": "a Markov automaton, in continuous time",
    "MARKOV AUTOMATON": "in continuous time",
    "PTA": "a timed automaton",
    "POMDP": "a decision process with hidden states",
    "POPTA": "a timed automaton with hidden states",
    "SMG": "a game of several players",
    "S2PG": "a game of two players",
    "TSG": "a game of two players",
    "STPG": "a game of two players",
    "CSG": "a game of several players",
    "IDTMC": "a Markov chain with intervals of probabilities",
    "IMDP": "a decision process with intervals of probabilities",
    "IPOMDP": "a decision process with hidden states and intervals of probabilities",
    "LTS": "a transition system without probabilities",
}


def require_supported(kind: str, text: Text, number: int) -> bool:
    """Return whether a kind of model, named in a line of a file by number, is a Markov chain.

    Raises:
        FormatError: if models of this kind cannot be read.
    """
    name = kind.strip().upper()
    if name in (MARKOV_CHAIN, DECISION_PROCESS):
        return name == MARKOV_CHAIN
    what = UNSUPPORTED_KINDS.get(name)
    raise text.error_at(
        number,
        f"expected a model of the type {DECISION_PROCESS} or {MARKOV_CHAIN}, and found the type "
        f"{kind.strip()!r}{'' if what is None else f' ({what})'}, which is not supported",
    )
