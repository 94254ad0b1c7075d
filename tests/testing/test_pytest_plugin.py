"""The fixtures in test-suites of other people, run by a pytest of their own."""

import subprocess
import sys

import pytest

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.slow


@pytest.fixture
def suite(pytester):
    """Somebody's project, whose warnings are errors."""
    # Its pytest runs in this process, where the plugin is imported already.
    pytester.makeini("""
        [pytest]
        filterwarnings =
            error
            ignore:Module already imported:pytest.PytestAssertRewriteWarning
    """)
    return pytester


def test_each_test_has_a_server_of_its_own(suite):
    suite.makepyfile("""
        seen = []

        def check(server):
            assert server.url not in seen
            seen.append(server.url)
            assert server.administrator.get("/users").headers["X-Total-Count"] == "1"
            server.add_user()

        def test_one(provisioning):
            check(provisioning)

        def test_two(provisioning):
            check(provisioning)
    """)
    suite.runpytest().assert_outcomes(passed=2)


def test_the_sessions_server_is_one_for_all_tests_and_resets(suite):
    suite.makepyfile("""
        def test_one(provisioning_server):
            provisioning_server.add_user("bob@acme.test")

        def test_two(provisioning_server):
            users = provisioning_server.administrator.get("/users")
            assert users.headers["X-Total-Count"] == "2"
            provisioning_server.reset()
            users = provisioning_server.administrator.get("/users")
            assert users.headers["X-Total-Count"] == "1"
    """)
    suite.runpytest().assert_outcomes(passed=2)


def test_both_fixtures_may_be_used_at_once(suite):
    suite.makepyfile("""
        def test_one(provisioning, provisioning_server):
            assert provisioning.url != provisioning_server.url
            assert provisioning_server.client(provisioning.token).get("/info").status_code == 401
    """)
    suite.runpytest().assert_outcomes(passed=1)


def test_a_project_may_say_what_its_servers_begin_with(suite):
    suite.makeconftest("""
        import pytest

        @pytest.fixture(scope="session")
        def provisioning_seed():
            return {"tenants": [{"label": "initech", "name": "Initech"}]}
    """)
    suite.makepyfile("""
        def test_one(provisioning, provisioning_server):
            for server in (provisioning, provisioning_server):
                server.add_user(tenant="initech")
    """)
    suite.runpytest().assert_outcomes(passed=1)


def test_unittest_classes_may_use_the_fixture(suite):
    suite.makepyfile("""
        import unittest
        import pytest

        class TestIt(unittest.TestCase):
            @pytest.fixture(autouse=True)
            def serve(self, provisioning):
                self.server = provisioning

            def test_one(self):
                self.assertEqual(self.server.administrator.get("/whoami").status_code, 200)
    """)
    suite.runpytest().assert_outcomes(passed=1)


ASKS_AND_FAILS = """
    def test_asks(provisioning):
        provisioning.administrator.get("/users?q=bob")
        body = {"username": "nobody", "role": "KING", "password": "not to be shown"}
        provisioning.administrator.post("/privileges", json=body)
        assert not "this fails"
"""


def test_a_failed_test_shows_its_requests(suite):
    suite.makepyfile(ASKS_AND_FAILS)
    suite.runpytest().stdout.fnmatch_lines(
        [
            "*- requests to provisioning -*",
            "GET /api/v1/provisioning/users?q=bob  200  alice@acme.test",
            "POST /api/v1/provisioning/privileges  422  alice@acme.test",
            '  > {"username": "nobody", "role": "KING", *}',
            '  < {*"status": 422, *',
        ]
    )


def test_what_it_shows_holds_no_secret(suite):
    suite.makepyfile("""
        def test_asks(provisioning):
            with open("secrets", "w") as file:
                file.write(provisioning.token)
            provisioning.client().get(f"/whoami?apikey={provisioning.token}")
            provisioning.client().get(f"/api-keys/{provisioning.token}")
            body = {"username": "x", "email": "x", "password": "not to be shown"}
            provisioning.administrator.post("/users", json=body)
            assert False
    """)
    output = suite.runpytest("--tb=line").stdout.str()
    token = (suite.path / "secrets").read_text()
    assert "\nGET /api/v1/provisioning/whoami?apikey=********  200" in output
    assert "\nGET /api/v1/provisioning/api-keys/********  401" in output
    assert "\nPOST /api/v1/provisioning/users  422" in output
    assert token not in output
    assert "not to be shown" not in output


