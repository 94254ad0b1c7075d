// Forms for records: a label for each member, errors beside their fields, and nothing typed is lost.
import { ask } from "./api.js";
import { Comparison, FormDialog, say, Trouble, When } from "./pieces.js";
import { html, useEffect, useId, useRef, useState } from "./view.js";
import { dateAndTime, forPeople, fromTyped, inWords, isSecret, toField, ZONE } from "./words.js";

export const WINDOW_FIELDS = [
	{ member: "activeFrom", type: "instant", hint: "Empty for now." },
	{ member: "activeUntil", type: "instant", isEnd: true, hint: "Empty for no end." },
];
export const plain = (...members) => members.map((member) => ({ member }));
export const folded = (...fields) => fields.map((field) => ({ ...field, more: true }));

/** Suggests a member's values in the list at `place`, once `shortest` characters are typed. */
export const suggesting = (place, member, { shortest = 0, size = 8 } = {}) => async (text) => {
	if (text.trim().length < shortest) return [];
	const { data } = await ask(place, { query: { q: text, size } });
	return data.map((record) => record[member]);
};
export const suggestUsers = suggesting("users", "username", { shortest: 1 });

function toText(field, value) {
	if (field.type === "flag") return value ?? false;
	if (value === null || value === undefined) return "";
	if (field.type === "instant") return toField(value);
	if (field.type === "json") return JSON.stringify(value, null, 2);
	return String(value);
}

/** The value that a field's text stands for; null for none. Throws what can't be read. */
function toValue(field, text) {
	if (field.type === "flag") return text;
	if (text === "") return null;
	if (field.type === "instant") return fromTyped(text, field.isEnd);
	if (field.type === "whole" || field.type === "number") return /^\s*-?\d+(\.\d+)?\s*$/.test(text) ? Number(text) : text;
	if (field.type === "json") {
		try {
			return JSON.parse(text);
		} catch (error) {
			throw new Error(`Must be JSON: ${error.message}.`);
		}
	}
	return text;
}

function Field({ field, text, errors = [], onText, autofocus }) {
	const id = useId();
	const { member, type = isSecret(member) ? "password" : "text", options, suggest, hint } = field;
	const [suggestions, setSuggestions] = useState([]);
	const help = type === "instant" ? [hint, ZONE].filter(Boolean).join(" ") : hint;
	const described = [help && `${id}-hint`, errors.length && `${id}-error`].filter(Boolean).join(" ");
	const facts = { id, name: member, autofocus, required: field.required, "aria-describedby": described || undefined, "aria-invalid": errors.length > 0 };
	const onInput = (event) => onText(event.currentTarget.value);
	useEffect(() => {
		if (!suggest || Array.isArray(suggest)) return setSuggestions(suggest || []);
		const timer = setTimeout(() => suggest(text).then(setSuggestions, () => {}), 250);
		return () => clearTimeout(timer);
	}, [text, suggest]);

	let input;
	if (type === "flag") {
		input = html`<input type="checkbox" ...${facts} checked=${text} onChange=${(event) => onText(event.currentTarget.checked)} />`;
	} else if (options) {
		input = html`
			<select ...${facts} value=${text} onChange=${onInput}>
				${!field.required && html`<option value="">—</option>`}
				${field.required && text === "" && html`<option value="" disabled>Choose</option>`}
				${options.map((option) => html`<option value=${option} selected=${option === text}>${option}</option>`)}
			</select>
		`;
	} else if (type === "long" || type === "json") {
		input = html`<textarea ...${facts} rows=${type === "json" ? 8 : 3} class=${type === "json" ? "code" : ""} spellcheck=${type === "long"} value=${text} onInput=${onInput}></textarea>`;
	} else if (type === "instant") {
		input = html`<${When} ...${facts} value=${text} onText=${onText} />`;
	} else {
		const list = suggest && `${id}-list`;
		input = html`
			<input type=${type === "password" ? type : "text"} ...${facts} inputmode=${{ whole: "numeric", number: "decimal" }[type]} autocomplete=${type === "password" ? "new-password" : "off"} spellcheck=${false} list=${list} value=${text} onInput=${onInput} />
			${list && html`<datalist id=${list}>${suggestions.map((each) => html`<option value=${each} />`)}</datalist>`}
		`;
	}
	return html`
		<div class=${`field ${type} ${field.wide || type === "long" || type === "json" ? "wide" : ""}`}>
			<label for=${id}>${field.label ?? inWords(member)}</label>
			${input}
			${help && html`<p class="hint" id=${`${id}-hint`}>${help}</p>`}
			${errors.length > 0 && html`<p class="error" id=${`${id}-error`}>${errors.join(" ")}</p>`}
		</div>
	`;
}

