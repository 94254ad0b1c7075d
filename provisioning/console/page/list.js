// A list page: search, filters, sorting, pages, and its dialogs. Its whole state is in the address.
import { left } from "./address.js";
import { ask, MOST } from "./api.js";
import { SaveCsv } from "./csv.js";
import { address, empty, Filter, go, Head, Switch, Text, Trouble, useAct, useDialog, useLoaded, WhenFilter, ZONE_NOTE } from "./pieces.js";
import { isAllowed, useCurrent } from "./session.js";
import { Table } from "./table.js";
import { html, useEffect, useRef, useState } from "./view.js";
import { dateAndTime, number, plural, toField, utc } from "./words.js";

const ACTIVE = [["true", "Active"], ["false", "Not active"], ["all", "All"]];
const USUAL = Math.min(20, MOST);
const SIZES = [USUAL, 50, 100].filter((size) => size <= MOST);

export function ListPage({ kind, query }) {
	const session = useCurrent();
	const views = kind.views.filter((each) => isAllowed(each, session));
	const view = views.find((each) => each.name === query.view) ?? views[0];
	const set = (changes, replace = false) => go(address([kind.name], { ...query, page: undefined, ...changes }), replace);
	const setter = (name) => (value) => set({ [name]: value });
	const isDated = Boolean(view.defaultActive || view.page);
	const now = session.now();
	// What is shown is that of the moment that is chosen, what can be done that of now.
	const at = (isDated && Date.parse(query.at)) || now;
	const size = Math.min(Number(query.size) || USUAL, MOST);

	const narrowed = {
		q: query.q,
		order: query.order,
		active: view.defaultActive && (query.active ?? (query.at || !query.q ? view.defaultActive : "all")),
		at: isDated ? query.at : undefined,
		...Object.fromEntries(kind.filters.map(({ name }) => [name, query[name]])),
	};
	const asked = { ...narrowed, page: query.page, size: query.size && size };
	const isShort = view.shortest && (query.q ?? "").trim().length < view.shortest;
	// Until the answer of another view is there, rows are shown as those of the view they came from.
	const load = async () => ({ ...(isShort || view.page ? { data: [], total: 0 } : await ask(view.place, { query: asked })), view });
	const { data, problem, isLoading, reload } = useLoaded(load, view.name + JSON.stringify(asked));
	const [act, trouble] = useAct();

	const page = Number(query.page) || 0;
	const last = Math.max(0, Math.ceil((data?.total ?? 0) / size) - 1);
	const hasChanged = useRef(false);
	const [chosen, setChosen] = useState(new Map());
	const mayMake = kind.make && isAllowed(kind.make, session);
	const [open, dialog] = useDialog((made, { record, chosen: those }) => {
		if (!record && made && kind.afterMaking) set(kind.afterMaking(made));
		hasChanged.current = true;
		if (those) setChosen(new Map(made.map((each) => [kind.keyOf(each), each])));
		reload();
	});
	useEffect(() => void (left[kind.name] = location.hash));
	useEffect(() => {
		// The last page may have gone with its only record.
		if (hasChanged.current && data && page > last) set({ page: last || undefined }, true);
		hasChanged.current = false;
	}, [data]);

	const shown = data?.view ?? view;
	const together = session.manages && view.together;
	return html`
		<${Head} title=${kind.title}>
			${mayMake && html`<button class="primary" onClick=${() => open(kind.dialogs.create, {})}>${kind.make.label}</button>`}
		<//>
		<div class="tools">
			${views.length > 1 &&
			html`<${Switch} label="Which" choices=${views.map((each) => [each.name, each.label])} chosen=${view.name} onChoose=${(name) => set({ view: name === views[0].name ? undefined : name, order: undefined })} />`}
			${!view.page && html`
				<${Search} text=${query.q ?? ""} onText=${(q) => set({ q: q || undefined }, true)} />
				${kind.filters.map((filter) => html`<${Narrow} key=${filter.name} filter=${filter} value=${query[filter.name]} onValue=${setter(filter.name)} />`)}
				${view.defaultActive && html`<${Switch} label="Active or not" choices=${ACTIVE} chosen=${asked.active} onChoose=${setter("active")} />`}
			`}
			${isDated && html`<${AsOf} at=${query.at} onAt=${setter("at")} />`}
		</div>
		<${Trouble} problem=${problem} again=${reload} />
		${trouble}
		${view.page
			? html`<${view.page} at=${query.at} />`
			: html`
					${together && chosen.size > 0 && html`
						<div class="chosen">
							<p>${plural(chosen.size, kind.one)} chosen</p>
							<button class="danger" onClick=${() => open(together.dialog, { chosen: [...chosen.values()] })}>${together.label}</button>
							<button class="quiet" onClick=${() => setChosen(new Map())}>Clear</button>
						</div>
					`}
					${(data || !problem) && html`
						<${Table}
							columns=${kind.columns(shown)} rows=${data?.data ?? []} now=${now} at=${at} keyOf=${kind.keyOf} shows=${kind.dialogs.show} isLoading=${isLoading}
							actions=${kind.actions.filter((action) => !action.view || action.view === shown.name)} onDialog=${(name, record) => open(kind.dialogs[name], { record })}
							order=${query.order ?? ""} onOrder=${setter("order")} chosen=${together && shown === view ? chosen : undefined} onChoose=${setChosen}
							none=${data && !isLoading && nothing({ kind, query, last, isShort, view, mayMake })}
						/>
					`}
					<${Pager} ...${{ kind, data: problem ? null : data, isLoading, size, page, last }} which=${at !== now && `${asked.active === "all" ? ", seen" : ""} as of ${dateAndTime(at)}`} onPage=${(next) => set({ page: next || undefined })} onSize=${setter("size")}>
						${kind.csv && !view.shortest && html`<${SaveCsv} csv=${kind.csv} name=${`${kind.name}-${utc(at).slice(0, 10)}`} place=${view.place} query=${narrowed} at=${at} act=${act} />`}
					<//>
				`}
		${mayMake && !view.shortest && kind.foot?.(session)}
		${dialog}
	`;
}

