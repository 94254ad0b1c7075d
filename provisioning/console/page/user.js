// A user's page: the profile, privileges over time, keys, reporting lines and history.
import { left } from "./address.js";
import { ask, askAll, path } from "./api.js";
import { LastChanges } from "./audit.js";
import { ROLES } from "./dialogs.js";
import { apiKeys, isOver, privileges as privilegesKind, users } from "./kinds.js";
import { address, Card, chip, empty, Head, useDialog, useLoaded, userLink, ZONE_NOTE } from "./pieces.js";
import { Members } from "./records.js";
import { useCurrent } from "./session.js";
import { Table } from "./table.js";
import { Timeline } from "./timeline.js";
import { html } from "./view.js";
import { nameOf } from "./words.js";

const HELD = privilegesKind.columns().slice(1).map((column) => ({ ...column, isName: column.member === "role" }));
const KEYS = apiKeys.columns({});
const NOT_IN_PROFILE = ["tenantUserPrivileges", "activeApiKeys", "username", "home", "id"];

export function UserPage({ username }) {
	const session = useCurrent();
	const load = async () => {
		const [{ data: user }, { data: keys }] = await Promise.all([ask(path`users/${username}`), askAll(path`users/${username}/api-keys`)]);
		const { data: below } = await askAll("privileges", { reportsTo: user.username, active: "true" });
		return { user, keys, below };
	};
	const { data, trouble, round, reload } = useLoaded(load, username);
	const [show, dialog] = useDialog(reload);
	const now = session.now();
	const back = html`<p class="back"><a href=${left.users ?? address(["users"])}>← All people</a></p>`;
	if (!data) return html`${back}<${Head} title=${username} />${trouble}`;

	const { user, keys, below } = data;
	const isMe = session.isMe(user.username);
	const mayProfile = (session.manages || (isMe && session.may("write") && session.who.role !== "INTERNAL_AUDITING")) && user.home !== false;
	const privileges = user.tenantUserPrivileges.map((privilege) => ({ ...privilege, user }));
	const open = (kind) => (name, record) => show(kind.dialogs[name], { record, username: user.username, owner: user.username });
	const lasting = privileges.filter((each) => !isOver(each, now));
	const above = [...new Set(lasting.map((each) => each.reportsTo).filter(Boolean))];
	return html`
		${back}
		<${Head} title=${html`${nameOf(user)}${isMe && html` <span class="chip mine">you</span>`}`}>
			${mayProfile && html`<button onClick=${() => open(users)("change", user)}>Change profile</button>`}
			${session.manages && lasting.length > 0 && html`<button class="danger" onClick=${() => open(users)("revokeAll", user)}>Revoke all</button>`}
		<//>
		${trouble}

		<${Card} title="Profile">
			${user.home === false && html`<p class="muted">This account is at home in another tenant: its profile is changed there, and here its private part is not shown.</p>`}
			<p class="lead">${user.username}</p>
			<${Members} record=${user} without=${NOT_IN_PROFILE} />
		<//>
		<${Card} title="Roles over time" actions=${session.manages && html`<button class="primary" onClick=${() => open(privilegesKind)("create")}>New privilege</button>`}>
			${privileges.length > 0 && html`<${Timeline} privileges=${privileges} roles=${ROLES} now=${now} />`}
			<${Table} columns=${HELD} rows=${privileges} now=${now} actions=${privilegesKind.actions} onDialog=${open(privilegesKind)} none=${empty("No role in this tenant, and none before.")} />
			${ZONE_NOTE}
		<//>
		<${Card} title="Keys" actions=${session.may("makeKeys") && html`<button class="primary" onClick=${() => open(apiKeys)("create")}>New API key</button>`}>
			<${Table} columns=${KEYS} rows=${keys} now=${now} actions=${apiKeys.actions} onDialog=${open(apiKeys)} none=${empty(session.isOverseer || isMe ? "No keys yet." : "Their keys are not yours to see.")} />
		<//>
		<${Card} title="Reporting line">
			<p>${above.length ? html`Reports to ${above.map((each) => html`${userLink(each)} `)}` : "Reports to nobody."}</p>
			${below.length > 0 && html`
				<p>Report directly:</p>
				<ul class="tree">${below.map((each) => html`<li>${userLink(each.user.username)} ${chip(each.role)}</li>`)}</ul>
			`}
		<//>
		${session.isOverseer && html`
			<${Card} title="History" actions=${html`<a href=${address(["audit"], { user: user.username })}>All of it</a>`}>
				<${LastChanges} key=${round} query=${{ user: user.username, size: 8 }} />
			<//>
		`}
		${dialog}
	`;
}
