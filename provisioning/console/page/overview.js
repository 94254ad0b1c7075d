// The tenant at a glance: what it is, how much it holds, and what ends soon.
import { ask, SERVER } from "./api.js";
import { LastChanges } from "./audit.js";
import { plain } from "./form.js";
import { address, Card, Chip, Empty, Head, Instant, Trouble, useDialog, useLoaded, UserLink } from "./pieces.js";
import { changing } from "./records.js";
import { useCurrent } from "./session.js";
import { html, useId } from "./view.js";
import { fromNow, number, utc } from "./words.js";

const DAYS = 30;
const DAY = 86_400_000;
const MOST_PAGES = 20;
const active = { active: "true" };
/** What is counted, and of what has an end of its own (`kind`) what that is the end of. */
const LISTS = [
	{ label: "Active users", place: "users" },
	{ label: "Active privileges", place: "privileges", query: active, toQuery: active, kind: "role", what: (record) => html`<${Chip}>${record.role}<//> of <${UserLink} name=${record.user.username} />` },
	{ label: "Active services", place: "services", query: active, kind: "subscription", what: (record) => record.service?.name },
	{ label: "Keys of users", place: "user-api-keys", to: "api-keys", toQuery: { view: "users" }, kind: "key", what: (record) => html`${record.name ?? record.id} of <${UserLink} name=${record.user.username} />` },
	{ label: "Keys of the tenant", place: "api-keys", to: "api-keys", isOverseer: true, kind: "key", what: (record) => `${record.name ?? record.id} of the tenant` },
	{ label: "Domain mappings", place: "domain-mapping", to: "domain-mappings", isOverseer: true, kind: "domain", what: (record) => record.domain },
	{ label: "Endpoints", place: "endpoints", isOverseer: true, kind: "endpoint", what: (record) => record.url },
];

const ChangeTenant = changing(() => ({
	title: "Change the tenant",
	target: "info",
	fields: [{ member: "name", required: true }, ...plain("theme", "icon")],
}));

export function OverviewPage() {
	const session = useCurrent();
	const lists = LISTS.filter((each) => !each.isOverseer || session.isOverseer);
	const info = useLoaded(async () => (await ask("info")).data, "info");
	const counts = useLoaded(() => Promise.all(lists.map(counted)), "counts");
	const ending = useLoaded(() => endingSoon(lists.filter((each) => each.kind), session.now()), "ending");
	const tenant = info.data;
	const [open, dialog] = useDialog(info.reload);
	return html`
		<${Head} title="Overview">
			${document.documentElement.dataset.docs === "on" && html`<a class="button" href=${`${SERVER}/docs`}>Try the API</a>`}
			${session.manages && html`<button onClick=${() => open(ChangeTenant)}>Change tenant</button>`}
		<//>
		<${Trouble} problem=${info.problem} again=${info.reload} />
		${tenant &&
		html`
			<p class="facts"><strong>${tenant.name}</strong> · label <code>${tenant.label}</code> · theme ${tenant.theme ?? "—"} · icon ${tenant.icon ?? "—"}</p>
		`}
		<${Trouble} problem=${counts.problem} again=${counts.reload} />
		<dl class="counts">
			${(counts.data ?? []).map((count) => html`<${Count} key=${count.label} count=${count} />`)}
		</dl>
		<${Card} title=${`What ends within ${DAYS} days`}>
			<${Trouble} problem=${ending.problem} again=${ending.reload} />
			${ending.data && (ending.data.length ? html`<${Ending} rows=${ending.data} />` : html`<${Empty} title="Nothing does."><//>`)}
		<//>
		${session.isOverseer && html`<${Card} title="Last changes" actions=${html`<a href=${address(["audit"])}>All of them</a>`}><${LastChanges} query=${{ size: 5 }} /><//>`}
		${dialog}
	`;
}

function Count({ count }) {
	const id = useId();
	return html`
		<div>
			<dt id=${id}>${count.label}</dt>
			<dd><a href=${address([count.to ?? count.place], count.toQuery)} aria-describedby=${id}>${number(count.total)}</a></dd>
		</div>
	`;
}

async function counted(count) {
	const { total } = await ask(count.place, { query: { ...count.query, size: 1 } });
	return { ...count, total };
}

/**
 * What ends soon, the next first. Lists of what is active begin with what ends next; the others are
 * read from their latest end on, as what has ended long ago comes first in them.
 */
async function endingSoon(lists, now) {
	const [from, until] = [utc(now), utc(now + DAYS * DAY)];
	const found = [];
	async function look({ kind, what, place, query }) {
		for (let page = 0; page < MOST_PAGES; page += 1) {
			const { data } = await ask(place, { query: { ...query, order: query ? "activeUntil" : "-activeUntil", size: 100, page } });
			for (const record of data) {
				const ends = record.activeUntil;
				if (ends > from && ends <= until && record.activeFrom < ends) found.push({ kind, what, record });
			}
			const last = data.at(-1)?.activeUntil ?? null;
			if (last === null || (query ? last > until : last <= from)) return;
		}
	}
	await Promise.all(lists.map(look));
	return found.sort((one, other) => (one.record.activeUntil < other.record.activeUntil ? -1 : 1));
}

function Ending({ rows }) {
	const session = useCurrent();
	return html`
		<ul class="ending">
			${rows.map(
				({ kind, record, what }) => html`
					<li>
						<span class="when"><${Instant} at=${record.activeUntil} as=${(at) => fromNow(at, session.now())} /></span>
						<span class="kind">${kind}</span>
						<span>${what(record)}</span>
						<span class="muted"><${Instant} at=${record.activeUntil} /></span>
					</li>
				`,
			)}
		</ul>
	`;
}
