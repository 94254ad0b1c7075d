// How members, numbers and instants are said to people.

const SPECIAL = { url: "URL", apiKey: "API key", apiToken: "API token", hint: "Password hint", id: "ID", at: "When", q: "Search" };

/** A member in words: firstName is "First name". */
export function inWords(member) {
	const words = member.replace(/([a-z])([A-Z])/g, "$1 $2").toLowerCase();
	return SPECIAL[member] ?? words[0].toUpperCase() + words.slice(1);
}

export const isSecret = (member) => ["apiToken", "password", "provPassword", "apiKey"].includes(member);

export const ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone;
const NUMBER = new Intl.NumberFormat();
const AGO = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });

export const number = (value) => NUMBER.format(value);
function dates(timeStyle) {
	const format = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle });
	return (instant) => format.format(new Date(instant));
}
export const dateAndTime = dates("short");
export const toTheSecond = dates("medium");
export const date = dates();

/** "in 3 days", seen from `now` (milliseconds). */
export function fromNow(instant, now) {
	const seconds = (new Date(instant) - now) / 1000;
	const units = [["year", 31557600], ["month", 2629800], ["day", 86400], ["hour", 3600], ["minute", 60]];
	const [unit, length] = units.find(([, length]) => Math.abs(seconds) >= length) ?? ["second", 1];
	return AGO.format(Math.trunc(seconds / length), unit);
}

const two = (value, width = 2) => String(value).padStart(width, "0");

/** An instant as the value of a datetime-local field, in the browser's zone. */
export function toField(instant) {
	if (!instant) return "";
	const at = new Date(instant);
	const day = `${two(at.getFullYear(), 4)}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
	const time = `${two(at.getHours())}:${two(at.getMinutes())}`;
	return `${day}T${time}${at.getSeconds() ? `:${two(at.getSeconds())}` : ""}`;
}

/** The instant that such a field holds, as the API writes it; null for an empty field. */
export function fromField(text) {
	return text ? utc(new Date(text)) : null;
}

export const utc = (at) => new Date(at).toISOString().replace(/\.\d+Z$/, "Z");

/** Where a window stands at a moment (milliseconds). */
export function windowState({ activeFrom, activeUntil }, now) {
	const from = Date.parse(activeFrom);
	const until = activeUntil === null ? Infinity : Date.parse(activeUntil);
	if (until <= from) return "revoked before it began";
	if (until <= now) return "ended";
	return now < from ? "to come" : "active";
}

/** A person's name, else the username. */
export function nameOf(profile) {
	return [profile.firstName, profile.lastName].filter(Boolean).join(" ") || profile.username;
}

export const plural = (count, one) => `${number(count)} ${one}${count === 1 ? "" : "s"}`;
