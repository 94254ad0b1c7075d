// Small pieces that every page uses.
import { address, go } from "./address.js";
import { useCurrent } from "./session.js";
import { html, useEffect, useId, useLayoutEffect, useRef, useState } from "./view.js";
import { dateAndTime, fromTyped, toField, windowState, ZONE } from "./words.js";

/** An instant in the browser's zone, with the exact one in its title. It breaks between date and time. */
export function moment(at, as = dateAndTime, none = "—") {
	if (!at) return none;
	const parts = as(at).split(/(?<=,) (?=[^,]+$)/);
	return html`<time datetime=${at} title=${at}>${parts.map((part, nth) => html`${nth > 0 && " "}<span>${part}</span>`)}</time>`;
}

/** Where the window of a record stands at a moment; `isOff` if a switch beside it is off. */
export function stateOf(record, at, isOff) {
	const state = windowState(record, at);
	return isOff && state === "active" ? html`<span class="state">switched off</span>` : html`<span class=${`state ${state.split(" ")[0]}`}>${state}</span>`;
}

/** What is shown while something loads; the style sheet shows it after a moment only. */
export const LOADING = html`<p class="wait">Loading</p>`;

export const chip = (text) => html`<span class="chip">${text}</span>`;

/** A username leads to the user's page, and breaks before its @ if it must. */
export const userLink = (name, none = "—") => (name ? html`<a href=${address(["users", name])}>${name.split(/(?=@)/).map((part) => html`${part}<wbr />`)}</a>` : none);

export function Trouble({ problem, again }) {
	if (!problem) return null;
	return html`
		<div class="trouble" role="alert">
			<p>${problem.detail ?? problem.message}</p>
			${again && html`<button onClick=${again}>Try again</button>`}
		</div>
	`;
}

export const empty = (title, how) => html`<div class="empty"><p class="lead">${title}</p>${how && html`<p>${how}</p>`}</div>`;

/** A modal dialog, which a second Escape closes whatever `onEscape` does. `leave` is on its button, if it has only one. */
export function Dialog({ title, onClose, onEscape, leave, wide, children }) {
	const ref = useRef();
	const id = useId();
	useLayoutEffect(() => {
		const dialog = ref.current;
		const opener = document.activeElement;
		dialog.showModal();
		return () => {
			dialog.close();
			if (opener?.isConnected) opener.focus();
			else document.querySelector("main")?.focus();
		};
	}, []);
	return html`
		<dialog ref=${ref} aria-labelledby=${id} class=${wide ? "wide" : ""} onCancel=${sent(onEscape ?? onClose)} onClose=${() => ref.current?.isConnected && onClose()}>
			<h2 id=${id}>${title}</h2>
			${leave ? html`<div class="body">${children}</div><footer><button class="primary" onClick=${onClose}>${leave}</button></footer>` : children}
		</dialog>
	`;
}

/** A dialog that does something, or is left by Cancel, where the focus is if there is a danger. */
export function FormDialog({ formRef, act, verb, isDanger, children, ...facts }) {
	const [isBusy, setBusy] = useState(false);
	async function submit() {
		// The button isn't disabled meanwhile, as it would lose the focus.
		if (isBusy) return;
		setBusy(true);
		await act();
		setBusy(false);
	}
	return html`
		<${Dialog} ...${facts}>
			<form ref=${formRef} onSubmit=${sent(submit)} novalidate>
				<div class="body">${children}</div>
				<footer>
					<button type="button" autofocus=${isDanger} onClick=${facts.onClose}>Cancel</button>
					<button class=${isDanger ? "danger" : "primary"} aria-busy=${isBusy}>${verb}</button>
				</footer>
			</form>
		<//>
	`;
}

/** Asks before something is done that can't be undone; `act` may throw a Problem. */
export function Confirm({ act, warning, children, ...facts }) {
	const [trying, trouble] = useAct();
	return html`
		<${FormDialog} ...${facts} act=${() => trying(act)} isDanger>
			${children}
			${warning && html`<p class="warning">${warning}</p>`}
			${trouble}
		<//>
	`;
}

export const Head = ({ level = "h1", title, children }) => html`<header class="head"><${level}>${title}<//><div class="actions">${children}</div></header>`;

export function Card({ title, actions, children }) {
	return html`
		<section class="card">
			<${Head} level="h2" title=${title}>${actions}<//>
			${children}
		</section>
	`;
}

export const sent = (act) => (event) => {
	event.preventDefault();
	act();
};

/** A button that copies text, also where the page has no secure context. */
export function Copy({ text, label = "Copy" }) {
	const [done, setDone] = useState(false);
	async function copy(event) {
		const button = event.currentTarget;
		try {
			await navigator.clipboard.writeText(text);
		} catch {
			const field = document.createElement("textarea");
			field.value = text;
			button.after(field);
			field.select();
			document.execCommand("copy");
			field.remove();
			button.focus();
		}
		setDone(true);
		setTimeout(setDone, 2000, false);
	}
	return html`
		<button onClick=${copy}>${label}</button>
		<span class="done" aria-live="polite">${done ? "Copied." : ""}</span>
	`;
}

export function NewKey({ apiKey, onClose, children }) {
	return html`
		<${Dialog} title="The new key" onClose=${onClose} onEscape=${() => {}} leave="Done">
			<p>Copy it now: lists never show it. Whoever has it acts as ${apiKey.user?.username ?? "the tenant"}.</p>
			<p class="token"><code>${apiKey.apiToken}</code></p>
			<p><${Copy} text=${apiKey.apiToken} /></p>
			${children}
		<//>
	`;
}