function Search({ text, onText }) {
	const [typed, setTyped] = useState(text);
	const timer = useRef();
	const asked = useRef(text);
	useEffect(() => {
		if (text === asked.current) return;
		asked.current = text;
		setTyped(text);
	}, [text]);
	function type(given) {
		setTyped(given);
		clearTimeout(timer.current);
		timer.current = setTimeout(() => onText((asked.current = given)), 250);
	}
	// Who types and leaves at once is not led back.
	useEffect(() => () => clearTimeout(timer.current), []);
	return html`<div class="search"><${Text} type="search" aria-label="Search" aria-keyshortcuts="/" placeholder="Search  /" value=${typed} onInput=${type} /></div>`;
}

function Narrow({ filter, ...facts }) {
	if (filter.options) return html`<${Filter} ...${filter} ...${facts} />`;
	if (filter.type) return html`<${WhenFilter} ...${filter} ...${facts} />`;
	return html`<${Text} label=${filter.label} size="14" value=${facts.value ?? ""} onChange=${(text) => facts.onValue(text.trim())} />`;
}

/** Another moment to look at; noon of a day unless its time is told. */
function AsOf({ at, onAt }) {
	const [day, time] = Date.parse(at) ? toField(at).split(" ") : [""];
	const give = (newDay, newTime) => onAt(newDay ? utc(`${newDay}T${newTime || "12:00"}`) : undefined);
	return html`
		<div class="filter">
			<${Text} label="As of" type="date" value=${day} onChange=${(text) => give(text, time)} />
			${at && html`
				<${Text} type="time" aria-label="Time of that day" title=${at} value=${time?.slice(0, 5)} onChange=${(text) => give(day, text)} />
				<button class="quiet small" onClick=${() => onAt(undefined)}>Now</button>
			`}
		</div>
	`;
}

function nothing({ kind, query, last, isShort, view, mayMake }) {
	if (isShort) return empty("Who are you looking for?", `Type at least ${view.shortest} characters of a name, username or email.`);
	const narrowed = query.q || query.active || query.at || kind.filters.some(({ name }) => query[name]);
	if (query.page > last) return empty("The list is shorter than that.", html`<a href=${address([kind.name], { ...query, page: last || undefined })}>Go to its last page</a>`);
	if (narrowed) return empty("Nothing matches.", html`<a href=${address([kind.name], { view: query.view })}>Show the whole list</a>`);
	return empty(kind.empty, mayMake ? `Begin with the button “${kind.make.label}”.` : kind.how);
}

function Pager({ kind, data, isLoading, size, page, last, which, onPage, onSize, children }) {
	const total = data?.total ?? 0;
	const from = page * size + 1;
	const until = Math.min(total, (page + 1) * size);
	const count = data ? `${plural(total, kind.one)}${which || ""}` : isLoading && "Loading";
	const sizes = [...new Set([...SIZES, size])].sort((one, other) => one - other).map(String);
	const step = (label, to, isOff) => html`<button aria-label=${`${label} page`} disabled=${isOff} onClick=${() => onPage(to)}>${label}</button>`;
	return html`
		<div class="pager">
			<p role="status">${count}${data && from <= until && total > size ? `, ${number(from)}–${number(until)} shown` : ""}</p>
			${ZONE_NOTE}
			<div class="actions">
				${children}
				<${Filter} label="Rows" options=${sizes} any=${null} value=${String(size)} onValue=${onSize} />
				${step("First", 0, page <= 0)}
				${step("Previous", Math.min(page - 1, last), page <= 0)}
				${step("Next", page + 1, page >= last)}
				${step("Last", last, page === last)}
			</div>
		</div>
	`;
}
