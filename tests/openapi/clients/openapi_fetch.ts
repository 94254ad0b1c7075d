// List, create and change users by types that openapi-typescript has made: URL KEY.
import createClient from "openapi-fetch";
import type { components, paths } from "./generated.js";

const [baseUrl, key] = process.argv.slice(2);
const client = createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${key}` } });
const USERS = "/api/v1/provisioning/users";
const USER = "/api/v1/provisioning/users/{username}";
const params = { path: { username: "bob@acme.test" } };

const made = await client.POST(USERS, {
  body: {
    username: "bob@acme.test",
    email: "bob@acme.test",
    password: "correct horse battery staple",
    gender: "M",
    tenantUserPrivileges: [{ role: "TEAM_LEADER" }],
  },
});
if (!made.data) throw new Error(made.error.detail);

// @ts-expect-error A member that nobody knows is found by the compiler.
export const mistaken: components["schemas"]["UserChanges"] = { fristName: "Bob" };

const changed = await client.PUT(USER, { params, body: { firstName: "Bob" } });
if (!changed.data) throw new Error(changed.error.detail);

const users = await client.GET(USERS, {
  params: { query: { size: 5, active: "all", order: ["-lastName", "username"] } },
});
if (!users.data) throw new Error(users.error.detail);
const shown = users.data.map((user) => [
  user.username,
  user.firstName,
  user.tenantUserPrivileges[0].role,
]);
console.log(JSON.stringify(shown));
