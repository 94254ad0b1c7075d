"""List, create and change users by what openapi-python-client has made: URL KEY."""

import json
import sys

from generated import AuthenticatedClient
from generated.api.users import create_user, get_user, list_users, update_user
from generated.models import Activity, Gender, NewPrivilegeTerms, NewUser, Role, User, UserChanges
from generated.models import UserOrder as Order

url, key = sys.argv[1:]
with AuthenticatedClient(url, key, raise_on_unexpected_status=True) as client:
    bob = NewUser(
        "bob@acme.test",
        "bob@acme.test",
        "correct horse battery staple",
        gender=Gender.M,
        tenant_user_privileges=[NewPrivilegeTerms(Role.TEAM_LEADER)],
    )
    made = create_user.sync(client=client, body=bob)
    assert isinstance(made, User), made

    changed = update_user.sync("bob@acme.test", client=client, body=UserChanges(first_name="Bob"))
    assert isinstance(changed, User), changed
    # An answer can be sent back as it is.
    again = UserChanges.from_dict(changed.to_dict())
    sent_back = update_user.sync("bob@acme.test", client=client, body=again)
    assert sent_back == changed == get_user.sync("bob@acme.test", client=client)

    users = list_users.sync(
        client=client,
        size=5,
        active=Activity.ALL,
        order=[Order.LAST_NAME_DESCENDING, Order.USERNAME],
    )
    assert isinstance(users, list)
    shown = [
        (user.username, user.first_name, user.tenant_user_privileges[0].role) for user in users
    ]
    print(json.dumps(shown))
