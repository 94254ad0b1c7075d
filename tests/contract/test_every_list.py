"""Every list: pages, order and search, the catalogue's too."""

import unicodedata
from typing import Any
from unicodedata import combining

import pytest

from .asking import (
    LATER,
    LATEST,
    administrator_of,
    ask,
    below_base,
    caller,
    errors,
    links,
    offered,
    optional_services,
    segment,
)
from .shelf import (
    API_KEYS,
    DASHBOARDS,
    DOMAIN_MAPPINGS,
    ENDPOINTS,
    STATEMENTS,
    Shelf,
    every,
    those,
    those_with,
)

# Lists: pages


@pytest.fixture
def full(shelf):
    """A shelf with five records more than it had."""
    for n in range(5):
        shelf.create(n)
    return shelf


@every
def test_pages_cut_the_list_without_gap_or_overlap(full):
    everything = full.list()
    total = len(everything.json)
    assert everything.headers["X-Total-Count"] == str(total)
    pages = [full.list(f"size=2&page={page}") for page in range((total + 1) // 2)]
    assert [record for page in pages for record in page.json] == everything.json
    assert {page.headers["X-Total-Count"] for page in pages} == {str(total)}


@every
def test_links_lead_through_the_pages_and_keep_the_other_parameters(full):
    first = full.list("order=activeFrom&size=2" if full.resource.window else "size=2&x=%C3%A9%26")
    total = int(first.headers["X-Total-Count"])
    assert set(links(first)) == {"first", "next", "last"}
    walked, page = [*first.json], first
    while "next" in links(page):
        before, page = page, full.client.get(below_base(page, links(page)["next"]))
        assert full.client.get(below_base(page, links(page)["prev"])).json == before.json
        walked += page.json
    assert len(walked) == total
    assert set(links(page)) == {"first", "prev", "last"}
    assert full.client.get(below_base(page, links(page)["last"])).json == page.json
    assert full.client.get(below_base(page, links(page)["first"])).json == first.json
    kept = "order=activeFrom" if full.resource.window else "x=%C3%A9%26"
    for reference in (*links(first).values(), *links(page).values()):
        assert "//" not in reference.partition("?")[0]
        assert kept in reference


@every
def test_links_leave_the_api_key_out(shelf):
    token = shelf.sandbox.add_key(None, tenant="acme", type="BASIC")
    answer = ask(shelf.sandbox, "GET", f"{shelf.list_path}?apikey={token}&size=1")
    assert answer.status_code == 200
    assert {"first", "last"} <= set(links(answer))
    assert token not in str(answer.headers)
    assert "apikey" not in answer.headers["Link"]


@every
def test_links_are_left_out_where_they_would_be_longer_than_2000_bytes(shelf):
    fixed = len(shelf.list("size=300&x=").headers["Link"])
    most = (2_000 - fixed) // 2  # x stands in two links
    longest = shelf.list(f"size=300&x={'a' * most}")
    assert len(longest.headers["Link"]) in {1_999, 2_000}
    longer = shelf.list(f"size=300&x={'a' * (most + 1)}")
    assert (longer.status_code, "Link" in longer.headers) == (200, False)
    assert longer.headers["X-Total-Count"] == longest.headers["X-Total-Count"]
    assert longer.json == longest.json


@every
def test_a_list_of_one_page_has_first_and_last_only(shelf):
    assert set(links(shelf.list())) == {"first", "last"}


@every
def test_a_page_beyond_the_end_is_empty(shelf):
    total = shelf.list().headers["X-Total-Count"]
    answer = shelf.list("page=1000&size=1")
    assert (answer.status_code, answer.json) == (200, [])
    assert answer.headers["X-Total-Count"] == total
    assert {"first", "last"} <= set(links(answer))
    assert "next" not in links(answer)


@pytest.mark.storeless
@every
@pytest.mark.parametrize("page", ["-1", "x", "1.5", "", "%201", "1_0", "%EF%BC%91", "0&page=1"])
def test_a_bad_page_is_refused_by_name(shelf, page):
    assert "page" in errors(shelf.list(f"page={page}"))


@pytest.mark.storeless
@every
@pytest.mark.parametrize("size", ["0", "301", "-1", "x", "2.0", "", "1_0", "5&size=5"])
def test_a_bad_size_is_refused_by_name(shelf, size):
    assert "size" in errors(shelf.list(f"size={size}"))


@every
@pytest.mark.parametrize("size", ["1", "300"])
def test_the_smallest_and_the_largest_size_are_taken(shelf, size):
    assert shelf.list(f"size={size}").status_code == 200


@every
def test_a_list_is_a_bare_array_and_unknown_parameters_are_ignored(shelf):
    shelf.create()
    answer = shelf.list("colour=red&size=300")
    assert answer.json == shelf.list().json
    assert isinstance(answer.json, list)


def test_a_page_holds_20_records_unless_told(sandbox):
    shelf = Shelf(sandbox, API_KEYS)
    for n in range(22):
        shelf.create(n)
    assert len(shelf.list("").json) == 20


# Lists: order


def folded(value):
    """What a listed value is ordered by."""
    if isinstance(value, dict):
        value = value["username"] if "username" in value else value["label"]
    if isinstance(value, str):
        plain = "".join(c for c in unicodedata.normalize("NFKD", value) if not combining(c))
        value = (plain.casefold(), value)
    return value


def filled(shelf, count=4):
    """Records whose optional members differ, some unset."""
    for n in range(count):
        members = {m: values[n % len(values)] for m, values in shelf.resource.optional.items()}
        if shelf.resource.window:
            members["activeUntil"] = (LATER, None, LATEST, LATER)[n % 4]
        shelf.create(n, **members)


@every
def test_order_sorts_by_each_public_member_with_nulls_last_both_ways(shelf):
    filled(shelf)
    for member in shelf.resource.order:
        for sign in ("", "-"):
            answer = shelf.list(f"order={sign}{member}&size=300")
            assert answer.status_code == 200, (sign + member, answer.data)
            values = [record[member] for record in answer.json]
            present = [folded(value) for value in values if value is not None]
            assert values[len(present) :] == [None] * (len(values) - len(present)), sign + member
            assert present == sorted(present, reverse=bool(sign)), sign + member


@every
def test_pages_of_an_ordered_list_never_overlap(shelf):
    filled(shelf)
    for member in shelf.resource.order:
        whole = shelf.named(shelf.list(f"order=-{member}&size=300"))
        pages = [shelf.list(f"order=-{member}&size=1&page={n}") for n in range(len(whole))]
        assert [key for page in pages for key in shelf.named(page)] == whole, member


@every
def test_several_order_members_apply_one_after_the_other(shelf):
    filled(shelf)
    first, second = shelf.resource.order[-1], shelf.resource.order[0]
    answer = shelf.list(f"order={first},-{second}&size=300")
    groups: dict[Any, list[Any]] = {}
    for record in answer.json:
        groups.setdefault(folded(record[first]), []).append(folded(record[second]))
    assert all(group == sorted(group, reverse=True) for group in groups.values())


@pytest.mark.storeless
@every
@pytest.mark.parametrize("order", ["colour", "-colour", "id,colour", "password,id", "__class__"])
def test_order_by_an_unknown_member_is_refused_and_names_the_allowed_ones(shelf, order):
    message = str(errors(shelf.list(f"order={order}"))["order"])
    assert [member for member in shelf.resource.order if member not in message] == []


@pytest.mark.storeless
@those_with(lambda r: [(member,) for member in r.secrets], "secret")
def test_order_by_a_secret_is_refused_and_not_offered(shelf, secret):
    message = str(errors(shelf.list(f"order=-{secret}"))["order"])
    offers = message.replace(f"-{secret}", "").replace(f"'{secret}'", "")
    assert secret not in [word.strip(" ,.'\"`[]") for word in offers.split()]


# Lists: search


@those(lambda r: r.search)
def test_q_finds_every_word_ignoring_case_and_accents(shelf):
    members, words = shelf.resource.search
    record = shelf.client.get(shelf.create(**members)).json
    shelf.create(1)
    assert shelf.client.get(f"{shelf.list_path}?q={segment(words)}").json == [record]


@those(lambda r: r.search)
def test_q_finds_nothing_when_one_word_is_missing(shelf):
    members, words = shelf.resource.search
    shelf.create(**members)
    answer = shelf.list(f"q={segment(words)}%20zebra")
    assert (answer.json, answer.headers["X-Total-Count"]) == ([], "0")


@every
@pytest.mark.parametrize("q", ["", "%20", "%20%09"])
def test_an_empty_q_is_none(shelf, q):
    shelf.create()
    assert shelf.list(f"q={q}&size=300").json == shelf.list().json


@every
@pytest.mark.parametrize("q", ["%00", "x%00", "%FF", "x" * 5000, "%25", "[a-z]*", ".*", "a%22b"])
def test_a_strange_q_finds_nothing_and_breaks_nothing(shelf, q):
    answer = shelf.list(f"q={q}")
    assert answer.status_code in {200, 400, 414, 422}
    if answer.status_code == 200:
        assert answer.json == []


@pytest.mark.parametrize(
    "resource, member",
    [
        pytest.param(resource, member, id=f"{resource.name}-{member}")
        for resource, members in (
            (DOMAIN_MAPPINGS, "icon theme"),
            (DASHBOARDS, "menuLabel subtitle biLine preview path icon template"),
            (STATEMENTS, "query"),
            (ENDPOINTS, "userName provUserName messageHandler exchange binding vhost"),
        )
        for member in members.split()
    ],
)
def test_q_seeks_in_no_other_member(shelf, member):
    shelf.create(**{member: "elsewhere"})
    assert shelf.list("q=elsewhere").json == []


@pytest.mark.parametrize("query", ["q=alice", "q=alice%40acme.test"])
def test_q_seeks_a_privilege_by_its_user_not_by_whom_they_report_to(sandbox, administrator, query):
    reports = {"role": "USER", "tenant": "acme", "reports_to": "alice@acme.test"}
    sandbox.add_user("bob@acme.test", **reports)
    found = administrator.get(f"/privileges?{query}").json
    assert [privilege["user"]["username"] for privilege in found] == ["alice@acme.test"]


def test_q_seeks_a_subscription_by_its_service_not_by_who_registered_it(administrator):
    administrator.post(f"/services/{optional_services(administrator)[0]}")
    assert administrator.get("/services?q=alice").json == []


def test_q_finds_subscriptions_by_their_service(sandbox, administrator):
    label, other = optional_services(administrator)[:2]
    for each in (label, other):
        administrator.post(f"/services/{each}")
    found = administrator.get(f"/services?q={label.upper()}").json
    assert [subscription["service"]["label"] for subscription in found] == [label]


# The catalogue's lists share the rules of lists


@pytest.mark.parametrize(
    "path, order",
    [
        ("/available-services", "name label type status icon preview shortDescription description"),
        ("/endpoint-types", "id name label internal shortDescription"),
        ("/dashboards", "title menuLabel label type status listOrder subtitle service"),
        ("/service-dashboards", "title menuLabel label type status listOrder subtitle service"),
        ("/statements", "title label type status query description service listOrder"),
        ("/service-statements", "title label type status query description service listOrder"),
        ("/user-api-keys", "id type name activeFrom activeUntil createdDate user"),
        ("/as-users", "username email firstName lastName avatar"),
    ],
)
def test_lists_of_the_catalogue_and_of_people_page_and_order_too(enterprise, sandbox, path, order):
    for n in range(4):
        sandbox.add_user(f"person{n}@acme.test", role="USER", tenant="acme")
        sandbox.add_key(f"person{n}@acme.test", tenant="acme", type="BASIC")
    also = "&q=acme.test" if path == "/as-users" else ""
    everything = enterprise.get(f"{path}?size=300{also}")
    total = len(everything.json)
    assert everything.headers["X-Total-Count"] == str(total)
    page = enterprise.get(f"{path}?size=2&page=1{also}")
    assert page.json == everything.json[2:4]
    assert {"first", "prev", "last"} <= set(links(page))
    assert enterprise.get(f"{path}?page=999{also}").json == []
    assert "size" in errors(enterprise.get(f"{path}?size=301{also}"))
    assert "page" in errors(enterprise.get(f"{path}?page=-1{also}"))
    message = str(errors(enterprise.get(f"{path}?order=colour{also}"))["order"])
    for member in order.split():
        assert member in message
        for sign in ("", "-"):
            ordered = enterprise.get(f"{path}?size=300&order={sign}{member}{also}").json
            present = [folded(r[member]) for r in ordered if r[member] is not None]
            assert present == sorted(present, reverse=bool(sign)), sign + member
            assert len(ordered) == total


@pytest.mark.parametrize(
    "path, members",
    [
        ("/available-services", ("name", "label", "description")),
        ("/dashboards", ("title", "label", "description")),
        ("/statements", ("title", "label", "description")),
    ],
)
def test_q_searches_the_catalogue(enterprise, path, members):
    for record in enterprise.get(f"{path}?size=300").json:
        for member in members:
            words = (record[member] or record["label"]).swapcase()
            found = enterprise.get(f"{path}?size=300&q={segment(words)}").json
            assert record in found, (member, words)
    assert enterprise.get(f"{path}?q=zebra-crossing").json == []


def test_the_offered_services_of_the_catalogue_are_enough_for_these_tests(administrator):
    assert len(optional_services(administrator)) >= 6
    assert offered(administrator, type="MANDATORY")
    assert offered(administrator, status="ARCHIVED")
    assert "enterprise" in offered(administrator, type="SUBSCRIPTION_PLAN")


# Lists: who asks


@pytest.mark.parametrize("role", ["INTERNAL_AUDITING", "USER", "ADMINISTRATOR"])
@pytest.mark.parametrize(
    "path", ["/users", "/privileges", "/user-api-keys", "/api-keys", "/audit", "/endpoints"]
)
def test_nobody_is_answered_what_another_may_see_who_has_asked_the_same(sandbox, path, role):
    first, second = administrator_of(sandbox, "acme"), caller(sandbox, role)
    first.post("/users/alice@acme.test/api-keys", json={"type": "BASIC"})
    endpoint = {"url": "amqp://x", "endpointType": "MQ_INCOMING", "password": "p"}
    assert first.post("/endpoints", json=endpoint).status_code == 201

    def on_new_view(client):
        with sandbox.store.transaction() as transaction:
            transaction.next_id("views")
        return client.get(path)

    alone = on_new_view(second)
    on_new_view(first)
    answer = second.get(path)
    assert (answer.status_code, answer.data) == (alone.status_code, alone.data)
