"""The tables of the store: what is unique, what is looked up together, where words are sought."""

from provisioning.domain.names import token_digest
from provisioning.store import Record, Table

TENANTS = "tenants"
USERS = "users"
PRIVILEGES = "privileges"
DOMAIN_MAPPINGS = "domain_mappings"
SUBSCRIPTIONS = "subscriptions"
DASHBOARDS = "dashboards"
STATEMENTS = "statements"
STATEMENT_CONFIGS = "statement_configs"
ENDPOINTS = "endpoints"
API_KEYS = "api_keys"


def _tenant(record: Record) -> str:
    return str(record["tenant"])


def _tenant_and_user(record: Record) -> tuple[str, str | None]:
    return record["tenant"], record["user"]


BY_TENANT = {"tenant": _tenant}
BY_TENANT_AND_USER = {"tenant": _tenant, "tenantUser": _tenant_and_user}
OF_TENANT = {"tenant": TENANTS}

TABLES = (
    Table(TENANTS, unique={"id": lambda record: record["id"]}),
    Table(
        USERS,
        unique={"id": lambda record: record["id"]},
        text=("username", "email", "firstName", "lastName"),
        references={"home": TENANTS},
    ),
    Table(
        PRIVILEGES,
        groups=BY_TENANT_AND_USER,
        text=("role",),
        references=OF_TENANT | {"user": USERS, "reportsTo": USERS},
        text_of=("user",),
    ),
    Table(DOMAIN_MAPPINGS, groups=BY_TENANT, text=("domain",), references=OF_TENANT),
    Table(SUBSCRIPTIONS, groups=BY_TENANT, references=OF_TENANT | {"registeredBy": USERS}),
    Table(DASHBOARDS, groups=BY_TENANT, references=OF_TENANT),
    Table(STATEMENTS, groups=BY_TENANT, references=OF_TENANT),
    Table(STATEMENT_CONFIGS, groups=BY_TENANT, references=OF_TENANT | {"changedBy": USERS}),
    Table(ENDPOINTS, groups=BY_TENANT, references=OF_TENANT),
    Table(
        API_KEYS,
        unique={"token": lambda record: token_digest(record["apiToken"])},
        groups=BY_TENANT_AND_USER,
        text=("name",),
        references=OF_TENANT | {"user": USERS},
        text_of=("user",),
    ),
)
