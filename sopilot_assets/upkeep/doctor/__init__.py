"""What is wrong with an installation and its home, and the next action for each.

Every check looks and changes nothing. A ``problem`` has to be mended before results can be trusted or made; a
``warning`` is worth a look.
"""

from sopilot_assets.upkeep.doctor.examine import CHECKS, examine_home
from sopilot_assets.upkeep.doctor.finding import Finding, Patient, State
from sopilot_assets.upkeep.doctor.machine import OLD_S

__all__ = ["CHECKS", "OLD_S", "Finding", "Patient", "State", "examine_home"]
