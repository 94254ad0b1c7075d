// The lists, each as a declaration: where it comes from, its columns, filters and what can be done.
import { ask, path } from "./api.js";
import { audit } from "./audit.js";
import { WINDOW_FIELDS } from "./form.js";
import { ChangeKeyDialog, keyTitle, NewKeyDialog, RemoveKeyDialog, RotateKeyDialog } from "./keys.js";
import { Chip, Instant, State, UserLink } from "./pieces.js";
import { ChangePrivilegeDialog, GrantDialog, RevokeAllDialog, RevokeDialog, ROLES } from "./privileges.js";
import { changing, making, removing, showing } from "./records.js";
import { html } from "./view.js";
import { ChangeUserDialog, NewUserDialog } from "./user-dialogs.js";
import { windowState } from "./words.js";

const STATUSES = ["ALPHA", "BETA", "PRODUCTION", "ARCHIVED"];
const DASHBOARD_TYPES = ["REAL_TIME", "OI_OVERVIEW", "ENTITY_OVERVIEW", "SYSTEM", "SETTINGS", "CUSTOM"];

const instant = (member) => ({ member, order: member, show: (record) => html`<${Instant} at=${record[member]} />` });
const plain = (member, facts = {}) => ({ member, order: member, show: (record) => record[member] ?? "—", ...facts });
const chip = (member) => ({ member, order: member, show: (record) => html`<${Chip}>${record[member]}<//>` });
const flag = (member) => ({ member, order: member, show: (record) => (record[member] ? "yes" : "no") });
const username = (member) => ({
	member,
	label: "Username",
	order: "user",
	show: (record) => html`<${UserLink} name=${record.user?.username} />`,
});
const WINDOW = [
	instant("activeFrom"),
	{ ...instant("activeUntil"), show: (record) => html`<${Instant} at=${record.activeUntil} none="no end" />` },
	{ member: "state", label: "State", show: (record) => html`<${State} of=${record} />` },
];

/** What every kind needs to make, change, show and remove a plain record. */
function plainDialogs({ one, place, called = one, key, fields, prepare, removed }) {
	const at = (record) => `${place}/${encodeURIComponent(record.id ?? key(record))}`;
	return {
		create: making(() => ({ title: `New ${called}`, fields, place, said: `The ${one} is there.` })),
		show: showing(key),
		change: changing(({ record }) => ({
			title: `Change ${one} ${key(record)}`,
			target: at(record),
			fields: fields.filter((field) => !field.natural),
			prepare,
		})),
		remove: removing(({ record }) => ({
			title: `Remove ${one} ${key(record)}?`,
			target: at(record),
			text: removed(record),
			said: `${key(record)} is removed.`,
		})),
	};
}

export const users = {
	name: "users",
	title: "Users",
	one: "user",
	views: [
		{ name: "tenant", label: "This tenant", place: "users", hasActive: true, hasAt: true, defaultActive: "true" },
		{ name: "everyone", label: "All tenants", place: "as-users", shortest: 3, allowed: (session) => session.isOverseer },
	],
	columns: (view) => [
		{ member: "username", order: "username", isName: true, show: (user) => (view.name === "tenant" ? html`<${UserLink} name=${user.username} />` : user.username) },
		plain("firstName"),
		plain("lastName"),
		plain("email"),
		...(view.name === "tenant"
			? [{ member: "roles", label: "Roles", show: (user, session) => html`<${Roles} user=${user} now=${session.now()} />` }]
			: []),
	],
	keyOf: (user) => user.username,
	make: { label: "New user", dialog: "create" },
	actions: [
		{ label: "New privilege", dialog: "grant", view: "everyone", allowed: (session) => session.manages },
	],
	dialogs: {
		create: NewUserDialog,
		grant: ({ record, ...rest }) => GrantDialog({ ...rest, username: record.username }),
		change: ChangeUserDialog,
		revokeAll: RevokeAllDialog,
	},
	empty: "Nobody is here yet.",
};

