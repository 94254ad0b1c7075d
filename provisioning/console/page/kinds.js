// The lists, each as a declaration: where it comes from, its columns, filters and what can be done.
import { ask, path, Problem } from "./api.js";
import { audit } from "./audit.js";
import { PRIVILEGES_CSV, USERS_CSV } from "./csv.js";
import {
	ChangeKeyDialog,
	ChangePrivilegeDialog,
	ChangeUserDialog,
	GrantDialog,
	HandOverDialog,
	keyTitle,
	NewKeyDialog,
	NewUserDialog,
	RemoveKeyDialog,
	RevokeAllDialog,
	RevokeChosenDialog,
	RevokeDialog,
	ROLES,
	RotateKeyDialog,
} from "./dialogs.js";
import { folded, plain, suggesting, WINDOW_FIELDS } from "./form.js";
import { Lines } from "./lines.js";
import { chip, moment, stateOf, userLink } from "./pieces.js";
import { changing, making, removing, showing } from "./records.js";
import { column } from "./table.js";
import { html } from "./view.js";
import { dateAndTime, windowState } from "./words.js";

const named = (member) => column(member, undefined, { isName: true });
const chips = (member) => column(member, (record) => chip(record[member]));
const flag = (member) => column(member, (record) => (record[member] ? "yes" : "no"));
const instant = (member, none) => column(member, (record) => moment(record[member], undefined, none));
const OWNER = column("user", (record) => userLink(record.user?.username), { label: "Username" });
const WINDOW = [
	instant("activeFrom"),
	instant("activeUntil", "no end"),
	{ member: "state", show: (record, at) => stateOf(record, at, record.active === false) },
];

const oversees = (session) => session.isOverseer;
const manages = (session) => session.manages;
const makesKeys = (session) => session.may("makeKeys");
export const isOver = (record, now) => ["ended", "revoked before it began"].includes(windowState(record, now));
const whileOpen = (session, record, now) => session.manages && !isOver(record, now);

const change = (allowed) => ({ label: "Change", dialog: "change", allowed });
const remove = (allowed, label = "Remove") => ({ label, dialog: "remove", danger: true, allowed });

function kind(one, facts) {
	const title = `${one[0].toUpperCase()}${one.slice(1)}s`;
	return {
		name: title.toLowerCase().replace(" ", "-"),
		title,
		one,
		filters: [],
		actions: [],
		make: { label: `New ${one}`, allowed: manages },
		empty: `No ${one}s yet.`,
		how: "An administrator can make one.",
		...facts,
	};
}

/** A kind whose records are all handled in the same way; `key` is the member that names one. */
function plainKind(one, { place, key, fields, called = one, prepare, removed, isOwn = () => true, actions = [], dialogs, ...facts }) {
	const keyOf = (record) => record.id ?? record[key];
	const at = (record) => `${place}/${encodeURIComponent(keyOf(record))}`;
	const mayManage = (session, record) => session.manages && isOwn(record);
	return kind(one, {
		views: [{ name: "all", place }],
		keyOf,
		actions: [...actions, change(mayManage), remove(mayManage)],
		dialogs: {
			create: making(() => ({ title: `New ${called}`, fields, place, said: ({ data }) => `Created ${data[key]}.` })),
			show: showing((record) => record[key]),
			change: changing(({ record }) => ({
				title: `Change ${one} ${record[key]}`,
				target: at(record),
				fields: fields.filter((field) => !field.natural),
				prepare,
			})),
			remove: removing(({ record }) => ({
				title: `Remove ${one} ${record[key]}?`,
				target: at(record),
				text: removed(record),
				said: `${record[key]} is removed.`,
			})),
			...dialogs,
		},
		...facts,
	});
}

export const users = kind("user", {
	views: [
		{ name: "tenant", label: "This tenant", place: "users", defaultActive: "true", together: { label: "Revoke all privileges", dialog: RevokeChosenDialog } },
		{ name: "everyone", label: "All tenants", place: "as-users", shortest: 3, allowed: oversees },
	],
	columns: (view) => [
		column("username", (user) => (view.name === "tenant" ? userLink(user.username) : user.username), { isName: true }),
		column("firstName"),
		column("lastName"),
		column("email"),
		...(view.name === "tenant" ? [{ member: "roles", show: (user, at) => html`<${Roles} user=${user} at=${at} />` }] : []),
	],
	keyOf: (user) => user.username,
	actions: [{ label: "New privilege", dialog: "grant", view: "everyone", allowed: manages }],
	dialogs: {
		create: NewUserDialog,
		grant: ({ record, ...rest }) => GrantDialog({ ...rest, username: record.username }),
		change: ChangeUserDialog,
		revokeAll: RevokeAllDialog,
	},
	csv: USERS_CSV,
	// The API takes no files: the command that does.
	foot: ({ who }) => html`<p class="muted">To bring users in from such a file, on the server: <code>provisioning import people.csv --tenant ${who.tenant.label}</code></p>`,
});

