// Dialogs for privileges, accounts and API keys.
import { address, go } from "./address.js";
import { ask, path, Problem } from "./api.js";
import { folded, plain, RecordDialog, suggesting, suggestUsers, WINDOW_FIELDS } from "./form.js";
import { NewKey } from "./pieces.js";
import { ChangeDialog, changing, making, removing } from "./records.js";
import { useCurrent } from "./session.js";
import { html, useState } from "./view.js";
import { utc } from "./words.js";

export const ROLES = ["USER", "TEAM_LEADER", "MANAGEMENT", "INTERNAL_AUDITING", "ADMINISTRATOR"];
const REPORTS_TO = { member: "reportsTo", suggest: suggestUsers, hint: "A username of this tenant." };
const PRIVILEGE = [{ member: "role", options: ROLES, required: true }, REPORTS_TO, ...WINDOW_FIELDS];
const WHO = { member: "username", suggest: suggesting("as-users", "username", { shortest: 3 }), required: true, hint: "Anyone with an account, of any tenant." };
const ownRights = (username) => (session) =>
	session.isMe(username) && "These are your own rights in this tenant: you may not be able to take it back.";

/** Grant a role to `username`, or to whom the form names. */
export const GrantDialog = making(({ username }) => ({
	title: username ? `New privilege of ${username}` : "New privilege",
	fields: username ? PRIVILEGE : [WHO, ...PRIVILEGE],
	save: (body) => ask("privileges", { method: "POST", body: username ? { username, ...body } : body }),
	said: "Granted.",
}));

export const ChangePrivilegeDialog = changing(({ record: { id, role, user } }) => ({
	title: `Change ${role} of ${user.username}`,
	warning: ownRights(user.username),
	target: `privileges/${id}`,
	fields: PRIVILEGE,
}));

export const RevokeDialog = removing(({ record: { id, role, user } }) => ({
	title: `Revoke ${role} of ${user.username}?`,
	verb: "Revoke",
	warning: ownRights(user.username),
	target: `privileges/${id}`,
	text: html`<strong>${user.username}</strong> loses the role <strong>${role}</strong> now. The record stays as history.`,
	said: "Revoked.",
}));

export const RevokeAllDialog = removing(({ username }) => ({
	title: `Revoke all privileges of ${username}?`,
	verb: "Revoke all",
	warning: ownRights(username),
	target: path`users/${username}`,
	text: html`<strong>${username}</strong> loses every role in this tenant now, and keys stop working. The account and other tenants are untouched.`,
	said: "All privileges are revoked.",
}));

const PROFILE = [
	{ member: "timeZone", suggest: Intl.supportedValuesOf?.("timeZone"), hint: "Such as Atlantic/Reykjavik." },
	{ member: "country", hint: "Three letters, as in ISL." },
	{ member: "zipCode" },
	{ member: "avatar", hint: "A URL. The console does not load it." },
	{ member: "gender", options: ["M", "F", "U"] },
	{ member: "birthYear", type: "whole" },
	{ member: "hint" },
];

const NEW = [
	{ member: "username", required: true, hint: "Most often the email address. It can't be changed later." },
	{ member: "email", required: true },
	...plain("firstName", "lastName"),
	{ member: "password", required: true, hint: "Kept as a salted hash. Here people sign in with API keys." },
	{ member: "role", options: ROLES, required: true, initial: "USER" },
	...WINDOW_FIELDS,
	REPORTS_TO,
	...folded(...PROFILE),
];

export function NewUserDialog({ onDone, onClose }) {
	const [existing, setExisting] = useState(null);
	if (existing) return html`<${GrantDialog} username=${existing} onDone=${onDone} onClose=${onClose} />`;
	async function save(body) {
		const { role, activeFrom, activeUntil, reportsTo, ...account } = body;
		try {
			return await ask("users", { method: "POST", body: { ...account, tenantUserPrivileges: [{ role, activeFrom, activeUntil, reportsTo }] } });
		} catch (problem) {
			if (problem.status === 409 && body.username) problem.instead = { label: `New privilege of ${body.username}`, act: () => setExisting(body.username) };
			throw problem;
		}
	}
	return html`
		<${RecordDialog}
			title="New user"
			fields=${NEW}
			save=${save}
			said="The user is there."
			onSaved=${({ data }) => {
				onDone(data);
				go(address(["users", data.username]));
			}}
			onClose=${onClose}
		/>
	`;
}

export const ChangeUserDialog = changing(({ record: { username } }) => ({
	title: `Change ${username}`,
	target: path`users/${username}`,
	fields: [
		...plain("firstName", "lastName"),
		{ member: "email", required: true },
		{ member: "password", hint: "Empty to keep it." },
		...PROFILE,
	],
}));

