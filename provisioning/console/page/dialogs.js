// Dialogs for privileges, accounts and API keys.
import { address, go } from "./address.js";
import { ask, path, Problem, random } from "./api.js";
import { folded, plain, RecordDialog, suggesting, suggestUsers, WINDOW_FIELDS } from "./form.js";
import { FormDialog, NewKey, say } from "./pieces.js";
import { ChangeDialog, changing, making, removing } from "./records.js";
import { useCurrent } from "./session.js";
import { html, useState } from "./view.js";
import { plural, utc } from "./words.js";

export const ROLES = ["USER", "TEAM_LEADER", "MANAGEMENT", "INTERNAL_AUDITING", "ADMINISTRATOR"];
const REPORTS_TO = { member: "reportsTo", suggest: suggestUsers, hint: "A username of this tenant." };
const PRIVILEGE = [{ member: "role", options: ROLES, required: true }, REPORTS_TO, ...WINDOW_FIELDS];
const WHO = { member: "username", suggest: suggesting("as-users", "username", { shortest: 3 }), required: true, hint: "Anyone with an account, of any tenant." };
const ownRights = (username) => (session) =>
	session.isMe(username) && "These are your own rights in this tenant: you may not be able to take it back.";

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

/** Give the rest of a window to somebody else, then end it where theirs begins; if that fails, take back what was given. */
async function handOver(id, { username, activeFrom }, now) {
	const target = `privileges/${id}`;
	const { data: old, etag } = await ask(target);
	const { role, activeUntil } = old;
	const { data: held } = await ask("privileges", { query: { user: username, role, size: 100 } });
	const from = activeFrom ?? utc(now);
	const suffices = (one) => one.activeFrom <= from && (one.activeUntil === null || (activeUntil !== null && activeUntil <= one.activeUntil));
	const made = held.some(suffices) ? null : (await ask("privileges", { method: "POST", body: { username, role, activeFrom, activeUntil } })).data;
	try {
		await ask(target, activeFrom ? { method: "PUT", body: { activeUntil: activeFrom }, etag } : { method: "DELETE", etag });
	} catch (problem) {
		// Without an answer it may have been done all the same.
		const seen = problem.status !== 412 && (await ask(target).catch(() => null));
		if (seen && seen.etag !== etag) return;
		const isBack = !made || (await ask(`privileges/${made.id}`, { method: "DELETE" }).then(() => true, () => false));
		throw new Problem(problem.status, `${problem.detail} ${isBack ? "Nothing is handed over." : `What was given to ${username} stays: revoke it there.`}`);
	}
}

export function HandOverDialog({ record: { id, role, user, activeUntil }, onDone, onClose }) {
	const session = useCurrent();
	return html`
		<${RecordDialog} title=${`Hand over ${role} of ${user.username}`} verb="Hand over" said="Handed over."
			intro=${`Whom you name is ${role} from then on${activeUntil ? ", until the same end" : ""}, and ${user.username} no longer. ${ownRights(user.username)(session) || ""}`}
			fields=${[WHO, { member: "activeFrom", type: "instant", hint: "From when. Empty for now." }]}
			save=${(body) => handOver(id, body, session.now())} onSaved=${() => onDone()} onClose=${onClose} />
	`;
}

/** Revoke all privileges of several users, one after the other; whoever could not be revoked is named. */
export function RevokeChosenDialog({ chosen, onDone, onClose }) {
	const { isMe } = useCurrent();
	// One's own rights come last: without them the others could not be revoked.
	const [left, setLeft] = useState(() => [...chosen].sort((one, other) => isMe(one.username) - isMe(other.username)).map((user) => ({ user })));
	const [done, setDone] = useState(0);
	async function act() {
		const failed = [];
		for (const [nth, { user }] of left.entries()) {
			setDone(nth);
			await ask(path`users/${user.username}`, { method: "DELETE" }).catch((problem) => failed.push({ user, problem }));
		}
		setDone(0);
		setLeft(failed);
		if (failed.length < left.length) say(`${plural(left.length - failed.length, "user")} revoked.`);
		if (!failed.length) onDone([]);
	}
	const close = () => (left.length < chosen.length ? onDone(left.map(({ user }) => user)) : onClose());
	return html`
		<${FormDialog} title=${`Revoke all privileges of ${plural(left.length, "user")}?`} act=${act} verb="Revoke all" isDanger onClose=${close}>
			<p>They lose every role in this tenant now, and their keys stop working. Accounts and other tenants are untouched.</p>
			<ul class="those" aria-live="polite">
				${left.map(({ user, problem }) => html`<li><strong>${user.username}</strong>${isMe(user.username) && !problem && ": these are your own rights, and you may not be able to take it back."}${problem && html`<span class="error">: not revoked. ${problem.detail}</span>`}</li>`)}
			</ul>
			${done > 0 && html`<p role="status"><progress max=${left.length} value=${done} aria-hidden="true"></progress> ${done} of ${left.length}</p>`}
		<//>
	`;
}

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
	{ member: "username", required: true, hint: "Most often the email address. It can't be changed here." },
	{ member: "email", required: true, like: "username" },
	...plain("firstName", "lastName"),
	{ member: "password", hint: "Nobody signs in with it here. Empty for one that nobody knows." },
	{ member: "role", options: ROLES, required: true, initial: "USER" },
	...WINDOW_FIELDS,
	REPORTS_TO,
	...folded(...PROFILE),
];

