// Requests to the server that this file came from, so that the console works below any path prefix.

import { searchOf } from "./address.js";
import { forPeople, inWords } from "./words.js";

export const SERVER = new URL("../../", import.meta.url).href.slice(0, -1);
export const BASE_PATH = "/api/v1/provisioning";
const MARK = "console-";
export const MOST = Number(document.documentElement.dataset.most);

/** What went wrong, in words for people; status 0 when there was no answer at all. */
export class Problem extends Error {
	constructor(status, text, errors = {}) {
		const wrong = Object.entries(errors).map(([member, messages]) => `${inWords(member)}: ${messages.join(" ")}`);
		super(forPeople(wrong.join(" ") || text));
		Object.assign(this, { status, detail: this.message, errors });
	}
}

/** What is sent with requests; `onEnd` hears why, whenever the key is no longer taken. */
export const credentials = { key: null, controlToken: null, onEnd: () => {} };

/** A path whose segments are quoted, as in path`users/${username}`. */
export function path(texts, ...segments) {
	return texts.reduce((whole, text, place) => whole + encodeURIComponent(segments[place - 1]) + text);
}

/** One request to the API: {data, asked, date, etag, total}, `asked` in milliseconds. Throws a Problem. */
export async function ask(target, { key = credentials.key, ...facts } = {}) {
	try {
		return await send(SERVER + BASE_PATH, target, key, facts);
	} catch (problem) {
		if (problem.status === 401 && key !== null && key === credentials.key) credentials.onEnd(problem.detail);
		throw problem;
	}
}

export function control(target, facts = {}) {
	return send(`${SERVER}/_control`, target, credentials.controlToken, facts);
}

async function send(base, target, token, { method = "GET", body, etag, query } = {}) {
	const url = new URL(`${base}/${target}`);
	url.search = searchOf(query?.size > MOST ? { ...query, size: MOST } : query);
	// The request log and the audit tell by it what the console itself has asked.
	const headers = { Accept: "application/json", "X-Request-ID": MARK + random() };
	if (token) headers.Authorization = `Bearer ${token}`;
	if (body !== undefined) headers["Content-Type"] = "application/json";
	if (etag) headers["If-Match"] = etag;
	const asked = Date.now();
	let response;
	let content;
	try {
		response = await fetch(url, { method, headers, body: JSON.stringify(body), credentials: "omit", cache: "no-store" });
		content = await response.text();
	} catch {
		const fate = method === "GET" ? "" : " Whether the change was made is not known: look before you repeat it.";
		throw new Problem(0, `The server did not answer.${fate}`);
	}
	let data = null;
	try {
		data = content ? JSON.parse(content) : null;
	} catch {
		throw new Problem(response.status, "The answer is not one of the API.");
	}
	if (!response.ok) {
		const { detail, errors } = data ?? {};
		const text = response.status === 412 ? "Somebody has changed this meanwhile, and nothing of theirs is overwritten." : detail;
		throw new Problem(response.status, text ?? `Status ${response.status}.`, errors);
	}
	return { data, asked, date: response.headers.get("Date"), etag: response.headers.get("ETag"), total: Number(response.headers.get("X-Total-Count")) };
}

export function random() {
	return Array.from(crypto.getRandomValues(new Uint32Array(3)), (number) => number.toString(36)).join("");
}

/** All records of a list, at most `most` of them: {data, total}; `onMore` hears how many are there. */
export async function askAll(target, query = {}, most = 3000, onMore = () => {}) {
	const data = [];
	for (let page = 0; ; page += 1) {
		const { data: rows, total } = await ask(target, { query: { ...query, size: MOST, page } });
		data.push(...rows);
		onMore(data.length, total);
		if (!rows.length || data.length >= total || data.length >= most) return { data, total };
	}
}