const HOUR = 3_600_000;
const GRACE = { "in 24 hours": 24 * HOUR, "in 1 hour": HOUR, "in 7 days": 168 * HOUR };
const [USUAL] = Object.keys(GRACE);
const REMOVED = "at once: it is removed";
const KEPT = "as it does now";
const KEY = [
	{ member: "type", options: ["BASIC", "QUERY_ONLY", "INGESTION_ONLY"], required: true, initial: "BASIC", hint: "BASIC reads and writes, QUERY_ONLY reads, INGESTION_ONLY can't use this API." },
	{ member: "name", hint: "What it is for." },
	...WINDOW_FIELDS,
];

const ownerOf = (key) => key.user?.username ?? null;
const keysOf = (owner) => (owner === null ? "api-keys" : path`users/${owner}/api-keys`);
const keyPath = (key) => `${keysOf(ownerOf(key))}/${encodeURIComponent(key.id)}`;
export const keyTitle = (key) => key.name || `the ${key.type} key ${key.id}`;

/** A new key, for `owner` or for whom the form names; then it is shown once. */
export function NewKeyDialog({ owner, onDone, onClose }) {
	const [made, setMade] = useState(null);
	if (made) return html`<${NewKey} apiKey=${made} onClose=${() => onDone(made)} />`;
	const who = { member: "username", suggest: suggestUsers, hint: "Whose key it is. Empty for a key of the tenant itself." };
	async function save({ username = owner ?? null, ...terms }) {
		try {
			return await ask(keysOf(username), { method: "POST", body: { type: "BASIC", ...terms } });
		} catch (problem) {
			if (problem.status !== 404 || owner !== undefined) throw problem;
			throw new Problem(422, problem.detail, { username: [problem.detail] });
		}
	}
	return html`
		<${RecordDialog}
			title="New API key"
			fields=${owner === undefined ? [who, ...KEY] : KEY}
			save=${save}
			onSaved=${({ data }) => setMade(data)}
			onClose=${onClose}
		/>
	`;
}

export const ChangeKeyDialog = changing(({ record }) => ({ title: `Change ${keyTitle(record)}`, target: keyPath(record), fields: KEY }));

/** A new key on the terms of an old one, which ends when its user says. */
export function RotateKeyDialog({ record: old, onDone, onClose }) {
	const session = useCurrent();
	const [made, setMade] = useState(null);
	const [isMine] = useState(old.apiToken === session.key);
	if (made) {
		return html`
			<${NewKey} apiKey=${made.key} onClose=${onDone}>
				${isMine && html`<p>You were signed in with the old key; this tab goes on with the new one.</p>`}
				${made.problem && html`<p class="warning">The old key still works: ${made.problem.detail}</p>`}
			<//>
		`;
	}
	const fields = [
		{ member: "ends", label: "The old key ends", options: [...Object.keys(GRACE), REMOVED, KEPT], required: true },
		{ member: "name", hint: "Of the new key." },
		{ member: "activeUntil", type: "instant", hint: "Of the new key. Empty for no end." },
	];
	async function save({ ends = USUAL, name = old.name, activeUntil = null }, etag) {
		const { data: key } = await ask(keysOf(ownerOf(old)), { method: "POST", body: { type: old.type, name, activeUntil } });
		let problem = null;
		try {
			if (isMine) await session.signIn(key.apiToken);
			const until = utc(session.now() + (GRACE[ends] ?? 0));
			if (ends === REMOVED) await ask(keyPath(old), { method: "DELETE", etag });
			else if (ends in GRACE && (old.activeUntil === null || old.activeUntil > until)) {
				await ask(keyPath(old), { method: "PUT", body: { activeUntil: until }, etag });
			}
		} catch (caught) {
			problem = caught;
		}
		return { key, problem };
	}
	return html`
		<${ChangeDialog}
			title=${`Rotate ${keyTitle(old)}`}
			intro=${`A new ${old.type} key of ${ownerOf(old) ?? "the tenant"} is made, and the old one ends.`}
			target=${keyPath(old)}
			fields=${fields}
			prepare=${() => ({ ends: USUAL, name: old.name, activeUntil: null })}
			always
			save=${save}
			said=""
			verb="Rotate"
			onDone=${setMade}
			onClose=${onClose}
		/>
	`;
}

export const RemoveKeyDialog = removing(({ record }) => ({
	title: `Remove ${keyTitle(record)}?`,
	target: keyPath(record),
	warning: (session) => record.apiToken === session.key && "You are signed in with this key: with it you sign yourself out.",
	text: html`Whatever uses this key of <strong>${ownerOf(record) ?? "the tenant"}</strong> stops working at once, for good.`,
	said: "The key is removed.",
}));
