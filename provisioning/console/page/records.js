// Dialogs over one record: showing it, changing it safely, removing it.
import { ask } from "./api.js";
import { RecordDialog } from "./form.js";
import { Confirm, Dialog, Instant, SafeUrl, say, Trouble, UserLink, useLoaded } from "./pieces.js";
import { useCurrent } from "./session.js";
import { html } from "./view.js";
import { inWords } from "./words.js";

const SECRETS = new Set(["apiToken", "password", "provPassword", "apiKey"]);
const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;

/** A member's value for people. */
export function Value({ member, value }) {
	if (value === null || value === undefined || value === "") return "—";
	if (SECRETS.has(member)) return "set, not shown here";
	if (Array.isArray(value) || (typeof value === "object" && !value.username)) {
		return html`<pre class="code">${JSON.stringify(value, null, 2)}</pre>`;
	}
	if (typeof value === "object") return html`<${UserLink} name=${value.username} />`;
	if (typeof value === "boolean") return value ? "yes" : "no";
	if (INSTANT.test(value)) return html`<${Instant} at=${value} />`;
	return html`<${SafeUrl} url=${String(value)} />`;
}

/** All members of a record, apart from those left out. */
export function Members({ record, without = [] }) {
	const names = Object.keys(record).filter((member) => !without.includes(member));
	return html`
		<dl class="members">
			${names.map(
				(member) => html`
					<div><dt>${inWords(member)}</dt><dd><${Value} member=${member} value=${record[member]} /></dd></div>
				`,
			)}
		</dl>
	`;
}

function ShowDialog({ title, record, onClose }) {
	return html`
		<${Dialog} title=${title} onClose=${onClose} wide>
			<div class="body"><${Members} record=${record} without=${["apiToken"]} /></div>
			<footer><button class="primary" onClick=${onClose}>Close</button></footer>
		<//>
	`;
}

/** Change the record at `target`: gets it with its ETag first. `prepare` makes it fit the fields. */
function ChangeDialog({ title, warning, target, fields, prepare = (data) => data, unwrap = (body) => body, onDone, onClose }) {
	const session = useCurrent();
	const again = async () => {
		const { data, etag } = await ask(target);
		return { data: prepare(data), etag };
	};
	const { data, problem } = useLoaded(again, target);
	if (problem) {
		return html`
			<${Dialog} title=${title} onClose=${onClose}>
				<div class="body"><${Trouble} problem=${problem} /></div>
				<footer><button onClick=${onClose}>Close</button></footer>
			<//>
		`;
	}
	if (!data) return null;
	return html`
		<${RecordDialog}
			title=${title}
			intro=${warning?.(session)}
			fields=${fields}
			record=${data.data}
			etag=${data.etag}
			again=${again}
			save=${(body, etag) => ask(target, { method: "PUT", body: unwrap(body), etag })}
			said="Saved."
			onSaved=${onDone}
			onClose=${onClose}
		/>
	`;
}

/** Remove, revoke or end what is at `target`, after asking. */
function RemoveDialog({ title, verb = "Remove", target, text, said, warning, onDone, onClose }) {
	const session = useCurrent();
	async function act() {
		await ask(target, { method: "DELETE" });
		say(said);
		onDone();
	}
	return html`<${Confirm} title=${title} verb=${verb} warning=${warning?.(session)} act=${act} onClose=${onClose}><p>${text}</p><//>`;
}

// Dialogs of a kind are components that are opened with {record, onDone, onClose}; what they need
// beside that is a function of these. `warning` gets the session.
const opened = (component, facts) => (given) => html`<${component} onDone=${given.onDone} onClose=${given.onClose} ...${facts(given)} />`;
export const changing = (facts) => opened(ChangeDialog, facts);
export const removing = (facts) => opened(RemoveDialog, facts);
export const showing = (titleOf) => opened(ShowDialog, ({ record }) => ({ record, title: titleOf(record) }));
/** A new record, POSTed to `place`, unless `save` says otherwise. */
export const making = (facts) =>
	opened(RecordDialog, (given) => {
		const { place, ...rest } = facts(given);
		return { record: null, save: (body) => ask(place, { method: "POST", body }), onSaved: ({ data }) => given.onDone(data), ...rest };
	});