function Roles({ user, now }) {
	const held = user.tenantUserPrivileges.filter((privilege) => windowState(privilege, now) === "active");
	if (!held.length) return html`<span class="muted">none now</span>`;
	return [...new Set(held.map((privilege) => privilege.role))].map((role) => html`<${Chip}>${role}<//> `);
}

const whileOpen = (session, record) => session.manages && !isOver(record, session);

export const privileges = {
	name: "privileges",
	title: "Privileges",
	one: "privilege",
	views: [
		{ name: "list", label: "List", place: "privileges", hasActive: true, hasAt: true, defaultActive: "all" },
		{ name: "lines", label: "Reporting lines", page: true },
	],
	filters: [{ name: "role", label: "Show", any: "all roles", options: ROLES }],
	columns: () => [
		{ ...username("user"), isName: true },
		chip("role"),
		{ member: "reportsTo", order: "reportsTo", show: (record) => html`<${UserLink} name=${record.reportsTo} />` },
		...WINDOW,
	],
	make: { label: "New privilege", dialog: "create" },
	actions: [
		{ label: "Change", dialog: "change", allowed: whileOpen },
		{ label: "Revoke", dialog: "remove", danger: true, allowed: whileOpen },
	],
	dialogs: { create: GrantDialog, change: ChangePrivilegeDialog, remove: RevokeDialog },
	empty: "No privileges.",
};

export const isOver = (record, session) => ["ended", "revoked before it began"].includes(windowState(record, session.now()));

export const apiKeys = {
	name: "api-keys",
	title: "API keys",
	one: "API key",
	views: [
		{ name: "tenant", label: "Of the tenant", place: "api-keys", allowed: (session) => session.isOverseer },
		{ name: "users", label: "Of users", place: "user-api-keys" },
	],
	columns: (view) => [
		{ member: "name", order: "name", isName: true, show: (key, session) => html`${key.name ?? key.id}${key.apiToken === session.key ? html` <span class="chip mine">yours now</span>` : ""}` },
		...(view.name === "users" ? [username("user")] : []),
		chip("type"),
		...WINDOW,
	],
	make: { label: "New API key", dialog: "create", allowed: (session) => session.may("makeKeys") },
	afterMaking: (key) => ({ view: key.user ? "users" : "tenant" }),
	actions: [
		{ label: "Rotate", dialog: "rotate", allowed: (session) => session.may("makeKeys") },
		{ label: "Change", dialog: "change", allowed: (session) => session.may("makeKeys") },
		{ label: "Remove", dialog: "remove", danger: true, allowed: (session, key) => session.may("makeKeys") || (session.may("write") && session.isMe(key.user?.username)) },
	],
	dialogs: {
		create: NewKeyDialog,
		rotate: RotateKeyDialog,
		change: ChangeKeyDialog,
		remove: RemoveKeyDialog,
		show: showing(keyTitle),
	},
	empty: "No API keys.",
};

async function suggestServices(text) {
	const { data } = await ask("available-services", { query: { q: text, size: 20 } });
	return data.map((service) => service.label);
}