export function Fields({ form, autofocus }) {
	const place = (field, at) => {
		const { member } = field;
		return html`<${Field} key=${member} field=${field} text=${form.values[member]} errors=${form.errors[member]} onText=${(text) => form.set(member, text)} autofocus=${autofocus && at === 0 && !field.more} />`;
	};
	const more = form.fields.filter((field) => field.more);
	return html`
		<div class="fields">${form.fields.filter((field) => !field.more).map(place)}</div>
		${more.length > 0 && html`<details><summary>More</summary><div class="fields">${more.map(place)}</div></details>`}
	`;
}

export function useForm(fields, record) {
	const [base, setBase] = useState(record);
	const initial = (field, from) => (from === null ? (field.initial ?? toText(field, null)) : toText(field, from[field.member]));
	const texts = (from) => Object.fromEntries(fields.map((field) => [field.member, initial(field, from)]));
	const [values, setValues] = useState(() => texts(record));
	const [errors, setErrors] = useState({});
	const ref = useRef();

	function read() {
		const found = {};
		const body = {};
		for (const field of fields) {
			const text = values[field.member];
			try {
				if (base === null ? text !== "" : text !== toText(field, base[field.member])) {
					body[field.member] = toValue(field, text);
				}
			} catch (error) {
				found[field.member] = [error.message];
			}
		}
		return { body, found };
	}

	useEffect(() => {
		const first = fields.map(({ member }) => errors[member] && ref.current?.elements.namedItem(member)).find(Boolean);
		first?.closest("details")?.setAttribute("open", "");
		first?.focus();
	}, [errors]);

	return {
		ref,
		fields,
		base,
		values,
		errors,
		changes: () => read().body,
		/** What is to be sent; null if some field can't be read. */
		checked: () => {
			const { body, found } = read();
			setErrors(found);
			return Object.keys(found).length ? null : body;
		},
		/** Say what is wrong beside the fields that a problem names. Answers what is left of it, or null. */
		explain: (problem) => {
			const { found, others } = byField(problem.errors, fields);
			setErrors(found);
			return Object.keys(found).length && !others.length ? null : { ...problem, detail: others.join(" ") || problem.detail };
		},
		isChanged: () => Object.keys(read().body).some((member) => base !== null || values[member] !== texts(null)[member]),
		set: (member, text) => {
			const follows = (field, old) => field.like === member && old[field.member] === addressOf(old[member]);
			setValues((old) => ({ ...old, ...Object.fromEntries(fields.filter((field) => follows(field, old)).map((field) => [field.member, addressOf(text)])), [member]: text }));
			setErrors(({ [member]: _, ...rest }) => rest);
		},
		/** Begin again from another state of the record; `kept` members stay as they are typed. */
		rebase: (newer, kept = []) => {
			setBase(newer);
			setValues((old) => ({ ...texts(newer), ...Object.fromEntries(kept.map((member) => [member, old[member]])) }));
			setErrors({});
		},
	};
}

const addressOf = (text) => (text.includes("@") ? text : "");

