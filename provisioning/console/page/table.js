// A table of records, whose headings sort it where `onOrder` is given. Narrow, a row becomes a card.
import { isAllowed, useCurrent } from "./session.js";
import { html, useId } from "./view.js";
import { inWords } from "./words.js";

/** A column that shows a member, and by which the list can be sorted. */
export const column = (member, show = (record) => record[member], facts = {}) => ({ member, order: member, show, ...facts });

/**
 * `columns` [{member, label, order, isName, isLong, show(record, at, session)}], one of which names the record;
 * `actions` [{label, dialog, danger, allowed(session, record, now)}], opened by `onDialog(name, record)`; `none`
 * is said where there are no rows; `chosen` is a Map of those that are, by their keys.
 */
export function Table({ columns, rows, now, at = now, keyOf = (record) => record.id, actions = [], shows, order, onOrder, onDialog, isLoading, none, chosen, onChoose }) {
	const session = useCurrent();
	const id = useId();
	const allowed = (record) => actions.filter((action) => isAllowed(action, session, record, now));
	const hasActions = rows.some((record) => allowed(record).length);
	const isAll = rows.length > 0 && rows.every((record) => chosen?.has(keyOf(record)));
	function choose(records, isChosen) {
		const next = new Map(chosen);
		for (const record of records) isChosen ? next.set(keyOf(record), record) : next.delete(keyOf(record));
		onChoose(next);
	}
	const box = (label, checked, records) => chosen && html`<td class="box" role="cell">${records.length > 0 && html`<input type="checkbox" aria-label=${label} checked=${checked} onChange=${() => choose(records, !checked)} />`}</td>`;
	return html`
		<table class="list" role="table" aria-busy=${isLoading ?? false}>
			<thead role="rowgroup">
				<tr role="row">
					${box("Choose all that are shown", isAll, rows)}
					${columns.map((column) => html`<${Heading} key=${column.member} column=${column} order=${order} onOrder=${onOrder} />`)}
					${hasActions && html`<td class="last" role="cell"></td>`}
				</tr>
			</thead>
			<tbody role="rowgroup">
				${!rows.length && html`<tr role="row" class="none"><td role="cell" colspan=${columns.length + 1}>${none}</td></tr>`}
				${rows.map((record) => {
					const key = keyOf(record);
					const name = `${id}-${key}`.replace(/[^\w-]/g, "_");
					const cell = (column) => {
						const shown = column.show(record, at, session);
						const opens = shows && column.isName && typeof shown !== "object";
						const kind = [column.isName && "name", column.isLong && "long", (shown ?? "") === "" && "unset"].filter(Boolean).join(" ");
						return html`
							<td role="cell" data-label=${labelOf(column)} id=${column.isName ? name : undefined} class=${kind}>
								${opens ? html`<button class="link" onClick=${() => onDialog("show", record)}>${shown}</button>` : (shown ?? "—")}
							</td>
						`;
					};
					const button = (action) => rowButton(name, action.label, () => onDialog(action.dialog, record), action.danger);
					return html`
						<tr role="row" key=${key}>
							${box(`Choose ${key}`, chosen?.has(key), [record])}
							${columns.map(cell)}
							${hasActions && html`<td role="cell" class="last">${allowed(record).map(button)}</td>`}
						</tr>
					`;
				})}
			</tbody>
		</table>
	`;
}

const labelOf = (column) => column.label ?? inWords(column.member);

function Heading({ column, order, onOrder }) {
	if (!column.order || !onOrder) return html`<th scope="col" role="columnheader">${labelOf(column)}</th>`;
	const isUp = order === column.order;
	const isDown = order === `-${column.order}`;
	const next = isUp ? `-${column.order}` : isDown ? undefined : column.order;
	return html`
		<th scope="col" role="columnheader" aria-sort=${isUp ? "ascending" : isDown ? "descending" : "none"}>
			<button onClick=${() => onOrder(next)}>${labelOf(column)}<span class="arrow" aria-hidden="true">${isUp ? "▲" : isDown ? "▼" : ""}</span></button>
		</th>
	`;
}

/** A button of a row, with the row's name as its description. */
export const rowButton = (of, label, onClick, danger) => html`<button class=${`small quiet ${danger ? "danger" : ""}`} aria-describedby=${of} onClick=${onClick}>${label}</button>`;
