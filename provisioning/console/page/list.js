// A list page: search, filters, sorting, pages, and the dialogs of its kind. Its whole state is in
// the address.
import { ask } from "./api.js";
import { address, Empty, go, RowButton, Switch, Trouble, useLoaded, Zone } from "./pieces.js";
import { useCurrent } from "./session.js";
import { html, useEffect, useId, useRef, useState } from "./view.js";
import { dateAndTime, inWords, number, plural, toField, utc } from "./words.js";

const ACTIVE = [["true", "Active"], ["false", "Not active"], ["all", "All"]];
const SIZE = 20;

export function ListPage({ kind, query, children }) {
  const session = useCurrent();
  const [dialog, setDialog] = useState(null);
  const views = kind.views.filter((view) => !view.allowed || view.allowed(session));
  const view = views.find((each) => each.name === query.view) ?? views[0];
  const set = (changes, replace = false) => go(address([kind.name], { ...query, page: undefined, ...changes }), replace);

  const asked = {
    q: query.q,
    page: query.page,
    size: query.size,
    order: query.order,
    active: view.hasActive && (query.active ?? (query.at || !query.q ? view.defaultActive : "all")),
    at: view.hasAt ? query.at : undefined,
    ...Object.fromEntries((kind.filters ?? []).map(({ name }) => [name, query[name]])),
  };
  if (!asked.active) delete asked.active;
  const isShort = view.shortest && (query.q ?? "").trim().length < view.shortest;
  const load = async () => (isShort || view.page ? { data: [], total: 0 } : ask(view.place, { query: asked }));
  const { data, problem, isLoading, reload } = useLoaded(load, `${kind.name} ${view.name} ${JSON.stringify(asked)}`);

  const make = kind.make;
  const mayMake = make && (make.allowed ?? (() => session.manages))(session);
  const DialogOf = dialog && kind.dialogs[dialog.name];
  function done(made) {
    setDialog(null);
    if (dialog.isNew && kind.afterMaking && made) set(kind.afterMaking(made));
    reload();
  }

  return html`
    <header class="head">
      <h1>${kind.title}</h1>
      <div class="actions">
        ${mayMake &&
        html`<button type="button" class="primary" onClick=${() => setDialog({ name: make.dialog, isNew: true })}>${make.label}</button>`}
      </div>
    </header>
    <div class="tools">
      ${views.length > 1 &&
      html`<${Switch} label="Which" choices=${views.map((each) => [each.name, each.label])} chosen=${view.name} onChoose=${(name) => set({ view: name === views[0].name ? undefined : name, order: undefined })} />`}
      ${!view.page &&
      html`
        <${Search} text=${query.q ?? ""} onText=${(q) => set({ q: q || undefined }, true)} />
        ${(kind.filters ?? []).map((filter) => html`<${Filter} key=${filter.name} filter=${filter} value=${query[filter.name] ?? ""} onValue=${(value) => set({ [filter.name]: value || undefined })} />`)}
        ${view.hasActive &&
        html`<${Switch} label="Active now or not" choices=${ACTIVE} chosen=${asked.active} onChoose=${(active) => set({ active })} />`}
        ${view.hasAt && html`<${AsOf} at=${query.at} onAt=${(at) => set({ at })} />`}
      `}
    </div>
    ${view.page
      ? children(view)
      : html`
          <${Trouble} problem=${problem} again=${reload} />
          <${Table}
            kind=${kind}
            view=${view}
            rows=${data?.data ?? []}
            order=${query.order ?? ""}
            isLoading=${isLoading}
            onOrder=${(order) => set({ order })}
            onDialog=${(name, record) => setDialog({ name, record })}
          />
          ${data && !problem && !isLoading && !data.data.length && html`<${Nothing} kind=${kind} query=${query} isShort=${isShort} view=${view} mayMake=${mayMake} />`}
          <${Pager} kind=${kind} data=${data} query=${query} onPage=${(page) => set({ page: page || undefined })} onSize=${(size) => set({ size })} />
        `}
    ${DialogOf && html`<${DialogOf} record=${dialog.record} onDone=${done} onClose=${() => setDialog(null)} />`}
  `;
}

/** A search field that asks when the typing pauses. */
export function Search({ text, onText, label = "Search" }) {
  const id = useId();
  const [typed, setTyped] = useState(text);
  const timer = useRef();
  useEffect(() => setTyped(text), [text]);
  function type(event) {
    const given = event.currentTarget.value;
    setTyped(given);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => onText(given), 250);
  }
  return html`
    <div class="search">
      <label class="hidden" for=${id}>${label}</label>
      <input id=${id} type="search" placeholder=${label} autocomplete="off" spellcheck="false" value=${typed} onInput=${type} />
    </div>
  `;
}

export function Filter({ filter, value, onValue }) {
  const id = useId();
  return html`
    <div class="filter">
      <label for=${id}>${filter.label}</label>
      <select id=${id} value=${value} onChange=${(event) => onValue(event.currentTarget.value)}>
        <option value="" selected=${value === ""}>any</option>
        ${filter.options.map((option) => html`<option value=${option} selected=${value === option}>${option}</option>`)}
      </select>
    </div>
  `;
}

