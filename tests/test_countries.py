"""The country codes in the code are those of ISO 3166-1."""

import pycountry

from provisioning.web.countries import COUNTRIES


def test_the_country_codes_are_those_of_iso_3166_1():
    assert {country.alpha_3 for country in pycountry.countries} == COUNTRIES
