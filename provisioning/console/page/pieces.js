// Small pieces that every page uses.
import { address, go } from "./address.js";
import { useCurrent } from "./session.js";
import { html, useEffect, useId, useLayoutEffect, useRef, useState } from "./view.js";
import { dateAndTime, windowState, ZONE } from "./words.js";

/** An instant in the browser's zone, with the exact one in its title. */
export const Instant = ({ at, none = "—", as = dateAndTime }) => (at ? html`<time datetime=${at} title=${at}>${as(at)}</time>` : none);

export function State({ of }) {
	const state = windowState(of, useCurrent().now());
	return html`<span class=${`state ${state.split(" ")[0]}`}>${state}</span>`;
}

export const Chip = ({ children }) => html`<span class="chip">${children}</span>`;

/** A username leads to the user's page, and breaks before its @ if it must. */
export const UserLink = ({ name, none = "—" }) => (name ? html`<a href=${address(["users", name])}>${name.split(/(?=@)/).map((part) => html`${part}<wbr />`)}</a>` : none);

export function Trouble({ problem, again }) {
	if (!problem) return null;
	return html`
		<div class="trouble" role="alert">
			<p>${problem.detail ?? String(problem)}</p>
			${again && html`<button onClick=${again}>Try again</button>`}
		</div>
	`;
}

export const Empty = ({ title, children }) => html`<div class="empty"><p class="lead">${title}</p>${children}</div>`;

/**
 * A modal dialog: the browser keeps the focus in it, and gives it back. At a second Escape it closes
 * the dialog whatever `onEscape` does. `leave` is on its button, where it has only one.
 */
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
		<dialog
			ref=${ref}
			aria-labelledby=${id}
			class=${wide ? "wide" : ""}
			onCancel=${(event) => {
				event.preventDefault();
				(onEscape ?? onClose)();
			}}
			onClose=${() => ref.current?.isConnected && onClose()}
		>
			<h2 id=${id}>${title}</h2>
			${children}
			${leave && html`<footer><button class="primary" onClick=${onClose}>${leave}</button></footer>`}
		</dialog>
	`;
}

/** A dialog that does something, or is left by Cancel, where the focus is if there is a danger. */
export function FormDialog({ formRef, act, verb, isDanger, children, ...facts }) {
	const [isBusy, setBusy] = useState(false);
	async function submit() {
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
					<button class=${isDanger ? "danger" : "primary"} disabled=${isBusy}>${verb}</button>
				</footer>
			</form>
		<//>
	`;
}

/** Asks before something is done that can't be undone; `act` may throw a Problem. */
export function Confirm({ act, warning, children, ...facts }) {
	const [problem, setProblem] = useState(null);
	return html`
		<${FormDialog} ...${facts} act=${() => act().catch(setProblem)} isDanger>
			${children}
			${warning && html`<p class="warning">${warning}</p>`}
			<${Trouble} problem=${problem} />
		<//>
	`;
}

/** The title of a page or of a part of one, with what can be done there beside it. */
export const Head = ({ level = "h1", title, children }) => html`<header class="head"><${level}>${title}<//><div class="actions">${children}</div></header>`;

export function Card({ title, actions, children }) {
	return html`
		<section class="card">
			<${Head} level="h2" title=${title}>${actions}<//>
			${children}
		</section>
	`;
}

/** What a form does when it is sent; the page stays. */
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
		setTimeout(() => setDone(false), 2000);
	}
	return html`
		<button onClick=${copy}>${label}</button>
		<span class="done" aria-live="polite">${done ? "Copied." : ""}</span>
	`;
}

/** A new key, which is shown this once. */
export function NewKey({ apiKey, onClose, children }) {
	return html`
		<${Dialog} title="The new key" onClose=${onClose} onEscape=${() => {}} leave="Done">
			<div class="body">
				<p>Copy it now: lists never show it. Whoever has it acts as ${apiKey.user?.username ?? "the tenant"}.</p>
				<p class="token"><code>${apiKey.apiToken}</code></p>
				<p><${Copy} text=${apiKey.apiToken} /></p>
				${children}
			</div>
		<//>
	`;
}

export const Zone = () => html`<span class="zone">Times in ${ZONE}</span>`;

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
			timer = setTimeout(() => setText(""), 5000);
		};
		return () => clearTimeout(timer);
	}, []);
	return html`<div class="notes" aria-live="polite">${text && html`<p>${text}</p>`}</div>`;
}

/** Data that a page loads; `key` says what for. Answers {data, problem, isLoading, reload}. */
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
		return () => {
			isWanted = false;
		};
	}, [key, round, session.key]);
	return { ...state, reload: () => setRound((old) => old + 1) };
}

/**
 * The dialog that is open on a page: [open(component, facts), what to show]. `onDone(made, facts)` hears
 * that it has changed something, maybe one's own rights, too.
 */
export function useDialog(onDone) {
	const session = useCurrent();
	const [dialog, setDialog] = useState(null);
	const close = () => setDialog(null);
	function done(made) {
		close();
		onDone(made, dialog.facts);
		session.refresh();
	}
	return [
		(component, facts) => setDialog({ component, facts }),
		dialog && html`<${dialog.component} ...${dialog.facts} onDone=${done} onClose=${close} />`,
	];
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

/** Does something regularly while a page is open. */
export function useEvery(milliseconds, act) {
	useEffect(() => {
		const timer = setInterval(act, milliseconds);
		return () => clearInterval(timer);
	}, []);
}

/** Links that show the same thing in another way. */
export function Switch({ label, choices, chosen, onChoose }) {
	return html`
		<div class="switch" role="group" aria-label=${label}>
			${choices.map(
				([value, text]) => html`
					<button aria-pressed=${value === chosen} onClick=${() => onChoose(value)}>${text}</button>
				`,
			)}
		</div>
	`;
}

/** A field by itself or behind its label; its listeners get the text. */
export function Text({ label, type = "text", onInput, onChange, ...facts }) {
	const heard = (listener) => listener && ((event) => listener(event.currentTarget.value));
	const field = html`<input type=${type} autocomplete="off" spellcheck=${false} ...${facts} onInput=${heard(onInput)} onChange=${heard(onChange)} />`;
	return label ? html`<label class="filter">${label} ${field}</label>` : field;
}

export const Check = ({ checked, onCheck, children }) =>
	html`<label class="check"><input type="checkbox" checked=${checked} onChange=${(event) => onCheck(event.currentTarget.checked)} /> ${children}</label>`;

/** A choice that narrows a list; "" for any. */
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
