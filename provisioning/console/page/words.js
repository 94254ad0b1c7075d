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

/** "in 3 days", seen from `now` (milliseconds). */
export function fromNow(instant, now) {
	const seconds = (new Date(instant) - now) / 1000;
	const units = [["year", 31557600], ["month", 2629800], ["day", 86400], ["hour", 3600], ["minute", 60]];
	const [unit, length] = units.find(([, length]) => Math.abs(seconds) >= length) ?? ["second", 1];
	return AGO.format(Math.trunc(seconds / length), unit);
}

const two = (value, width = 2) => String(value).padStart(width, "0");

/** An instant as fields show it, in the browser's zone. */
export function toField(instant) {
	if (!instant) return "";
	const at = new Date(instant);
	const day = `${two(at.getFullYear(), 4)}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
	const time = `${two(at.getHours())}:${two(at.getMinutes())}`;
	return `${day} ${time}${at.getSeconds() ? `:${two(at.getSeconds())}` : ""}`;
}

/**
 * The instant that somebody has typed, in the browser's zone unless it names one; null for nothing. A
 * day alone is its beginning, or its end for a window's end. Throws what can't be read.
 */
export function fromTyped(text, isEnd) {
	const typed = text.trim();
	if (!typed) return null;
	const [, day, time] = /^(\d{4}-\d\d-\d\d)(?:[T ]+(\d\d:\d\d(?::\d\d)?(?:Z|[+-]\d\d:\d\d)?))?$/i.exec(typed) ?? [];
	const at = new Date(`${day}T${time ?? "00:00"}`);
	const isDay = new Date(`${day}T00:00Z`).toJSON()?.startsWith(day);
	if (!isDay || Number.isNaN(at.getTime())) throw new Error("Is not complete. Write a day as 2026-12-31, or with its time as 2026-12-31 18:00.");
	if (!time && isEnd) at.setDate(at.getDate() + 1);
	return utc(at);
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

export function nameOf(profile) {
	return [profile.firstName, profile.lastName].filter(Boolean).join(" ") || profile.username;
}

export const plural = (count, one) => `${number(count)} ${one}${count === 1 ? "" : "s"}`;

const SAID = [
	[/^(Missing data for required field|Field may not be null|Must not be blank)\.$/, "Fill this in."],
	[/Grant that role to someone else for that time first\./, "“Hand over”, on the user's page, gives it to somebody else."],
	[/: (GET|POST|PUT|DELETE) \/.*?\.(?= |$)/g, "."],
	[/Must be an RFC 3339.*/, "Is no day or time."],
	[/, or null for/g, ", or empty for"],
	[/\b[a-z]+[A-Z]\w*/g, (member) => `“${inWords(member)}”`],
	[/\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/g, (instant) => dateAndTime(instant)],
];

/** What the API says to developers, in words for people: members, instants and verbs are the page's. */
export const forPeople = (text) => SAID.reduce((said, [pattern, words]) => said.replace(pattern, words), text);
