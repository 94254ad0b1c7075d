// A list page: search, filters, sorting, pages, and the dialogs of its kind. Its whole state is in
// the address.
import { ask } from "./api.js";
import { address, Empty, Filter, go, Head, Switch, Text, Trouble, useDialog, useLoaded, Zone } from "./pieces.js";
import { isAllowed, useCurrent } from "./session.js";
import { Table } from "./table.js";
import { html, useEffect, useRef, useState } from "./view.js";
import { dateAndTime, fromField, number, plural, toField, utc } from "./words.js";

const ACTIVE = [["true", "Active"], ["false", "Not active"], ["all", "All"]];
const SIZE = 20;

export function ListPage({ kind, query }) {
	const session = useCurrent();
	const views = kind.views.filter((each) => isAllowed(each, session));
	const view = views.find((each) => each.name === query.view) ?? views[0];
	const set = (changes, replace = false) => go(address([kind.name], { ...query, page: undefined, ...changes }), replace);

	const asked = {
		q: query.q,
		page: query.page,
		size: query.size,
		order: query.order,
		active: view.defaultActive && (query.active ?? (query.at || !query.q ? view.defaultActive : "all")),
		at: view.defaultActive && query.at,
		...Object.fromEntries(kind.filters.map(({ name }) => [name, query[name]])),
	};
	const isShort = view.shortest && (query.q ?? "").trim().length < view.shortest;
	// Until the answer of another view is there, rows are shown as those of the view they came from.
	const load = async () => {
		const answer = isShort || view.page ? { data: [], total: 0 } : await ask(view.place, { query: asked });
		return { ...answer, view };
	};
	const { data, problem, isLoading, reload } = useLoaded(load, `${kind.name} ${view.name} ${JSON.stringify(asked)}`);

	const mayMake = kind.make && isAllowed(kind.make, session);
	const [open, dialog] = useDialog((made, { record }) => {
		if (!record && made && kind.afterMaking) set(kind.afterMaking(made));
		reload();
	});

	return html`
		<${Head} title=${kind.title}>
			${mayMake && html`<button class="primary" onClick=${() => open(kind.dialogs.create, {})}>${kind.make.label}</button>`}
		<//>
		<div class="tools">
			${views.length > 1 &&
			html`<${Switch} label="Which" choices=${views.map((each) => [each.name, each.label])} chosen=${view.name} onChoose=${(name) => set({ view: name === views[0].name ? undefined : name, order: undefined })} />`}
			${!view.page &&
			html`
				<${Search} text=${query.q ?? ""} onText=${(q) => set({ q: q || undefined }, true)} />
				${kind.filters.map((filter) => html`<${Narrow} key=${filter.name} filter=${filter} value=${query[filter.name]} onValue=${(value) => set({ [filter.name]: value })} />`)}
				${view.defaultActive &&
				html`
					<${Switch} label="Active now or not" choices=${ACTIVE} chosen=${asked.active} onChoose=${(active) => set({ active })} />
					<${AsOf} at=${query.at} onAt=${(at) => set({ at })} />
				`}
			`}
		</div>
		${view.page
			? html`<${view.page} />`
			: html`
					<${Trouble} problem=${problem} again=${reload} />
					${data?.data.length > 0 &&
					html`
						<${Table}
							columns=${kind.columns(data.view)}
							rows=${data.data}
							keyOf=${kind.keyOf}
							actions=${kind.actions.filter((action) => !action.view || action.view === data.view.name)}
							shows=${kind.dialogs.show}
							order=${query.order ?? ""}
							onOrder=${(order) => set({ order })}
							onDialog=${(name, record) => open(kind.dialogs[name], { record })}
							isLoading=${isLoading}
						/>
					`}
					${data && !problem && !isLoading && !data.data.length && html`<${Nothing} kind=${kind} query=${query} isShort=${isShort} view=${view} mayMake=${mayMake} />`}
					<${Pager} kind=${kind} data=${data} query=${query} onPage=${(page) => set({ page: page || undefined })} onSize=${(size) => set({ size })} />
				`}
		${dialog}
	`;
}

/** A search field that asks when the typing pauses. */
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
	return html`
		<div class="search"><${Text} type="search" aria-label="Search" placeholder="Search" value=${typed} onInput=${type} /></div>
	`;
}

function Narrow({ filter, value, onValue }) {
	const { label, options, type } = filter;
	if (options) return html`<${Filter} ...${filter} value=${value} onValue=${onValue} />`;
	if (type) return html`<${Text} label=${label} type="datetime-local" title=${value} value=${toField(value)} onChange=${(text) => onValue(fromField(text))} />`;
	return html`<${Text} label=${label} size="14" value=${value} onChange=${(text) => onValue(text.trim())} />`;
}

/** Another moment to look at; noon of a day unless its time is told. */
function AsOf({ at, onAt }) {
	const [day, time] = toField(at).split("T");
	const give = (newDay, newTime) => onAt(newDay ? utc(`${newDay}T${newTime || "12:00"}`) : undefined);
	return html`
		<div class="filter">
			<${Text} label="As of" type="date" value=${day} onChange=${(text) => give(text, time)} />
			${at &&
			html`
				<${Text} type="time" aria-label="Time of that day" title=${at} value=${time?.slice(0, 5)} onChange=${(text) => give(day, text)} />
				<button class="quiet small" onClick=${() => onAt(undefined)}>Now</button>
			`}
		</div>
	`;
}

function Nothing({ kind, query, isShort, view, mayMake }) {
	if (isShort) return html`<${Empty} title="Who are you looking for?"><p>Type at least ${view.shortest} characters of a name, username or email.</p><//>`;
	const narrowed = query.q || query.active || query.at || kind.filters.some(({ name }) => query[name]);
	if (query.page) return html`<${Empty} title="The list is shorter than that."><p><a href=${address([kind.name], { ...query, page: undefined })}>Go to its beginning</a></p><//>`;
	if (narrowed) return html`<${Empty} title="Nothing matches."><p><a href=${address([kind.name], { view: query.view })}>Show the whole list</a></p><//>`;
	return html`<${Empty} title=${kind.empty}>${mayMake && html`<p>Begin with the button “${kind.make.label}”.</p>`}<//>`;
}

function Pager({ kind, data, query, onPage, onSize }) {
	const size = Number(query.size) || SIZE;
	const page = Number(query.page) || 0;
	const total = data?.total ?? 0;
	const from = page * size + 1;
	const until = Math.min(total, (page + 1) * size);
	const which = query.at ? ` as of ${dateAndTime(query.at)}` : "";
	return html`
		<div class="pager">
			<p role="status">${data && `${plural(total, kind.one)}${which}`}${data && from <= until && total > size ? `, ${number(from)}–${number(until)} shown` : ""}</p>
			<${Zone} />
			<div class="actions">
				<${Filter} label="Rows" options=${["20", "50", "100"]} any=${null} value=${String(size)} onValue=${onSize} />
				<button disabled=${page <= 0} onClick=${() => onPage(page - 1)}>Previous page</button>
				<button disabled=${until === total} onClick=${() => onPage(page + 1)}>Next page</button>
			</div>
		</div>
	`;
}
