// Who has changed what, newest first.
import { ask } from "./api.js";
import { Chip, Comparison, Dialog, Empty, Instant, Trouble, useDialog, useLoaded, UserLink } from "./pieces.js";
import { Value } from "./records.js";
import { column, Table } from "./table.js";
import { html } from "./view.js";
import { inWords, plural, toTheSecond } from "./words.js";

const COLUMNS = [
	column("at", (record) => html`<${Instant} at=${record.at} as=${toTheSecond} />`, { isName: true }),
	column("by", (record) => html`<${UserLink} name=${record.by} none=${record.via === "cli" ? "the command line" : `key ${record.key}`} />`),
	column("action", (record) => html`<span class=${`state ${record.action}`}>${record.action}</span>`),
	column("resource"),
	column("target"),
	column("user", (record) => html`<${UserLink} name=${record.user} />`),
];
const ACTIONS = [{ label: "Details", dialog: "details" }];

export const audit = {
	name: "audit",
	title: "Audit",
	one: "record",
	views: [{ name: "all", place: "audit" }],
	filters: [
		{ name: "resource", label: "On", any: "everything", options: ["tenants", "users", "privileges", "domain-mapping", "services", "tenant-dashboards", "tenant-statements", "statements", "endpoints", "api-keys"] },
		{ name: "action", label: "What", any: "all actions", options: ["create", "change", "remove"] },
		{ name: "via", label: "Via", any: "any way", options: ["api", "scim", "cli"] },
		{ name: "by", label: "By whom" },
		{ name: "user", label: "About whom" },
		{ name: "from", label: "From", type: "instant" },
		{ name: "until", label: "Until", type: "instant" },
	],
	columns: () => COLUMNS,
	actions: ACTIONS,
	dialogs: { details: Changes },
	allowed: (session) => session.isOverseer,
	empty: "Nothing is recorded yet.",
};

export function LastChanges({ query }) {
	const [open, dialog] = useDialog();
	const { data, problem, reload } = useLoaded(async () => (await ask("audit", { query })).data, JSON.stringify(query));
	if (problem) return html`<${Trouble} problem=${problem} again=${reload} />`;
	if (!data) return null;
	if (!data.length) return html`<${Empty} title="Nothing is recorded here."><p>Every change through the API, SCIM or the command line is.</p><//>`;
	return html`
		<${Table} columns=${COLUMNS} rows=${data} actions=${ACTIONS} onDialog=${(_, record) => open(Changes, { record })} />
		${dialog}
	`;
}

function Changes({ record, onClose }) {
	return html`
		<${Dialog} title=${`${record.action} of ${record.resource} ${record.target}`} onClose=${onClose} leave="Close" wide>
			<div class="body">
				<p><${Instant} at=${record.at} as=${toTheSecond} />, by ${record.by ?? "nobody with a name"}, via ${record.via}${record.client && ` from ${record.client}`}${record.requestId && html`, request <code>${record.requestId}</code>`}.</p>
				<${Comparison} label="What has changed" headings=${["Member", "From", "To"]}>
					${Object.entries(record.changes).map(
						([member, { from, to }]) => html`
							<tr><th scope="row">${inWords(member)}</th><td><${Shown} member=${member} value=${from} /></td><td class="changed"><${Shown} member=${member} value=${to} /></td></tr>
						`,
					)}
				<//>
			</div>
		<//>
	`;
}

// The audit masks secrets itself; a digest stands for what is too long.
const Shown = ({ member, value }) =>
	value?.sha256 ? html`<${Chip}>${plural(value.bytes, "byte")}<//>` : html`<${Value} member=${value === "********" ? "" : member} value=${value} />`;
