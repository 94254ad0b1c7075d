// Dialogs for API keys: making, rotating, changing and removing them.
import { ask, path, Problem } from "./api.js";
import { RecordDialog, suggestUsers, WINDOW_FIELDS } from "./form.js";
import { NewKey } from "./pieces.js";
import { changing, Current, removing } from "./records.js";
import { useCurrent } from "./session.js";
import { html, useState } from "./view.js";
import { utc } from "./words.js";

const TYPES = ["BASIC", "QUERY_ONLY", "INGESTION_ONLY"];
const HOUR = 3_600_000;
const GRACE = { "in 24 hours": 24 * HOUR, "in 1 hour": HOUR, "in 7 days": 168 * HOUR };
const REMOVED = "at once: it is removed";
const KEPT = "as it does now";
const TERMS = [
	{ member: "type", options: TYPES, required: true, initial: "BASIC", hint: "BASIC reads and writes, QUERY_ONLY reads, INGESTION_ONLY can't use this API." },
	{ member: "name", hint: "What it is for." },
	...WINDOW_FIELDS,
];

const ownerOf = (key) => key.user?.username ?? null;
const place = (owner) => (owner === null ? "api-keys" : path`users/${owner}/api-keys`);
const keyPath = (key) => `${place(ownerOf(key))}/${encodeURIComponent(key.id)}`;
export const keyTitle = (key) => key.name || `the ${key.type} key ${key.id}`;

/** A new key, for `owner` or for whom the form names; then it is shown once. */
export function NewKeyDialog({ owner, onDone, onClose }) {
	const [made, setMade] = useState(null);
	if (made) return html`<${NewKey} apiKey=${made} onClose=${() => onDone(made)} />`;
	const who = { member: "username", suggest: suggestUsers, hint: "Whose key it is. Empty for a key of the tenant itself." };
	async function save({ username = owner ?? null, ...terms }) {
		try {
			return await ask(place(username), { method: "POST", body: { type: "BASIC", ...terms } });
		} catch (problem) {
			if (problem.status !== 404 || owner !== undefined) throw problem;
			throw new Problem(422, problem.title, problem.detail, { username: [problem.detail] });
		}
	}
	return html`
		<${RecordDialog}
			key="new"
			title="New API key"
			fields=${owner === undefined ? [who, ...TERMS] : TERMS}
			record=${null}
			save=${save}
			onSaved=${({ data }) => setMade(data)}
			onClose=${onClose}
		/>
	`;
}

export const ChangeKeyDialog = changing(({ record }) => ({ title: `Change ${keyTitle(record)}`, target: keyPath(record), fields: TERMS }));

export const RotateKeyDialog = (given) => {
	const title = `Rotate ${keyTitle(given.record)}`;
	return html`<${Current} title=${title} target=${keyPath(given.record)} onClose=${given.onClose}>${({ etag }) => html`<${Rotate} ...${given} title=${title} etag=${etag} />`}<//>`;
};

/** A new key on the terms of an old one, which ends when its user says. */
function Rotate({ record: old, title, etag, onDone, onClose }) {
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
	async function save({ ends = Object.keys(GRACE)[0], name = old.name, activeUntil = null }) {
		const { data: key } = await ask(place(ownerOf(old)), { method: "POST", body: { type: old.type, name, activeUntil } });
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
		<${RecordDialog}
			title=${title}
			intro=${`A new ${old.type} key of ${ownerOf(old) ?? "the tenant"} is made, and the old one ends.`}
			fields=${fields}
			record=${{ ends: Object.keys(GRACE)[0], name: old.name, activeUntil: null }}
			always
			save=${save}
			onSaved=${setMade}
			onClose=${onClose}
			verb="Rotate"
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
