// Reporting lines as a tree: who reports to whom by privileges that are active now.
import { askAll } from "./api.js";
import { Chip, Empty, Trouble, UserLink, useLoaded } from "./pieces.js";
import { html } from "./view.js";
import { nameOf, number } from "./words.js";

const fold = (username) => username.normalize("NFKC").toLowerCase();

/** People by username, each with the roles that they hold, and with those who report to them by which roles. */
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

export function Lines() {
	const { data, problem, reload } = useLoaded(() => askAll("privileges", { active: "true", order: "user" }), "lines");
	if (problem) return html`<${Trouble} problem=${problem} again=${reload} />`;
	if (!data) return null;
	const people = [...treeOf(data.data).values()];
	const tops = people.filter((one) => !one.isBelow && one.reports.size);
	const alone = people.filter((one) => !one.isBelow && !one.reports.size);
	if (!tops.length) {
		return html`<${Empty} title="Nobody reports to anybody yet."><p>Give a privilege a “Reports to”, and the line is drawn here.</p><//>`;
	}
	return html`
		<p role="status">
			${number(people.length - alone.length)} people in reporting lines, ${number(alone.length)} outside of them.
			${data.data.length < data.total && ` Only the first ${number(data.data.length)} of ${number(data.total)} privileges are drawn.`}
		</p>
		<ul class="tree">${tops.map((one) => html`<${Branch} one=${one} roles=${one.roles} />`)}</ul>
		${alone.length > 0 &&
		html`<details class="card"><summary>Outside of the lines</summary><ul class="tree">${alone.map((one) => html`<${Branch} one=${one} roles=${one.roles} />`)}</ul></details>`}
	`;
}

function Branch({ one, roles }) {
	const who = html`
		<${UserLink} name=${one.profile.username} />
		${nameOf(one.profile) !== one.profile.username && html`<span class="muted"> ${nameOf(one.profile)}</span>`}
		${" "}${[...roles].map((role) => html`<${Chip}>${role}<//> `)}
	`;
	return html`
		<li>
			${who}
			${one.reports.size > 0 &&
			html`
				<details open>
					<summary>${number(one.reports.size)} directly</summary>
					<ul>${[...one.reports].map(([below, by]) => html`<${Branch} one=${below} roles=${by} />`)}</ul>
				</details>
			`}
		</li>
	`;
}
