// A table of records, whose headings sort it where `onOrder` is given. Narrow, a row becomes a card.
import { isAllowed, useCurrent } from "./session.js";
import { html, useId } from "./view.js";
import { inWords } from "./words.js";

/** A column that shows a member, and by which the list can be sorted. */
export const column = (member, show = (record) => record[member], facts = {}) => ({ member, order: member, show, ...facts });

/**
 * `columns` [{member, label, order, isName, show(record, session)}], of which one names the record;
 * `actions` [{label, dialog, danger, allowed(session, record)}]; `onDialog(name, record)` opens one.
 */
export function Table({ columns, rows, keyOf = (record) => record.id, actions = [], shows, order, onOrder, onDialog, isLoading }) {
	const session = useCurrent();
	const id = useId();
	const allowed = (record) => actions.filter((action) => isAllowed(action, session, record));
	const hasActions = rows.some((record) => allowed(record).length);
	return html`
		<table class="list" role="table" aria-busy=${isLoading ?? false}>
			<thead role="rowgroup">
				<tr role="row">
					${columns.map((column) => html`<${Heading} key=${column.member} column=${column} order=${order} onOrder=${onOrder} />`)}
					${hasActions && html`<td class="last" role="cell"></td>`}
				</tr>
			</thead>
			<tbody role="rowgroup">
				${rows.map((record) => {
					const name = `${id}-${keyOf(record)}`.replace(/[^\w-]/g, "_");
					const cell = (column) => {
						const shown = column.show(record, session) ?? "—";
						const opens = shows && column.isName && typeof shown !== "object";
						return html`
							<td role="cell" data-label=${labelOf(column)} id=${column.isName ? name : undefined} class=${column.isName ? "name" : undefined}>
								${opens ? html`<button class="link" onClick=${() => onDialog("show", record)}>${shown}</button>` : shown}
							</td>
						`;
					};
					const button = (action) => html`
						<${RowButton} of=${name} danger=${action.danger} onClick=${() => onDialog(action.dialog, record)}>${action.label}<//>
					`;
					return html`
						<tr role="row" key=${keyOf(record)}>
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

/** A heading that sorts: up, down, and back to the list's own order. */
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

/** A button of a row. The row's name is its description, as its own name says only what it does. */
export function RowButton({ of, onClick, danger, children }) {
	return html`<button class=${danger ? "small quiet danger" : "small quiet"} aria-describedby=${of} onClick=${onClick}>${children}</button>`;
}
