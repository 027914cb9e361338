"""Models in and out: files, Gymnasium environments, arrays of other toolboxes."""

from regmdp.io.formats import read_model, write_model
from regmdp.io.gymnasium_export import to_gymnasium
from regmdp.io.gymnasium_tables import from_gymnasium, time_limit_note
from regmdp.io.mapped import open_distributed, open_mapped, save_mapped
from regmdp.io.model_writer import ModelWriter
from regmdp.io.npz import load_model, save_model
from regmdp.io.policy_files import load_policy
from regmdp.io.toolboxes import (
    DiscreteDPArguments,
    from_mdptoolbox,
    from_quantecon,
    to_mdptoolbox,
    to_quantecon,
)
from regmdp.io.vector_env import Environment, from_vector_env

__all__ = [
    "DiscreteDPArguments",
    "Environment",
    "ModelWriter",
    "from_gymnasium",
    "from_mdptoolbox",
    "from_quantecon",
    "from_vector_env",
    "load_model",
    "load_policy",
    "open_distributed",
    "open_mapped",
    "read_model",
    "save_mapped",
    "save_model",
    "time_limit_note",
    "to_gymnasium",
    "to_mdptoolbox",
    "to_quantecon",
    "write_model",
]