export function NewUserDialog({ onDone, onClose }) {
	const [existing, setExisting] = useState(null);
	if (existing) return html`<${GrantDialog} username=${existing} onDone=${onDone} onClose=${onClose} />`;
	async function save(body) {
		const { role, activeFrom, activeUntil, reportsTo, password = random(), ...account } = body;
		try {
			return await ask("users", { method: "POST", body: { ...account, password, tenantUserPrivileges: [{ role, activeFrom, activeUntil, reportsTo }] } });
		} catch (problem) {
			if (problem.status === 409 && body.username) problem.instead = { label: `New privilege of ${body.username}`, act: () => setExisting(body.username) };
			throw problem;
		}
	}
	return html`
		<${RecordDialog} title="New user" fields=${NEW} save=${save} said=${({ data }) => `Created ${data.username}.`} onClose=${onClose} onSaved=${({ data }) => {
			onDone(data);
			go(address(["users", data.username]));
		}} />
	`;
}

export const ChangeUserDialog = changing(({ record: { username } }) => ({
	title: `Change ${username}`,
	target: path`users/${username}`,
	fields: [...plain("firstName", "lastName"), { member: "email", required: true }, { member: "password", hint: "Empty to keep it." }, ...PROFILE],
}));

const HOUR = 3_600_000;
const GRACE = { "in 24 hours": 24 * HOUR, "in 1 hour": HOUR, "in 7 days": 168 * HOUR };
const [USUAL] = Object.keys(GRACE);
const REMOVED = "at once: it is removed";
const KEY = [
	{ member: "type", options: ["BASIC", "QUERY_ONLY", "INGESTION_ONLY"], required: true, initial: "BASIC", hint: "BASIC reads and writes, QUERY_ONLY reads, INGESTION_ONLY can't use this API." },
	{ member: "name", hint: "What it is for." },
	...WINDOW_FIELDS,
];

const ownerOf = (key) => key.user?.username ?? null;
const keysOf = (owner) => (owner === null ? "api-keys" : path`users/${owner}/api-keys`);
const keyPath = (key) => `${keysOf(ownerOf(key))}/${encodeURIComponent(key.id)}`;
export const keyTitle = (key) => key.name || `the ${key.type} key ${key.id}`;

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
		<${RecordDialog} title="New API key" fields=${owner === undefined ? [who, ...KEY] : KEY} save=${save} onSaved=${({ data }) => setMade(data)} onClose=${onClose} />
	`;
}

export const ChangeKeyDialog = changing(({ record }) => ({ title: `Change ${keyTitle(record)}`, target: keyPath(record), fields: KEY }));

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
	const fields = [{ member: "ends", label: "The old key ends", options: [...Object.keys(GRACE), REMOVED], required: true }];
	async function save({ ends = USUAL }, etag) {
		const { data: key } = await ask(keysOf(ownerOf(old)), { method: "POST", body: { type: old.type, name: old.name } });
		let problem = null;
		try {
			if (isMine) await session.signIn(key.apiToken);
			const until = utc(session.now() + (GRACE[ends] ?? 0));
			if (ends === REMOVED) await ask(keyPath(old), { method: "DELETE", etag });
			else if (old.activeUntil === null || old.activeUntil > until) await ask(keyPath(old), { method: "PUT", body: { activeUntil: until }, etag });
		} catch (caught) {
			problem = caught;
		}
		return { key, problem };
	}
	return html`
		<${ChangeDialog} title=${`Rotate ${keyTitle(old)}`} intro=${`A new ${old.type} key of ${ownerOf(old) ?? "the tenant"} is made, and the old one ends.`}
			target=${keyPath(old)} fields=${fields} prepare=${() => ({ ends: USUAL })} always save=${save} said="" verb="Rotate" onDone=${setMade} onClose=${onClose} />
	`;
}

export const RemoveKeyDialog = removing(({ record }) => ({
	title: `Remove ${keyTitle(record)}?`,
	target: keyPath(record),
	warning: (session) => record.apiToken === session.key && "You are signed in with this key: with it you sign yourself out.",
	text: html`Whatever uses this key of <strong>${ownerOf(record) ?? "the tenant"}</strong> stops working at once, for good.`,
	said: "The key is removed.",
}));
