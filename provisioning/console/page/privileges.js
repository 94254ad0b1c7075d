// Dialogs for privileges: granting, changing and revoking them.
import { ask, path } from "./api.js";
import { suggesting, suggestUsers, WINDOW_FIELDS } from "./form.js";
import { changing, making, removing } from "./records.js";
import { html } from "./view.js";

export const ROLES = ["USER", "TEAM_LEADER", "MANAGEMENT", "INTERNAL_AUDITING", "ADMINISTRATOR"];
export const REPORTS_TO = { member: "reportsTo", suggest: suggestUsers, hint: "A username of this tenant." };
const TERMS = [{ member: "role", options: ROLES, required: true }, REPORTS_TO, ...WINDOW_FIELDS];
const WHO = { member: "username", suggest: suggesting("as-users", "username", { shortest: 3 }), required: true, hint: "Anyone with an account, of any tenant." };
const ownRights = (username) => (session) =>
	session.isMe(username) && "These are your own rights in this tenant: you may not be able to take it back.";

/** Grant a role to `username`, or to whom the form names. */
export const GrantDialog = making(({ username }) => ({
	title: username ? `New privilege of ${username}` : "New privilege",
	fields: username ? TERMS : [WHO, ...TERMS],
	save: (body) => ask("privileges", { method: "POST", body: username ? { username, ...body } : body }),
	said: "Granted.",
}));

export const ChangePrivilegeDialog = changing(({ record: { id, role, user } }) => ({
	title: `Change ${role} of ${user.username}`,
	warning: ownRights(user.username),
	target: `privileges/${id}`,
	fields: TERMS,
}));

export const RevokeDialog = removing(({ record: { id, role, user } }) => ({
	title: `Revoke ${role} of ${user.username}?`,
	verb: "Revoke",
	warning: ownRights(user.username),
	target: `privileges/${id}`,
	text: html`<strong>${user.username}</strong> loses the role <strong>${role}</strong> now. The record stays as history.`,
	said: "Revoked.",
}));

/** Revoke everything that a user holds here. */
export const RevokeAllDialog = removing(({ username }) => ({
	title: `Revoke all privileges of ${username}?`,
	verb: "Revoke all",
	warning: ownRights(username),
	target: path`users/${username}`,
	text: html`<strong>${username}</strong> loses every role in this tenant now, and keys stop working. The account and other tenants are untouched.`,
	said: "All privileges are revoked.",
}));
