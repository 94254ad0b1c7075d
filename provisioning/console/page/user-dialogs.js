// Dialogs for accounts.
import { ask, path } from "./api.js";
import { folded, RecordDialog, WINDOW_FIELDS } from "./form.js";
import { go, address } from "./pieces.js";
import { GrantDialog, REPORTS_TO, ROLES } from "./privileges.js";
import { changing } from "./records.js";
import { html, useState } from "./view.js";

const zones = Intl.supportedValuesOf ? Intl.supportedValuesOf("timeZone") : [];
const PROFILE = [
	{ member: "timeZone", suggest: zones, hint: "Such as Atlantic/Reykjavik." },
	{ member: "country", hint: "Three letters, as in ISL." },
	{ member: "zipCode" },
	{ member: "avatar", hint: "A URL. The console does not load it." },
	{ member: "gender", options: ["M", "F", "U"] },
	{ member: "birthYear", type: "whole" },
	{ member: "hint" },
];
const PRIVILEGE = ["role", "activeFrom", "activeUntil", "reportsTo"];

const NEW = [
	{ member: "username", required: true, hint: "Most often the email address. It can't be changed later." },
	{ member: "email", required: true },
	{ member: "firstName" },
	{ member: "lastName" },
	{ member: "password", type: "password", required: true, hint: "Kept as a salted hash. Here people sign in with API keys." },
	{ member: "role", options: ROLES, required: true, initial: "USER" },
	...WINDOW_FIELDS,
	REPORTS_TO,
	...folded(...PROFILE),
];

export function NewUserDialog({ onDone, onClose }) {
	const [existing, setExisting] = useState(null);
	if (existing) return html`<${GrantDialog} key="grant" username=${existing} onDone=${onDone} onClose=${onClose} />`;
	async function save(body) {
		const terms = Object.fromEntries(PRIVILEGE.filter((member) => member in body).map((member) => [member, body[member]]));
		const account = Object.fromEntries(Object.entries(body).filter(([member]) => !PRIVILEGE.includes(member)));
		try {
			return await ask("users", { method: "POST", body: { ...account, tenantUserPrivileges: [terms] } });
		} catch (problem) {
			if (problem.status === 409 && body.username) problem.instead = { label: `New privilege of ${body.username}`, act: () => setExisting(body.username) };
			throw problem;
		}
	}
	return html`
		<${RecordDialog}
			key="new"
			title="New user"
			fields=${NEW}
			record=${null}
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

const CHANGED = [
	{ member: "firstName" },
	{ member: "lastName" },
	{ member: "email", required: true },
	{ member: "password", type: "password", hint: "Empty to keep it." },
	...PROFILE,
];

export const ChangeUserDialog = changing(({ record: { username } }) => ({ title: `Change ${username}`, target: path`users/${username}`, fields: CHANGED }));
