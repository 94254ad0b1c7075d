// List, create and change users by what @hey-api/openapi-ts has made: KEY. The server's address
// is the one in the document.
import { client } from "./generated/client.gen.js";
import type { UserChanges } from "./generated/types.gen.js";
import { createUser, listUsers, updateUser } from "./generated/sdk.gen.js";

const [key] = process.argv.slice(2);
client.setConfig({ auth: () => key, throwOnError: true });

await createUser({
  body: {
    username: "bob@acme.test",
    email: "bob@acme.test",
    password: "correct horse battery staple",
    gender: "M",
    tenantUserPrivileges: [{ role: "TEAM_LEADER" }],
  },
});
await updateUser({ path: { username: "bob@acme.test" }, body: { firstName: "Bob" } });
// @ts-expect-error A member that nobody knows is found by the compiler.
export const mistaken: UserChanges = { fristName: "Bob" };

const users = await listUsers({
  query: { size: 5, active: "all", order: ["-lastName", "username"] },
});
const shown = users.data?.map((user) => [
  user.username,
  user.firstName,
  user.tenantUserPrivileges[0].role,
]);
console.log(JSON.stringify(shown));
