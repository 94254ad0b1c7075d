// Run with `node --test`, where the server is installed: `pip install ../..`.
// Needs Node.js 20 and no package.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { after, before, beforeEach, test } from "node:test";
import { createInterface } from "node:readline";

let server, root, token;

before(async () => {
  const options = ["--port", "0", "--memory", "--ready-file", "/dev/null", "--exit-with-parent"];
  server = spawn("provisioning", ["serve", ...options], { stdio: ["ignore", "pipe", "inherit"] });
  const [line] = await once(createInterface(server.stdout), "line");
  ({ url: root, apiToken: token } = JSON.parse(line));
});

after(() => server.kill());

beforeEach(() => control("POST", "/reset"));

async function call(method, path, body) {
  const answer = await fetch(`${root}${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: body && JSON.stringify(body),
  });
  const text = await answer.text();
  return { status: answer.status, body: text ? JSON.parse(text) : null };
}

const api = (method, path, body) => call(method, `/api/v1/provisioning${path}`, body);
const control = (method, path, body) => call(method, `/_control${path}`, body);

const bob = { username: "bob@acme.test", email: "bob@acme.test", password: "a long password" };

test("a new user is a user of the tenant", async () => {
  assert.equal((await api("POST", "/users", bob)).status, 201);
  const { body: users } = await api("GET", "/users");
  assert.ok(users.some((user) => user.username === bob.username));
});

test("each test begins with the same records", async () => {
  assert.equal((await api("GET", `/users/${bob.username}`)).status, 404);
});

test("a privilege is scheduled, then active, then expired", async () => {
  await api("POST", "/users", bob);
  await api("DELETE", `/users/${bob.username}/privilege`);
  const { body: clock } = await control("GET", "/clock");
  const inDays = (days) => new Date(Date.parse(clock.now) + days * 86_400_000).toISOString();
  const window = { activeFrom: inDays(1), activeUntil: inDays(2) };
  const granted = await api("POST", "/privileges", { username: bob.username, role: "USER", ...window });
  assert.equal(granted.status, 201);

  const isActive = async () => {
    const { body: users } = await api("GET", "/users");
    return users.some((user) => user.username === bob.username);
  };
  assert.equal(await isActive(), false);
  await control("POST", "/clock/advance", { by: "+P1DT1H" });
  assert.equal(await isActive(), true);
  await control("POST", "/clock/advance", { by: "+P1D" });
  assert.equal(await isActive(), false);
});

test("a fault strikes once, and the request log tells", async () => {
  await control("POST", "/faults", { path: "/users", status: 503, retryAfter: 1, times: 1 });
  assert.equal((await api("GET", "/users")).status, 503);
  assert.equal((await api("GET", "/users")).status, 200);
  const { body } = await control("GET", "/requests/count?path=/users");
  assert.equal(body.count, 2);
});