function Roles({ user, at }) {
	const held = user.tenantUserPrivileges.filter((privilege) => windowState(privilege, at) === "active");
	if (!held.length) return html`<span class="muted">none</span>`;
	return [...new Set(held.map((privilege) => privilege.role))].map((role) => html`${chip(role)} `);
}

export const privileges = kind("privilege", {
	views: [{ name: "list", label: "List", place: "privileges", defaultActive: "all" }, { name: "lines", label: "Reporting lines", page: Lines }],
	filters: [{ name: "role", label: "Show", any: "all roles", options: ROLES }],
	columns: () => [{ ...OWNER, isName: true }, chips("role"), column("reportsTo", (record) => userLink(record.reportsTo)), ...WINDOW],
	actions: [
		{ label: "Hand over", dialog: "handOver", view: "user", allowed: (session, record, now) => record.role === "ADMINISTRATOR" && whileOpen(session, record, now) },
		change(whileOpen),
		remove(whileOpen, "Revoke"),
	],
	csv: PRIVILEGES_CSV,
	dialogs: { create: GrantDialog, change: ChangePrivilegeDialog, remove: RevokeDialog, handOver: HandOverDialog },
});

export const apiKeys = kind("API key", {
	views: [{ name: "tenant", label: "Of the tenant", place: "api-keys", allowed: oversees }, { name: "users", label: "Of users", place: "user-api-keys" }],
	columns: (view) => [
		column("name", (key, at, session) => html`${key.name ?? key.id}${key.apiToken === session.key ? html` <span class="chip mine">yours now</span>` : ""}`, { isName: true }),
		...(view.name === "users" ? [OWNER] : []),
		chips("type"),
		...WINDOW,
	],
	make: { label: "New API key", allowed: makesKeys },
	afterMaking: (key) => ({ view: key.user ? "users" : "tenant" }),
	actions: [
		{ label: "Rotate", dialog: "rotate", allowed: makesKeys },
		change(makesKeys),
		remove((session, key) => makesKeys(session) || (session.may("write") && session.isMe(key.user?.username))),
	],
	dialogs: { create: NewKeyDialog, rotate: RotateKeyDialog, change: ChangeKeyDialog, remove: RemoveKeyDialog, show: showing(keyTitle) },
});

const SERVICE = { member: "label", label: "Service", suggest: suggesting("available-services", "label", { size: 20 }), required: true, hint: "Its label in the catalogue." };

/** A service's label leads to one of several subscriptions to it, which must be the one `shown`. */
const isMeant = (shown) => ({ activeFrom, service }) => {
	if (activeFrom === shown.activeFrom) return;
	throw new Problem(409, `Of several subscriptions to ${service.name} only the active one can be changed, or else the next to come: now that from ${dateAndTime(activeFrom)}. The one from ${dateAndTime(shown.activeFrom)} waits until that has ended.`);
};
const isFound = (session, record, now) => whileOpen(session, record, now) && record.service !== null;

const services = kind("service", {
	views: [
		{ name: "subscribed", label: "Subscribed", place: "services", defaultActive: "true" },
		{ name: "catalogue", label: "Catalogue", place: "available-services" },
	],
	columns: (view) =>
		view.name === "catalogue"
			? [named("name"), column("label"), chips("type"), chips("status"), column("shortDescription")]
			: [
					column("service", (record) => record.service?.name, { isName: true }),
					{ member: "type", show: (record) => chip(record.service?.type) },
					...WINDOW,
				],
	keyOf: (record) => record.label ?? `${record.service?.label} ${record.registeredDate} ${record.activeFrom}`,
	make: { label: "New subscription", allowed: manages },
	actions: [
		{ label: "Subscribe", dialog: "create", view: "catalogue", allowed: (session, record) => session.manages && record.status !== "ARCHIVED" },
		{ ...change(isFound), view: "subscribed" },
		{ ...remove((session, record, now) => isFound(session, record, now) && record.service.type !== "MANDATORY", "Unsubscribe"), view: "subscribed" },
	],
	dialogs: {
		create: making(({ record }) => ({
			title: record ? `Subscribe to ${record.name}` : "New subscription",
			fields: record ? WINDOW_FIELDS : [SERVICE, ...WINDOW_FIELDS],
			save: ({ label, ...body }) => ask(path`services/${record?.label ?? label ?? ""}`, { method: "POST", body }),
			said: "Subscribed.",
		})),
		show: showing((record) => record.name ?? record.service?.name),
		change: changing(({ record }) => ({
			title: `Change the subscription to ${record.service.name}`,
			target: path`services/${record.service.label}`,
			check: isMeant(record),
			fields: WINDOW_FIELDS,
		})),
		remove: removing(({ record }) => ({
			title: `Unsubscribe from ${record.service.name}?`,
			verb: "Unsubscribe",
			target: path`services/${record.service.label}`,
			check: isMeant(record),
			text: html`The subscription from ${moment(record.activeFrom)} ends now, and the tenant has <strong>${record.service.name}</strong> with its dashboards and statements by it no longer. The record stays as history.`,
			said: "Unsubscribed.",
		})),
	},
});

