"""The names of the tables that the domain uses; the resources declare what is in them."""

TENANTS = "tenants"
USERS = "users"
PRIVILEGES = "privileges"
DOMAIN_MAPPINGS = "domain_mappings"
SUBSCRIPTIONS = "subscriptions"
API_KEYS = "api_keys"
AUDIT = "audit"