const SERVICE = { member: "label", label: "Service", suggest: suggestServices, required: true, hint: "Its label in the catalogue." };
const kept = (subscription) => subscription.service?.type === "MANDATORY";
const services = {
	name: "services",
	title: "Services",
	one: "service",
	views: [
		{ name: "subscribed", label: "Subscribed", place: "services", hasActive: true, hasAt: true, defaultActive: "true" },
		{ name: "catalogue", label: "Catalogue", place: "available-services" },
	],
	columns: (view) =>
		view.name === "catalogue"
			? [plain("name", { isName: true }), plain("label"), chip("type"), chip("status"), plain("shortDescription")]
			: [
					{ member: "service", order: "service", isName: true, show: (record) => record.service?.name ?? "—" },
					{ member: "type", label: "Type", show: (record) => html`<${Chip}>${record.service?.type}<//>` },
					...WINDOW,
				],
	keyOf: (record) => record.label ?? `${record.service?.label} ${record.registeredDate} ${record.activeFrom}`,
	make: { label: "New subscription", dialog: "create" },
	actions: [
		{ label: "Subscribe", dialog: "create", view: "catalogue", allowed: (session, record) => session.manages && record.status !== "ARCHIVED" },
		{ label: "Change", dialog: "change", view: "subscribed", allowed: whileOpen },
		{ label: "Unsubscribe", dialog: "remove", view: "subscribed", danger: true, allowed: (session, record) => whileOpen(session, record) && !kept(record) },
	],
	dialogs: {
		create: making(({ record }) => ({
			title: record ? `Subscribe to ${record.name}` : "New subscription",
			fields: record ? WINDOW_FIELDS : [SERVICE, ...WINDOW_FIELDS],
			save: ({ label, ...body }) => ask(path`services/${record?.label ?? label ?? ""}`, { method: "POST", body }),
			said: "Subscribed.",
		})),
		show: showing((record) => record.name ?? record.service?.name),
		change: changing(({ record: { service } }) => ({
			title: `Change the subscription to ${service.name}`,
			target: path`services/${service.label}`,
			fields: WINDOW_FIELDS,
		})),
		remove: removing(({ record: { service } }) => ({
			title: `Unsubscribe from ${service.name}?`,
			verb: "Unsubscribe",
			target: path`services/${service.label}`,
			text: html`The tenant loses <strong>${service.name}</strong> with its dashboards and statements now. The record stays as history.`,
			said: "Unsubscribed.",
		})),
	},
	empty: "No subscriptions.",
};

const DOMAIN_FIELDS = [
	{ member: "domain", required: true, natural: true, hint: "Such as insight.acme.example." },
	{ member: "theme" },
	{ member: "icon" },
	...WINDOW_FIELDS,
];
const domainMappings = {
	name: "domain-mappings",
	title: "Domain mappings",
	one: "domain mapping",
	views: [{ name: "all", place: "domain-mapping" }],
	columns: () => [plain("domain", { isName: true }), plain("theme"), plain("icon"), ...WINDOW],
	keyOf: (record) => record.domain,
	make: { label: "New domain mapping", dialog: "create" },
	actions: usual(),
	dialogs: plainDialogs({
		one: "domain mapping",
		called: "mapping",
		place: "domain-mapping",
		key: (record) => record.domain,
		fields: DOMAIN_FIELDS,
		removed: (record) => html`<strong>${record.domain}</strong> leads to this tenant no longer, and anyone may map it.`,
	}),
	allowed: (session) => session.isOverseer,
	empty: "No domain leads here yet.",
};

function usual(isOwn = () => true) {
	return [
		{ label: "Change", dialog: "change", allowed: (session, record) => session.manages && isOwn(record) },
		{ label: "Remove", dialog: "remove", danger: true, allowed: (session, record) => session.manages && isOwn(record) },
	];
}

async function suggestTypes() {
	const { data } = await ask("endpoint-types", { query: { size: 100 } });
	return data.map((type) => type.label);
}

const ENDPOINT_FIELDS = [
	{ member: "url", required: true, wide: true, hint: "Without user information, such as amqps://mq.acme.example:5671." },
	{ member: "endpointType", required: true, suggest: suggestTypes, hint: "A label, such as MQ_INCOMING." },
	{ member: "vhost" },
	{ member: "userName" },
	{ member: "password", type: "password" },
	{ member: "exchange" },
	{ member: "binding" },
	{ member: "active", type: "flag", initial: true },
	{ member: "durable", type: "flag", initial: false },
	...WINDOW_FIELDS,
	{ member: "messageHandler", more: true },
	{ member: "apiKey", type: "password", more: true },
	{ member: "provUserName", more: true },
	{ member: "provPassword", type: "password", more: true },
	{ member: "provPort", more: true },
];
const endpoints = {
	name: "endpoints",
	title: "Endpoints",
	one: "endpoint",
	views: [{ name: "all", place: "endpoints" }],
	columns: () => [
		plain("url", { isName: true }),
		{ member: "endpointType", order: "endpointType", show: (record) => record.endpointType?.name ?? "—" },
		flag("active"),
		flag("durable"),
		...WINDOW,
	],
	make: { label: "New endpoint", dialog: "create" },
	actions: usual(),
	dialogs: plainDialogs({
		one: "endpoint",
		place: "endpoints",
		key: (record) => record.url,
		fields: ENDPOINT_FIELDS,
		prepare: (record) => ({ ...record, endpointType: record.endpointType?.label ?? null }),
		removed: (record) => html`Messages no longer pass <strong>${record.url}</strong>. Its passwords and keys are lost.`,
	}),
	allowed: (session) => session.isOverseer,
	empty: "No endpoints yet.",
};