const domainMappings = plainKind("domain mapping", {
	place: "domain-mapping",
	key: "domain",
	// No dialog is named as its field is.
	called: "mapping",
	columns: () => [named("domain"), column("theme"), column("icon"), ...WINDOW],
	fields: [{ member: "domain", required: true, natural: true, hint: "Such as insight.acme.example." }, ...plain("theme", "icon"), ...WINDOW_FIELDS],
	removed: (record) => html`<strong>${record.domain}</strong> leads to this tenant no longer, and anyone may map it.`,
	allowed: oversees,
});

const endpoints = plainKind("endpoint", {
	place: "endpoints",
	key: "url",
	columns: () => [
		column("url", undefined, { isName: true, isLong: true }),
		column("endpointType", (record) => record.endpointType?.name),
		flag("durable"),
		...WINDOW,
	],
	fields: [
		{ member: "url", required: true, wide: true, hint: "Without user information, such as amqps://mq.acme.example:5671." },
		{ member: "endpointType", required: true, suggest: suggesting("endpoint-types", "label", { size: 100 }), hint: "A label, such as MQ_INCOMING." },
		...plain("vhost", "userName", "password", "exchange", "binding"),
		{ member: "active", type: "flag", initial: true },
		{ member: "durable", type: "flag", initial: false },
		...WINDOW_FIELDS,
		...folded(...plain("messageHandler", "apiKey", "provUserName", "provPassword", "provPort")),
	],
	prepare: (record) => ({ ...record, endpointType: record.endpointType?.label ?? null }),
	removed: (record) => html`Messages no longer pass <strong>${record.url}</strong>. Its passwords and keys are lost.`,
	allowed: oversees,
});

const TITLE = { member: "title", required: true };
const LABEL = { member: "label", required: true, natural: true, hint: "Lower-case letters and digits, joined by - or _." };
const STATUS = { member: "status", required: true, options: ["ALPHA", "BETA", "PRODUCTION", "ARCHIVED"], initial: "PRODUCTION" };

/** Dashboards and statements, which the catalogue has, too. */
function entries(one, { columns = [], ...facts }) {
	const own = `tenant-${one}s`;
	return plainKind(one, {
		place: own,
		key: "label",
		views: [
			{ name: "all", label: "All", place: `${one}s` },
			{ name: "subscribed", label: "Subscribed", place: `service-${one}s` },
			{ name: "own", label: "Our own", place: own },
		],
		columns: () => [
			named("title"),
			...columns,
			column("label"),
			chips("type"),
			chips("status"),
			column("listOrder"),
			column("service", (entry) => entry.service ?? "our own"),
		],
		isOwn: (entry) => entry.service === null,
		removed: (entry) => html`<strong>${entry.title}</strong> is removed for good.`,
		...facts,
	});
}

const dashboards = entries("dashboard", {
	columns: [column("menuLabel")],
	fields: [
		TITLE,
		{ member: "menuLabel", required: true },
		LABEL,
		{ member: "type", required: true, options: ["REAL_TIME", "OI_OVERVIEW", "ENTITY_OVERVIEW", "SYSTEM", "SETTINGS", "CUSTOM"], initial: "CUSTOM" },
		STATUS,
		{ member: "listOrder", required: true, type: "whole", initial: "100" },
		...folded(
			...plain("subtitle", "biLine", "preview", "path", "icon", "template"),
			{ member: "description", type: "long" },
			{ member: "settings", type: "json" },
		),
	],
});

const statements = entries("statement", {
	fields: [
		TITLE,
		LABEL,
		{ member: "type", required: true, options: ["OI", "CUSTOM"], initial: "CUSTOM" },
		STATUS,
		{ member: "listOrder", type: "whole" },
		{ member: "query", type: "long", required: true },
		{ member: "description", type: "long" },
		{ member: "config", type: "json" },
	],
	actions: [{ label: "Configure", dialog: "configure", allowed: manages }],
	dialogs: {
		configure: changing(({ record: { label, title } }) => ({
			title: `Configure ${title}`,
			target: path`statements/${label}/config`,
			fields: [{ member: "config", label: "Configuration", type: "json", hint: "A JSON object, which is replaced whole." }],
			prepare: (data) => ({ config: data }),
			save: (body, etag) => ask(path`statements/${label}/config`, { method: "PUT", body: body.config ?? {}, etag }),
		})),
	},
});

export const KINDS = [users, privileges, apiKeys, services, domainMappings, endpoints, dashboards, statements, audit];
