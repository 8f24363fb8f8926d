"""The rollout state: one node's versions at one moment, a value.

Three sources state versions: the node (the one that answers), the desired versions, and the ledger (the last
decision). They differ while a node is rolling, and where a process died between writing two of them.
"""

from dataclasses import dataclass, field

from concord.ledger.state import PACKAGED
from concord.policies.stake import Action, Appointment
from concord.rollout.desired.store import version_number
from concord.types.models import DesiredVersions, Phase

VersionPair = tuple[str | None, str | None]
"""Champion and challenger."""


@dataclass(frozen=True, slots=True)
class RolloutState:
    """One node's versions at one moment.

    Attributes:
        name: Registered name.
        served: The version that answers, from the node's `/info`; None while it cannot be asked.
        served_challenger: The version that answers beside it, from the same source.
        dropped: Why the challenger answers no more.
        desired: The desired versions.
        appointment: The last decision in the ledger.
        recorded: The version in the node's account; it stands in for a node that cannot be asked.
        previous: What a rollback returns to, where only the registry has it.
    """

    name: str
    served: str | None = None
    served_challenger: str | None = None
    dropped: str | None = None
    desired: DesiredVersions = field(default_factory=DesiredVersions)
    appointment: Appointment | None = None
    recorded: str | None = None
    previous: str | None = None

    @property
    def champion(self) -> str | None:
        """The version that counts, or will count once the node has rolled."""
        return version_number(self.desired.champion) or self.served or self.recorded

    @property
    def challenger(self) -> str | None:
        """The version beside it; for an alias the version to which the node resolved it."""
        named = self.desired.challenger
        return version_number(named) or (self.served_challenger if named else None)

    @property
    def pair(self) -> VersionPair:
        """Champion and challenger."""
        return self.champion, self.challenger

    @property
    def is_watched(self) -> bool:
        """Whether the challenger is the former champion."""
        last, (champion, challenger) = self.appointment, self.pair
        if last is None or challenger is None:
            return False
        # The second case: promoted by a process that died before it wrote to the ledger.
        is_promoted = last.action == "promote" or (last.action == "challenge" and last.version == champion)
        return is_promoted and (last.version, last.before) == (champion, challenger)

    @property
    def phase(self) -> Phase:
        """The phase; `serving` without a challenger."""
        if self.challenger is None:
            return "serving"
        return "watch" if self.is_watched else "probation"

    @property
    def since(self) -> int | None:
        """When the phase began, in µs since the epoch; None where no decision in the ledger began it."""
        last, phase = self.appointment, self.phase
        if last is None or (phase == "probation" and not self.is_decided("challenge", self.challenger)):
            return None
        return None if phase == "watch" and last.action != "promote" else last.at

    @property
    def rollback_version(self) -> str | None:
        """The version that a rollback returns to."""
        version = (self.appointment.previous if self.appointment else None) or self.previous
        return None if version == self.champion and version != PACKAGED else version

    @property
    def is_rolling(self) -> bool:
        """Whether the node serves other versions than the desired ones, or the ledger records another one."""
        champion = version_number(self.desired.champion)
        if self.appointment is not None and self.served and self.recorded not in (None, self.served):
            # Answers count for no version until the ledger records which one the node serves.
            return True
        if self.served is not None and champion is not None and self.served != champion:
            return True
        last = self.appointment
        if champion is None and last and (last.version, last.before) == (PACKAGED, self.served):
            return True
        if self.served is None or self.dropped is not None:
            return False
        challenger = version_number(self.desired.challenger)
        if challenger is None and self.desired.challenger:
            return False
        return self.served_challenger != challenger

    def is_champion(self, version: str | None) -> bool:
        """Whether a version, or the packaged one, is the champion."""
        return self.desired.champion is None if version == PACKAGED else version == self.champion

    def is_decided(self, action: Action, version: str | None) -> bool:
        """Whether this was the last decision."""
        last = self.appointment
        return last is not None and (last.action, last.version) == (action, version)