/** Errors by member, with those of nested records at the fields that stand for them. */
function byField(errors, fields) {
	const known = new Set(fields.map((field) => field.member));
	const found = {};
	const others = [];
	for (const [member, messages] of Object.entries(errors ?? {})) {
		for (const message of messages) {
			const [, nested, rest] = /^(?:\d+: )?([A-Za-z]+): (.*)$/s.exec(message) ?? [];
			if (known.has(member)) (found[member] ??= []).push(forPeople(message));
			else if (known.has(nested)) (found[nested] ??= []).push(forPeople(rest));
			else others.push(forPeople(`${inWords(member)}: ${message}`));
		}
	}
	return { found, others };
}

/**
 * A dialog that makes or changes a record.
 *
 * `fields` [{member, type, options, suggest, hint, required, more, like}] (`like` another that holds an
 * address), `record` none for a new one, `save(body, etag)` asks the API, `again()` gets {data, etag} anew;
 * `always` saves even if nothing was changed, `said`, or what it makes of the answer, is told.
 */
export function RecordDialog({ title, intro, fields, record = null, etag, save, again, said, onSaved, onClose, verb = "Save", always }) {
	const form = useForm(fields, record);
	const [problem, setProblem] = useState(null);
	const [match, setMatch] = useState(etag);
	const [newer, setNewer] = useState(null);
	const [warned, setWarned] = useState(false);

	async function submit() {
		const body = form.checked();
		setProblem(null);
		if (body === null) return;
		if (form.base !== null && !always && !Object.keys(body).length) return onClose();
		try {
			const answer = await save(body, match);
			if (said) say(typeof said === "function" ? said(answer) : said);
			onSaved(answer);
		} catch (caught) {
			setProblem(form.explain(caught));
			if (caught.status === 412 && again) await again().then(setNewer, () => {});
		}
	}

	function take(kept) {
		form.rebase(newer.data, kept);
		setMatch(newer.etag);
		setNewer(null);
		setProblem(null);
	}

	const escape = () => (form.isChanged() && !warned ? setWarned(true) : onClose());
	return html`
		<${FormDialog} title=${title} formRef=${form.ref} act=${submit} verb=${verb} onClose=${onClose} onEscape=${escape} wide=${fields.length > 6}>
			${intro && html`<p class="intro">${intro}</p>`}
			<${Trouble} problem=${problem} />
			${problem?.instead && html`<p class="actions"><button type="button" onClick=${problem.instead.act}>${problem.instead.label}</button></p>`}
			${newer && html`<${Difference} form=${form} newer=${newer.data} onTake=${take} />`}
			<${Fields} form=${form} autofocus />
			${warned && html`<p class="warning" role="alert">Nothing is saved yet. Escape again, or Cancel, drops what you typed.</p>`}
		<//>
	`;
}

/** Somebody was faster: what they have made of the record, and what to do. */
function Difference({ form, newer, onTake }) {
	const mine = form.changes();
	const differs = (field) => toText(field, newer[field.member]) !== toText(field, form.base[field.member]);
	const rows = form.fields.filter((field) => field.member in newer && (differs(field) || field.member in mine));
	const said = (field, value) => (field.type === "instant" && value ? dateAndTime(value) : String(toText(field, value)) || "—");
	return html`
		<section class="difference">
			<p>Somebody was faster, and nothing of theirs is overwritten. This is what differs:</p>
			<${Comparison} label="What differs" headings=${["Member", "Now", "You loaded", "You typed"]}>
				${rows.map((field) => html`
					<tr>
						<th scope="row">${field.label ?? inWords(field.member)}</th>
						<td class=${differs(field) ? "changed" : ""}>${said(field, newer[field.member])}</td>
						<td>${said(field, form.base[field.member])}</td>
						<td>${field.member in mine && said(field, mine[field.member])}</td>
					</tr>
				`)}
			<//>
			<p class="actions">
				<button type="button" onClick=${() => onTake([])}>Load the newer record</button>
				<button type="button" onClick=${() => onTake(Object.keys(mine))}>Load it and keep what I typed</button>
			</p>
		</section>
	`;
}
