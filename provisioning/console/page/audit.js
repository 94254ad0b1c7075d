// Who has changed what, newest first.
import { ask } from "./api.js";
import { Pager, Search } from "./list.js";
import { address, Chip, Dialog, Empty, Filter, go, Instant, Text, Trouble, useLoaded, UserLink } from "./pieces.js";
import { Value } from "./records.js";
import { Table } from "./table.js";
import { html, useState } from "./view.js";
import { fromField, inWords, plural, toField } from "./words.js";

const RESOURCES = ["tenants", "users", "privileges", "domain-mapping", "services", "tenant-dashboards", "tenant-statements", "statements", "endpoints", "api-keys"];
const FILTERS = [
	{ name: "resource", label: "On", any: "everything", options: RESOURCES },
	{ name: "action", label: "What", any: "all actions", options: ["create", "change", "remove"] },
	{ name: "via", label: "Via", any: "any way", options: ["api", "scim", "cli"] },
];
const WORDS = [["by", "By whom"], ["user", "About whom"]];
const MOMENTS = [["from", "From"], ["until", "Until"]];
const column = (member, show = (record) => record[member], facts = {}) => ({ member, order: member, show, ...facts });
const COLUMNS = [
	column("at", (record) => html`<${Instant} at=${record.at} exact />`, { isName: true }),
	column("by", (record) => html`<${UserLink} name=${record.by} none=${record.via === "cli" ? "the command line" : `key ${record.key}`} />`),
	column("action", (record) => html`<span class=${`state ${record.action}`}>${record.action}</span>`),
	column("resource"),
	column("target"),
	column("user", (record) => html`<${UserLink} name=${record.user} />`),
];
const KIND = { name: "audit", one: "record" };

export function AuditPage({ query }) {
	const set = (changes, replace = false) => go(address(["audit"], { ...query, page: undefined, ...changes }), replace);
	const { view: _, ...asked } = query;
	const [page, setPage] = useState(null);
	return html`
		<header class="head"><h1>Audit</h1></header>
		<div class="tools">
			<${Search} text=${query.q ?? ""} onText=${(q) => set({ q: q || undefined }, true)} />
			${FILTERS.map((filter) => html`<${Filter} key=${filter.name} ...${filter} value=${query[filter.name]} onValue=${(value) => set({ [filter.name]: value })} />`)}
			${WORDS.map(([name, label]) => html`<label class="filter">${label} <${Text} size="14" value=${query[name]} onChange=${(text) => set({ [name]: text.trim() })} /></label>`)}
			${MOMENTS.map(([name, label]) => html`<label class="filter">${label} <${Text} type="datetime-local" title=${query[name]} value=${toField(query[name])} onChange=${(text) => set({ [name]: fromField(text) })} /></label>`)}
		</div>
		<${AuditTable} asked=${asked} order=${query.order ?? ""} onOrder=${(order) => set({ order })} onData=${setPage} />
		<${Pager} kind=${KIND} data=${page} query=${query} onPage=${(number) => set({ page: number || undefined })} onSize=${(size) => set({ size })} />
	`;
}

/** Audit records that the filters let through; each opens to what it has changed. */
export function AuditTable({ asked, order, onOrder, onData }) {
	const [opened, setOpened] = useState(null);
	const load = async () => {
		const page = await ask("audit", { query: asked });
		onData?.(page);
		return page;
	};
	const { data, problem, isLoading, reload } = useLoaded(load, JSON.stringify(asked));
	if (problem?.status === 404) return html`<${Empty} title="This server keeps no audit."><//>`;
	if (problem) return html`<${Trouble} problem=${problem} again=${reload} />`;
	if (!data) return null;
	if (!data.data.length) return html`<${Empty} title="Nothing is recorded here."><p>Every change through the API, SCIM or the command line is.</p><//>`;
	return html`
		<${Table}
			columns=${COLUMNS}
			rows=${data.data}
			actions=${[{ label: "Show changes", dialog: "show" }]}
			order=${order}
			onOrder=${onOrder}
			onDialog=${(_, record) => setOpened(record)}
			isLoading=${isLoading}
		/>
		${opened && html`<${Changes} record=${opened} onClose=${() => setOpened(null)} />`}
	`;
}

function Changes({ record, onClose }) {
	return html`
		<${Dialog} title=${`${record.action} of ${record.resource} ${record.target}`} onClose=${onClose} wide>
			<div class="body">
				<p><${Instant} at=${record.at} exact />, by ${record.by ?? "nobody with a name"}, via ${record.via}${record.client && ` from ${record.client}`}${record.requestId && html`, request <code>${record.requestId}</code>`}.</p>
				<div class="scroll" tabindex="0" role="region" aria-label="What has changed">
					<table>
						<thead><tr><th scope="col">Member</th><th scope="col">From</th><th scope="col">To</th></tr></thead>
						<tbody>
							${Object.entries(record.changes).map(
								([member, { from, to }]) => html`
									<tr><th scope="row">${inWords(member)}</th><td><${Shown} member=${member} value=${from} /></td><td class="changed"><${Shown} member=${member} value=${to} /></td></tr>
								`,
							)}
						</tbody>
					</table>
				</div>
			</div>
			<footer><button type="button" class="primary" onClick=${onClose}>Close</button></footer>
		<//>
	`;
}

// The audit masks secrets itself; a digest stands for what is too long.
const Shown = ({ member, value }) =>
	value?.sha256 ? html`<${Chip}>${plural(value.bytes, "byte")}<//>` : html`<${Value} member=${value === "********" ? "" : member} value=${value} />`;