/** Another moment to look at; noon of a day unless its time is told. */
function AsOf({ at, onAt }) {
  const id = useId();
  const [day, time] = toField(at).split("T");
  const give = (newDay, newTime) => onAt(newDay ? utc(`${newDay}T${newTime || "12:00"}`) : undefined);
  return html`
    <div class="filter">
      <label for=${id}>As of</label>
      <input id=${id} type="date" value=${day} onChange=${(event) => give(event.currentTarget.value, time)} />
      ${at &&
      html`
        <input type="time" aria-label="Time of that day" title=${`${at} (UTC)`} value=${time?.slice(0, 5)} onChange=${(event) => give(day, event.currentTarget.value)} />
        <button type="button" class="quiet small" onClick=${() => onAt(undefined)}>Now</button>
      `}
    </div>
  `;
}

function Table({ kind, view, rows, order, isLoading, onOrder, onDialog }) {
  const session = useCurrent();
  const id = useId();
  const columns = kind.columns(view);
  const actions = (kind.actions ?? []).filter((action) => !action.view || action.view === view.name);
  const allowed = (record) => actions.filter((action) => action.allowed(session, record));
  const hasActions = rows.some((record) => allowed(record).length);
  if (!rows.length) return null;
  return html`
    <table class="list" role="table" aria-busy=${String(isLoading)}>
      <thead role="rowgroup">
        <tr role="row">
          ${columns.map((column) => html`<${Header} key=${column.member} column=${column} order=${order} onOrder=${onOrder} />`)}
          ${hasActions && html`<td class="last" role="cell"></td>`}
        </tr>
      </thead>
      <tbody role="rowgroup">
        ${rows.map((record) => {
          const name = `${id}-${kind.keyOf(record)}`.replace(/[^\w-]/g, "_");
          return html`
            <tr role="row" key=${kind.keyOf(record)}>
              ${columns.map((column) => {
                const shown = column.show(record, session);
                const opens = column.isName && kind.dialogs.show && typeof shown !== "object";
                const label = column.label ?? inWords(column.member);
                return html`
                  <td role="cell" data-label=${label} id=${column.isName ? name : undefined} class=${column.isName ? "name" : ""}>
                    ${opens ? html`<button type="button" class="link" onClick=${() => onDialog("show", record)}>${shown}</button>` : shown}
                  </td>
                `;
              })}
              ${hasActions &&
              html`
                <td role="cell" class="last">
                  ${allowed(record).map(
                    (action) => html`<${RowButton} of=${name} danger=${action.danger} onClick=${() => onDialog(action.dialog, record)}>${action.label}<//>`,
                  )}
                </td>
              `}
            </tr>
          `;
        })}
      </tbody>
    </table>
  `;
}

/** A heading that sorts: up, down, and back to the list's own order. */
export function Header({ column, order, onOrder }) {
  const text = column.label ?? inWords(column.member);
  if (!column.order) return html`<th scope="col" role="columnheader">${text}</th>`;
  const isUp = order === column.order;
  const isDown = order === `-${column.order}`;
  const next = isUp ? `-${column.order}` : isDown ? undefined : column.order;
  const sort = isUp ? "ascending" : isDown ? "descending" : "none";
  return html`
    <th scope="col" role="columnheader" aria-sort=${sort}>
      <button type="button" onClick=${() => onOrder(next)}>${text}<span class="arrow" aria-hidden="true">${isUp ? "▲" : isDown ? "▼" : ""}</span></button>
    </th>
  `;
}

function Nothing({ kind, query, isShort, view, mayMake }) {
  if (isShort) return html`<${Empty} title="Who are you looking for?"><p>Type at least ${view.shortest} characters of a name, username or email.</p><//>`;
  const narrowed = query.q || query.active || query.at || (kind.filters ?? []).some(({ name }) => query[name]);
  if (query.page) return html`<${Empty} title="The list is shorter than that."><p><a href=${address([kind.name], { ...query, page: undefined })}>Go to its beginning</a></p><//>`;
  if (narrowed) return html`<${Empty} title="Nothing matches."><p><a href=${address([kind.name], { view: query.view })}>Show the whole list</a></p><//>`;
  return html`<${Empty} title=${kind.empty}>${mayMake && html`<p>Begin with the button “${kind.make.label}”.</p>`}<//>`;
}

export function Pager({ kind, data, query, onPage, onSize }) {
  const id = useId();
  const size = Number(query.size) || SIZE;
  const page = Number(query.page) || 0;
  const total = data?.total ?? 0;
  const last = Math.max(0, Math.ceil(total / size) - 1);
  const from = total ? page * size + 1 : 0;
  const until = Math.min(total, (page + 1) * size);
  const which = query.at ? ` as of ${dateAndTime(query.at)}` : "";
  return html`
    <div class="pager">
      <p role="status">${data ? `${plural(total, kind.one, kind.many)}${which}` : "Loading"}${data && from <= until && total > size ? `, ${number(from)}–${number(until)} shown` : ""}</p>
      <${Zone} />
      <div class="actions">
        <label for=${id}>Rows</label>
        <select id=${id} onChange=${(event) => onSize(event.currentTarget.value)}>
          ${[20, 50, 100].map((each) => html`<option value=${each} selected=${each === size}>${each}</option>`)}
        </select>
        <button type="button" disabled=${page <= 0} onClick=${() => onPage(page - 1)}>Previous page</button>
        <button type="button" disabled=${page >= last} onClick=${() => onPage(page + 1)}>Next page</button>
      </div>
    </div>
  `;
}
