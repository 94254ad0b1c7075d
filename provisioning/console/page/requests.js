// The requests as they come: what was asked, by whom, what was answered, and what to do with it.
import { BASE_PATH, control, MARK, Problem, SERVER } from "./api.js";
import { messageOf } from "./form.js";
import { Card, Check, Chip, Copy, Empty, Filter, Instant, Text, Trouble } from "./pieces.js";
import { html, useEffect, useRef, useState } from "./view.js";
import { number, plural, toTheSecond } from "./words.js";

export const VERBS = ["GET", "HEAD", "POST", "PUT", "DELETE"];
const POLL = 1000;
const FIRST = 200;
const KEPT = 500;

/** `round` tells that everything has begun anew; `onFault` gets the path and method of a request. */
export function Requests({ round, onFault }) {
	const [entries, setEntries] = useState([]);
	const [filters, setFilters] = useState({});
	const [hasOwn, setOwn] = useState(false);
	const [isPaused, setPaused] = useState(false);
	const [problem, setProblem] = useState(null);
	const key = `${round} ${JSON.stringify(filters)}`;
	const last = useRef(0);

	useEffect(() => {
		last.current = 0;
		setEntries([]);
	}, [key]);
	useEffect(() => {
		if (isPaused) return undefined;
		let timer;
		let isWanted = true;
		async function poll() {
			const since = last.current ? { since: last.current } : { limit: FIRST };
			try {
				if (!document.hidden || !last.current) {
					const { data } = await control("requests", { query: { ...filters, ...since } });
					if (!isWanted) return;
					setProblem(null);
					if (data.length) {
						last.current = data.at(-1).id;
						setEntries((old) => [...data.reverse(), ...old].slice(0, KEPT));
					}
				}
			} catch (caught) {
				if (!(caught instanceof Problem)) throw caught;
				if (isWanted) setProblem(messageOf(caught));
			}
			if (isWanted) timer = setTimeout(poll, POLL);
		}
		poll();
		return () => {
			isWanted = false;
			clearTimeout(timer);
		};
	}, [key, isPaused]);

	const shown = hasOwn ? entries : entries.filter((entry) => !entry.requestId.startsWith(MARK));
	const set = (name) => (value) => setFilters((old) => ({ ...old, [name]: value }));
	async function forget() {
		await control("requests", { method: "DELETE" }).catch(setProblem);
		setEntries([]);
	}
	return html`
		<${Card}
			title="Requests"
			actions=${html`
				<button class="small" aria-pressed=${isPaused} onClick=${() => setPaused(!isPaused)}>Pause</button>
				<button class="small" onClick=${forget}>Forget all</button>
			`}
		>
			<div class="tools">
				<${Filter} label="Verb" options=${VERBS} value=${filters.method} onValue=${set("method")} />
				<${Text} label="Asked for" size="12" placeholder="/users/**" onChange=${set("path")} />
				<${Text} label="Answer" size="5" placeholder="4xx" onChange=${set("status")} />
				<${Check} onCheck=${(isUnmatched) => set("matched")(isUnmatched ? "false" : "")}>What no route matched<//>
				<${Check} checked=${hasOwn} onCheck=${setOwn}>The console's own, too<//>
			</div>
			<${Trouble} problem=${problem} />
			<p role="status">${plural(shown.length, "request")}${isPaused ? ", paused" : ""}</p>
			${shown.length
				? html`<ol class="log">${shown.map((entry) => html`<${Entry} key=${entry.id} entry=${entry} onFault=${onFault} />`)}</ol>`
				: html`<${Empty} title="Nothing has been asked."><p>Point your client at <code>${SERVER}${BASE_PATH}</code>, and watch.</p><//>`}
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
					<span class="muted">${entry.user ?? entry.key ?? ""} ${entry.fault !== null && html`<${Chip}>fault ${entry.fault}<//>`}${entry.matched === null && html`<${Chip}>no route<//>`}</span>
				</summary>
				${isOpen &&
				html`
					<div class="entry">
						<p class="muted">
							<${Instant} at=${entry.at} as=${toTheSecond} />, ${number(entry.duration)} ms${entry.matched !== null && html`, route <code>${entry.matched}</code>`}, request <code>${entry.requestId}</code>
						</p>
						<p class="actions">
							<${Copy} label="Copy as curl" text=${curl(entry)} />
							<button onClick=${() => onFault({ path: below, method: VERBS.includes(entry.method) ? entry.method : "" })}>Make a fault of this</button>
						</p>
						<h3>Headers</h3>
						<${Body} body=${Object.entries(entry.headers).map(([name, text]) => `${name}: ${text}`).join("\n")} />
						<h3>Request body</h3>
						<${Body} body=${entry.requestBody} />
						<h3>Answer</h3>
						<${Body} body=${entry.responseBody} />
					</div>
				`}
			</details>
		</li>
	`;
}

const Body = ({ body }) =>
	body === null ? html`<p class="muted">none</p>` : html`<pre tabindex="0">${typeof body === "string" ? body : JSON.stringify(body, null, 2)}</pre>`;

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
const REPEATED = /^(accept|content-type|if-match|if-none-match)$/i;

/** The request as a command; its key, which the log doesn't hold, is that of the shell. */
function curl(entry) {
	const path = entry.path.split("/").map(encodeURIComponent).join("/");
	const target = `${SERVER}${path}${entry.query && `?${entry.query}`}`;
	const verb = { GET: [], HEAD: ["--head"] }[entry.method] ?? ["-X", entry.method];
	const parts = ["curl", ...verb, quoted(target)];
	if (entry.key !== null) parts.push('-H "Authorization: Bearer $API_KEY"');
	for (const [name, text] of Object.entries(entry.headers)) if (REPEATED.test(name)) parts.push("-H", quoted(`${name}: ${text}`));
	if (entry.requestBody !== null && typeof entry.requestBody !== "string") parts.push("--data", quoted(JSON.stringify(entry.requestBody)));
	return parts.join(" ");
}
