"""The server has the contract's routes below the base path: these, and no other."""

from provisioning.factory import make_routes
from provisioning.settings import Settings
from provisioning.web.operation import BASE_PATH
from tests.routes import contract_routes, generic

OF_THE_FRAMEWORK = {"HEAD", "OPTIONS"}


def served() -> set[str]:
    rules = make_routes(Settings()).url_map.iter_rules()
    return {
        generic(verb, rule.rule)
        for rule in rules
        if rule.rule.startswith(BASE_PATH)
        for verb in (rule.methods or set()) - OF_THE_FRAMEWORK
    }


def test_every_route_of_the_contract_is_served():
    assert set(contract_routes()) - served() == set()


def test_no_route_is_served_that_the_contract_does_not_list():
    assert served() - set(contract_routes()) == set()
