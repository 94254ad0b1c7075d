// The address after `#`: a path of quoted segments and a query, one for every state of a page.
import { useEffect, useState } from "./view.js";

function read() {
	const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
	return { segments: path.split("/").filter(Boolean).map(unquoted), query: Object.fromEntries(new URLSearchParams(query)) };
}

function unquoted(segment) {
	try {
		return decodeURIComponent(segment);
	} catch {
		return segment;
	}
}

/** A query as text, without what is not given. */
export const searchOf = (query = {}) => new URLSearchParams(Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "")).toString();

export function address(segments, query) {
	const search = searchOf(query);
	return `#/${segments.map(encodeURIComponent).join("/")}${search ? `?${search}` : ""}`;
}

/** Go to an address; `replace` leaves no step back. */
export function go(to, replace = false) {
	if (to === location.hash) return;
	history[replace ? "replaceState" : "pushState"](null, "", to);
	dispatchEvent(new Event("hashchange"));
}

export function useAddress() {
	const [place, setPlace] = useState(read);
	useEffect(() => {
		const look = () => setPlace(read());
		addEventListener("hashchange", look);
		addEventListener("popstate", look);
		look(); // it may have changed before anybody listened
		return () => {
			removeEventListener("hashchange", look);
			removeEventListener("popstate", look);
		};
	}, []);
	return place;
}

/** Where one was in each list, by its name: the way back from a record leads there. */
export const left = {};
