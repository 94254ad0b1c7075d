// Dialogs over one record: showing it, changing it safely, removing it.
import { ask } from "./api.js";
import { RecordDialog } from "./form.js";
import { Confirm, Dialog, moment, LOADING, say, Trouble, userLink, useLoaded } from "./pieces.js";
import { useCurrent } from "./session.js";
import { html } from "./view.js";
import { inWords, isSecret } from "./words.js";

const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;

export function Value({ member, value }) {
	if (value === null || value === undefined || value === "") return "—";
	if (isSecret(member)) return "set, not shown here";
	if (typeof value === "object") return value.username ? userLink(value.username) : html`<pre>${JSON.stringify(value, null, 2)}</pre>`;
	if (typeof value === "boolean") return value ? "yes" : "no";
	if (INSTANT.test(value)) return moment(value);
	// Nothing but such a URL should be followed.
	if (/^https?:\/\//i.test(value)) return html`<a href=${value} rel="noreferrer noopener" target="_blank">${value}</a>`;
	return value;
}

export function Members({ record, without = [] }) {
	const names = Object.keys(record).filter((member) => !without.includes(member));
	return html`
		<dl class="members">
			${names.map((member) => html`<div><dt>${inWords(member)}</dt><dd><${Value} member=${member} value=${record[member]} /></dd></div>`)}
		</dl>
	`;
}

function ShowDialog({ title, record, onClose }) {
	return html`
		<${Dialog} title=${title} onClose=${onClose} leave="Close" wide>
			<${Members} record=${record} without=${["apiToken"]} />
		<//>
	`;
}

/** A dialog, made by `children`, about the record at `target` as it is now, if `check(data)` throws no Problem. */
function Current({ title, target, check, onClose, children }) {
	const again = async () => {
		const answer = await ask(target);
		check?.(answer.data);
		return answer;
	};
	const { data, problem, reload } = useLoaded(again, target);
	if (data) return children({ ...data, again, reload });
	if (!problem) return html`<div class="notes">${LOADING}</div>`;
	return html`<${Dialog} title=${title} onClose=${onClose} leave="Close"><${Trouble} problem=${problem} /><//>`;
}

/** Change the record at `target`. `prepare` makes it fit the fields, and `facts` are those of the form. */
export function ChangeDialog({ title, warning, target, check, prepare = (data) => data, onDone, onClose, ...facts }) {
	const session = useCurrent();
	return html`
		<${Current} title=${title} target=${target} check=${check} onClose=${onClose}>
			${({ data, etag, again }) => html`
				<${RecordDialog} title=${title} intro=${warning?.(session)} record=${prepare(data)} etag=${etag}
					again=${() => again().then(({ data, etag }) => ({ data: prepare(data), etag }))}
					save=${(body, etag) => ask(target, { method: "PUT", body, etag })} said="Saved." onSaved=${onDone} onClose=${onClose} ...${facts} />
			`}
		<//>
	`;
}

/** Remove, revoke or end what is at `target` after asking, and telling what of it is not as in `shown`. */
function RemoveDialog({ title, verb = "Remove", target, check, shown, text, said, warning, onDone, onClose }) {
	const session = useCurrent();
	return html`
		<${Current} title=${title} target=${target} check=${check} onClose=${onClose}>
			${({ data, etag, reload }) => {
				async function act() {
					await ask(target, { method: "DELETE", etag }).catch((problem) => {
						if (problem.status === 412) reload();
						throw problem;
					});
					say(said);
					onDone();
				}
				// Of a person all that a row shows is the public profile.
				const changed = Object.entries(data).filter(([member, value]) => member in shown && member !== "user" && JSON.stringify(value) !== JSON.stringify(shown[member]));
				return html`
					<${Confirm} title=${title} verb=${verb} warning=${warning?.(session)} act=${act} onClose=${onClose}>
						<p>${text}</p>
						${changed.length > 0 && html`<section class="difference"><p>Somebody was faster: it is no longer as it was shown.</p><${Members} record=${Object.fromEntries(changed)} /></section>`}
					<//>
				`;
			}}
		<//>
	`;
}

// A kind's dialogs are opened with {record, onDone, onClose}; what else they need is a function of these.
const opened = (component, facts) => (given) => html`<${component} onDone=${given.onDone} onClose=${given.onClose} ...${facts(given)} />`;
export const changing = (facts) => opened(ChangeDialog, facts);
export const removing = (facts) => opened(RemoveDialog, (given) => ({ shown: given.record, ...facts(given) }));
export const showing = (titleOf) => opened(ShowDialog, ({ record }) => ({ record, title: titleOf(record) }));
/** A new record, POSTed to `place`, unless `save` says otherwise. */
export const making = (facts) =>
	opened(RecordDialog, (given) => {
		const { place, ...rest } = facts(given);
		return { save: (body) => ask(place, { method: "POST", body }), onSaved: ({ data }) => given.onDone(data), ...rest };
	});
