"""Roles and key types (section 3), and what they allow before any record is looked at."""

USER = "USER"
TEAM_LEADER = "TEAM_LEADER"
MANAGEMENT = "MANAGEMENT"
INTERNAL_AUDITING = "INTERNAL_AUDITING"
ADMINISTRATOR = "ADMINISTRATOR"

ROLES = (USER, TEAM_LEADER, MANAGEMENT, INTERNAL_AUDITING, ADMINISTRATOR)
"""From least to most reach."""

ANY_ROLE = frozenset(ROLES)
OVERSEERS = frozenset({INTERNAL_AUDITING, ADMINISTRATOR})
ADMINISTRATORS = frozenset({ADMINISTRATOR})
PROFILE_OWNERS = ANY_ROLE - {INTERNAL_AUDITING}

BASIC = "BASIC"
QUERY_ONLY = "QUERY_ONLY"
INGESTION_ONLY = "INGESTION_ONLY"
KEY_TYPES = (BASIC, QUERY_ONLY, INGESTION_ONLY)

MASK = "********"
"""What answers show in place of a secret that the caller may not see."""


def reach(role: str) -> int:
    return ROLES.index(role)
