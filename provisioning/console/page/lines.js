// Reporting lines as a tree: who reports to whom, now or at another moment.
import { askAll } from "./api.js";
import { chip, empty, userLink, useLoaded } from "./pieces.js";
import { html } from "./view.js";
import { dateAndTime, nameOf, number } from "./words.js";

const fold = (username) => username.normalize("NFKC").toLowerCase();

function treeOf(privileges) {
	const people = new Map();
	const person = (profile) => {
		const key = fold(profile.username);
		if (!people.has(key)) people.set(key, { profile, roles: new Set(), reports: new Map(), isBelow: false });
		return people.get(key);
	};
	for (const { user, role, reportsTo } of privileges) {
		const one = person(user);
		one.profile = user;
		one.roles.add(role);
		if (!reportsTo) continue;
		const { reports } = person({ username: reportsTo });
		one.isBelow = true;
		reports.set(one, (reports.get(one) ?? new Set()).add(role));
	}
	return people;
}

export function Lines({ at }) {
	const { data, trouble } = useLoaded(() => askAll("privileges", { active: "true", at, order: "user" }), `lines ${at}`);
	if (!data) return trouble;
	const people = [...treeOf(data.data).values()];
	const tops = people.filter((one) => !one.isBelow && one.reports.size);
	const alone = people.filter((one) => !one.isBelow && !one.reports.size);
	const tree = (ones) => html`<ul class="tree">${ones.map((one) => html`<${Branch} one=${one} roles=${one.roles} />`)}</ul>`;
	if (!tops.length) return empty(at ? "Nobody reported to anybody then." : "Nobody reports to anybody yet.", "Give a privilege a “Reports to”, and the line is drawn here.");
	return html`
		<p role="status">
			${number(people.length - alone.length)} people in reporting lines, ${number(alone.length)} outside of them${at && `, as of ${dateAndTime(at)}`}.
			${data.data.length < data.total && ` Only the first ${number(data.data.length)} of ${number(data.total)} privileges are drawn.`}
		</p>
		${tree(tops)}
		${alone.length > 0 && html`<details class="card"><summary>Outside of the lines</summary>${tree(alone)}</details>`}
	`;
}

function Branch({ one, roles }) {
	const { username } = one.profile;
	const name = nameOf(one.profile);
	return html`
		<li>
			${userLink(username)}${name !== username && html`<span class="muted"> ${name}</span>`} ${[...roles].map((role) => html`${chip(role)} `)}
			${one.reports.size > 0 && html`
				<details open>
					<summary>${number(one.reports.size)} directly</summary>
					<ul>${[...one.reports].map(([below, by]) => html`<${Branch} one=${below} roles=${by} />`)}</ul>
				</details>
			`}
		</li>
	`;
}
