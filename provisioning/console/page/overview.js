// The tenant at a glance: what it is, how much it holds, and what ends soon.
import { ask, MOST, SERVER } from "./api.js";
import { LastChanges } from "./audit.js";
import { plain } from "./form.js";
import { address, Card, chip, empty, Head, moment, useDialog, useLoaded, userLink } from "./pieces.js";
import { changing } from "./records.js";
import { useCurrent } from "./session.js";
import { html, useId } from "./view.js";
import { fromNow, number, utc } from "./words.js";

const DAYS = 30;
const DAY = 86_400_000;
const MOST_READ = 2000;
const active = { active: "true" };
/** What is counted, and of what has an end of its own (`kind`) what that is the end of. */
const LISTS = [
	{ label: "Active users", place: "users" },
	{ label: "Active privileges", place: "privileges", query: active, toQuery: active, kind: "role", what: (record) => html`${chip(record.role)} of ${userLink(record.user.username)}` },
	{ label: "Active services", place: "services", query: active, kind: "subscription", what: (record) => record.service?.name },
	{ label: "Keys of users", place: "user-api-keys", to: "api-keys", toQuery: { view: "users" }, kind: "key", what: (record) => html`${record.name ?? record.id} of ${userLink(record.user.username)}` },
	{ label: "Keys of the tenant", place: "api-keys", to: "api-keys", isOverseer: true, kind: "key", what: (record) => `${record.name ?? record.id} of the tenant` },
	{ label: "Domain mappings", place: "domain-mapping", to: "domain-mappings", isOverseer: true, kind: "domain", what: (record) => record.domain },
	{ label: "Endpoints", place: "endpoints", isOverseer: true, kind: "endpoint", what: (record) => record.url },
];

const ChangeTenant = changing(() => ({ title: "Edit the tenant", target: "info", fields: [{ member: "name", required: true }, ...plain("theme", "icon")] }));

export function OverviewPage() {
	const session = useCurrent();
	const lists = LISTS.filter((each) => !each.isOverseer || session.isOverseer);
	const info = useLoaded(async () => (await ask("info")).data, "info");
	const counts = useLoaded(() => Promise.all(lists.map(counted)), "counts");
	const now = session.now();
	const ending = useLoaded(() => endingSoon(lists.filter((each) => each.kind), now), "ending");
	const tenant = info.data;
	const [open, dialog] = useDialog(info.reload);
	return html`
		<${Head} title="Overview">
			${document.documentElement.dataset.docs === "on" && html`<a class="button" href=${`${SERVER}/docs`}>Try the API</a>`}
			${session.manages && html`<button onClick=${() => open(ChangeTenant)}>Edit tenant</button>`}
		<//>
		${info.trouble}
		${tenant && html`<p class="facts"><strong>${tenant.name}</strong> · label <code>${tenant.label}</code> · theme ${tenant.theme ?? "—"} · icon ${tenant.icon ?? "—"}</p>`}
		${counts.trouble}
		<dl class="counts">${(counts.data ?? []).map((count) => html`<${Count} key=${count.label} ...${count} />`)}</dl>
		<${Card} title=${`What ends within ${DAYS} days`}>
			${ending.trouble}
			${ending.data && (ending.data.length ? html`<${Ending} rows=${ending.data} now=${now} />` : empty("Nothing does."))}
		<//>
		${session.isOverseer && html`<${Card} title="Last changes" actions=${html`<a href=${address(["audit"])}>All of them</a>`}><${LastChanges} key=${info.round} query=${{ size: 5 }} /><//>`}
		${dialog}
	`;
}

function Count({ label, place, to = place, toQuery, total }) {
	const id = useId();
	return html`<div><dt id=${id}>${label}</dt><dd><a href=${address([to], toQuery)} aria-describedby=${id}>${number(total)}</a></dd></div>`;
}

async function counted(count) {
	const { total } = await ask(count.place, { query: { ...count.query, size: 1 } });
	return { ...count, total };
}

// Lists of what is active begin with what ends next; the others, in which what has ended long ago comes
// first, are read from their latest end on.
async function endingSoon(lists, now) {
	const [from, until] = [utc(now), utc(now + DAYS * DAY)];
	const found = [];
	async function look({ kind, what, place, query }) {
		const size = Math.min(100, MOST);
		for (let page = 0; page * size < MOST_READ; page += 1) {
			const { data } = await ask(place, { query: { ...query, order: query ? "activeUntil" : "-activeUntil", size, page } });
			const isSoon = ({ activeFrom, activeUntil: ends }) => ends > from && ends <= until && activeFrom < ends;
			found.push(...data.filter(isSoon).map((record) => ({ kind, what, record })));
			const last = data.at(-1)?.activeUntil ?? null;
			if (last === null || (query ? last > until : last <= from)) return;
		}
	}
	await Promise.all(lists.map(look));
	return found.sort((one, other) => (one.record.activeUntil < other.record.activeUntil ? -1 : 1));
}

function Ending({ rows, now }) {
	return html`
		<ul class="ending">
			${rows.map(({ kind, record, what }) => html`
				<li>
					<span class="when">${moment(record.activeUntil, (at) => fromNow(at, now))}</span>
					<span class="kind">${kind}</span>
					<span>${what(record)}</span>
					<span class="muted">${moment(record.activeUntil)}</span>
				</li>
			`)}
		</ul>
	`;
}
