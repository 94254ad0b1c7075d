// Lists as CSV files, whose columns are members as the API names them, so that `import` reads them.
import { askAll } from "./api.js";
import { say } from "./pieces.js";
import { html, useState } from "./view.js";
import { number, windowState } from "./words.js";

/** A cell that a spreadsheet takes for text: what would begin a formula gets a ' before it. */
function cell(value) {
	const text = value === null || value === undefined ? "" : typeof value === "object" ? JSON.stringify(value) : String(value);
	const safe = /^[=+\-@]/.test(text) ? `'${text}` : text;
	return /[",;\t\r\n]|^\s|\s$/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

const toCsv = (members, rows) => [members, ...rows.map((row) => members.map((member) => row[member]))].map((line) => `${line.map(cell).join(",")}\r\n`).join("");

const TERMS = ["role", "activeFrom", "activeUntil", "reportsTo"];
const PROFILE = ["email", "firstName", "lastName", "timeZone", "country", "zipCode", "avatar", "gender", "birthYear", "hint"];

export const USERS_CSV = {
	members: ["username", ...PROFILE, ...TERMS],
	// Of several roles none is named: an import would end the others.
	rowOf: (user, at) => {
		const held = user.tenantUserPrivileges?.filter((each) => windowState(each, at) === "active") ?? [];
		return { ...(held.length === 1 && held[0]), ...user };
	},
};
export const PRIVILEGES_CSV = { members: ["username", ...TERMS], rowOf: (record) => ({ ...record, username: record.user.username }) };
export const AUDIT_CSV = { members: ["at", "by", "key", "via", "requestId", "action", "resource", "target", "user", "client", "changes"], rowOf: (record) => record };

/** Saves the whole list that `place` and `query` ask for, as it was or will be `at` a moment. */
export function SaveCsv({ csv, name, place, query, at, act }) {
	const [done, setDone] = useState(null);
	async function save() {
		const { data } = await askAll(place, query, Infinity, (some, total) => setDone(`${number(some)} of ${number(total)}`));
		const link = document.createElement("a");
		link.href = URL.createObjectURL(new Blob([toCsv(csv.members, data.map((record) => csv.rowOf(record, at)))], { type: "text/csv" }));
		link.download = `${name}.csv`;
		link.click();
		setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
		say(`Saved as ${link.download}.`);
	}
	async function begin() {
		if (done !== null) return;
		setDone("");
		await act(save);
		setDone(null);
	}
	return html`<button onClick=${begin} aria-busy=${done !== null}>${done === null ? "Download CSV" : `${done} read`}</button>`;
}