export const ZONE_NOTE = html`<span class="zone">Times in ${ZONE}</span>`;

let show = () => {};
/** Say in a corner of the page what has just been done. */
export const say = (text) => show(text);

export function Notes() {
	const [text, setText] = useState("");
	useEffect(() => {
		let timer;
		show = (given) => {
			setText(given);
			clearTimeout(timer);
			timer = setTimeout(setText, 5000, "");
		};
	}, []);
	return html`<div class="notes" aria-live="polite">${text && html`<p>${text}</p>`}</div>`;
}

/** What a page does: [act(work), what went wrong]. `act` answers whether it went well. */
export function useAct() {
	const [problem, setProblem] = useState(null);
	const act = (work) => Promise.resolve().then(work).then(() => setProblem(null) ?? true, setProblem);
	return [act, html`<${Trouble} problem=${problem} />`];
}

/** Data that a page loads; `key` says what for. `trouble`, to be shown, is what went wrong, or that it loads. */
export function useLoaded(load, key) {
	const [state, setState] = useState({ data: null, problem: null, isLoading: true });
	const [round, setRound] = useState(0);
	const session = useCurrent();
	useEffect(() => {
		let isWanted = true;
		setState((old) => ({ ...old, isLoading: true }));
		load().then(
			(data) => isWanted && setState({ data, problem: null, isLoading: false }),
			(problem) => isWanted && setState((old) => ({ data: old.data, problem, isLoading: false })),
		);
		return () => (isWanted = false);
	}, [key, round, session.key]);
	const reload = () => setRound((old) => old + 1);
	const trouble = state.problem ? html`<${Trouble} problem=${state.problem} again=${reload} />` : !state.data && LOADING;
	return { ...state, round, reload, trouble };
}

/** A page's dialog: [open(component, facts), what to show]. `onDone(made, facts)` hears that it has changed something. */
export function useDialog(onDone) {
	const session = useCurrent();
	const [dialog, setDialog] = useState(null);
	const close = () => setDialog(null);
	function done(made) {
		close();
		onDone(made, dialog.facts);
		session.refresh();
	}
	return [(component, facts) => setDialog({ component, facts }), dialog && html`<${dialog.component} ...${dialog.facts} onDone=${done} onClose=${close} />`];
}

/** A table beside which nothing is cut off, however narrow the dialog is. */
export const Comparison = ({ label, headings, children }) => html`
	<div class="scroll" tabindex="0" role="region" aria-label=${label}>
		<table>
			<thead><tr>${headings.map((text) => html`<th scope="col">${text}</th>`)}</tr></thead>
			<tbody>${children}</tbody>
		</table>
	</div>
`;

export function useEvery(milliseconds, act) {
	useEffect(() => {
		const timer = setInterval(act, milliseconds);
		return () => clearInterval(timer);
	}, []);
}

export function Switch({ label, choices, chosen, onChoose }) {
	return html`
		<div class="switch" role="group" aria-label=${label}>
			${choices.map(([value, text]) => html`<button aria-pressed=${value === chosen} onClick=${() => onChoose(value)}>${text}</button>`)}
		</div>
	`;
}

/** A field by itself or behind its label; its listeners get the text. */
export function Text({ label, type = "text", onInput, onChange, ...facts }) {
	const heard = (listener) => listener && ((event) => listener(event.currentTarget.value));
	const field = html`<input type=${type} autocomplete="off" spellcheck=${false} ...${facts} onInput=${heard(onInput)} onChange=${heard(onChange)} />`;
	return label ? html`<label class="filter">${label} ${field}</label>` : field;
}

/** A field for an instant: a day, or a day and its time, typed or taken from the calendar. */
export function When({ value, onText, ...facts }) {
	function pick({ currentTarget: calendar }) {
		if (calendar.value) onText([calendar.value, ...value.split(/[T ]/).slice(1)].join(" "));
		calendar.value = "";
	}
	return html`
		<span class="when-field">
			<input type="text" autocomplete="off" spellcheck=${false} placeholder="yyyy-mm-dd hh:mm" ...${facts} value=${value} onInput=${(event) => onText(event.currentTarget.value)} />
			<input type="date" tabindex="-1" aria-label="Calendar" title="Calendar" onChange=${pick} />
		</span>
	`;
}

/** An instant that narrows a list, as soon as it can be read. */
export function WhenFilter({ label, value, isEnd, onValue }) {
	const [typed, setTyped] = useState({ text: toField(value), value });
	function type(text) {
		try {
			const found = fromTyped(text, isEnd) ?? undefined;
			setTyped({ text, value: found });
			onValue(found);
		} catch {
			setTyped({ text, value });
		}
	}
	return html`<label class="filter">${label} <${When} size="16" title=${value} value=${typed.value === value ? typed.text : toField(value)} onText=${type} /></label>`;
}

export const Check = ({ checked, onCheck, children }) =>
	html`<label class="check"><input type="checkbox" checked=${checked} onChange=${(event) => onCheck(event.currentTarget.checked)} /> ${children}</label>`;

export function Filter({ label, options, any = "any", value = "", onValue }) {
	const id = useId();
	return html`
		<div class="filter">
			<label for=${id}>${label}</label>
			<select id=${id} onChange=${(event) => onValue(event.currentTarget.value)}>
				${(any ? ["", ...options] : options).map((option) => html`<option value=${option} selected=${value === option}>${option || any}</option>`)}
			</select>
		</div>
	`;
}

export { address, go };
