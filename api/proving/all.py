"""List the campaigns in the order of the table."""

from __future__ import annotations

from api.proving.attacks.campaign import AttacksCampaign
from api.proving.campaign import Campaign
from api.proving.door.campaign import DoorCampaign
from api.proving.faults.campaign import FaultsCampaign
from api.proving.fuzz.campaign import FuzzCampaign
from api.proving.kill.campaign import KillCampaign
from api.proving.restart.campaign import RestartCampaign
from api.proving.soak.campaign import SoakCampaign


def campaigns() -> tuple[Campaign, ...]:
    """Return every campaign."""
    return (
        KillCampaign(),
        FaultsCampaign(),
        AttacksCampaign(),
        FuzzCampaign(),
        DoorCampaign(),
        SoakCampaign(),
        RestartCampaign(),
    )
