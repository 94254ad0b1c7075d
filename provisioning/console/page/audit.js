// Who has changed what, newest first.
import { ask } from "./api.js";
import { AUDIT_CSV } from "./csv.js";
import { chip, Comparison, Dialog, empty, moment, useDialog, useLoaded, userLink } from "./pieces.js";
import { Value } from "./records.js";
import { column, Table } from "./table.js";
import { html } from "./view.js";
import { inWords, plural, toTheSecond } from "./words.js";

const COLUMNS = [
	column("at", (record) => moment(record.at, toTheSecond), { isName: true }),
	column("by", (record) => userLink(record.by, record.via === "cli" ? "the command line" : `key ${record.key}`)),
	column("action", (record) => html`<span class=${`state ${record.action}`}>${record.action}</span>`),
	column("resource"),
	column("target"),
	column("user", (record) => userLink(record.user)),
];
const ACTIONS = [{ label: "Details", dialog: "details" }];

const HOW = "Every change through the API, SCIM or the command line is.";

export const audit = {
	name: "audit",
	title: "Audit",
	one: "record",
	views: [{ name: "all", place: "audit" }],
	filters: [
		{ name: "resource", label: "Kind", any: "all kinds", options: ["tenants", "users", "privileges", "domain-mapping", "services", "tenant-dashboards", "tenant-statements", "statements", "endpoints", "api-keys"] },
		{ name: "action", label: "Action", any: "all actions", options: ["create", "change", "remove"] },
		{ name: "via", label: "Through", any: "any way", options: ["api", "scim", "cli"] },
		{ name: "by", label: "Changed by" },
		{ name: "user", label: "About user" },
		{ name: "from", label: "From", type: "instant" },
		{ name: "until", label: "Until", type: "instant", isEnd: true },
	],
	columns: () => COLUMNS,
	actions: ACTIONS,
	dialogs: { details: Changes },
	allowed: (session) => session.isOverseer,
	csv: AUDIT_CSV,
	empty: "Nothing is recorded yet.",
	how: HOW,
};

export function LastChanges({ query }) {
	const [open, dialog] = useDialog();
	const { data, trouble } = useLoaded(async () => (await ask("audit", { query })).data, JSON.stringify(query));
	if (!data?.length) return data ? empty("Nothing is recorded here.", HOW) : trouble;
	return html`
		<${Table} columns=${COLUMNS} rows=${data} actions=${ACTIONS} onDialog=${(_, record) => open(Changes, { record })} />
		${dialog}
	`;
}

function Changes({ record, onClose }) {
	return html`
		<${Dialog} title=${`${record.action} of ${record.resource} ${record.target}`} onClose=${onClose} leave="Close" wide>
			<p>${moment(record.at, toTheSecond)}, by ${record.by ?? "nobody with a name"}, via ${record.via}${record.client && ` from ${record.client}`}${record.requestId && html`, request <code>${record.requestId}</code>`}.</p>
			<${Comparison} label="What has changed" headings=${["Member", "From", "To"]}>
				${Object.entries(record.changes).map(([member, { from, to }]) => html`
					<tr><th scope="row">${inWords(member)}</th><td><${Shown} member=${member} value=${from} /></td><td class="changed"><${Shown} member=${member} value=${to} /></td></tr>
				`)}
			<//>
		<//>
	`;
}

const Shown = ({ member, value }) =>
	value?.sha256 ? chip(plural(value.bytes, "byte")) : html`<${Value} member=${value === "********" ? "" : member} value=${value} />`;