def test_a_test_that_passes_shows_nothing(suite):
    suite.makepyfile("""
        def test_asks(provisioning):
            provisioning.administrator.get("/users")
    """)
    assert "/users" not in suite.runpytest("-rA").stdout.str()


def test_a_failed_test_shows_its_own_requests_to_the_sessions_server(suite):
    suite.makepyfile("""
        def test_one(provisioning_server):
            provisioning_server.administrator.get("/statements")

        def test_two(provisioning_server):
            provisioning_server.administrator.get("/users")
            assert False
    """)
    output = suite.runpytest().stdout
    output.fnmatch_lines(["*- requests to provisioning_server -*", "GET */users  200*"])
    output.no_fnmatch_line("*GET */statements*")


def test_requests_are_shown_from_other_processes_and_for_broken_set_ups(suite):
    suite.makepyfile("""
        import pytest

        @pytest.fixture
        def broken(provisioning):
            provisioning.administrator.get("/users")
            raise RuntimeError

        def test_asks(broken):
            pass
    """)
    result = suite.runpytest("-n1")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*- requests to provisioning -*", "GET */users  200*"])


def test_capture_settings_of_the_user_are_kept(suite):
    suite.makepyfile(ASKS_AND_FAILS)
    assert "requests to" not in suite.runpytest("--show-capture=no").stdout.str()


def test_a_run_without_servers_imports_none(suite):
    suite.makepyfile("""
        import sys

        def test_one():
            ours = {name for name in sys.modules if name.partition(".")[0] == "provisioning"}
            names = ["provisioning", "provisioning.testing", "provisioning.testing.pytest_plugin"]
            assert sorted(ours) == names
    """)
    suite.runpytest_subprocess().assert_outcomes(passed=1)


def test_the_plugin_itself_imports_nothing_but_pytest():
    code = (
        "import pytest, sys; before = set(sys.modules); import provisioning.testing.pytest_plugin;"
        "print(*(name for name in sys.modules if name not in before))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    packages = {name.partition(".")[0] for name in found.stdout.split()}
    assert packages == {"provisioning"}


LEAKS = """
    import os
    import threading

    import pytest

    def threads():
        return [each.name for each in threading.enumerate() if each.name.startswith("provisioning")]

    @pytest.fixture(autouse=True)
    def nothing_is_left():
        assert threads() == []
        before = len(os.listdir("/dev/fd"))
        yield
        assert len(os.listdir("/dev/fd")) <= before
        assert threads() == []

    @pytest.mark.parametrize("number", range(200))
    def test_begins_anew(nothing_is_left, provisioning, number):
        users = provisioning.administrator.get("/users")
        assert users.headers["X-Total-Count"] == "1"
        assert provisioning.requests.count() == 1
        assert provisioning.faults.all() == []
        assert provisioning.clock.now() < "2100"
        assert provisioning.add_user() == "user1@acme.test"
        provisioning.clock.set("2100-01-01T00:00:00Z")
        provisioning.faults.add("/users", status=500)
        assert provisioning.administrator.get("/users").status_code == 500
"""


def test_200_tests_in_4_processes_leave_nothing_to_each_other(suite):
    """Neither records, requests, faults nor times, and no thread and no open file."""
    suite.makepyfile(LEAKS)
    suite.runpytest_subprocess("-n4", "-p", "no:schemathesis").assert_outcomes(passed=200)


def test_the_servers_work_beside_a_file_system_that_is_a_fake(suite):
    """Whichever is there first. pyfakefs hides the real files, our own among them."""
    suite.makepyfile("""
        from pathlib import Path
        from provisioning.testing import ProvisioningServer

        def use(server):
            assert not Path(__file__).exists()
            server.add_user("bob@acme.test", country="ISL", timeZone="Europe/Berlin", password="x")
            changes = {"country": "DEU", "timeZone": "Atlantic/Reykjavik"}
            bob = server.administrator.put("/users/bob@acme.test", json=changes)
            assert bob.status_code == 200
            assert server.administrator.get("/dashboards").json()
            assert server.client().get("//openapi.json").status_code == 200
            server.reset()

        def test_fake_first(fs, provisioning):
            use(provisioning)

        def test_server_first(provisioning, fs):
            use(provisioning)

        def test_the_sessions_server(fs, provisioning_server):
            use(provisioning_server)

        def test_without_a_fixture(fs):
            with ProvisioningServer() as server:
                use(server)
    """)
    suite.runpytest_subprocess("-p", "no:schemathesis").assert_outcomes(passed=4)