const TITLE = { member: "title", required: true };
const LABEL = { member: "label", required: true, natural: true, hint: "Lower-case letters and digits, joined by - or _." };
const STATUS = { member: "status", required: true, options: STATUSES, initial: "PRODUCTION" };
const DASHBOARD_FIELDS = [
	TITLE,
	{ member: "menuLabel", required: true },
	LABEL,
	{ member: "type", required: true, options: DASHBOARD_TYPES, initial: "CUSTOM" },
	STATUS,
	{ member: "listOrder", required: true, type: "whole", initial: "100" },
	{ member: "subtitle", more: true },
	{ member: "biLine", more: true },
	{ member: "preview", more: true },
	{ member: "path", more: true },
	{ member: "icon", more: true },
	{ member: "template", more: true },
	{ member: "description", type: "long", more: true },
	{ member: "settings", type: "json", more: true },
];
const STATEMENT_FIELDS = [
	TITLE,
	LABEL,
	{ member: "type", required: true, options: ["OI", "CUSTOM"], initial: "CUSTOM" },
	STATUS,
	{ member: "listOrder", type: "whole" },
	{ member: "query", type: "long", required: true },
	{ member: "description", type: "long" },
	{ member: "config", type: "json" },
];
const isOwn = (entry) => entry.service === null;

/** `columns` are those beside what both kinds of entries have, `actions` and `dialogs` likewise. */
function entries(one, fields, { columns = [], actions = [], dialogs }) {
	return {
		name: `${one}s`,
		title: `${one[0].toUpperCase()}${one.slice(1)}s`,
		one,
		views: [
			{ name: "all", label: "All", place: `${one}s` },
			{ name: "subscribed", label: "Subscribed", place: `service-${one}s` },
			{ name: "own", label: "Our own", place: `tenant-${one}s` },
		],
		columns: () => [
			plain("title", { isName: true }),
			...columns,
			plain("label"),
			chip("type"),
			chip("status"),
			plain("listOrder"),
			{ ...plain("service"), show: (entry) => entry.service ?? "our own" },
		],
		keyOf: (entry) => entry.label,
		make: { label: `New ${one}`, dialog: "create" },
		actions: [...actions, ...usual(isOwn)],
		empty: `No ${one}s.`,
		dialogs: {
			...plainDialogs({
				one,
				place: `tenant-${one}s`,
				key: (entry) => entry.label,
				fields,
				removed: (entry) => html`<strong>${entry.title}</strong> is removed for good.`,
			}),
			...dialogs,
		},
	};
}

const dashboards = entries("dashboard", DASHBOARD_FIELDS, { columns: [plain("menuLabel")] });

const statements = entries("statement", STATEMENT_FIELDS, {
	actions: [{ label: "Configure", dialog: "configure", allowed: (session) => session.manages }],
	dialogs: {
		configure: changing(({ record }) => ({
			title: `Configure ${record.title}`,
			target: path`statements/${record.label}/config`,
			fields: [{ member: "config", label: "Configuration", type: "json", hint: "A JSON object, which is replaced whole." }],
			prepare: (data) => ({ config: data }),
			unwrap: (body) => body.config ?? {},
		})),
	},
});

export const KINDS = [users, privileges, apiKeys, services, domainMappings, endpoints, dashboards, statements, audit];
