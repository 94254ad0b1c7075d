// The requests as they come, and what to do with them.
import { BASE_PATH, control, SERVER } from "./api.js";
import { Card, Check, chip, Copy, empty, Filter, moment, Text, Trouble } from "./pieces.js";
import { html, useEffect, useRef, useState } from "./view.js";
import { number, plural, toTheSecond } from "./words.js";

export const VERBS = ["GET", "HEAD", "POST", "PUT", "DELETE"];
const POLL = 1000;
const KEPT = 500;

/** `round` tells that everything has begun anew; `onFault` gets the path and method of a request. */
export function Requests({ round, onFault }) {
	const [entries, setEntries] = useState(null);
	const [filters, setFilters] = useState({});
	const [isPaused, setPaused] = useState(false);
	const [problem, setProblem] = useState(null);
	const key = `${round} ${JSON.stringify(filters)}`;
	const last = useRef(0);

	useEffect(() => {
		last.current = 0;
		setEntries(null);
	}, [key]);
	useEffect(() => {
		if (isPaused) return undefined;
		let timer;
		let isWanted = true;
		async function poll() {
			const since = last.current ? { since: last.current } : { limit: KEPT };
			try {
				if (!document.hidden || !last.current) {
					const { data } = await control("requests", { query: { console: "false", ...filters, ...since } });
					if (!isWanted) return;
					setProblem(null);
					last.current = data.at(-1)?.id ?? last.current;
					setEntries((old) => [...data.reverse(), ...(old ?? [])].slice(0, KEPT));
				}
			} catch (caught) {
				if (isWanted) setProblem(caught);
			}
			if (isWanted) timer = setTimeout(poll, POLL);
		}
		poll();
		return () => {
			isWanted = false;
			clearTimeout(timer);
		};
	}, [key, isPaused]);

	const set = (name) => (value) => setFilters((old) => ({ ...old, [name]: value }));
	async function forget() {
		await control("requests", { method: "DELETE" }).catch(setProblem);
		setEntries([]);
	}
	return html`
		<${Card} title="Requests" actions=${html`
			<button class="small" aria-pressed=${isPaused} onClick=${() => setPaused(!isPaused)}>Pause</button>
			<button class="small" onClick=${forget}>Forget all</button>
		`}>
			<div class="tools">
				<${Filter} label="Verb" options=${VERBS} value=${filters.method} onValue=${set("method")} />
				<${Text} label="Asked for" size="12" placeholder="/users/**" onChange=${set("path")} />
				<${Text} label="Answer" size="5" placeholder="4xx" onChange=${set("status")} />
				<${Check} onCheck=${(isUnmatched) => set("matched")(isUnmatched ? "false" : "")}>What no route matched<//>
			</div>
			<${Trouble} problem=${problem} />
			<p role="status">${entries ? plural(entries.length, "request") : "Loading"}${isPaused ? ", paused" : ""}</p>
			<ol class="log">${entries?.map((entry) => html`<${Entry} key=${entry.id} entry=${entry} onFault=${onFault} />`)}</ol>
			${entries?.length === 0 && empty(Object.values(filters).some(Boolean) ? "Nothing matches." : "Nothing has been asked.", html`Point your client at <code>${SERVER}${BASE_PATH}</code>, and watch.`)}
		<//>
	`;
}

function Entry({ entry, onFault }) {
	const [isOpen, setOpen] = useState(false);
	const kind = entry.status === null ? "none" : String(entry.status)[0];
	const below = entry.path.startsWith(BASE_PATH) ? entry.path.slice(BASE_PATH.length) || "/" : entry.path;
	return html`
		<li>
			<details onToggle=${(event) => setOpen(event.currentTarget.open)}>
				<summary>
					<span class=${`verdict s${kind}`}>${entry.status ?? "cut"}</span>
					<span class="verb">${entry.method}</span>
					<span class="target code">${below}${entry.query && `?${entry.query}`}</span>
					<span class="muted">${entry.user ?? entry.key ?? ""} ${entry.fault !== null && chip(`fault ${entry.fault}`)}${entry.matched === null && chip("no route")}</span>
				</summary>
				${isOpen && html`
					<div class="entry">
						<p class="muted">${moment(entry.at, toTheSecond)}, ${number(entry.duration)} ms${entry.matched !== null && html`, route <code>${entry.matched}</code>`}, request <code>${entry.requestId}</code></p>
						<p class="actions">
							<${Copy} label="Copy as curl" text=${curl(entry)} />
							<button onClick=${() => onFault({ path: below, method: VERBS.includes(entry.method) ? entry.method : "" })}>Make a fault of this</button>
						</p>
						<${Body} title="Headers" body=${Object.entries(entry.headers).map((each) => each.join(": ")).join("\n")} />
						<${Body} title="Request body" body=${entry.requestBody} />
						<${Body} title="Answer" body=${entry.responseBody} />
					</div>
				`}
			</details>
		</li>
	`;
}

const Body = ({ title, body }) => html`<h3>${title}</h3>${body === null ? html`<p class="muted">none</p>` : html`<pre tabindex="0">${typeof body === "string" ? body : JSON.stringify(body, null, 2)}</pre>`}`;

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
const REPEATED = /^(accept|content-type|if-match|if-none-match)$/i;

/** The request as a command; its key, which the log doesn't hold, is that of the shell. */
function curl(entry) {
	const path = entry.path.split("/").map(encodeURIComponent).join("/");
	// What curl would take for a pattern of several addresses is quoted, too.
	const query = entry.query.replace(/[[\]{}]/g, encodeURIComponent);
	const target = `${SERVER}${path}${query && `?${query}`}`;
	const verb = { GET: [], HEAD: ["--head"] }[entry.method] ?? ["-X", quoted(entry.method)];
	const parts = ["curl", ...verb, quoted(target)];
	if (entry.key !== null) parts.push('-H "Authorization: Bearer $API_KEY"');
	for (const [name, text] of Object.entries(entry.headers)) if (REPEATED.test(name)) parts.push("-H", quoted(`${name}: ${text}`));
	if (entry.requestBody !== null && typeof entry.requestBody !== "string") parts.push("--data", quoted(JSON.stringify(entry.requestBody)));
	return parts.join(" ");
}
